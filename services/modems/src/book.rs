//! What modems are to do next, one thing at a time each.
//!
//! ```text
//! locked ──PIN──▶ disabled ──enable──▶ searching ──▶ registered ──connect──▶ connected
//!                                        └── its radio is read from here on ──┘
//! ```
//!
//! ModemManager may be restarted at any point and a modem may vanish at any: nothing is remembered of what was reached, only of
//! what failed, so that it is tried again later and later.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bondbox_ipc::modems as ipc;
use bondbox_modem::{Action, Bearer, IpFamily, Lock, Method, Modem, ModemError, Quirk, Signal, State, quirks};
use bondbox_radio::{Radio, Reading};
use bondbox_udev::Port;
use bondbox_units::Instant;

use crate::families::Families;
use crate::kept::{self, Place};

/// All modems, those included that were pulled and may come back.
#[derive(Debug, Default)]
pub struct Book {
    entries: BTreeMap<Port, Entry>,
    /// Since when ModemManager is not there, where it was.
    lost: Option<Instant>,
}

/// A modem.
#[derive(Debug)]
pub struct Entry {
    /// As last seen.
    pub modem: Modem,
    /// When it came, as an object of ModemManager.
    pub came: Instant,
    /// When its radio was told of last, or what was told of it confirmed.
    pub heard: Instant,
    /// Since when it is gone, if it is.
    pub gone: Option<Instant>,
    /// Its radio, smoothed.
    pub radio: Radio,
    /// What stands in the way of more.
    pub reason: Option<String>,
    /// The bearer that ended, and that none has followed yet.
    pub ended: Option<Bearer>,
    /// It had one: what addresses its interface has come from there, and it is no router.
    had_bearer: bool,
    doing: Option<Action>,
    confirming: bool,
    /// A PIN that was wrong is not tried again by itself: three of them lock the SIM.
    wrong_pin: Option<String>,
    families: Families,
    /// An operator wants another bearer than the one that it has, or that is being asked for.
    outdated: bool,
    /// Its bearers need PPP: no other attempt changes that.
    ppp: bool,
    failures: u32,
    not_before: Instant,
}

impl Book {
    /// All of them.
    pub const fn entries(&self) -> &BTreeMap<Port, Entry> {
        &self.entries
    }

    /// The modem whose bearer this interface carries, or would; else the one that is plugged into the link's port and has no
    /// interface that ModemManager knows: it routes by itself, and ModemManager sees its AT port only.
    pub fn behind(&self, port: &Port, interface: &str) -> Option<(&Port, &Entry)> {
        let there = || self.entries.iter().filter(|(_, entry)| entry.gone.is_none() || self.is_lost(entry));
        let carries = |entry: &Entry| {
            let bearer = entry.modem.bearer.as_ref().map(|bearer| bearer.interface.as_str());
            entry.modem.interface.as_deref() == Some(interface) || bearer == Some(interface)
        };
        let beside = |entry: &Entry| entry.modem.interface.is_none() && entry.modem.bearer.is_none();
        there()
            .find(|(_, entry)| carries(entry))
            .or_else(|| there().find(|(of_modem, entry)| *of_modem == port && beside(entry)))
    }

    /// Takes in what ModemManager shows. Gives those that came and those that went.
    pub fn look(&mut self, now: Instant, modems: Vec<Modem>) -> (Vec<Port>, Vec<Port>) {
        self.lost = None;
        self.take_in(now, modems)
    }

    /// ModemManager is not there. Nothing can be asked of modems, and nobody knows better than that each is behind its link as
    /// before: a bearer outlives who asked for it. Gives those that went.
    pub fn lose(&mut self, now: Instant) -> Vec<Port> {
        self.lost.get_or_insert(now);
        self.take_in(now, Vec::new()).1
    }

    /// Whether it went because ModemManager did.
    fn is_lost(&self, entry: &Entry) -> bool {
        self.lost.is_some() && entry.gone == self.lost
    }

