//! Bands of their own for modems of one operator, given one modem at a time.
//!
//! ```text
//! next modem ──told──▶ its bands seen ──served for a while──▶ next modem … done
//!     │                   │ refused, not seen or not served in time, gone
//!     └ no other link ──▶ the old bands of all that were told, last one first ──▶ failed
//! ```
//!
//! A modem loses its network while it changes bands: nobody is touched, not even to be given its old bands, whose link may be
//! the last that works. A modem may appear anew for its new bands, and ModemManager with all of them: they are known again by
//! their port and their IMEI. What was begun is not kept over a restart of this service; whoever asks again goes on from there.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use bondbox_modem::{Modem, State, band_of};
use bondbox_radio::bands::{Candidate, spread};
use bondbox_udev::Port;
use bondbox_units::Instant;

/// A modem, its port, and its SINR in dB where that is known.
pub type Heard<'a> = (&'a Port, &'a Modem, Option<f32>);
/// The bands that the modem in this port is to use, in ModemManager's numbers.
pub type Lock = (Port, Vec<u32>);

/// The modems that get other bands; `None` where no two share an operator and have bands to share.
///
/// Only LTE's bands are spread. Of older and newer ones, which are fall-backs, each keeps what it may use.
pub fn plan<'a>(modems: impl Iterator<Item = Heard<'a>>) -> Option<Vec<Lock>> {
    let mut operators: BTreeMap<&str, Vec<Heard<'_>>> = BTreeMap::new();
    for (port, modem, sinr) in modems {
        if !modem.network.code.is_empty() && is_served(modem.state) {
            operators.entry(&modem.network.code).or_default().push((port, modem, sinr));
        }
    }
    let mut changes = None;
    for of_operator in operators.values() {
        let candidate = |(_, modem, sinr): &Heard<'_>| Candidate {
            bands: modem.bands.iter().copied().filter(|band| is_lte(*band)).collect(),
            allowed: allowed(modem),
            sinr: *sinr,
        };
        let locks = spread(&of_operator.iter().map(candidate).collect::<Vec<_>>());
        for ((port, modem, _), lock) in of_operator.iter().zip(locks).filter(|(_, lock)| !lock.is_empty()) {
            let others = allowed(modem).into_iter().filter(|band| !is_lte(*band));
            let mut bands: Vec<u32> = lock.into_iter().chain(others).collect();
            bands.sort_unstable();
            let changes = changes.get_or_insert_with(Vec::new);
            if bands != allowed(modem) {
                changes.push(((*port).clone(), bands));
            }
        }
    }
    changes
}

/// Bands being given to modems.
#[derive(Debug)]
pub struct Spreading {
    waiting: VecDeque<Lock>,
    /// Those that were told, in this order.
    told: Vec<Told>,
    stage: Stage,
}

#[derive(Debug)]
struct Told {
    port: Port,
    /// Its IMEI: what is plugged in there later may be another.
    equipment: String,
    before: Vec<u32>,
    wanted: Vec<u32>,
    /// What it was last told, until it says whether it did that.
    unanswered: Option<Vec<u32>>,
}

#[derive(Debug)]
enum Stage {
    /// It is the next modem's turn, since then.
    Turn { since: Option<Instant> },
    /// The last that was told is awaited.
    Awaited { since: Instant, served: Option<Instant> },
    /// The last that was told is to go back, and was told so then, which it refused.
    Back { since: Instant, told: Option<Instant>, refused: Option<String>, failure: Failure },
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing yet.
    Wait,
    /// This modem, an object of ModemManager, is to use these bands.
    Set(Port, String, Vec<u32>),
    /// Each has its bands.
    Done,
    /// It went wrong.
    Failed(Failure),
}

/// How it went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Where.
    pub port: Port,
    /// Why.
    pub why: Why,
    /// Those that were told and have not their old bands again.
    pub left: Vec<(Port, Why)>,
}

/// Why a modem has not the bands that it is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It, or ModemManager, said so.
    Refused(String),
    /// It said nothing against them, and does not show them.
    NotTaken,
    /// No network took it in with them.
    NotServed,
    /// It is not there.
    Gone,
    /// It would lose its network, and no other link is seen to work.
    OnlyLink,
}

