//! A system as a test wants it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{System, SystemError};

/// A system that goes down in name only.
#[derive(Debug, Default)]
pub struct Fake {
    state: Mutex<State>,
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
    done: Vec<&'static str>,
}

impl Fake {
    /// From now on it is like that.
    pub fn set(&self, mood: Mood) {
        self.state().mood = mood;
    }

    /// What it did since the last time: `power-off`, `factory-reset`.
    pub fn take_done(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.state().done)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, what: &'static str) -> Result<(), SystemError> {
        let mut state = self.state();
        match state.mood {
            Mood::Obeys => {
                state.done.push(what);
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
