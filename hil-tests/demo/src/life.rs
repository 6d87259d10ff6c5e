//! The life of one supervised service, as systemd would lead it.
//!
//! | state    | ready | fed     | exited        | stop          | timer fires                    |
//! |----------|-------|---------|---------------|---------------|--------------------------------|
//! | Waiting  | –     | –       | –             | Over          | Starting, start                |
//! | Starting | Ready | –       | Waiting, Over | Stopping, TERM | Stopping, TERM                |
//! | Ready    | –     | Ready   | Waiting, Over | Stopping, TERM | Stopping, ABRT (watchdog)     |
//! | Stopping | –     | –       | Waiting, Over | not again     | Killed, KILL                   |
//! | Killed   | –     | –       | Waiting, Over | not again     | –                              |
//! | Over     | –     | –       | –             | –             | –                              |

use std::time::Instant;

use nix::sys::signal::Signal;

use crate::policy::{Policy, Restart};

/// A service under supervision.
#[derive(Debug)]
pub(crate) struct Life {
    policy: Policy,
    state: State,
}

/// Where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Not running; started at `until`.
    Waiting {
        /// See above.
        until: Instant,
    },
    /// Running, has to be ready by `until`.
    Starting {
        /// See above.
        until: Instant,
    },
    /// Does its work; where it has a watchdog, has to feed it by `until`.
    Ready {
        /// See above.
        until: Option<Instant>,
    },
    /// Was told to end, and has to by `until`.
    Stopping {
        /// See above.
        until: Instant,
        /// Whether it is started again.
        again: bool,
    },
    /// Was killed; it will be gone in a moment.
    Killed {
        /// Whether it is started again.
        again: bool,
    },
    /// Not running, and never again.
    Over,
}

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It said `READY=1`.
    Ready,
    /// It said `WATCHDOG=1`.
    Fed,
    /// Its process ended: with this code, or by a signal.
    Exited(Option<i32>),
    /// Nobody wants it any more.
    Stop,
    /// Time passed.
    TimerFired,
}

/// What is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start its process.
    Start,
    /// Send it this.
    Signal(Signal),
}

impl Life {
    /// A service to be started at `now`.
    pub(crate) fn new(policy: Policy, now: Instant) -> Self {
        Self { policy, state: State::Waiting { until: now } }
    }

