//! Which gateway the unit belongs to: the one that the settings pin, the one that it was paired with, or none yet.
//!
//! It is paired with a code (`bondbox_bond::PairingCode`) that its gateway knows, too: one that the gateway's page shows and
//! somebody gives to this unit, or the one on the unit's label, which somebody gives to the gateway. What came of it lies in the
//! service's own folder, beside the unit's key.

pub mod claim;
mod kept;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use bondbox_bond::sender::Trust;
use bondbox_bond::{PairingCode, PairingSecret, PublicKey};
use bondbox_daemon::ipc::Responder;
use bondbox_ipc::Refusal;
use bondbox_ipc::uplink::{Done, Session};
use bondbox_units::Instant;

use crate::gateway::{self, Endpoint};
use crate::settings::Settings;
use kept::Kept;

/// Who the gateway is, and who is about to be.
pub(crate) struct Pairing {
    /// As the settings have it; may be empty.
    address: String,
    /// The settings say who it is: nothing else does.
    pinned: bool,
    paired: PathBuf,
    factory: PathBuf,
    known: Option<Kept>,
    going: Option<Going>,
}

/// Somebody waits for a gateway that knows the code.
struct Going {
    address: String,
    until: Instant,
    /// Why it was none yet.
    reason: String,
    responder: Responder<Done>,
}

/// Where to look for a gateway, and whom to take for it.
pub(crate) struct Target {
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) trust: Trust,
}

impl Pairing {
    /// What the settings and the past say.
    ///
    /// # Errors
    /// When what is kept cannot be read: a unit that forgot its gateway must not look for another by itself.
    pub(crate) fn open(settings: &Settings) -> anyhow::Result<Self> {
        let set = settings.gateway_key().map(|key| Kept { gateway: settings.gateway.clone(), key: key.to_string() });
        let pinned = set.is_some();
        let mut known = match set {
            Some(set) => Some(set),
            None => kept::read(&settings.paired).context("what this unit was paired with")?,
        };
        if let Some(known) = known.as_mut().filter(|_| !settings.gateway.is_empty()) {
            known.gateway.clone_from(&settings.gateway);
        }
        Ok(Self {
            address: settings.gateway.clone(),
            pinned,
            paired: settings.paired.clone(),
            factory: settings.factory.clone(),
            known,
            going: None,
        })
    }

    /// Whether there is a gateway that knows the unit's key.
    pub(crate) const fn is_paired(&self) -> bool {
        self.known.is_some()
    }

    /// As it is to be shown: of the one that is looked for while one is.
    pub(crate) fn address(&self) -> &str {
        match (&self.going, &self.known) {
            (Some(going), _) => &going.address,
            (None, Some(known)) => &known.gateway,
            (None, None) => &self.address,
        }
    }

    /// What is to be said of the session where there is no gateway.
    pub(crate) const fn without_gateway(&self) -> Option<Session> {
        match (&self.going, &self.known) {
            (Some(_), _) => Some(Session::Pairing),
            (None, None) => Some(Session::NotPaired),
            (None, Some(_)) => None,
        }
    }

    /// The gateway that the unit belongs to, or nobody.
    ///
    /// # Errors
    /// When what is kept makes no sense.
    pub(crate) fn target(&self) -> anyhow::Result<Target> {
        let Some(known) = &self.known else { return Ok(Target { endpoints: Vec::new(), trust: Trust::Nobody }) };
        let endpoints = gateway::list(&known.gateway)
            .map_err(|(item, wrong)| anyhow::anyhow!("the gateway is {item:?}, must be {wrong}"))?;
        let key: PublicKey = known.key.parse().context("the gateway's key")?;
        Ok(Target { endpoints, trust: Trust::Pinned(key) })
    }

