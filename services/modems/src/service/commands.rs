//! Commands, answered when their effect was seen.

use std::time::Duration;

use bondbox_daemon::ipc::Responder;
use bondbox_ipc::Refusal;
use bondbox_ipc::modems::{Access, Band, Command, Done, Plan, Step, Usage};
use bondbox_modem::{Action, Lock, Manager, ModemError, State, number_of};
use bondbox_netlink::Network;
use bondbox_system::Leases;
use bondbox_udev::{Devices, Port};
use bondbox_units::Instant;

use super::Service;
use super::show::bands;
use crate::book::Entry;
use crate::kept;

/// A command whose effect is awaited.
pub(super) struct Waiting {
    port: Port,
    effect: Effect,
    since: Instant,
    responder: Responder<Done>,
}

/// What has to be seen.
enum Effect {
    Unlocked,
    Connected,
    Bands(Vec<Band>),
    /// The modem has come since it came then.
    Back(Instant),
    /// The link's interface is there under another index than this.
    Plugged(u32),
}

impl<N: Network, D: Devices, M: Manager, L: Leases> Service<N, D, M, L> {
    pub(super) async fn command(&mut self, command: Command, responder: Responder<Done>) {
        let waited = match command {
            Command::EnterPin { port, pin } => self.enter_pin(&port, pin.0),
            Command::SetAccess { port, access } => self.set_access(&port, access),
            Command::LockBands { port, bands } => self.lock_bands(&port, bands).await,
            Command::Recover { port, step } => self.recover(&port, step).await,
            Command::SpreadBands => return self.spread_bands(responder),
            other => {
                return match self.keep(other) {
                    Ok(done) => responder.done(done),
                    Err(refusal) => responder.refuse(refusal),
                };
            }
        };
        match waited {
            Ok((port, effect)) => {
                self.waiting.push(Waiting { port: Port::named(&port), effect, since: (self.now)(), responder });
            }
            Err(refusal) => responder.refuse(refusal),
        }
    }

    /// Answers what has come true, and what has taken too long.
    pub(super) fn answer(&mut self, now: Instant) {
        let mut still = Vec::new();
        for waiting in std::mem::take(&mut self.waiting) {
            let entry = self.book.entries().get(&waiting.port).filter(|entry| entry.gone.is_none());
            let index = self.inventory.links().get(&waiting.port).filter(|link| link.gone.is_none());
            let seen = match waiting.effect {
                Effect::Plugged(before) => {
                    let back = index.is_some_and(|link| link.interface.index != before);
                    back.then(|| waiting.back(now))
                }
                _ => entry.and_then(|entry| waiting.seen(now, entry)),
            };
            match seen {
                Some(done) => waiting.responder.done(done),
                None if now.since(waiting.since) >= EFFECT => {
                    let why = entry.and_then(|entry| entry.reason.clone());
                    let why = why.unwrap_or_else(|| waiting.missing().into());
                    waiting.responder.refuse(Refusal::NoEffect(why));
                }
                None => still.push(waiting),
            }
        }
        self.waiting = still;
    }

    /// What was begun with a modem has failed: whoever waits for it need not wait longer.
    pub(super) fn failed(&mut self, port: &Port, action: &Action, error: &ModemError) {
        let of_it = |waiting: &mut Waiting| {
            waiting.port == *port
                && matches!(
                    (&waiting.effect, action),
                    (Effect::Unlocked, Action::Unlock { .. })
                        | (Effect::Connected, Action::Connect { .. } | Action::Disconnect)
                        | (Effect::Bands(_), Action::Bands(_))
                        | (Effect::Back(_), Action::Reset | Action::Disconnect)
                )
        };
        for waiting in self.waiting.extract_if(.., of_it) {
            waiting.responder.refuse(Refusal::NoEffect(error.to_string()));
        }
    }

    /// A port was to be switched and was not.
    pub(super) fn not_switched(&mut self, port: &Port, why: &str) {
        let of_it = |waiting: &mut Waiting| waiting.port == *port && matches!(waiting.effect, Effect::Plugged(_));
        for waiting in self.waiting.extract_if(.., of_it) {
            waiting.responder.refuse(Refusal::NoEffect(why.to_owned()));
        }
    }