    /// Where it is.
    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// What its unit file says.
    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// When the next [`Event::TimerFired`] is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { until } | State::Starting { until } | State::Stopping { until, .. } => Some(until),
            State::Ready { until } => until,
            State::Killed { .. } | State::Over => None,
        }
    }

    /// Takes one event; says what to do about it.
    pub(crate) fn handle(&mut self, now: Instant, event: Event) -> Option<Action> {
        let stopping = |again| State::Stopping { until: now + self.policy.stop_timeout, again };
        let ready = || State::Ready { until: self.policy.watchdog.map(|watchdog| now + watchdog) };
        let due = self.deadline().is_some_and(|deadline| now >= deadline);
        let (next, action) = match (self.state, event) {
            (State::Waiting { .. }, Event::TimerFired) if due => {
                (State::Starting { until: now + self.policy.start_timeout }, Some(Action::Start))
            }
            (State::Waiting { .. }, Event::Stop) => (State::Over, None),

            (State::Starting { .. }, Event::Ready) => (ready(), None),
            (State::Ready { .. }, Event::Fed) => (ready(), None),
            (State::Starting { .. } | State::Ready { .. }, Event::Stop) => {
                (stopping(false), Some(Action::Signal(Signal::SIGTERM)))
            }
            (State::Starting { .. }, Event::TimerFired) if due => {
                (stopping(true), Some(Action::Signal(Signal::SIGTERM)))
            }
            (State::Ready { .. }, Event::TimerFired) if due => (stopping(true), Some(Action::Signal(Signal::SIGABRT))),
            (State::Starting { .. } | State::Ready { .. }, Event::Exited(code)) => (self.after_exit(now, code), None),

            (State::Stopping { until, .. }, Event::Stop) => (State::Stopping { until, again: false }, None),
            (State::Stopping { again, .. }, Event::TimerFired) if due => {
                (State::Killed { again }, Some(Action::Signal(Signal::SIGKILL)))
            }
            (State::Killed { .. }, Event::Stop) => (State::Killed { again: false }, None),
            // It was told to end because it hung, which is a failure whatever its exit code.
            (State::Stopping { again: true, .. } | State::Killed { again: true }, Event::Exited(_)) => {
                (self.after_exit(now, None), None)
            }
            (State::Stopping { again: false, .. } | State::Killed { again: false }, Event::Exited(_)) => {
                (State::Over, None)
            }

            // Timers may fire early, messages may arrive late, and nothing moves what is over.
            (State::Waiting { .. }, Event::Ready | Event::Fed | Event::Exited(_) | Event::TimerFired)
            | (State::Starting { .. }, Event::Fed | Event::TimerFired)
            | (State::Ready { .. }, Event::Ready | Event::TimerFired)
            | (State::Stopping { .. }, Event::Ready | Event::Fed | Event::TimerFired)
            | (State::Killed { .. }, Event::Ready | Event::Fed | Event::TimerFired)
            | (State::Over, Event::Ready | Event::Fed | Event::Exited(_) | Event::Stop | Event::TimerFired) => {
                (self.state, None)
            }
        };
        self.state = next;
        action
    }

    fn after_exit(&self, now: Instant, code: Option<i32>) -> State {
        let again = match self.policy.restart {
            Restart::No => false,
            Restart::OnFailure => code != Some(0),
            Restart::Always => true,
        };
        let last = code.is_some_and(|code| self.policy.final_exit_codes.contains(&code));
        if again && !last { State::Waiting { until: now + self.policy.restart_pause } } else { State::Over }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn policy() -> Policy {
        Policy {
            restart: Restart::Always,
            final_exit_codes: vec![78],
            restart_pause: ms(200),
            start_timeout: ms(20_000),
            stop_timeout: ms(5_000),
            watchdog: Some(ms(10_000)),
        }
    }

    /// A service that got ready at the returned time.
    fn ready(policy: Policy) -> (Life, Instant) {
        let now = Instant::now();
        let mut life = Life::new(policy, now);
        assert_eq!(life.handle(now, Event::TimerFired), Some(Action::Start));
        assert_eq!(life.handle(now, Event::Ready), None);
        (life, now)
    }

    #[test]
    fn a_crash_is_followed_by_a_start_after_the_pause() {
        let (mut life, now) = ready(policy());
        life.handle(now, Event::Exited(None));
        assert_eq!(life.deadline(), Some(now + ms(200)));
        assert_eq!(life.handle(now + ms(199), Event::TimerFired), None);
        assert_eq!(life.handle(now + ms(200), Event::TimerFired), Some(Action::Start));
    }

    #[test]
    fn refused_settings_and_a_clean_end_under_on_failure_are_final() {
        let (mut life, now) = ready(policy());
        life.handle(now, Event::Exited(Some(78)));
        assert_eq!(life.state(), State::Over);
        let (mut life, now) = ready(Policy { restart: Restart::OnFailure, ..policy() });
        life.handle(now, Event::Exited(Some(0)));
        assert_eq!(life.state(), State::Over);
    }

    #[test]
    fn a_fed_watchdog_waits_and_a_hungry_one_bites_twice() {
        let (mut life, now) = ready(policy());
        life.handle(now + ms(9_000), Event::Fed);
        assert_eq!(life.handle(now + ms(10_000), Event::TimerFired), None);
        assert_eq!(life.handle(now + ms(19_000), Event::TimerFired), Some(Action::Signal(Signal::SIGABRT)));
        assert_eq!(life.handle(now + ms(20_000), Event::Fed), None, "too late");
        assert_eq!(life.handle(now + ms(24_000), Event::TimerFired), Some(Action::Signal(Signal::SIGKILL)));
        life.handle(now + ms(24_001), Event::Exited(None));
        assert!(matches!(life.state(), State::Waiting { .. }));
    }

    #[test]
    fn one_that_does_not_get_ready_is_started_again() {
        let now = Instant::now();
        let mut life = Life::new(policy(), now);
        life.handle(now, Event::TimerFired);
        assert_eq!(life.handle(now + ms(20_000), Event::TimerFired), Some(Action::Signal(Signal::SIGTERM)));
        life.handle(now + ms(20_100), Event::Exited(Some(0)));
        assert!(matches!(life.state(), State::Waiting { .. }));
    }

    #[test]
    fn a_stop_is_final_wherever_it_comes() {
        let (mut life, now) = ready(policy());
        assert_eq!(life.handle(now, Event::Stop), Some(Action::Signal(Signal::SIGTERM)));
        assert_eq!(life.handle(now + ms(5_000), Event::TimerFired), Some(Action::Signal(Signal::SIGKILL)));
        life.handle(now + ms(5_001), Event::Exited(None));
        assert_eq!(life.state(), State::Over);

        let (mut life, now) = ready(policy());
        life.handle(now, Event::Exited(None));
        life.handle(now, Event::Stop);
        assert_eq!((life.state(), life.deadline()), (State::Over, None));

        let (mut life, now) = ready(policy());
        life.handle(now + ms(10_000), Event::TimerFired);
        life.handle(now + ms(10_001), Event::Stop);
        life.handle(now + ms(10_002), Event::Exited(None));
        assert_eq!(life.state(), State::Over);
    }
}
