//! What a step of recovery switches off, and on again, whatever happens meanwhile.
//!
//! That something is to be off is written down before it is, and struck out when it is on again: a service that is killed between
//! the two finds it so when it starts. Switching on is tried until it is done, or nothing is there any more that could be.
//!
//! The kernel takes its time, seconds where a device hangs: each file is written on a thread of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use bondbox_ipc::modems::{Refused, Step};
use bondbox_udev::{Port, Power as _, PowerError, Sysfs};
use bondbox_units::Instant;
use tokio::sync::mpsc;

/// All that is off, or on its way there or back.
pub(super) struct Switches {
    power: Sysfs,
    ports: BTreeMap<Port, Switch>,
    results: mpsc::Sender<Switched>,
    told: mpsc::Receiver<Switched>,
}

struct Switch {
    step: Step,
    /// When it is to be on again; `None` while its file is being written.
    on_at: Option<Instant>,
    /// Times that it could not be, and why.
    failures: u32,
    failure: Option<String>,
}

/// What has become of a file that was written.
pub(super) struct Switched {
    pub(super) port: Port,
    pub(super) step: Step,
    on: bool,
    result: Result<(), PowerError>,
}

/// What that means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is off, for a while.
    Off,
    /// It is as before: the step was not taken.
    Refused(PowerError),
    /// It is on again, or gone.
    On,
    /// It is off still, and is tried again.
    StaysOff(PowerError),
}

impl Switches {
    /// `off` is what was left off.
    pub(super) fn new(now: Instant, power: Sysfs, off: impl Iterator<Item = (Port, Step)>) -> Self {
        let left = |(port, step)| (port, Switch { step, on_at: Some(now), failures: 0, failure: None });
        let (results, told) = mpsc::channel(MOST);
        Self { power, ports: off.map(left).collect(), results, told }
    }

    /// Whether something of this port is off, or on its way.
    pub(super) fn holds(&self, port: &Port) -> bool {
        self.ports.contains_key(port)
    }

    /// Why it is off for longer than it should be.
    pub(super) fn failure(&self, port: &Port) -> Option<Refused> {
        let switch = self.ports.get(port)?;
        Some(Refused { step: switch.step, why: switch.failure.clone()? })
    }

    /// Switches it off, for so long that it begins anew.
    pub(super) fn off(&mut self, port: &Port, step: Step) {
        self.ports.insert(port.clone(), Switch { step, on_at: None, failures: 0, failure: None });
        self.write(port, step, false);
    }

    /// Switches on what is due.
    pub(super) fn go_on(&mut self, now: Instant) {
        let due: Vec<(Port, Step)> = self
            .ports
            .iter_mut()
            .filter(|(_, switch)| switch.on_at.is_some_and(|at| now >= at))
            .map(|(port, switch)| {
                switch.on_at = None;
                (port.clone(), switch.step)
            })
            .collect();
        for (port, step) in due {
            self.write(&port, step, true);
        }
    }

    /// When something is next due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.ports.values().filter_map(|switch| switch.on_at).min()
    }

    /// The next file that was written. Waits for ever where none is.
    pub(super) async fn told(&mut self) -> Switched {
        // It never ends: a sender is here.
        match self.told.recv().await {
            Some(told) => told,
            None => std::future::pending().await,
        }
    }

    /// Whether a file is being written.
    #[cfg(test)]
    pub(super) fn is_writing(&self) -> bool {
        self.ports.values().any(|switch| switch.on_at.is_none())
    }

    /// Takes that in.
    pub(super) fn end(&mut self, now: Instant, told: Switched) -> Outcome {
        let Switched { port, on, result, .. } = told;
        let Some(switch) = self.ports.get_mut(&port) else { return Outcome::On };
        match (on, result) {
            (false, Ok(())) => {
                switch.on_at = Some(now + OFF);
                Outcome::Off
            }
            (false, Err(error)) => {
                self.ports.remove(&port);
                Outcome::Refused(error)
            }
            (true, Ok(()) | Err(PowerError::Absent(_) | PowerError::NotUsb(_))) => {
                self.ports.remove(&port);
                Outcome::On
            }
            (true, Err(error)) => {
                switch.failures += 1;
                switch.failure = Some(format!("it is off, and cannot be switched on again yet: {error}"));
                switch.on_at = Some(now + AGAIN.saturating_mul(1 << switch.failures.min(6)).min(SELDOM));
                Outcome::StaysOff(error)
            }
        }
    }

    /// Switches all of it on, at once: the service ends. Gives what is on.
    pub(super) fn end_all(&mut self) -> Vec<Port> {
        let power = &self.power;
        self.ports
            .extract_if(.., |port, switch| set(power, port, switch.step, true).is_ok())
            .map(|(port, _)| port)
            .collect()
    }

    fn write(&self, port: &Port, step: Step, on: bool) {
        let (power, port, results) = (self.power.clone(), port.clone(), self.results.clone());
        tokio::task::spawn_blocking(move || {
            let result = set(&power, &port, step, on);
            // Nobody waits for it any more when the service ends.
            let _ = results.blocking_send(Switched { port, step, on, result });
        });
    }
}

fn set(power: &Sysfs, port: &Port, step: Step, on: bool) -> Result<(), PowerError> {
    match step {
        Step::Authorize => power.set_authorized(port, on),
        Step::Power => power.set_power(port, on),
        // Nothing of theirs is switched.
        Step::Reconnect | Step::Reset => Ok(()),
    }
}

/// Capacitors of a modem are empty after this.
const OFF: Duration = Duration::from_secs(3);
/// What cannot be switched on is tried again after twice this, and later and later …
const AGAIN: Duration = Duration::from_millis(500);
/// … up to this.
const SELDOM: Duration = Duration::from_secs(30);
/// One for each port, and some.
const MOST: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(1_000_000 + millis)
    }

    fn refused() -> PowerError {
        PowerError::Refused { port: Port::named("usb1-1"), reason: "no".into() }
    }

    #[tokio::test]
    async fn what_cannot_be_switched_on_is_tried_until_it_can_or_is_gone() {
        let port = Port::named("usb1-1");
        for last in [Ok(()), Err(PowerError::Absent(port.clone()))] {
            let nothing = tempfile::tempdir().unwrap();
            let mut switches =
                Switches::new(at(0), Sysfs::at(nothing.path()), [(port.clone(), Step::Power)].into_iter());
            let told = |on, result| Switched { port: port.clone(), step: Step::Power, on, result };
            let (mut now, mut waits) = (0, vec![]);
            for _ in 0..8 {
                assert_eq!(switches.end(at(now), told(true, Err(refused()))), Outcome::StaysOff(refused()));
                let wait = switches.deadline().unwrap().since(at(now)).as_millis() as u64;
                waits.push(wait);
                now += wait;
            }
            let why = switches.failure(&port).unwrap().why;
            assert!(why.ends_with("cannot be switched on again yet: usb1-1: no"), "{why}");
            assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
            assert_eq!(switches.end(at(now), told(true, last)), Outcome::On);
            assert_eq!((switches.deadline(), switches.holds(&port)), (None, false));
        }
    }
}
