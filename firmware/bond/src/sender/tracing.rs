//! What of a sender's doings goes into its trace.

use std::time::Duration;

use bondbox_units::Instant;

use super::store::Store;
use super::{Sender, SenderEvent, Transmit};
use crate::trace::{Trace, TraceEvent, TracedPath, Why};

impl Sender {
    /// What happened here lately.
    pub const fn trace(&self) -> &Trace {
        &self.trace
    }

    pub(super) fn trace_sent(&mut self, now: Instant, sent: Transmit) {
        let path = self.session.as_ref().and_then(|session| session.paths.get(&sent.link));
        if let Some((path, pn)) = path.and_then(|path| Some((path, path.next_pn().checked_sub(1)?))) {
            self.trace.record(now, &TraceEvent::Sent { path: path.id, pn: pn as u32, size: sent.len as u16 });
        }
    }

    pub(super) fn trace_event(&mut self, event: &SenderEvent) {
        let traced = match event {
            SenderEvent::SessionOpened { latency } => {
                let session = self.session.as_ref().map_or(0, |session| session.index);
                self.trace.record_then(&TraceEvent::SessionOpened { session, latency: *latency });
                return self.trace_paths();
            }
            SenderEvent::SessionDark => TraceEvent::Dark,
            SenderEvent::SessionBack => TraceEvent::Back,
            SenderEvent::HandshakeFailed(_) => TraceEvent::HandshakeFailed,
            SenderEvent::TargetBitrate(rate) => TraceEvent::Target { rate: *rate },
            SenderEvent::KeyframeWanted(track) => TraceEvent::KeyframeWanted { track: *track },
            SenderEvent::LinkChanged { link, state } => {
                self.trace_paths();
                TraceEvent::Health { link: *link, state: *state }
            }
            SenderEvent::Paired { .. }
            | SenderEvent::LatencyChanged { .. }
            | SenderEvent::LinkLeft(_)
            | SenderEvent::Channel(_)
            | SenderEvent::Unit(_) => return,
        };
        self.trace.record_then(&traced);
    }

    /// Paths that the trace does not know yet.
    fn trace_paths(&mut self) {
        let Some(session) = &self.session else { return };
        for (link, path) in &session.paths {
            if self.trace.knows(session.index, path.id) {
                continue;
            }
            let name = self.links.get(link).map(|link| link.name.to_string()).unwrap_or_default();
            let path = TracedPath { session: session.index, path: path.id, link: *link, name };
            self.trace.open_path(self.trace.now(), path);
        }
    }

    /// Figures that change with every packet, now and then.
    pub(super) fn sample(&mut self, now: Instant) {
        let Some(session) = &self.session else { return };
        if now - self.sampled < SAMPLE_INTERVAL {
            return;
        }
        self.sampled = now;
        for path in session.paths.values().filter(|path| path.peer_index.is_some()) {
            let sample = TraceEvent::Path {
                path: path.id,
                capacity: path.capacity.estimate(now),
                pace: path.pace(now),
                rtt: path.round_trip(),
                base_us: path.delay.base().unwrap_or(0),
                queue: path.delay.standing(),
                in_flight: path.in_flight(),
            };
            self.trace.record(now, &sample);
        }
        let stream = TraceEvent::Stream {
            target: self.encoder.target(),
            actual: self.produced.rate(now),
            backlog: self.store.backlog(),
            units: self.units_in,
        };
        self.trace.record(now, &stream);
    }
}

/// Units that the store gave up for the live output since `before`, which it counted then.
pub(super) fn trace_shed(trace: &mut Trace, store: &Store, before: u64, why: Why) {
    let units = store.missed_live - before;
    if units > 0 {
        trace.record_then(&TraceEvent::Shed { units: units as u32, why });
    }
}

/// A hundredth of what packets take.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);