/// What is so at present.
pub trait View {
    /// The modem in this port, while it is there.
    fn modem(&self, port: &Port) -> Option<&Modem>;
    /// Whether the unit can do without its link for a while: it does not work, or another one does.
    fn is_spare(&self, port: &Port) -> bool;
}

impl Spreading {
    /// Of a [`plan`].
    pub fn new(changes: Vec<Lock>) -> Self {
        Self { waiting: changes.into(), told: Vec::new(), stage: NEXT }
    }

    /// Whether this modem is at it, and may be without network for that reason.
    pub fn is_at(&self, port: &Port) -> bool {
        !matches!(self.stage, Stage::Turn { .. }) && self.told.last().is_some_and(|told| told.port == *port)
    }

    /// Looks at what has become true.
    pub fn look(&mut self, now: Instant, view: &impl View) -> Next {
        loop {
            let (next, stage) = match std::mem::replace(&mut self.stage, NEXT) {
                Stage::Turn { since } => self.begin(now, since.unwrap_or(now), view),
                Stage::Awaited { since, served } => self.await_service(now, since, served, view),
                Stage::Back { since, told, refused, failure } => {
                    self.give_back(now, since, told, refused, failure, view)
                }
            };
            self.stage = stage;
            if let Some(next) = next {
                return next;
            }
        }
    }

    /// The modem did what it was told, or did not.
    pub fn answered(&mut self, now: Instant, port: &Port, bands: &[u32], result: Result<(), &str>) {
        let Some(told) = self.told.last_mut().filter(|told| told.port == *port) else { return };
        if told.unanswered.take_if(|unanswered| unanswered == bands).is_none() {
            return;
        }
        let Err(error) = result else { return };
        match &mut self.stage {
            Stage::Awaited { .. } => self.stage = failed(now, port.clone(), Why::Refused(error.to_owned())),
            Stage::Back { refused, .. } => *refused = Some(error.to_owned()),
            Stage::Turn { .. } => {}
        }
    }

    /// The next modem's turn, which it is since then.
    fn begin(&mut self, now: Instant, since: Instant, view: &impl View) -> (Option<Next>, Stage) {
        let Some((port, wanted)) = self.waiting.pop_front() else { return (Some(Next::Done), NEXT) };
        let Some(modem) = view.modem(&port) else { return (None, failed(now, port, Why::Gone)) };
        if !view.is_spare(&port) {
            // The one before may be about to connect.
            if now.since(since) >= SPARE_WITHIN {
                return (None, failed(now, port, Why::OnlyLink));
            }
            self.waiting.push_front((port, wanted));
            return (Some(Next::Wait), Stage::Turn { since: Some(since) });
        }
        self.told.push(Told {
            port: port.clone(),
            equipment: modem.equipment.clone(),
            before: allowed(modem),
            wanted: wanted.clone(),
            unanswered: Some(wanted.clone()),
        });
        (Some(Next::Set(port, modem.path.clone(), wanted)), Stage::Awaited { since: now, served: None })
    }

    fn await_service(
        &self,
        now: Instant,
        since: Instant,
        served: Option<Instant>,
        view: &impl View,
    ) -> (Option<Next>, Stage) {
        let Some(told) = self.told.last() else { return (None, NEXT) };
        let modem = told.modem(view);
        let has_them = modem.is_some_and(|modem| allowed(modem) == told.wanted);
        let right = has_them && modem.is_some_and(|modem| is_served(modem.state));
        let served = served.filter(|_| right).or_else(|| right.then_some(now));
        match served {
            Some(since) if now.since(since) >= SETTLED => (None, Stage::Turn { since: Some(now) }),
            None if now.since(since) >= SERVED_WITHIN => {
                let why = match modem {
                    None => Why::Gone,
                    Some(_) if has_them => Why::NotServed,
                    Some(_) => Why::NotTaken,
                };
                (None, failed(now, told.port.clone(), why))
            }
            _ => (Some(Next::Wait), Stage::Awaited { since, served }),
        }
    }