    /// Whether somebody waits until a modem has other bands.
    pub(super) fn bands_awaited(&self) -> bool {
        self.waiting.iter().any(|waiting| matches!(waiting.effect, Effect::Bands(_)))
    }

    fn enter_pin(&mut self, port: &str, pin: String) -> Result<(String, Effect), Refusal> {
        self.object(port)?;
        let digits = (4..=8).contains(&pin.len()) && pin.bytes().all(|byte| byte.is_ascii_digit());
        within(digits, "pin", &"not shown", "4 to 8 digits")?;
        self.ledger.keep(|kept| kept.place_mut(port, None).pin = Some(pin));
        self.book.hurry(&Port::named(port));
        Ok((port.to_owned(), Effect::Unlocked))
    }

    fn set_access(&mut self, port: &str, access: Access) -> Result<(String, Effect), Refusal> {
        self.object(port)?;
        let short = [&access.apn, &access.user, &access.password.0].iter().all(|text| text.len() <= MAX_ACCESS);
        within(short, "access", &"not shown", "texts of at most 100 bytes")?;
        let Access { apn, user, password, roaming, family } = access;
        let access = kept::Access { apn, user, password: password.0, roaming, family };
        let iccid = self.sim_in(port);
        self.ledger.keep(|kept| kept.place_mut(port, iccid.as_deref()).access = access);
        self.book.renew(&Port::named(port));
        Ok((port.to_owned(), Effect::Connected))
    }

    async fn lock_bands(&mut self, port: &str, wanted: Vec<Band>) -> Result<(String, Effect), Refusal> {
        let path = self.object(port)?;
        if self.underway.is_some() {
            return Err(Refusal::Unavailable("bands are being spread".into()));
        }
        let has = bands(&self.book.entries()[&Port::named(port)].modem.bands);
        let wanted = if wanted.is_empty() { has.clone() } else { wanted };
        let known = !has.is_empty() && wanted.iter().all(|band| has.contains(band));
        within(known, "bands", &wanted, &format!("some of {has:?}"))?;
        let numbers = wanted.iter().filter_map(|band| match band {
            Band::Legacy(number) => Some(u32::from(*number)),
            Band::Lte(band) => number_of('B', *band),
            Band::Nr(band) => number_of('n', *band),
        });
        self.act(Port::named(port), path, Action::Bands(numbers.collect()), None).await;
        Ok((port.to_owned(), Effect::Bands(wanted)))
    }

    async fn recover(&mut self, port: &str, step: Step) -> Result<(String, Effect), Refusal> {
        let at = Port::named(port);
        let effect = match step {
            Step::Reconnect => {
                self.object(port)?;
                Effect::Connected
            }
            Step::Reset => {
                self.object(port)?;
                Effect::Back(self.book.entries()[&at].came)
            }
            Step::Authorize | Step::Power => {
                let link = self.inventory.links().get(&at).filter(|link| link.gone.is_none());
                within(link.is_some() && at.usb().is_some(), "port", &port, "that of a link on USB")?;
                if self.switches.holds(&at) {
                    return Err(Refusal::Unavailable("it is being switched off and on".into()));
                }
                Effect::Plugged(link.map(|link| link.interface.index).unwrap_or_default())
            }
        };
        self.take(&at, step, "asked for").await;
        Ok((port.to_owned(), effect))
    }

