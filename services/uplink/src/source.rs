//! Where units come from.

mod capture;
mod ingest;
mod steering;

use bondbox_bond::Sender;
use bondbox_daemon::bond::watch::Watch;
use bondbox_daemon::ipc::Commander;
use bondbox_ipc::capture as protocol;
use bondbox_units::{Bitrate, Instant, TrackId};

use crate::settings::Settings;
use capture::Capture;
use ingest::Ingest;

/// One of the two.
pub(crate) enum Source {
    Ingest(Box<Ingest>),
    Capture(Box<Capture>),
}

impl Source {
    /// Opens what the settings name. Where that is a socket, it is watched under [`Source::NUMBER`].
    ///
    /// # Errors
    /// When the ingest socket cannot be bound; the capture service is waited for.
    pub(crate) fn open(
        settings: &Settings,
        run_dir: &std::path::Path,
        sender: &mut Sender,
        watch: &Watch,
    ) -> anyhow::Result<Self> {
        Ok(match settings.ingest() {
            Some(address) => Self::Ingest(Box::new(Ingest::open(address, sender, watch, Self::NUMBER)?)),
            None => Self::Capture(Box::new(Capture::connect(run_dir))),
        })
    }

    /// No link has it.
    pub(crate) const NUMBER: u64 = u64::MAX;

    /// Waits for what the capture service says. May be dropped halfway.
    pub(crate) async fn event(&mut self) -> capture::Event {
        match self {
            Self::Ingest(_) => std::future::pending().await,
            Self::Capture(capture) => capture.event().await,
        }
    }

    /// Gives the engine what the capture service said.
    pub(crate) fn handle(&mut self, now: Instant, event: capture::Event, sender: &mut Sender) {
        if let Self::Capture(capture) = self {
            capture.handle(now, event, sender);
        }
    }

    /// Gives the engine the datagrams that came. How many these were, and whether more may wait.
    ///
    /// # Errors
    /// When the ingest socket is broken.
    pub(crate) fn feed(&mut self, sender: &mut Sender) -> std::io::Result<(u32, bool)> {
        match self {
            Self::Ingest(ingest) => ingest.feed(sender),
            Self::Capture(_) => Ok((0, false)),
        }
    }

    /// The engine says what the encoder may produce.
    pub(crate) fn set_target(&self, target: Bitrate) {
        if let Self::Capture(capture) = self {
            capture.set_target(target);
        }
    }

    /// What the capture service last said of itself, while it is there.
    pub(crate) fn capture_state(&self) -> Option<&protocol::State> {
        match self {
            Self::Ingest(_) => None,
            Self::Capture(capture) => capture.state(),
        }
    }

    /// Has the capture service do things, where units come from there.
    pub(crate) fn commander(&self) -> Option<Commander<protocol::Capture>> {
        match self {
            Self::Ingest(_) => None,
            Self::Capture(capture) => Some(capture.commander()),
        }
    }

    /// The gateway needs a keyframe.
    pub(crate) fn force_keyframe(&self, _track: TrackId) {
        if let Self::Capture(capture) = self {
            capture.force_keyframe();
        }
    }

    /// Where datagrams come in.
    pub(crate) fn local_address(&self) -> Option<std::net::SocketAddr> {
        match self {
            Self::Ingest(ingest) => Some(ingest.address()),
            Self::Capture(_) => None,
        }
    }
}
