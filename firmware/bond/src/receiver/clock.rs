//! The sender's clock on the receiver's.

use std::time::Duration;

use bondbox_units::Instant;
use bondbox_wire::expand_micros;
use bondbox_wire::frame::Clock;

/// Maps instants of the sender to ours. Slews, and jumps only in the beginning.
#[derive(Debug)]
pub(crate) struct ClockMap {
    /// Ours less the sender's, in microseconds: now, and where it goes.
    offset: i64,
    wanted: i64,
    slewed: Instant,
    settled_at: Instant,
}

impl ClockMap {
    pub(crate) fn new(now: Instant, first: Clock) -> Self {
        let offset = first.receiver.micros_since(first.sender);
        Self { offset, wanted: offset, slewed: now, settled_at: now + SETTLE }
    }

    /// The sender's word.
    pub(crate) fn on_clock(&mut self, now: Instant, clock: Clock) {
        self.wanted = clock.receiver.micros_since(clock.sender);
        if now < self.settled_at || self.wanted.abs_diff(self.offset) > JUMP {
            self.offset = self.wanted;
        }
    }

    /// Moves towards the sender's word by at most 1 ms a second.
    pub(crate) fn slew(&mut self, now: Instant) {
        let step = ((now - self.slewed).as_micros() / SLEW) as i64;
        if step > 0 {
            self.offset += (self.wanted - self.offset).clamp(-step, step);
            self.slewed = now;
        }
    }

    /// An instant of the sender's clock, from its low 32 bits, on ours.
    pub(crate) fn map(&self, now: Instant, sender_low: u32) -> Instant {
        expand_micros(sender_low, now.offset_micros(self.offset.saturating_neg())).offset_micros(self.offset)
    }
}

/// No unit is out yet, so no step is seen.
const SETTLE: Duration = Duration::from_millis(1_000);
/// Microseconds that pass while the map moves by one.
const SLEW: u128 = 1_000;
/// No clock drifts so far: the sender has started its clock anew.
const JUMP: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(offset: i64) -> Clock {
        let sender = Instant::from_millis(50_000);
        Clock { sender, receiver: sender.offset_micros(offset) }
    }

    #[test]
    fn jumps_while_settling_and_then_slews_a_millisecond_a_second() {
        let mut map = ClockMap::new(Instant::ZERO, clock(1_000));
        map.on_clock(Instant::from_millis(500), clock(-20_000));
        assert_eq!(map.map(Instant::ZERO + Duration::from_secs(50), 50_000_000), Instant::from_micros(49_980_000));
        map.slew(Instant::from_millis(2_000));
        map.on_clock(Instant::from_millis(2_000), clock(-10_000));
        map.slew(Instant::from_millis(4_000));
        assert_eq!(map.offset, -18_000);
        map.slew(Instant::from_millis(60_000));
        assert_eq!(map.offset, -10_000);
    }
}
