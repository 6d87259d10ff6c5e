//! A system as a test wants it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{Leases, System, SystemError};

/// A system that goes down in name only. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Fake {
    state: Arc<Mutex<State>>,
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

impl Leases for Fake {
    async fn lease(&self, interface: &str, leases: bool) -> Result<(), SystemError> {
        self.ask(&format!("{} {interface}", if leases { "lease" } else { "leave" }))
    }
}
