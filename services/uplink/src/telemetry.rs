//! What the gateway is told of the unit beside its links: a small JSON object every few seconds.
//!
//! Fields are only ever added, and `version` tells readers when one comes to mean something else.

use std::time::Duration;

use bondbox_bond::Sender;
use bondbox_bond::channel::{Channel, ChannelEvent};
use bondbox_ipc::capture::{Picture, State};
use bondbox_units::Instant;
use serde::Serialize;

/// Tells it now and then.
pub(crate) struct Telemetry {
    started: Instant,
    next: Instant,
}

#[derive(Serialize)]
struct Status<'a> {
    version: u32,
    build: &'a str,
    uptime_s: u64,
    /// Without a capture service there is none to speak of.
    #[serde(skip_serializing_if = "Option::is_none")]
    capture: Option<Capture<'a>>,
}

#[derive(Serialize)]
struct Capture<'a> {
    source: &'a str,
    picture: &'static str,
    encoder: &'a str,
    target_bps: u64,
    actual_bps: u64,
    source_lost: u64,
    restarts: u64,
}

impl Telemetry {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { started: now, next: now }
    }

    /// Tells it when it is time. What nobody took by the next time is old, and given up.
    pub(crate) fn tell(&mut self, now: Instant, capture: Option<&State>, sender: &mut Sender) {
        if now < self.next {
            return;
        }
        self.next = now + INTERVAL;
        let status = Status {
            version: 1,
            build: env!("CARGO_PKG_VERSION"),
            uptime_s: (now - self.started).as_secs(),
            capture: capture.map(shown),
        };
        let Ok(body) = serde_json::to_vec(&status) else { return };
        if let Err(refused) = sender.send_message(now, Channel::Telemetry, body.into(), INTERVAL) {
            tracing::debug!(%refused, "no word of the unit");
        }
    }
}

/// Nobody sends commands to the bond itself yet: one that comes is of a newer gateway.
pub(crate) fn event(event: &ChannelEvent) {
    match event {
        ChannelEvent::Message { channel, id, body } => {
            tracing::info!(?channel, id = id.0, bytes = body.len(), "a message that this build does not know");
        }
        ChannelEvent::Done { channel, id, fate } => tracing::trace!(?channel, id = id.0, ?fate, "message"),
    }
}

fn shown(state: &State) -> Capture<'_> {
    Capture {
        source: &state.source,
        picture: match state.picture {
            Picture::Stopped => "stopped",
            Picture::Starting => "starting",
            Picture::Live => "live",
            Picture::Slate => "slate",
        },
        encoder: &state.encoder,
        target_bps: state.target.as_bps(),
        actual_bps: state.actual.as_bps(),
        source_lost: state.counters.source_lost,
        restarts: state.counters.restarts,
    }
}

/// Often enough for people, for 0.5 kbit/s.
const INTERVAL: Duration = Duration::from_secs(3);
