//! Proof of life for systemd's `WatchdogSec=`.
//!
//! The watchdog is fed only when everything that must move has moved since it was last fed: the reactor (it runs the
//! loop below), every thread with a [`Heartbeat`], and on air the output, through [`Progress`]. What hangs is named in
//! the log, and systemd restarts the service when its patience ends.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bondbox_units::Instant;
use sd_notify::NotifyState;

/// The running watchdog of a service. Clones are the same one.
#[derive(Clone)]
pub struct Watchdog {
    sources: Arc<Mutex<Vec<Source>>>,
}

impl Watchdog {
    /// Runs the loop on the current reactor; with no `timeout` from systemd nothing is fed and nothing checked.
    pub(crate) fn start(timeout: Option<Duration>) -> Self {
        let watchdog = Self { sources: Arc::default() };
        if let Some(timeout) = timeout.filter(|timeout| !timeout.is_zero()) {
            tokio::spawn(watchdog.clone().feed(timeout));
        }
        watchdog
    }

    /// Registers a thread, which has to call [`Heartbeat::beat`] more often than every quarter of `WatchdogSec=`.
    ///
    /// A thread that ends without [`Heartbeat::retire`] counts as hanging: it died.
    pub fn worker(&self, name: &'static str) -> Heartbeat {
        Heartbeat { count: self.add(name, true), watchdog: self.clone() }
    }

    /// Registers an output; it counts while it is on air.
    pub fn output(&self, name: &'static str) -> Progress {
        Progress { count: self.add(name, false), watchdog: self.clone() }
    }

    fn add(&self, name: &'static str, active: bool) -> Arc<AtomicU64> {
        let count = Arc::new(AtomicU64::new(0));
        self.sources().push(Source { name, active, count: count.clone(), fed_at: 0 });
        count
    }

    fn update(&self, count: &Arc<AtomicU64>, change: impl FnOnce(&mut Source)) {
        if let Some(source) = self.sources().iter_mut().find(|source| Arc::ptr_eq(&source.count, count)) {
            change(source);
        }
    }

    fn sources(&self) -> std::sync::MutexGuard<'_, Vec<Source>> {
        // A thread that panicked while holding the list left it whole: entries are pushed and changed in one step.
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn feed(self, timeout: Duration) {
        let mut feeder = Feeder::new(crate::clock::now(), timeout);
        let mut ticks = tokio::time::interval(feeder.period());
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match feeder.tick(crate::clock::now(), &mut self.sources()) {
                Verdict::Feed => crate::run::tell(&[NotifyState::Watchdog]),
                Verdict::Wait => {}
                Verdict::Hangs { name, since } => {
                    tracing::error!(
                        name,
                        since_ms = since.as_millis() as u64,
                        "does not answer: the watchdog is not fed"
                    );
                }
            }
        }
    }
}

/// A thread's way to say that it turned.
pub struct Heartbeat {
    count: Arc<AtomicU64>,
    watchdog: Watchdog,
}

impl Heartbeat {
    /// The thread turned. Costs one atomic addition.
    pub fn beat(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// The thread ends as it should and is not waited for any more.
    pub fn retire(self) {
        self.watchdog.sources().retain(|source| !Arc::ptr_eq(&source.count, &self.count));
    }
}

/// A service's way to say that its output moves.
pub struct Progress {
    count: Arc<AtomicU64>,
    watchdog: Watchdog,
}

impl Progress {
    /// A unit came out. Costs one atomic addition.
    pub fn bump(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether units have to come out from now on.
    pub fn set_on_air(&self, on_air: bool) {
        self.watchdog.update(&self.count, |source| source.active = on_air);
    }
}

/// Something that must move.
struct Source {
    name: &'static str,
    active: bool,
    count: Arc<AtomicU64>,
    /// The count when the watchdog was last fed.
    fed_at: u64,
}

/// What a tick decides.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Feed,
    /// Something has not moved yet, which is too early to call.
    Wait,
    Hangs {
        name: &'static str,
        since: Duration,
    },
}

/// Decides, with time as an argument, when the watchdog is fed.
struct Feeder {
    timeout: Duration,
    fed: Instant,
}

impl Feeder {
    fn new(now: Instant, timeout: Duration) -> Self {
        Self { timeout, fed: now }
    }

    /// Four looks in each time-out: a source that moves just after a look still leaves three to feed in.
    fn period(&self) -> Duration {
        self.timeout / 4
    }

    fn tick(&mut self, now: Instant, sources: &mut [Source]) -> Verdict {
        let still = sources.iter().find(|source| source.active && source.moves() == source.fed_at);
        if let Some(source) = still {
            let since = now.since(self.fed);
            let hangs = since >= self.timeout / 2;
            return if hangs { Verdict::Hangs { name: source.name, since } } else { Verdict::Wait };
        }
        for source in sources {
            source.fed_at = source.moves();
        }
        self.fed = now;
        Verdict::Feed
    }
}

impl Source {
    fn moves(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1_000)
    }

    fn idle_watchdog() -> Watchdog {
        Watchdog { sources: Arc::default() }
    }

    #[test]
    fn a_service_with_nothing_registered_is_fed_while_its_reactor_turns() {
        let mut feeder = Feeder::new(at(0), TIMEOUT);
        assert_eq!(feeder.period(), Duration::from_millis(2_500));
        assert_eq!(feeder.tick(at(2), &mut []), Verdict::Feed);
        assert_eq!(feeder.tick(at(4), &mut []), Verdict::Feed);
    }

    #[test]
    fn one_silent_thread_among_lively_ones_is_named() {
        let (watchdog, mut feeder) = (idle_watchdog(), Feeder::new(at(0), TIMEOUT));
        let (lively, silent) = (watchdog.worker("encoder"), watchdog.worker("camera"));
        lively.beat();
        silent.beat();
        assert_eq!(feeder.tick(at(2), &mut watchdog.sources()), Verdict::Feed);
        lively.beat();
        assert_eq!(feeder.tick(at(4), &mut watchdog.sources()), Verdict::Wait);
        lively.beat();
        let hangs = Verdict::Hangs { name: "camera", since: Duration::from_secs(5) };
        assert_eq!(feeder.tick(at(7), &mut watchdog.sources()), hangs);
        silent.beat();
        assert_eq!(feeder.tick(at(9), &mut watchdog.sources()), Verdict::Feed);
    }

    #[test]
    fn a_thread_that_died_is_missed_and_one_that_retired_is_not() {
        let (watchdog, mut feeder) = (idle_watchdog(), Feeder::new(at(0), TIMEOUT));
        watchdog.worker("finished").retire();
        assert_eq!(feeder.tick(at(2), &mut watchdog.sources()), Verdict::Feed);
        drop(watchdog.worker("died"));
        assert_eq!(
            feeder.tick(at(8), &mut watchdog.sources()),
            Verdict::Hangs { name: "died", since: Duration::from_secs(6) }
        );
    }

    #[test]
    fn an_output_counts_on_air_only() {
        let (watchdog, mut feeder) = (idle_watchdog(), Feeder::new(at(0), TIMEOUT));
        let video = watchdog.output("video");
        assert_eq!(feeder.tick(at(2), &mut watchdog.sources()), Verdict::Feed);
        video.set_on_air(true);
        assert_eq!(feeder.tick(at(4), &mut watchdog.sources()), Verdict::Wait);
        video.bump();
        assert_eq!(feeder.tick(at(6), &mut watchdog.sources()), Verdict::Feed);
        video.set_on_air(false);
        assert_eq!(feeder.tick(at(20), &mut watchdog.sources()), Verdict::Feed);
    }
}
