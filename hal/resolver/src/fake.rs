//! Answers that a test made up.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{LookupError, Resolver};

/// A resolver that knows what it was told.
#[derive(Debug, Default)]
pub struct Fake {
    known: Mutex<Known>,
}

/// What a link's name servers say.
#[derive(Clone, Debug)]
pub enum Answer {
    /// These, and no name has none.
    Addresses(Vec<IpAddr>),
    /// Nothing, for ever.
    Silence,
    /// There is nobody to ask through links.
    NoService,
}

#[derive(Debug, Default)]
struct Known {
    answers: HashMap<(Option<u32>, String), Answer>,
    asked: Vec<Option<u32>>,
}

impl Fake {
    /// From now on this is what is said of `name` on this link, or by the system.
    pub fn set(&self, through: Option<u32>, name: &str, answer: Answer) {
        self.known().answers.insert((through, name.into()), answer);
    }

    /// What was asked through since the last time, in order.
    pub fn take_asked(&self) -> Vec<Option<u32>> {
        std::mem::take(&mut self.known().asked)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resolver for Fake {
    async fn lookup(&self, through: Option<u32>, name: &str) -> Result<Vec<IpAddr>, LookupError> {
        let answer = {
            let mut known = self.known();
            known.asked.push(through);
            known.answers.get(&(through, name.to_owned())).cloned()
        };
        match answer {
            Some(Answer::Addresses(addresses)) if !addresses.is_empty() => Ok(addresses),
            Some(Answer::Silence) => std::future::pending().await,
            Some(Answer::NoService) => Err(LookupError::NoService("none here".into())),
            Some(Answer::Addresses(_)) | None => Err(LookupError::NoAnswer(format!("{name} is not known"))),
        }
    }
}