    /// Those whose effect is that something is kept.
    fn keep(&mut self, command: Command) -> Result<Done, Refusal> {
        let now = (self.now)();
        match command {
            Command::Name { port, label, colour } => {
                self.there(&port)?;
                let long_enough = (1..=MAX_LABEL).contains(&label.len()) && !label.contains(char::is_control);
                within(long_enough, "label", &label, "1 to 32 bytes that can be printed")?;
                let iccid = self.sim_in(&port);
                self.ledger.keep(|kept| {
                    let place = kept.place_mut(&port, iccid.as_deref());
                    (place.label, place.colour) = (Some(label), Some(colour));
                });
            }
            Command::SetUsage { port, usage } => {
                self.there(&port)?;
                within(usage.cost <= 7, "cost", &usage.cost, "0 to 7")?;
                within(usage.dscp.is_none_or(|dscp| dscp <= 63), "dscp", &usage.dscp, "0 to 63")?;
                let Usage { off, cap, cost, backup, dscp } = usage;
                let usage = kept::Usage { off, cap_bps: cap.map(|cap| cap.as_bps()), cost, backup, dscp };
                let iccid = self.sim_in(&port);
                self.ledger.keep(|kept| kept.place_mut(&port, iccid.as_deref()).usage = usage);
            }
            Command::SetPlan { iccid, plan } => {
                self.counted(&iccid)?;
                let day = plan.map(|Plan { day, .. }| day);
                within(day.is_none_or(|day| (1..=28).contains(&day)), "day", &day, "1 to 28")?;
                self.ledger.set_plan(&iccid, plan);
            }
            Command::SetUsed { iccid, bytes } => {
                self.counted(&iccid)?;
                self.ledger.set_used(now, &iccid, bytes);
            }
            Command::SpreadBands
            | Command::EnterPin { .. }
            | Command::SetAccess { .. }
            | Command::LockBands { .. }
            | Command::Recover { .. } => {}
        }
        Ok(Done::Kept)
    }

    /// The object of the modem in this port.
    fn object(&self, port: &str) -> Result<String, Refusal> {
        let entry = self.book.entries().get(&Port::named(port)).filter(|entry| entry.gone.is_none());
        match entry {
            Some(entry) => Ok(entry.modem.path.clone()),
            None if self.version.is_none() => Err(Refusal::Unavailable("ModemManager is not there".into())),
            None => Err(Refusal::Invalid(format!("port is {port:?}, must be that of a modem"))),
        }
    }

    fn sim_in(&self, port: &str) -> Option<String> {
        let entry = self.book.entries().get(&Port::named(port))?;
        Some(entry.modem.sim.as_ref()?.iccid.clone()).filter(|iccid| !iccid.is_empty())
    }

    fn there(&self, port: &str) -> Result<(), Refusal> {
        let port = Port::named(port);
        let known = self.inventory.links().contains_key(&port) || self.book.entries().contains_key(&port);
        within(known, "port", &port.as_str(), "that of a link or a modem")
    }

    fn counted(&self, iccid: &str) -> Result<(), Refusal> {
        let known = self.ledger.data().iter().any(|data| data.iccid == iccid);
        within(known, "iccid", &iccid, "one whose data is counted")
    }
}

impl Waiting {
    fn back(&self, now: Instant) -> Done {
        Done::Back { after_ms: u32::try_from(now.since(self.since).as_millis()).unwrap_or(u32::MAX) }
    }

    /// What there is to say of an effect that did not come, where the modem gives no reason.
    const fn missing(&self) -> &'static str {
        match self.effect {
            Effect::Unlocked => "the SIM still asks for a code",
            Effect::Connected => "no new bearer carries data",
            Effect::Bands(_) => "the modem says that it uses other bands",
            Effect::Back(_) | Effect::Plugged(_) => "it did not come back",
        }
    }

    fn seen(&self, now: Instant, entry: &Entry) -> Option<Done> {
        let modem = &entry.modem;
        match &self.effect {
            Effect::Unlocked => (modem.lock == Lock::None && modem.state != State::Locked).then_some(Done::Unlocked),
            Effect::Connected => entry.bearer().map(|bearer| Done::Connected(bearer.interface.clone())),
            Effect::Bands(wanted) => {
                let (mut have, mut wanted) = (bands(&modem.bands_allowed), wanted.clone());
                have.sort_unstable();
                wanted.sort_unstable();
                (have == wanted).then_some(Done::Bands(have))
            }
            Effect::Back(before) => (entry.came != *before).then(|| self.back(now)),
            Effect::Plugged(_) => None,
        }
    }
}

fn within(ok: bool, key: &str, value: &dyn std::fmt::Debug, must_be: &str) -> Result<(), Refusal> {
    if ok { Ok(()) } else { Err(Refusal::Invalid(format!("{key} is {value:?}, must be {must_be}"))) }
}

const MAX_LABEL: usize = 32;
/// The longest that modems take (3GPP TS 23.003 has 100 for an access point).
const MAX_ACCESS: usize = 100;
/// A network may take a minute or two; whoever asks has given up before, or wants to know.
const EFFECT: Duration = Duration::from_secs(120);