    fn take_in(&mut self, now: Instant, modems: Vec<Modem>) -> (Vec<Port>, Vec<Port>) {
        let (mut came, mut there) = (Vec::new(), Vec::new());
        for modem in modems {
            let port = Port::of(Path::new(&modem.device));
            there.push(port.clone());
            match self.entries.get_mut(&port) {
                // The same object, or one that took its place: a restart of ModemManager, or of the modem.
                Some(entry) if entry.gone.is_none() && entry.modem.path == modem.path => entry.take_in(now, modem),
                _ => {
                    came.push(port.clone());
                    let before = self.entries.remove(&port);
                    self.entries.insert(port, Entry::new(now, modem, before));
                }
            }
        }
        let mut went = Vec::new();
        for (port, entry) in &mut self.entries {
            if entry.gone.is_none() && !there.contains(port) {
                (entry.gone, entry.doing, entry.confirming) = (Some(now), None, false);
                went.push(port.clone());
            }
        }
        let lost = self.lost;
        self.entries
            .retain(|_, entry| entry.gone.is_none_or(|since| lost == Some(since) || now.since(since) < REMEMBERED));
        (came, went)
    }

    /// Takes the radios' readings as they are known. ModemManager asks modems every second and tells what has changed: what it did
    /// not tell is as before, as long as it says so when it is asked ([`Book::unconfirmed`]).
    pub fn listen(&mut self, now: Instant) {
        for entry in self.entries.values_mut().filter(|entry| entry.gone.is_none() && !entry.is_stale(now)) {
            let signal = &entry.modem.signal;
            let narrow = |value: Option<f64>| value.map(|value| value as f32);
            let reading = Reading { rsrp: narrow(signal.rsrp), rsrq: narrow(signal.rsrq), sinr: narrow(signal.sinr) };
            entry.radio.on_reading(now, &reading);
        }
    }

    /// Modems of whose radio nothing was told for long, and their objects: whoever asks whether that stands says so to
    /// [`Book::confirm`].
    pub fn unconfirmed(&mut self, now: Instant) -> Vec<(Port, String)> {
        let silent = |entry: &Entry| {
            let told = entry.modem.signal != Signal::default();
            told && entry.gone.is_none() && !entry.confirming && now.since(entry.heard) >= UNTOLD
        };
        let mut asked = Vec::new();
        for (port, entry) in self.entries.iter_mut().filter(|(_, entry)| silent(entry)) {
            entry.confirming = true;
            asked.push((port.clone(), entry.modem.path.clone()));
        }
        asked
    }

    /// What was told of its radio stands, or nobody knows.
    pub fn confirm(&mut self, now: Instant, port: &Port, path: &str, stands: bool) {
        let Some(entry) = self.entries.get_mut(port).filter(|entry| entry.modem.path == path) else { return };
        entry.confirming = false;
        if stands {
            entry.heard = now;
        }
    }

