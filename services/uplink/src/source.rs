//! Where units come from.

mod capture;
mod ingest;
mod steering;

use bondbox_bond::Sender;
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
    /// Opens what the settings name.
    ///
    /// # Errors
    /// When the ingest socket cannot be bound; the capture service is waited for.
    pub(crate) fn open(settings: &Settings, run_dir: &std::path::Path, sender: &mut Sender) -> anyhow::Result<Self> {
        Ok(match settings.ingest() {
            Some(address) => Self::Ingest(Box::new(Ingest::open(address, sender)?)),
            None => Self::Capture(Box::new(Capture::connect(run_dir))),
        })
    }

    /// Waits for units and hands them to the engine. May be dropped halfway.
    pub(crate) async fn ready(&mut self) -> std::io::Result<Ready> {
        match self {
            Self::Ingest(ingest) => ingest.readable().await.map(|()| Ready::Datagrams),
            Self::Capture(capture) => Ok(Ready::Capture(Box::new(capture.event().await))),
        }
    }

    /// Gives the engine what came.
    ///
    /// # Errors
    /// When the ingest socket is broken.
    pub(crate) fn feed(&mut self, now: Instant, ready: Ready, sender: &mut Sender) -> std::io::Result<()> {
        match (self, ready) {
            (Self::Ingest(ingest), Ready::Datagrams) => ingest.feed(now, sender)?,
            (Self::Capture(capture), Ready::Capture(event)) => capture.handle(now, *event, sender),
            (Self::Ingest(_), Ready::Capture(_)) | (Self::Capture(_), Ready::Datagrams) => {}
        }
        Ok(())
    }

    /// The engine says what the encoder may produce.
    pub(crate) fn set_target(&self, target: Bitrate) {
        if let Self::Capture(capture) = self {
            capture.set_target(target);
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

/// What came from a source.
pub(crate) enum Ready {
    Datagrams,
    Capture(Box<capture::Event>),
}
