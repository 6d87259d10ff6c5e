//! Who is measured. Each peer's command lines are in one file of its own.

pub(crate) mod bond;
mod rist;
mod srt;
pub(crate) mod srtla;

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use bondbox_linksim::model::Family;
use serde::Serialize;

use crate::process::Program;
use srtla::Srtla;

/// A way to bring a stream of datagrams from one namespace to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Peer {
    /// `bondbox-uplink` and `bondbox-gateway`.
    Bond,
    /// `srt-live-transmit` twice, encrypted as the bond is.
    Srt,
    /// `ristsender` and `ristreceiver`.
    Rist,
    /// `srtla_send` and `srtla_rec` around SRT.
    Srtla,
}

/// What a peer is asked to do.
pub(crate) struct Task {
    /// Its own folder, for keys and sockets.
    pub(crate) folder: PathBuf,
    /// The links it may use; a peer that knows only one takes the first.
    pub(crate) links: Vec<UnitLink>,
    /// From the source to the sink.
    pub(crate) budget: Duration,
    /// Where srtla is, when it is there.
    pub(crate) srtla: Option<Srtla>,
}

/// A link as the unit sees it.
pub(crate) struct UnitLink {
    pub(crate) name: String,
    /// Of IPv4, which peers use.
    pub(crate) address: Ipv4Addr,
    /// The gateway's on this link.
    pub(crate) far_address: Ipv4Addr,
    /// What it has addresses of.
    pub(crate) families: Vec<Family>,
    /// From the unit, when nothing happens to it.
    pub(crate) rate_kbps: u64,
    /// Without load.
    pub(crate) round_trip: Duration,
}

/// The processes of both ends: the unit's take datagrams at [`INGEST_PORT`], the gateway's give them to
/// [`DELIVER_PORT`], both of their loopback.
pub(crate) struct Ends {
    pub(crate) unit: Vec<Program>,
    pub(crate) gateway: Vec<Program>,
}

impl Peer {
    /// As tables call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bond => "bond",
            Self::Srt => "srt",
            Self::Rist => "rist",
            Self::Srtla => "srtla",
        }
    }

    /// What a reader of its figures has to know.
    pub(crate) fn note(self) -> Option<&'static str> {
        match self {
            Self::Bond => None,
            Self::Srt => Some(srt::NOTE),
            Self::Rist => Some(rist::NOTE),
            Self::Srtla => Some(srtla::NOTE),
        }
    }

    /// Which build of it is measured.
    pub(crate) fn version(self, srtla: Option<&Srtla>) -> anyhow::Result<String> {
        match self {
            Self::Bond => bond::version(),
            Self::Srt => srt::version(),
            Self::Rist => rist::version(),
            Self::Srtla => srtla::version(srtla.context("no paths of srtla")?),
        }
    }

    /// Makes what the task needs, and says what to start.
    pub(crate) fn ends(self, task: &Task) -> anyhow::Result<Ends> {
        match self {
            Self::Bond => bond::ends(task),
            Self::Srt => srt::ends(task),
            Self::Rist => rist::ends(task),
            Self::Srtla => srtla::ends(task),
        }
    }
}

/// Where the source sends to.
pub(crate) const INGEST_PORT: u16 = 9_000;
/// Where the sink listens.
pub(crate) const DELIVER_PORT: u16 = 9_001;
