//! The one clock of the host.

use bondbox_units::Instant;
use nix::time::{ClockId, clock_gettime};

/// Now on the host's monotonic clock, which all services of one box share.
pub fn now() -> Instant {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("Linux has a monotonic clock");
    let (seconds, nanos) = (time.tv_sec().unsigned_abs(), time.tv_nsec().unsigned_abs());
    Instant::from_micros(seconds * 1_000_000 + nanos / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_does_not_run_backwards() {
        let first = now();
        assert!(first > Instant::ZERO);
        assert!(now() >= first);
    }
}