    fn give_back(
        &mut self,
        now: Instant,
        since: Instant,
        was_told: Option<Instant>,
        refused: Option<String>,
        mut failure: Failure,
        view: &impl View,
    ) -> (Option<Next>, Stage) {
        let Some(told) = self.told.last_mut() else { return (Some(Next::Failed(failure)), NEXT) };
        // It may be busy, with a call that ends, say.
        let again = |at: Instant| refused.is_some() && now.since(at) >= AGAIN;
        let left = match told.modem(view) {
            Some(modem) if allowed(modem) == told.before && told.unanswered.is_none() => None,
            None if now.since(since) >= BACK_WITHIN => Some(Why::Gone),
            Some(_) if now.since(since) >= BACK_WITHIN => Some(match (was_told, refused) {
                (_, Some(error)) => Why::Refused(error),
                (Some(_), None) => Why::NotTaken,
                (None, None) => Why::OnlyLink,
            }),
            Some(modem) if was_told.is_none_or(again) && view.is_spare(&told.port) => {
                told.unanswered = Some(told.before.clone());
                let set = Next::Set(told.port.clone(), modem.path.clone(), told.before.clone());
                let since = if was_told.is_none() { now } else { since };
                return (Some(set), Stage::Back { since, told: Some(now), refused: None, failure });
            }
            _ => return (Some(Next::Wait), Stage::Back { since, told: was_told, refused, failure }),
        };
        failure.left.extend(left.map(|why| (told.port.clone(), why)));
        self.told.pop();
        (None, Stage::Back { since: now, told: None, refused: None, failure })
    }
}

impl Told {
    fn modem<'a>(&self, view: &'a impl View) -> Option<&'a Modem> {
        view.modem(&self.port).filter(|modem| modem.equipment == self.equipment)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { port, why, left } = self;
        write!(f, "{port}: {why}; ")?;
        if left.is_empty() {
            return write!(f, "every modem has the bands that it had");
        }
        write!(f, "not every modem has the bands that it had: ")?;
        for (at, (port, why)) in left.iter().enumerate() {
            write!(f, "{}{port}: {why}", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => write!(f, "refused ({error})"),
            Self::NotTaken => write!(f, "it did not take them"),
            Self::NotServed => write!(f, "no network took it in with them"),
            Self::Gone => write!(f, "the modem is gone"),
            Self::OnlyLink => write!(f, "no other link works, and it would lose its network"),
        }
    }
}

fn failed(now: Instant, port: Port, why: Why) -> Stage {
    Stage::Back { since: now, told: None, refused: None, failure: Failure { port, why, left: Vec::new() } }
}

const fn is_served(state: State) -> bool {
    matches!(state, State::Registered | State::Connecting | State::Connected)
}

const fn is_lte(band: u32) -> bool {
    matches!(band_of(band), Some(('B', _)))
}

/// What it may use, sorted; where it says "any", all that it has.
fn allowed(modem: &Modem) -> Vec<u32> {
    let of = if modem.bands_allowed.contains(&ANY) { &modem.bands } else { &modem.bands_allowed };
    let mut bands: Vec<u32> = of.iter().copied().filter(|band| *band != UNKNOWN && *band != ANY).collect();
    bands.sort_unstable();
    bands
}

const NEXT: Stage = Stage::Turn { since: None };
/// ModemManager's MM_MODEM_BAND_UNKNOWN and MM_MODEM_BAND_ANY.
const UNKNOWN: u32 = 0;
const ANY: u32 = 256;
/// What served it before may be shown for a moment longer; after this it is the new one.
const SETTLED: Duration = Duration::from_secs(10);
/// A search through all bands of a modem takes a minute at worst, as does a modem that starts anew for them.
const SERVED_WITHIN: Duration = Duration::from_secs(90);
/// A bearer is connected by then, and has carried something.
const SPARE_WITHIN: Duration = Duration::from_secs(60);
/// Of bands alone, without a network.
const BACK_WITHIN: Duration = Duration::from_secs(60);
/// Old bands that were refused are tried again after this.
const AGAIN: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
