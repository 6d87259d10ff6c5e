//! A system as a test wants it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::{Leases, Services, Standing, System, SystemError};

/// A system that goes down in name only. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Fake {
    state: Arc<Mutex<State>>,
    /// By the name of the unit; those that are not here are off.
    services: watch::Sender<BTreeMap<String, Standing>>,
}

/// How it takes what it is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    /// It does it.
    #[default]
    Obeys,
    /// It lets nobody.
    Denies,
    /// It tries, and fails.
    Fails,
    /// It agrees, and does nothing.
    Idles,
}

#[derive(Debug, Default)]
struct State {
    mood: Mood,
    done: Vec<String>,
}

impl Fake {
    /// From now on it is like that.
    pub fn set(&self, mood: Mood) {
        self.state().mood = mood;
    }

    /// What it did since the last time: `power-off`, `factory-reset`, `lease wwan0`, `leave wwan0`.
    pub fn take_done(&self) -> Vec<String> {
        std::mem::take(&mut self.state().done)
    }

    /// From now on this is meant with a unit.
    pub fn set_service(&self, unit: &str, standing: Standing) {
        self.services.send_modify(|services| drop(services.insert(unit.into(), standing)));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, what: &str) -> Result<(), SystemError> {
        let mut state = self.state();
        match state.mood {
            Mood::Obeys => {
                state.done.push(what.into());
                Ok(())
            }
            Mood::Denies => Err(SystemError::Denied("Access denied".into())),
            Mood::Fails => Err(SystemError::Refused(format!("{what} failed"))),
            Mood::Idles => Err(SystemError::NoEffect),
        }
    }
}

impl System for Fake {
    async fn power_off(&self) -> Result<(), SystemError> {
        self.ask("power-off")
    }

    async fn factory_reset(&self) -> Result<(), SystemError> {
        self.ask("factory-reset")
    }
}

impl Services for Fake {
    async fn watch(&self, units: &[&str], mut tell: impl FnMut(usize, Standing) + Send) -> SystemError {
        let mut services = self.services.subscribe();
        let mut told = vec![None; units.len()];
        loop {
            let now: Vec<Standing> = {
                let services = services.borrow_and_update();
                units.iter().map(|unit| services.get(*unit).cloned().unwrap_or(Standing::Off)).collect()
            };
            for (number, standing) in now.into_iter().enumerate() {
                if told[number].as_ref() != Some(&standing) {
                    told[number] = Some(standing.clone());
                    tell(number, standing);
                }
            }
            if services.changed().await.is_err() {
                return SystemError::NoService("the fake is gone".into());
            }
        }
    }
}

impl Leases for Fake {
    async fn lease(&self, interface: &str, leases: bool) -> Result<(), SystemError> {
        self.ask(&format!("{} {interface}", if leases { "lease" } else { "leave" }))
    }
}
