//! The machine's monotonic clock, which all namespaces share.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Microseconds since the machine started.
pub(crate) fn now_us() -> nix::Result<u64> {
    Ok(Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC)?).as_micros() as u64)
}
