//! The unit's end: puts return tracks together, says what has come, and lets each unit out at its time.

use std::time::Duration;

use bondbox_units::{Instant, TrackId};
use bondbox_wire::Writer;
use bondbox_wire::frame::{Clock, Frame, Media, UnitsAck};

use crate::receiver::{Delivered, OutOfBounds, OutputId, Outputs, Receiver, TrackCounters};

/// Of one session.
#[derive(Debug)]
pub(crate) struct ReturnReceiver {
    receiver: Receiver,
    /// When what has come is to be told.
    tell_at: Option<Instant>,
    clock_at: Instant,
}

impl ReturnReceiver {
    /// Units are put out `latency` after the gateway took them in. `offset` is the gateway's clock less ours, in microseconds.
    pub(crate) fn new(now: Instant, latency: Duration, offset: i64, drift_ppb: i64) -> Self {
        let clock = clock(now, offset, drift_ppb);
        let receiver = Receiver::new(now, latency, &Outputs::default(), clock).holding(MAX_HELD);
        Self { receiver, tell_at: None, clock_at: now }
    }

    /// How the clocks run now.
    pub(crate) fn on_clock(&mut self, now: Instant, offset: i64, drift_ppb: i64) {
        if now >= self.clock_at {
            self.clock_at = now + CLOCK_INTERVAL;
            self.receiver.on_clock(now, clock(now, offset, drift_ppb));
        }
    }

    /// Takes in bytes of a unit.
    pub(crate) fn on_media(&mut self, now: Instant, media: &Media<'_>) -> Result<(), OutOfBounds> {
        self.receiver.on_media(now, media)?;
        self.tell_at.get_or_insert(now + TELL_AFTER);
        Ok(())
    }

    /// The next unit that is due.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Delivered> {
        let mut turn = usize::MAX;
        self.receiver.poll(now, &mut turn).map(|(_, unit)| unit)
    }

    /// When to poll, or to tell.
    pub(crate) fn deadline(&self, now: Instant) -> Option<Instant> {
        [self.receiver.deadline(now), self.tell_at].into_iter().flatten().min()
    }

    /// Whether something is to be told.
    pub(crate) fn has_news(&self, now: Instant) -> bool {
        self.tell_at.is_some_and(|at| at <= now)
    }

    /// Says of all tracks what has come.
    pub(crate) fn tell(&mut self, writer: &mut Writer<'_>) {
        self.tell_at = None;
        for (track, next, before) in self.receiver.whole() {
            let _ = Frame::UnitsAck(UnitsAck { track, next, before }).encode(writer);
        }
    }

    /// What became of each track's units.
    pub(crate) fn counters(&self) -> impl Iterator<Item = (TrackId, TrackCounters)> {
        self.receiver.counters(OutputId::LIVE)
    }

    /// Bytes held.
    #[cfg(test)]
    pub(crate) const fn held(&self) -> usize {
        self.receiver.held()
    }
}

/// On a return track the gateway is the one that sends.
fn clock(now: Instant, offset: i64, drift_ppb: i64) -> Clock {
    Clock { sender: now.offset_micros(offset), receiver: now, drift_ppb: -drift_ppb }
}

/// What comes together is told together; 50 units of sound a second are told one by one.
const TELL_AFTER: Duration = Duration::from_millis(5);
/// As often as the gateway is told.
const CLOCK_INTERVAL: Duration = Duration::from_millis(200);
/// Four seconds of all that a gateway may send.
const MAX_HELD: usize = 1 << 20;