    /// What has to be begun now: the port, the modem's object, and what. A modem that `routes` by itself needs no bearer.
    pub fn next<'a>(
        &mut self,
        now: Instant,
        routes: impl Fn(&Port) -> bool,
        place: impl Fn(&Port, &Modem) -> Option<&'a Place>,
    ) -> Vec<(Port, String, Action)> {
        let mut begun = Vec::new();
        for (port, entry) in &mut self.entries {
            if entry.gone.is_some() || entry.doing.is_some() || now < entry.not_before {
                continue;
            }
            let routes = routes(port) && !entry.had_bearer;
            let place = place(port, &entry.modem);
            let iccid = entry.modem.sim.as_ref().map_or("", |sim| sim.iccid.as_str());
            entry.families.look(iccid, place.and_then(|place| place.access.family).map(family));
            let (action, reason) = entry.wish(now, routes, place);
            if entry.failures == 0 || reason.is_some() {
                entry.reason = reason;
            }
            if let Some(action) = action {
                entry.outdated &= !matches!(action, Action::Connect { .. });
                entry.doing = Some(action.clone());
                begun.push((port.clone(), entry.modem.path.clone(), action));
            }
        }
        begun
    }

    /// Something that was begun has ended, or failed so. Says whether it is asked for otherwise at once.
    pub fn done(
        &mut self,
        now: Instant,
        port: &Port,
        path: &str,
        action: &Action,
        failed: Option<&ModemError>,
    ) -> bool {
        let Some(entry) = self.entries.get_mut(port).filter(|entry| entry.modem.path == path) else { return false };
        // What an operator asked for ends beside what was begun here.
        if entry.doing.as_ref() == Some(action) {
            entry.doing = None;
        }
        match failed {
            // What it brought shows when ModemManager is next asked.
            None => {
                (entry.failures, entry.reason, entry.not_before) = (0, None, now + SETTLES);
                if let Action::Connect { family, .. } = action {
                    entry.families.on_taken(now, *family);
                }
            }
            Some(error) => {
                entry.reason = Some(error.to_string());
                let refused = matches!(error, ModemError::Refused(_) | ModemError::Unsupported(_));
                if let Action::Connect { family, .. } = action
                    && (entry.outdated || refused && entry.families.on_refused(*family))
                {
                    entry.not_before = now + SETTLES;
                    return true;
                }
                entry.failures += 1;
                entry.not_before = now + FIRST_WAIT.saturating_mul(1 << entry.failures.min(7)).min(LONGEST_WAIT);
                match (action, error) {
                    (Action::Unlock { pin, .. }, ModemError::Refused(_)) => entry.wrong_pin = Some(pin.clone()),
                    (Action::Connect { .. }, ModemError::Ppp) => entry.ppp = true,
                    _ => {}
                }
            }
        }
        false
    }

    /// An operator changed something: it is tried at once.
    pub fn hurry(&mut self, port: &Port) {
        if let Some(entry) = self.entries.get_mut(port) {
            (entry.failures, entry.not_before, entry.wrong_pin) = (0, Instant::ZERO, None);
            entry.families = Families::default();
        }
    }

    /// An operator wants another bearer, with what is kept now. One that is asked for just now is not that one.
    pub fn renew(&mut self, port: &Port) {
        self.hurry(port);
        if let Some(entry) = self.entries.get_mut(port) {
            entry.outdated = true;
        }
    }
}

impl Entry {
    /// Of a modem that came, in the place of what was there before.
    fn new(now: Instant, modem: Modem, before: Option<Self>) -> Self {
        // Another object of the same device, whose bearer may live on though ModemManager knows of none.
        let same = before.as_ref().filter(|before| before.modem.equipment == modem.equipment);
        let (ended, had_bearer) = same.map_or((None, false), |same| (same.ended.clone(), same.had_bearer));
        let families = same.map(|same| same.families.clone()).unwrap_or_default();
        let wrong_pin = before.and_then(|before| before.wrong_pin);
        let mut this = Self {
            modem: Modem::default(),
            came: now,
            heard: now,
            ended,
            had_bearer,
            gone: None,
            radio: Radio::default(),
            reason: None,
            doing: None,
            confirming: false,
            wrong_pin,
            families,
            outdated: false,
            ppp: false,
            failures: 0,
            not_before: Instant::ZERO,
        };
        this.take_in(now, modem);
        this
    }

    fn take_in(&mut self, now: Instant, modem: Modem) {
        if modem.reading != self.modem.reading {
            self.heard = now;
        }
        let before = std::mem::replace(&mut self.modem, modem).bearer;
        if self.modem.bearer.is_some() {
            (self.ended, self.had_bearer) = (None, true);
        } else {
            self.ended = before.or_else(|| self.ended.take());
        }
    }

    /// What it is to do, or why it does no more.
    fn wish(&self, now: Instant, routes: bool, place: Option<&Place>) -> (Option<Action>, Option<String>) {
        let modem = &self.modem;
        let because = |reason: &str| (None, Some(reason.to_owned()));
        match modem.state {
            State::Failed => because(modem.failure.unwrap_or("it does not say why")),
            State::Starting | State::Switching | State::Connecting => (None, None),
            State::Locked => self.unlock(place),
            State::Disabled => (Some(Action::Enable), None),
            State::Searching | State::Registered | State::Connected => {
                if modem.signal_rate != self.rate() {
                    return (Some(Action::Listen(self.rate())), None);
                }
                if routes { (None, None) } else { self.connect(now, place) }
            }
        }
    }

