//! What the sender shows of itself.

use std::time::Duration;

use bondbox_units::{Bitrate, Instant, LinkId, TrackId};
use bondbox_wire::frame::{LinkReport, LinkState};

use super::Sender;
use super::link::{Link, LinkName};
use super::liveness::Health;
use super::path::Path;
use crate::receiver::TrackCounters;

/// The session with the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// No gateway has answered yet.
    Connecting,
    /// Media flows.
    Open,
    /// Nothing was acknowledged on any link for a second.
    Dark,
}

/// The sender now.
#[derive(Clone, Debug)]
pub struct SenderStatus {
    /// The session.
    pub session: SessionState,
    /// What the encoder may produce.
    pub target: Bitrate,
    /// What units brought over the last second.
    pub actual: Bitrate,
    /// First copies waiting, in bytes.
    pub backlog: u64,
    /// All links.
    pub links: Vec<LinkStatus>,
    /// Units pushed.
    pub units_in: u64,
    /// Units that the gateway has in full.
    pub units_acknowledged: u64,
    /// Units given up, for all outputs.
    pub units_expired: u64,
    /// Units given up for the live output; some of them may be in time for one that waits longer.
    pub units_missed_live: u64,
    /// From ingest to the gateway's live output.
    pub latency: Duration,
    /// Units that are neither: pushed = acknowledged + expired + waiting.
    pub units_waiting: u64,
    /// Sessions opened.
    pub sessions: u64,
    /// What became of the units of return tracks in this session.
    pub returned: Vec<(TrackId, TrackCounters)>,
}

/// One link now.
#[derive(Clone, Debug)]
pub struct LinkStatus {
    /// Its id.
    pub link: LinkId,
    /// Its name.
    pub name: LinkName,
    /// Whether it carries media.
    pub state: LinkState,
    /// Delivered over the last second, headers included.
    pub rate: Bitrate,
    /// Delivered at most, as proven.
    pub capacity: Bitrate,
    /// Round trip without queue.
    pub rtt: Duration,
    /// One way with queue, as far as the clocks' map tells.
    pub delay: Duration,
    /// Standing queue.
    pub queue: Duration,
    /// By how much the delay differs from packet to packet (RFC 3550 6.4.1).
    pub jitter: Duration,
    /// Share of bytes of the last 2 s that were lost.
    pub loss: f64,
    /// Datagrams sent.
    pub packets_sent: u64,
    /// Datagrams acknowledged.
    pub packets_delivered: u64,
    /// Datagrams lost.
    pub packets_lost: u64,
    /// Datagram bytes sent.
    pub bytes_sent: u64,
    /// Media bytes sent for the second time.
    pub bytes_repaired: u64,
}

impl Sender {
    /// What the sender is doing now.
    pub fn status(&self, now: Instant) -> SenderStatus {
        SenderStatus {
            session: match &self.session {
                None => SessionState::Connecting,
                Some(_) if self.dark => SessionState::Dark,
                Some(_) => SessionState::Open,
            },
            target: self.encoder.target(),
            actual: self.produced.rate(now),
            backlog: self.store.backlog(),
            links: self.links.iter().map(|(id, link)| self.link_status(now, *id, link)).collect(),
            units_in: self.units_in,
            units_acknowledged: self.store.acknowledged,
            units_expired: self.store.expired,
            units_missed_live: self.store.missed_live,
            latency: self.latency(),
            units_waiting: self.store.len() as u64,
            sessions: self.sessions,
            returned: self.returned_counters(),
        }
    }

    pub(super) fn link_status(&self, now: Instant, id: LinkId, link: &Link) -> LinkStatus {
        let path = self.session.as_ref().and_then(|session| session.paths.get(&id));
        let one_way =
            |relative| self.session.as_ref().map(|session| session.one_way(now, relative)).unwrap_or_default();
        let of = |get: &dyn Fn(&Path) -> Duration| path.map(get).unwrap_or_default();
        LinkStatus {
            link: id,
            name: link.name.clone(),
            state: state(path),
            rate: path.map(|path| path.delivered_rate(now)).unwrap_or_default(),
            capacity: path.map(|path| path.capacity.estimate(now)).unwrap_or_default(),
            rtt: of(&Path::round_trip),
            delay: of(&|path| one_way(path.expected_delay(now))),
            queue: of(&|path| path.delay.standing()),
            jitter: of(&|path| path.delay.jitter()),
            loss: path.map_or(0.0, |path| path.loss(now)),
            packets_sent: link.packets_sent,
            packets_delivered: link.packets_delivered,
            packets_lost: link.packets_lost,
            bytes_sent: link.bytes_sent,
            bytes_repaired: link.bytes_repaired,
        }
    }
}

impl LinkStatus {
    pub(super) fn report(&self, path: u32) -> LinkReport<'_> {
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        LinkReport {
            path,
            link: self.link,
            state: self.state,
            rate_bps: self.rate.as_bps(),
            capacity_bps: self.capacity.as_bps(),
            rtt_us: micros(self.rtt),
            delay_us: micros(self.delay),
            queue_us: micros(self.queue),
            loss_ppm: (self.loss * 1e6) as u64,
            packets_sent: self.packets_sent,
            packets_lost: self.packets_lost,
            bytes_repaired: self.bytes_repaired,
            name: &self.name,
        }
    }
}

pub(super) fn state(path: Option<&Path>) -> LinkState {
    match path {
        Some(path) if path.peer_index.is_some() => match path.liveness.health() {
            Health::Up => LinkState::Up,
            Health::Suspect => LinkState::Suspect,
            Health::Silent => LinkState::Silent,
        },
        _ => LinkState::Joining,
    }
}
