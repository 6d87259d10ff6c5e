//! Who may send, and who is waited for: units that were paired, and codes with which others pair.

use std::collections::BTreeMap;
use std::time::Duration;

use bondbox_bond::{Gateway, PairingCode, PairingSecret, PublicKey};
use bondbox_units::Instant;
use serde::Serialize;

use crate::settings::Settings;
use crate::units::{self, Unit};

/// Both.
pub(crate) struct Members {
    settings: Settings,
    waited: Vec<Waited>,
    /// Pairings, by how they ended.
    counts: BTreeMap<&'static str, u64>,
}

/// A unit that is to come with this code.
struct Waited {
    name: String,
    code: PairingSecret,
    until: Instant,
}

/// The API's view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Listed {
    /// Those that may send.
    pub(crate) units: Vec<Unit>,
    /// Those that are waited for.
    pub(crate) pairings: Vec<Pairing>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Pairing {
    /// What the unit will be called.
    pub(crate) name: String,
    /// How long it is waited for yet.
    pub(crate) left_s: u64,
}

impl Members {
    pub(crate) const fn new(settings: Settings) -> Self {
        Self { settings, waited: Vec::new(), counts: BTreeMap::new() }
    }

    /// Pairings, by how they ended.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.counts.iter().map(|(outcome, count)| (*outcome, *count))
    }

    /// Reads again who may send.
    pub(crate) fn read_again(&self, engine: &mut Gateway) {
        match self.settings.allowed() {
            Ok(units) => {
                tracing::info!(count = units.len(), "units read again");
                engine.set_units(units);
            }
            // Those that are in stay in: half a file must not end a show.
            Err(error) => tracing::error!("units stay as they were: {error:#}"),
        }
    }

    /// Lets in the next unit that knows `code`, under this name, for ten minutes. One that is waited for under the same name is
    /// waited for no more.
    ///
    /// # Errors
    /// When the name cannot be one, or too many are waited for.
    pub(crate) fn wait_for(
        &mut self,
        now: Instant,
        engine: &mut Gateway,
        name: &str,
        code: &PairingCode,
    ) -> anyhow::Result<Pairing> {
        units::check_name(name)?;
        self.give_up(engine, name);
        let (code, until) = (code.secret(), now + PAIRING);
        self.waited.retain(|waited| waited.code != code);
        engine.open_pairing(now, code.clone(), until)?;
        tracing::info!(name, "a unit is waited for");
        self.waited.push(Waited { name: name.into(), code, until });
        Ok(Pairing { name: name.into(), left_s: PAIRING.as_secs() })
    }

    /// The unit that would be called so is waited for no more; whether one was.
    pub(crate) fn give_up(&mut self, engine: &mut Gateway, name: &str) -> bool {
        let Some(at) = self.waited.iter().position(|waited| waited.name == name) else { return false };
        engine.close_pairing(&self.waited.remove(at).code);
        tracing::info!(name, "a unit is waited for no more");
        self.count("given_up");
        true
    }

    /// A unit has come with a code.
    pub(crate) fn paired(&mut self, key: PublicKey, code: &PairingSecret) {
        let Some(at) = self.waited.iter().position(|waited| waited.code == *code) else { return };
        let name = self.waited.remove(at).name;
        match units::pair(&self.settings.units, &name, key) {
            Ok(()) => tracing::info!(name, unit = key.fingerprint(), "paired"),
            // It is in until the units are read again. One that lost its memory, and not its key, is in the file already.
            Err(error) => tracing::warn!(name, unit = key.fingerprint(), "paired, and not put down: {error:#}"),
        }
        self.count("paired");
    }

    /// Forgets those that did not come.
    pub(crate) fn on_time(&mut self, engine: &Gateway) {
        for late in self.waited.extract_if(.., |waited| !engine.is_pairing(&waited.code)).collect::<Vec<_>>() {
            tracing::info!(name = late.name, "no unit came with the code");
            self.count("expired");
        }
    }

    /// All of them.
    ///
    /// # Errors
    /// When the file of units cannot be read.
    pub(crate) fn list(&self, now: Instant) -> anyhow::Result<Listed> {
        let pairings = self
            .waited
            .iter()
            .map(|waited| Pairing { name: waited.name.clone(), left_s: waited.until.since(now).as_secs() });
        Ok(Listed { units: self.settings.members()?, pairings: pairings.collect() })
    }

    /// A unit may send no more: its sessions end now. Whether it might.
    ///
    /// # Errors
    /// When the settings name it, or the file of units cannot be written.
    pub(crate) fn revoke(&self, engine: &mut Gateway, key: PublicKey) -> anyhow::Result<bool> {
        let set = self.settings.unit.iter().any(|unit| unit.parse() == Ok(key));
        anyhow::ensure!(
            !set,
            "unit {} is named in the gateway's settings, and has to be taken out there",
            key.fingerprint()
        );
        let known = self.settings.units.exists() && units::remove(&self.settings.units, key)?;
        if known {
            tracing::info!(unit = key.fingerprint(), "may send no more");
            self.read_again(engine);
        }
        Ok(known)
    }

    fn count(&mut self, outcome: &'static str) {
        *self.counts.entry(outcome).or_default() += 1;
    }
}

/// Enough to walk to the unit and hold its key.
const PAIRING: Duration = Duration::from_secs(10 * 60);