    fn unlock(&self, place: Option<&Place>) -> (Option<Action>, Option<String>) {
        let because = |reason: &str| (None, Some(reason.to_owned()));
        let pin = place.and_then(|place| place.pin.clone());
        match (self.modem.lock, pin, &self.modem.sim) {
            (Lock::Pin(_), None, _) => because("the SIM asks for its PIN"),
            (Lock::Pin(_), Some(pin), _) if self.wrong_pin.as_ref() == Some(&pin) => {
                because("the SIM did not take its PIN")
            }
            (Lock::Pin(Some(0 | 1)), ..) => because("the SIM has one try left for its PIN, which is the operator's"),
            (Lock::Pin(_), Some(pin), Some(sim)) => (Some(Action::Unlock { sim: sim.path.clone(), pin }), None),
            (Lock::Puk(_), ..) => because("the SIM asks for its PUK"),
            (Lock::Other, ..) => because("it asks for a code of its seller"),
            (Lock::Pin(_), _, None) | (Lock::None, ..) => (None, None),
        }
    }

    fn connect(&self, now: Instant, place: Option<&Place>) -> (Option<Action>, Option<String>) {
        let because = |reason: &str| (None, Some(reason.to_owned()));
        let network = &self.modem.network;
        let access = place.map(|place| place.access.clone()).unwrap_or_default();
        match self.modem.state {
            // Of before this service started: it carries nothing.
            State::Connected if self.outdated || self.speaks_ppp() => (Some(Action::Disconnect), None),
            State::Connected => (None, None),
            _ if network.denied => because("the network sent it away"),
            State::Registered if network.roaming && !access.roaming => {
                because("it is in another network than its own, where it may not connect")
            }
            State::Registered if self.ppp => (None, Some(ModemError::Ppp.to_string())),
            State::Registered => {
                let kept::Access { apn, user, password, roaming, .. } = access;
                (Some(Action::Connect { apn, user, password, roaming, family: self.families.next(now) }), None)
            }
            _ => because("it looks for a network"),
        }
    }

    /// Whether its bearer is one that nobody here can use.
    fn speaks_ppp(&self) -> bool {
        let families = self.modem.bearer.iter().flat_map(|bearer| &bearer.families);
        families.into_iter().any(|family| family.method == Method::Ppp)
    }

    /// Seconds between two readings of its radio; ModemManager takes whole ones.
    fn rate(&self) -> u32 {
        if self.quirks().contains(&Quirk::NoAt) { 15 } else { 1 }
    }

    /// The bearer that it has, where nobody waits for another.
    pub fn bearer(&self) -> Option<&Bearer> {
        self.modem.bearer.as_ref().filter(|_| !self.outdated)
    }

    /// What its model is known for.
    pub fn quirks(&self) -> &'static [Quirk] {
        quirks(&self.modem.manufacturer, &self.modem.model)
    }

    /// Whether what was told of its radio is too old to count, or ModemManager itself says that it is: the modem has not answered
    /// it for a minute.
    pub fn is_stale(&self, now: Instant) -> bool {
        let withdrawn = self.modem.signal.percent.is_some_and(|(_, recent)| !recent);
        withdrawn || now.since(self.heard) >= self.stale_after()
    }

    /// How old a reading of its radio may become.
    pub fn stale_after(&self) -> Duration {
        // A reading that does not change is not told again, but confirmed; one confirmation may fail.
        Duration::from_secs(45).max(Duration::from_secs(u64::from(self.rate()) * 3))
    }
}

const fn family(said: ipc::IpFamily) -> IpFamily {
    match said {
        ipc::IpFamily::Ipv4 => IpFamily::Ipv4,
        ipc::IpFamily::Ipv6 => IpFamily::Ipv6,
        ipc::IpFamily::Ipv4v6 => IpFamily::Ipv4v6,
    }
}