    /// Begins to look for a gateway that knows the code, and gives where; who asked is answered when one was found, or none.
    pub(crate) fn begin(
        &mut self,
        now: Instant,
        address: &str,
        code: &str,
        responder: Responder<Done>,
    ) -> Option<Target> {
        let wanted = self.want(address).and_then(|(address, endpoints)| Ok((address, endpoints, self.secret(code)?)));
        match wanted {
            Err(refusal) => {
                responder.refuse(refusal);
                None
            }
            Ok((address, endpoints, secret)) => {
                if let Some(before) = self.going.take() {
                    before.responder.refuse(Refusal::NoEffect("pairing was begun anew".into()));
                }
                tracing::info!(gateway = address, "a gateway is looked for that knows the pairing code");
                let reason = "no gateway answered".into();
                self.going = Some(Going { address, until: now + PAIRING, reason, responder });
                Some(Target { endpoints, trust: Trust::Code(secret) })
            }
        }
    }

    fn want(&self, address: &str) -> Result<(String, Vec<Endpoint>), Refusal> {
        if let Some(known) = &self.known {
            let why = if self.pinned { "gateway_key of uplink.toml says so" } else { "unpair it first" };
            let key = known.key.get(..16).unwrap_or_default();
            return Err(Refusal::Unavailable(format!("the unit belongs to gateway {key}: {why}")));
        }
        let address = if address.is_empty() { &self.address } else { address };
        if address.is_empty() {
            return Err(Refusal::Invalid("no gateway is named, and uplink.toml names none".into()));
        }
        match gateway::list(address) {
            Ok(endpoints) => Ok((address.to_owned(), endpoints)),
            Err((item, wrong)) => Err(Refusal::Invalid(format!("gateway is {item}, must be {wrong}"))),
        }
    }

    fn secret(&self, code: &str) -> Result<PairingSecret, Refusal> {
        if !code.is_empty() {
            let code: PairingCode = code.parse().map_err(|error| Refusal::Invalid(format!("{error}")))?;
            return Ok(code.secret());
        }
        match claim::read(&self.factory) {
            Ok(Some(secret)) => Ok(secret),
            Ok(None) => Err(Refusal::Unavailable("this unit has no code on its label: name one".into())),
            Err(error) => Err(Refusal::Unavailable(format!("the code on the label: {error:#}"))),
        }
    }

    /// Why a gateway was not taken.
    pub(crate) fn refused(&mut self, reason: &str) {
        if let Some(going) = &mut self.going {
            going.reason = reason.into();
        }
    }

    /// A gateway knew the code: the unit belongs to it, also after its next start.
    pub(crate) fn found(&mut self, key: PublicKey) {
        let Some(Going { address, responder, .. }) = self.going.take() else { return };
        let kept = Kept { gateway: address, key: key.to_string() };
        tracing::info!(gateway = kept.gateway, key = key.fingerprint(), "paired");
        match kept::write(&self.paired, &kept) {
            Ok(()) => responder.done(Done::Paired(kept.key.clone())),
            Err(error) => {
                tracing::error!("paired until the next start only: {error:#}");
                responder.refuse(Refusal::NoEffect(format!("paired until the next start only: {error:#}")));
            }
        }
        self.known = Some(kept);
    }

    /// Whether a gateway was looked for in vain for long enough.
    pub(crate) fn gives_up(&mut self, now: Instant) -> bool {
        let over = self.going.take_if(|going| now >= going.until);
        let gives_up = over.is_some();
        if let Some(Going { address, reason, responder, .. }) = over {
            tracing::warn!(gateway = address, reason, "not paired");
            responder.refuse(Refusal::NoEffect(format!("not paired with {address}: {reason}")));
        }
        gives_up
    }

    /// Forgets the gateway, or gives up looking for one; whether there was anything to forget.
    pub(crate) fn forget(&mut self, responder: Responder<Done>) -> bool {
        if self.pinned {
            let why = "gateway_key of uplink.toml says which gateway the unit belongs to";
            responder.refuse(Refusal::Unavailable(why.into()));
            return false;
        }
        if self.going.is_none() && self.known.is_none() {
            responder.refuse(Refusal::Unavailable("the unit belongs to no gateway".into()));
            return false;
        }
        if let Err(error) = kept::remove(&self.paired) {
            responder.refuse(Refusal::NoEffect(format!("{error:#}")));
            return false;
        }
        if let Some(going) = self.going.take() {
            going.responder.refuse(Refusal::NoEffect("pairing was given up".into()));
        }
        self.known = None;
        tracing::info!("the unit belongs to no gateway any more");
        responder.done(Done::Unpaired);
        true
    }
}

