//! One supervised service: its life, its process and its socket.

use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use nix::sys::signal::Signal;

use crate::child::{Log, Running};
use crate::console::say;
use crate::life::{Action, Event, Life, State};
use crate::notify::Notifications;
use crate::plan::ServicePlan;
use crate::policy::Policy;

/// See above.
pub(crate) struct Service {
    plan: ServicePlan,
    life: Life,
    running: Option<Running>,
    notifications: Notifications,
    log: Log,
    starts: u32,
}

impl Service {
    /// A service that starts with the first [`tick`](Self::tick).
    ///
    /// # Errors
    /// When its unit file, log or socket cannot be had.
    pub(crate) fn new(plan: ServicePlan, run_dir: &Path, logs: &Path, now: Instant) -> anyhow::Result<Self> {
        let policy = Policy::load(&crate::places::unit_file(plan.name))?;
        Ok(Self {
            life: Life::new(policy, now),
            running: None,
            notifications: Notifications::bind(run_dir.join(format!("{}.notify", plan.name)))?,
            log: Log::create(logs, plan.name)?,
            starts: 0,
            plan,
        })
    }

    /// As in its plan.
    pub(crate) fn name(&self) -> &'static str {
        self.plan.name
    }

    /// Where it is in its life.
    pub(crate) fn state(&self) -> State {
        self.life.state()
    }

    /// While it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(Running::pid)
    }

    /// How often it was started.
    pub(crate) fn starts(&self) -> u32 {
        self.starts
    }

    /// Readable when the service has said something.
    pub(crate) fn notifications(&self) -> &Notifications {
        &self.notifications
    }

    /// When [`tick`](Self::tick) has to be called at the latest.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.life.deadline()
    }

    /// Whether it goes off with the unit.
    pub(crate) fn is_of_unit(&self) -> bool {
        self.plan.of_unit
    }

    /// Has one that is over start with the next [`tick`](Self::tick).
    pub(crate) fn start_again(&mut self, now: Instant) {
        if self.life.state() == State::Over {
            self.life = Life::new(self.life.policy().clone(), now);
        }
    }

    /// Takes in what happened and does what is due.
    ///
    /// # Errors
    /// When its process cannot be started.
    pub(crate) fn tick(&mut self, now: Instant) -> io::Result<()> {
        for event in self.notifications.drain() {
            self.handle(now, event)?;
        }
        if let Some(status) = self.running.as_mut().map(Running::try_wait).transpose()?.flatten() {
            self.running = None;
            let wanted =
                matches!(self.life.state(), State::Stopping { again: false, .. } | State::Killed { again: false });
            self.handle(now, Event::Exited(status.code()))?;
            let (name, pause) = (self.name(), self.life.policy().restart_pause);
            match self.life.state() {
                State::Over if wanted => {}
                State::Over => say(format_args!("demo: {name} ended ({status}) for good")),
                _ => say(format_args!("demo: {name} ended ({status}), again in {pause:?}")),
            }
        }
        self.handle(now, Event::TimerFired)
    }

    /// Begins its end.
    ///
    /// # Errors
    /// As [`tick`](Self::tick).
    pub(crate) fn stop(&mut self, now: Instant) -> io::Result<()> {
        self.handle(now, Event::Stop)
    }

    fn handle(&mut self, now: Instant, event: Event) -> io::Result<()> {
        match self.life.handle(now, event) {
            Some(Action::Start) => self.start(),
            Some(Action::Signal(signal)) => {
                if event == Event::TimerFired {
                    say(format_args!("demo: {} did not answer in time: {signal}", self.name()));
                }
                if let Some(running) = &self.running {
                    running.signal(signal);
                }
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn start(&mut self) -> io::Result<()> {
        let mut command = Command::new(&self.plan.program);
        command.args(&self.plan.arguments).stdin(std::process::Stdio::null());
        command.env("NOTIFY_SOCKET", self.notifications.path());
        match self.life.policy().watchdog {
            Some(watchdog) => command.env("WATCHDOG_USEC", watchdog.as_micros().to_string()),
            None => command.env_remove("WATCHDOG_USEC"),
        };
        // The system's bus of a unit, and never that of this machine.
        command.env("DBUS_SYSTEM_BUS_ADDRESS", &self.plan.bus);
        command.env_remove("WATCHDOG_PID").env_remove("JOURNAL_STREAM");
        let mut running = Running::start(command, Some(&self.plan.netns), Signal::SIGKILL, &self.log)?;
        if let Some(output) = running.output() {
            self.log.follow(output);
        }
        self.running = Some(running);
        self.starts += 1;
        Ok(())
    }
}