/// What was pulled longer ago does not come back by itself.
const REMEMBERED: Duration = Duration::from_secs(600);
/// What ModemManager has told of a radio is confirmed when nothing was told for so long.
const UNTOLD: Duration = Duration::from_secs(15);
/// ModemManager shows what it did a moment after it says that it is done.
const SETTLES: Duration = Duration::from_millis(500);
const FIRST_WAIT: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use bondbox_modem::{IpConfig, Network, Sim};

    use super::*;

    fn modem(state: State) -> Modem {
        Modem {
            path: "/modem/0".into(),
            device: "/sys/devices/platform/usb1/1-1".into(),
            state,
            signal_rate: 1,
            sim: Some(Sim { path: "/sim/0".into(), ..Sim::default() }),
            ..Modem::default()
        }
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(1_000_000 + seconds * 1_000)
    }

    fn port() -> Port {
        Port::named("usb1-1")
    }

    fn next(book: &mut Book, seconds: u64, place: &Place) -> Vec<Action> {
        book.next(at(seconds), |_| false, |_, _| Some(place)).into_iter().map(|(_, _, action)| action).collect()
    }

    fn reason(book: &Book) -> &str {
        book.entries()[&port()].reason.as_deref().unwrap_or_default()
    }

    fn connect(family: IpFamily) -> Action {
        Action::Connect { apn: String::new(), user: String::new(), password: String::new(), roaming: false, family }
    }

    #[test]
    fn a_modem_is_brought_on_the_air_step_by_step_and_again_after_a_restart() {
        let (mut book, place) = (Book::default(), Place { pin: Some("1234".into()), ..Place::default() });
        let steps = [
            (
                Modem { lock: Lock::Pin(Some(3)), ..modem(State::Locked) },
                Action::Unlock { sim: "/sim/0".into(), pin: "1234".into() },
            ),
            (modem(State::Disabled), Action::Enable),
            (Modem { signal_rate: 0, ..modem(State::Searching) }, Action::Listen(1)),
            (modem(State::Registered), connect(IpFamily::Ipv4v6)),
        ];
        for (restart, path) in ["/modem/0", "/modem/7"].into_iter().enumerate() {
            for (step, (seen, expected)) in (0..).zip(&steps) {
                let now = restart as u64 * 100 + step * 10;
                let (came, _) = book.look(at(now), vec![Modem { path: path.into(), ..seen.clone() }]);
                assert_eq!(came.len(), usize::from(step == 0));
                assert_eq!(next(&mut book, now, &place), std::slice::from_ref(expected));
                assert_eq!(next(&mut book, now + 1, &place), [], "one thing at a time");
                book.done(at(now + 2), &port(), path, expected, None);
            }
            book.look(at(90), vec![Modem { path: path.into(), ..modem(State::Connected) }]);
            assert_eq!(next(&mut book, 91, &place), []);
        }
        let (_, went) = book.look(at(300), vec![]);
        assert_eq!(went, [port()]);
        assert_eq!(next(&mut book, 301, &place), []);
    }

    #[test]
    fn a_wrong_pin_is_tried_once_and_the_last_try_is_left_to_people() {
        let (mut book, place) = (Book::default(), Place { pin: Some("0000".into()), ..Place::default() });
        let locked = |left| Modem { lock: Lock::Pin(Some(left)), ..modem(State::Locked) };
        book.look(at(0), vec![locked(3)]);
        let tried = next(&mut book, 0, &place);
        book.done(at(1), &port(), "/modem/0", &tried[0], Some(&ModemError::Refused("incorrect password".into())));
        // A restart makes another object of it.
        book.look(at(600), vec![Modem { path: "/modem/1".into(), ..locked(2) }]);
        assert_eq!(next(&mut book, 600, &place), []);
        assert_eq!(reason(&book), "the SIM did not take its PIN");
        let other = Place { pin: Some("1111".into()), ..Place::default() };
        book.look(at(601), vec![Modem { path: "/modem/1".into(), ..locked(1) }]);
        assert_eq!(next(&mut book, 601, &other), []);
        assert!(reason(&book).contains("one try left"), "{}", reason(&book));
        book.look(at(602), vec![Modem { path: "/modem/1".into(), lock: Lock::Puk(Some(10)), ..modem(State::Locked) }]);
        assert_eq!(next(&mut book, 602, &other), []);
        assert_eq!(reason(&book), "the SIM asks for its PUK");
    }

    #[test]
    fn bands_that_are_set_meanwhile_do_not_have_it_connect_twice() {
        let (mut book, place) = (Book::default(), Place::default());
        book.look(at(0), vec![modem(State::Registered)]);
        let connect = next(&mut book, 0, &place)[0].clone();
        book.done(at(1), &port(), "/modem/0", &Action::Bands(vec![33]), None);
        assert_eq!(next(&mut book, 10, &place), []);
        book.done(at(11), &port(), "/modem/0", &connect, None);
        assert_eq!(next(&mut book, 20, &place), [connect]);
    }

    #[test]
    fn a_bearer_that_is_wanted_otherwise_is_ended_even_where_it_is_being_asked_for() {
        let (mut book, mut place) = (Book::default(), Place::default());
        book.look(at(0), vec![modem(State::Registered)]);
        let first = next(&mut book, 0, &place)[0].clone();
        place.access.apn = "private".into();
        book.renew(&port());
        book.done(at(1), &port(), "/modem/0", &first, None);
        let carries = Modem { bearer: Some(Bearer::default()), ..modem(State::Connected) };
        book.look(at(2), vec![carries.clone()]);
        assert_eq!(book.entries()[&port()].bearer(), None, "it is not the one that is waited for");
        assert_eq!(next(&mut book, 2, &place), [Action::Disconnect]);
        book.done(at(3), &port(), "/modem/0", &Action::Disconnect, None);
        book.look(at(4), vec![modem(State::Registered)]);
        let second = next(&mut book, 4, &place);
        assert!(matches!(&second[..], [Action::Connect { apn, .. }] if apn == "private"), "{second:?}");
        // And one that is wanted otherwise again fails: that says nothing of the next.
        book.renew(&port());
        let refused = ModemError::Refused("no such access point".into());
        assert!(book.done(at(5), &port(), "/modem/0", &second[0], Some(&refused)));
        let second = next(&mut book, 6, &place);
        assert!(!book.done(at(7), &port(), "/modem/0", &second[0], None));
        book.look(at(8), vec![carries]);
        assert_eq!((next(&mut book, 8, &place), book.entries()[&port()].bearer().is_some()), (vec![], true));
    }

    #[test]
    fn a_bearer_of_before_that_speaks_ppp_is_ended() {
        let mut book = Book::default();
        let families = vec![IpConfig { ipv6: false, method: Method::Ppp, address: None, gateway: None, mtu: None }];
        let bearer = Some(Bearer { families, ..Bearer::default() });
        book.look(at(0), vec![Modem { bearer, ..modem(State::Connected) }]);
        assert_eq!(next(&mut book, 0, &Place::default()), [Action::Disconnect]);
    }

    #[test]
    fn what_fails_is_tried_later_and_later_and_ppp_never_again() {
        let (mut book, place) = (Book::default(), Place::default());
        book.look(at(0), vec![modem(State::Registered)]);
        let (mut now, mut waits, mut begun) = (0, vec![], 0);
        // In each round what the network refuses of one family is asked for of the next.
        for call in 0..27 {
            let action = loop {
                if let [action] = &next(&mut book, now, &place)[..] {
                    break action.clone();
                }
                now += 1;
            };
            let family = [IpFamily::Ipv4v6, IpFamily::Ipv4, IpFamily::Ipv6][call % 3];
            assert_eq!(action, connect(family));
            if call % 3 == 0 {
                waits.push(now - begun);
            }
            begun = now;
            book.done(at(now), &port(), "/modem/0", &action, Some(&ModemError::Refused("no network".into())));
            assert_eq!(reason(&book), "no network");
        }
        assert_eq!(waits, [0, 4, 8, 16, 32, 64, 128, 256, 256]);
        book.hurry(&port());
        let action = next(&mut book, now, &place)[0].clone();
        book.done(at(now), &port(), "/modem/0", &action, Some(&ModemError::Ppp));
        assert_eq!(next(&mut book, now + 10_000, &place), []);
        assert!(reason(&book).contains("PPP"));
    }

    #[test]
    fn in_a_foreign_network_it_connects_only_where_it_may() {
        let (mut book, mut place) = (Book::default(), Place::default());
        let network = Network { roaming: true, ..Network::default() };
        book.look(at(0), vec![Modem { network, ..modem(State::Registered) }]);
        assert_eq!(next(&mut book, 0, &place), []);
        assert!(reason(&book).contains("another network"));
        place.access.roaming = true;
        assert!(matches!(next(&mut book, 1, &place)[..], [Action::Connect { roaming: true, .. }]));
    }

    #[test]
    fn a_modem_without_an_interface_of_its_own_is_behind_the_link_in_its_port() {
        let mut book = Book::default();
        let behind = |book: &Book, port: &str, interface: &str| book.behind(&Port::named(port), interface).is_some();
        book.look(at(0), vec![modem(State::Registered)]);
        assert!(behind(&book, "usb1-1", "usb0") && !behind(&book, "usb1-2", "usb1"));
        book.look(at(1), vec![Modem { interface: Some("wwan0".into()), ..modem(State::Registered) }]);
        assert!(behind(&book, "usb1-1", "wwan0") && !behind(&book, "usb1-1", "usb0"));
    }

    #[test]
    fn a_modem_that_routes_by_itself_is_listened_to_and_not_connected() {
        let (mut book, place) = (Book::default(), Place::default());
        let next = |book: &mut Book, seconds| {
            let begun = book.next(at(seconds), |of| *of == port(), |_, _| Some(&place));
            begun.into_iter().map(|(_, _, action)| action).collect::<Vec<_>>()
        };
        book.look(at(0), vec![Modem { signal_rate: 0, ..modem(State::Registered) }]);
        assert_eq!(next(&mut book, 0), [Action::Listen(1)]);
        book.done(at(1), &port(), "/modem/0", &Action::Listen(1), None);
        book.look(at(2), vec![modem(State::Registered)]);
        assert_eq!(next(&mut book, 2), []);
        assert_eq!(book.entries()[&port()].reason, None);
    }

    #[test]
    fn a_reading_is_as_old_as_when_it_was_told_or_confirmed_and_a_stale_one_counts_as_none() {
        let mut book = Book::default();
        let signal = |percent| Signal { rsrp: Some(-95.0), percent, ..Signal::default() };
        let read = |reading| Modem { reading, signal: signal(None), ..modem(State::Registered) };
        let heard = |book: &Book| book.entries()[&port()].heard;
        book.look(at(0), vec![read(1)]);
        // Looked at again it is no younger.
        book.look(at(10), vec![read(1)]);
        assert_eq!((heard(&book), book.unconfirmed(at(14))), (at(0), vec![]));
        book.look(at(14), vec![read(2)]);
        assert_eq!((heard(&book), book.unconfirmed(at(28))), (at(14), vec![]));
        assert_eq!(book.unconfirmed(at(29)), [(port(), "/modem/0".into())]);
        assert_eq!(book.unconfirmed(at(30)), [], "it is being asked");
        book.confirm(at(31), &port(), "/modem/0", true);
        assert_eq!(heard(&book), at(31));
        assert_eq!(book.unconfirmed(at(46)).len(), 1);
        book.confirm(at(51), &port(), "/modem/0", false);
        book.listen(at(75));
        let rsrp = |book: &Book, seconds| book.entries()[&port()].radio.reading(at(seconds)).rsrp;
        assert_eq!((book.entries()[&port()].is_stale(at(75)), rsrp(&book, 75)), (false, Some(-95.0)));
        book.listen(at(86));
        assert_eq!((book.entries()[&port()].is_stale(at(76)), rsrp(&book, 86)), (true, None));
        // ModemManager's own word.
        book.look(at(90), vec![Modem { reading: 3, signal: signal(Some((60, false))), ..modem(State::Registered) }]);
        assert!(book.entries()[&port()].is_stale(at(90)));
    }

    #[test]
    fn a_model_that_freezes_is_asked_seldom() {
        let mut book = Book::default();
        let huawei =
            Modem { manufacturer: "Huawei".into(), model: "ME909s".into(), signal_rate: 0, ..modem(State::Registered) };
        book.look(at(0), vec![huawei]);
        assert_eq!(next(&mut book, 0, &Place::default()), [Action::Listen(15)]);
    }
}