/// Enough to type a code on a page; a unit that is forgotten does not look for ever.
const PAIRING: Duration = Duration::from_secs(5 * 60);

#[cfg(test)]
mod tests {
    use bondbox_daemon::ipc::{Client, Peers, Server, Want};
    use bondbox_ipc::uplink::{Command, Uplink};

    use super::*;

    #[tokio::test]
    async fn nobody_is_looked_for_longer_than_five_minutes_and_the_last_reason_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            paired: folder.path().join("gateway.toml"),
            factory: folder.path().join("factory"),
            ..Settings::default()
        };
        let mut pairing = Pairing::open(&settings).unwrap();
        let (_server, mut commands) = Server::<Uplink>::bind(folder.path(), Peers::own()).unwrap();
        let client = Client::<Uplink>::connect(folder.path(), Peers::own(), Want::State);
        let (gateway, code) = ("10.0.0.1:7000".to_owned(), "K7QF-2M9X-0V1S-ZT4E".to_owned());
        let asked = client.command(Command::Pair { gateway: gateway.clone(), code: code.clone() }, PAIRING);
        let served = async {
            let (_, responder) = commands.next().await;
            let now = Instant::from_millis(1_000);
            assert!(matches!(pairing.begin(now, &gateway, &code, responder).unwrap().trust, Trust::Code(_)));
            assert_eq!((pairing.without_gateway(), pairing.address()), (Some(Session::Pairing), gateway.as_str()));
            assert!(!pairing.gives_up(now));
            pairing.refused("the gateway does not know the pairing code");
            assert!(!pairing.gives_up(now + (PAIRING - Duration::from_millis(1))));
            assert!(pairing.gives_up(now + PAIRING));
            assert_eq!((pairing.without_gateway(), pairing.address()), (Some(Session::NotPaired), ""));
            assert_eq!(pairing.target().unwrap().trust, Trust::Nobody);
        };
        let (answer, ()) = tokio::join!(asked, served);
        let refusal = answer.unwrap_err().to_string();
        assert!(
            refusal.ends_with("not paired with 10.0.0.1:7000: the gateway does not know the pairing code"),
            "{refusal}"
        );
    }

    #[test]
    fn what_is_kept_and_makes_no_sense_keeps_the_unit_from_pairing_with_anybody() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings { paired: folder.path().join("gateway.toml"), ..Settings::default() };
        for (kept, why) in [
            ("gateway = 1", "gateway.toml"),
            ("gateway = \"a.b\"\nkey = \"12\"", "the gateway is \"a.b\", must be HOST:PORT"),
            ("gateway = \"a.b:1\"\nkey = \"12\"", "64 hexadecimal digits"),
        ] {
            std::fs::write(&settings.paired, kept).unwrap();
            let error = Pairing::open(&settings).and_then(|pairing| pairing.target()).err().unwrap();
            assert!(format!("{error:#}").contains(why), "{error:#}");
        }
    }

    #[test]
    fn an_address_in_the_settings_wins_over_the_one_that_was_paired() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings { paired: folder.path().join("gateway.toml"), ..Settings::default() };
        std::fs::write(&settings.paired, format!("gateway = \"a.b:1\"\nkey = \"{}\"", "00".repeat(32))).unwrap();
        assert_eq!(Pairing::open(&settings).unwrap().address(), "a.b:1");
        settings.gateway = "c.d:2".into();
        let pairing = Pairing::open(&settings).unwrap();
        assert!(pairing.is_paired() && pairing.without_gateway().is_none());
        assert_eq!(pairing.address(), "c.d:2");
    }
}
