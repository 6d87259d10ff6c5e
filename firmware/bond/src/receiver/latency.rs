//! How long units wait between ingest and output: a target that can be changed while they flow.

use std::time::Duration;

use bondbox_units::Instant;

/// A latency that goes to its target so slowly that nobody notices: a player hears a rate 5 % off at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latency {
    current: Duration,
    target: Duration,
    moved: Instant,
}

impl Latency {
    pub(crate) const fn new(now: Instant, latency: Duration) -> Self {
        Self { current: latency, target: latency, moved: now }
    }

    pub(crate) const fn set(&mut self, target: Duration) {
        self.target = target;
    }

    pub(crate) const fn target(&self) -> Duration {
        self.target
    }

    pub(crate) const fn current(&self) -> Duration {
        self.current
    }

    /// Moves by at most 50 ms a second.
    pub(crate) fn slew(&mut self, now: Instant) {
        let step = (now - self.moved) / SLEW;
        if step >= GRAIN {
            self.current = self.target.clamp(self.current.saturating_sub(step), self.current + step);
            self.moved = now;
        }
    }
}

/// Microseconds that pass while the latency moves by one: 50 ms/s.
const SLEW: u32 = 20;
/// Smaller steps are not worth the arithmetic.
const GRAIN: Duration = Duration::from_micros(50);

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_change_takes_its_time_either_way() {
        let mut latency = Latency::new(Instant::ZERO, ms(600));
        latency.set(ms(1_000));
        let mut before = latency.current();
        for at in 1..=8_000 {
            latency.slew(Instant::from_millis(at));
            assert!(latency.current() - before <= Duration::from_micros(100), "at {at} ms");
            before = latency.current();
        }
        assert_eq!(latency.current(), ms(1_000));
        latency.set(ms(200));
        latency.slew(Instant::from_millis(12_000));
        assert_eq!(latency.current(), ms(800));
        latency.slew(Instant::from_millis(60_000));
        assert_eq!(latency.current(), ms(200));
    }
}
