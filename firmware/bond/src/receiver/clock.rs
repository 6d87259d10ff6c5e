//! The sender's clock on the receiver's.
//!
//! The sender says how they map: it alone knows when each packet left *and* arrived, over every link, and how long round
//! trips take (`sender::clock` draws the line). What is done here is to follow that line without a step, and to go on along
//! it while nothing is heard.

use std::time::Duration;

use bondbox_units::Instant;
use bondbox_wire::expand_micros;
use bondbox_wire::frame::Clock;

/// Maps instants of the sender to ours. Slews, and jumps only in the beginning.
#[derive(Debug)]
pub(crate) struct ClockMap {
    /// The sender's last word.
    said: Clock,
    /// How far we are from it, in microseconds.
    behind: i64,
    slewed: Instant,
    /// No unit is out before this, so no step is seen; `None` until the sender's first word.
    settled_at: Option<Instant>,
}

impl ClockMap {
    /// `first` is a guess.
    pub(crate) const fn new(now: Instant, first: Clock) -> Self {
        Self { said: first, behind: 0, slewed: now, settled_at: None }
    }

    /// A better guess, as long as the sender has said nothing.
    pub(crate) fn guess(&mut self, clock: Clock) {
        if self.settled_at.is_none() {
            self.said = clock;
        }
    }

    /// The sender's word. One that was overtaken by a later one says nothing new.
    pub(crate) fn on_clock(&mut self, now: Instant, clock: Clock) {
        let settled_at = match self.settled_at {
            Some(_) if clock.sender < self.said.sender => return,
            Some(settled_at) => settled_at,
            None => *self.settled_at.insert(now + SETTLE),
        };
        let before = self.offset(now);
        self.said = Clock { drift_ppb: clock.drift_ppb.clamp(-MAX_DRIFT_PPB, MAX_DRIFT_PPB), ..clock };
        self.behind = before.saturating_sub(offset(&self.said, now));
        if now < settled_at || self.behind.unsigned_abs() > JUMP {
            self.behind = 0;
        }
    }

    /// Moves towards the sender's word by at most 1 ms a second.
    pub(crate) fn slew(&mut self, now: Instant) {
        let step = ((now - self.slewed).as_micros() / SLEW) as i64;
        if step > 0 {
            self.behind -= self.behind.clamp(-step, step);
            self.slewed = now;
        }
    }

    /// An instant of the sender's clock, from its low 32 bits, on ours.
    pub(crate) fn map(&self, now: Instant, sender_low: u32) -> Instant {
        let offset = self.offset(now);
        expand_micros(sender_low, now.offset_micros(offset.saturating_neg())).offset_micros(offset)
    }

    /// Our clock less the sender's, in microseconds.
    fn offset(&self, now: Instant) -> i64 {
        offset(&self.said, now).saturating_add(self.behind)
    }
}

fn offset(said: &Clock, now: Instant) -> i64 {
    let since = now.micros_since(said.receiver).clamp(-FORESIGHT, FORESIGHT);
    said.receiver.micros_since(said.sender).saturating_add(since * said.drift_ppb / 1_000_000_000)
}

/// The sender draws its line freely for so long.
const SETTLE: Duration = Duration::from_millis(1_500);
/// Microseconds that pass while the map moves by one.
const SLEW: u128 = 1_000;
/// No clock drifts so far: the sender has started its clock anew.
const JUMP: u64 = 1_000_000;
/// Quartz is ten times better; what claims to be worse is none. A little above the worst, as the sender measures it.
const MAX_DRIFT_PPB: i64 = 600_000;
/// Microseconds for which a line is believed to go on: a session ends after a minute of silence.
const FORESIGHT: i64 = 120_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(at_ms: u64, offset: i64) -> Clock {
        let sender = Instant::from_millis(50_000 + at_ms);
        Clock { sender, receiver: sender.offset_micros(offset), drift_ppb: 0 }
    }

    #[test]
    fn jumps_while_settling_and_then_slews_a_millisecond_a_second() {
        let mut map = ClockMap::new(Instant::ZERO, clock(0, 1_000));
        map.on_clock(Instant::from_millis(500), clock(500, -20_000));
        assert_eq!(map.map(Instant::ZERO + Duration::from_secs(50), 50_000_000), Instant::from_micros(49_980_000));
        map.slew(Instant::from_millis(3_000));
        map.on_clock(Instant::from_millis(3_000), clock(3_000, -10_000));
        map.slew(Instant::from_millis(5_000));
        assert_eq!(map.offset(Instant::from_millis(5_000)), -18_000);
        map.slew(Instant::from_millis(60_000));
        assert_eq!(map.offset(Instant::from_millis(60_000)), -10_000);
    }

    #[test]
    fn the_line_goes_on_in_the_dark_and_a_word_that_comes_late_changes_nothing() {
        let start = Clock { sender: Instant::ZERO, receiver: Instant::from_millis(7), drift_ppb: 100_000 };
        let mut map = ClockMap::new(Instant::ZERO, start);
        map.on_clock(Instant::from_millis(7), start);
        assert_eq!(map.offset(Instant::from_millis(60_007)), 7_000 + 6_000);
        map.on_clock(Instant::from_millis(2_000), clock(0, 7_000));
        let before = map.offset(Instant::from_millis(2_000));
        map.on_clock(Instant::from_millis(2_000), Clock { sender: Instant::from_millis(1), ..clock(0, 900_000) });
        assert_eq!(map.offset(Instant::from_millis(2_000)), before);
    }

    #[test]
    fn no_word_however_absurd_breaks_the_map() {
        let far = Instant::from_micros((1 << 62) - 1);
        let mut map = ClockMap::new(Instant::ZERO, clock(0, 0));
        for (sender, receiver, drift_ppb) in
            [(Instant::ZERO, far, i64::MAX), (far, Instant::ZERO, i64::MIN), (far, far, 1), (far, Instant::ZERO, 0)]
        {
            map.on_clock(Instant::from_millis(5_000), Clock { sender, receiver, drift_ppb });
            map.slew(Instant::from_millis(9_000));
            let _ = map.map(Instant::from_millis(9_000), u32::MAX);
        }
    }
}
