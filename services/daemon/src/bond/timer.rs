//! One timer for all that the engine waits for, exact to microseconds on the clock of [`crate::clock`].
//!
//! The reactor's own timers round up to the next millisecond, which at the pace of a fast link is a burst of packets.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Duration;

use bondbox_units::Instant;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::unix::AsyncFd;

use crate::clock;

/// The timer.
pub struct Timer {
    fd: AsyncFd<Readable>,
    armed: Option<Instant>,
}

struct Readable(TimerFd);

impl AsRawFd for Readable {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Timer {
    /// A timer that is not set, on the current reactor.
    ///
    /// # Errors
    /// When the system has no more of them.
    pub fn new() -> io::Result<Self> {
        let fd = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        Ok(Self { fd: on_reactor(Readable(fd))?, armed: None })
    }

    /// [`Timer::fired`] returns at `at`, and not at what was set before.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn set(&mut self, at: Instant) -> io::Result<()> {
        if self.armed == Some(at) {
            return Ok(());
        }
        // Zero would switch the timer off, and the kernel takes no time beyond its own range.
        let at_least = Duration::from_micros(at.as_micros().clamp(1, FARTHEST));
        let expiration = Expiration::OneShot(TimeSpec::from_duration(at_least));
        self.fd.get_ref().0.set(expiration, TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
        self.armed = Some(at);
        Ok(())
    }

    /// Returns at the time that was set. May be dropped halfway.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn fired(&mut self) -> io::Result<()> {
        loop {
            self.fd.readable().await?.clear_ready();
            // The descriptor is never read: the reactor is told at each expiry, and setting it anew is all that it needs.
            // Told early, it was set anew after it had fired.
            if self.armed.is_some_and(|at| at <= clock::now()) {
                self.armed = None;
                return Ok(());
            }
        }
    }
}

#[allow(unsafe_code, reason = "tokio has no safe way in for descriptors it does not know")]
fn on_reactor(timer: Readable) -> io::Result<AsyncFd<Readable>> {
    // SAFETY: a `TimerFd` owns one descriptor, which it neither closes nor exchanges before it is dropped, and the
    // `AsyncFd` owns the `TimerFd` and hands out shared references to it only.
    Ok(unsafe { AsyncFd::register(timer) }?)
}

/// A century.
const FARTHEST: u64 = 100 * 365 * 86_400 * 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_fires_not_before_its_time_and_again_when_set_anew() {
        let mut timer = Timer::new().unwrap();
        for _ in 0..3 {
            let at = clock::now() + Duration::from_micros(700);
            timer.set(Instant::FAR_FUTURE).unwrap();
            timer.set(at).unwrap();
            timer.fired().await.unwrap();
            assert!(clock::now() >= at);
        }
    }

    #[tokio::test]
    async fn a_time_that_has_passed_fires_at_once() {
        let mut timer = Timer::new().unwrap();
        timer.set(Instant::ZERO).unwrap();
        timer.fired().await.unwrap();
    }
}
