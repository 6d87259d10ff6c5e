//! What ModemManager has said of its objects, kept by what it says next.
//!
//! All of it is asked for once. From then on signals tell of each change, in the order in which answers come, too: what a signal
//! says that was on its way when the answer was made is said again by the next one.

use std::collections::HashMap;

use serde::de::DeserializeOwned;
use zbus::{Message, OwnedObjectPath, Type};

use crate::bus::{Objects, ROOT, Values};
use crate::read::{self, LOCATION, MODEM, SIGNAL, THREE_GPP};
use crate::{Modem, News, State};

/// All of it.
#[derive(Debug)]
pub(crate) struct Known {
    /// The name on the bus of the ModemManager that said it: another one's word is of other objects, though they have the same names.
    owner: String,
    pub(crate) version: String,
    modems: HashMap<String, Object>,
    /// SIMs and bearers; `None` of those that it did not want to tell of.
    parts: HashMap<String, Option<Values>>,
    /// The number of the last reading.
    readings: u64,
}

#[derive(Debug, Default)]
struct Object {
    interfaces: HashMap<String, Values>,
    reading: u64,
}

/// What a message means to those who know the rest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nothing that is looked at here.
    Nothing,
    /// This.
    News(News),
    /// It cannot be read: what it says is not known.
    Unreadable(String),
    /// It says that something has changed, and not how: all has to be asked for again.
    Unsaid,
}

impl Known {
    /// As ModemManager answers; `readings` is the number of the last one that was had before.
    pub(crate) fn new(owner: String, version: String, objects: Objects, readings: u64) -> Self {
        let mut this = Self { owner, version, modems: HashMap::new(), parts: HashMap::new(), readings };
        for (path, interfaces) in objects {
            this.add(path.as_str(), interfaces);
        }
        this
    }

    pub(crate) const fn readings(&self) -> u64 {
        self.readings
    }

    /// Takes in a signal.
    pub(crate) fn hear(&mut self, message: &Message) -> Heard {
        let header = message.header();
        let text = |part: Option<&str>| part.unwrap_or_default().to_owned();
        let (path, member) =
            (text(header.path().map(|it| it.as_str())), text(header.member().map(|member| member.as_str())));
        if header.sender().is_some_and(|sender| sender.as_str() != self.owner) {
            return Heard::Nothing;
        }
        let heard = match (header.interface().map(|it| it.as_str()), member.as_str()) {
            (Some(OBJECTS), "InterfacesAdded") if path == ROOT => {
                body(message).map(|(path, interfaces): (OwnedObjectPath, _)| self.on_added(path.as_str(), interfaces))
            }
            (Some(OBJECTS), "InterfacesRemoved") if path == ROOT => {
                body(message).map(|(path, gone): (OwnedObjectPath, Vec<String>)| self.on_removed(path.as_str(), &gone))
            }
            (Some(PROPERTIES), "PropertiesChanged") => body(message)
                .map(|(interface, values, unsaid): (String, _, _)| self.on_changed(&path, &interface, values, unsaid)),
            _ => Ok(Heard::Nothing),
        };
        heard.unwrap_or_else(Heard::Unreadable)
    }

    fn add(&mut self, path: &str, interfaces: HashMap<String, Values>) {
        self.readings += 1;
        let known = self.modems.entry(path.to_owned()).or_default();
        known.interfaces.extend(interfaces);
        known.reading = self.readings;
    }

    fn on_added(&mut self, path: &str, interfaces: HashMap<String, Values>) -> Heard {
        self.add(path, interfaces);
        Heard::News(News::Modems)
    }

    fn on_removed(&mut self, path: &str, gone: &[String]) -> Heard {
        if let Some(known) = self.modems.get_mut(path) {
            known.interfaces.retain(|interface, _| !gone.contains(interface));
            if !known.interfaces.contains_key(MODEM) {
                self.modems.remove(path);
            }
        }
        Heard::News(News::Modems)
    }

    fn on_changed(&mut self, path: &str, interface: &str, values: Values, unsaid: Vec<String>) -> Heard {
        let is_of_radio = interface == SIGNAL || interface == MODEM && values.keys().all(|key| key == "SignalQuality");
        let known = match (self.modems.get_mut(path), self.parts.get_mut(path)) {
            (Some(known), _) if [MODEM, SIGNAL, THREE_GPP, LOCATION].contains(&interface) => {
                if is_of_radio {
                    self.readings += 1;
                    known.reading = self.readings;
                }
                known.interfaces.entry(interface.to_owned()).or_default()
            }
            // Bytes of a bearer are counted by the kernel, too.
            (_, Some(_)) if values.keys().all(|key| key == "Stats") && unsaid.is_empty() => return Heard::Nothing,
            (_, Some(part)) => part.get_or_insert_default(),
            // Of messages and calls, or of what was not asked for yet.
            _ => return Heard::Nothing,
        };
        known.extend(values);
        match (unsaid.is_empty(), is_of_radio) {
            (false, _) => Heard::Unsaid,
            (true, true) => Heard::News(News::Radio),
            (true, false) => Heard::News(News::Modems),
        }
    }

    /// SIMs and bearers that modems have and that nothing is known of, and what they are.
    pub(crate) fn missing(&self) -> Vec<(String, &'static str)> {
        let parts = self.modems.values().map(|known| read::parts(&known.interfaces));
        let parts = parts.flat_map(|(sim, bearers)| {
            sim.map(|sim| (sim, SIM)).into_iter().chain(bearers.into_iter().map(|bearer| (bearer, BEARER)))
        });
        parts.filter(|(path, _)| !self.parts.contains_key(path)).collect()
    }

    /// What was answered of one of them.
    pub(crate) fn learn(&mut self, path: String, values: Option<Values>) {
        self.parts.insert(path, values);
    }

    /// What no modem has any more need not be known.
    pub(crate) fn tidy(&mut self) {
        let parts = self.modems.values().map(|known| read::parts(&known.interfaces));
        let had: Vec<String> = parts.flat_map(|(sim, bearers)| sim.into_iter().chain(bearers)).collect();
        self.parts.retain(|path, _| had.contains(path));
    }

    /// All modems, by their devices.
    pub(crate) fn modems(&self) -> Vec<Modem> {
        let mut modems: Vec<Modem> = self.modems.iter().filter_map(|(path, known)| self.modem(path, known)).collect();
        modems.sort_by(|a, b| a.device.cmp(&b.device));
        modems
    }

    fn modem(&self, path: &str, known: &Object) -> Option<Modem> {
        let mut modem = Modem { reading: known.reading, ..read::modem(path, &known.interfaces)? };
        let (sim, bearers) = read::parts(&known.interfaces);
        let part = |path: &str| self.parts.get(path)?.as_ref();
        modem.sim = sim.and_then(|sim| Some(read::sim(sim.clone(), part(&sim)?)));
        if modem.state == State::Connected {
            modem.bearer = bearers.iter().find_map(|bearer| read::bearer(bearer, part(bearer)?));
        }
        Some(modem)
    }
}

fn body<T: DeserializeOwned + Type>(message: &Message) -> Result<T, String> {
    message.body().deserialize().map_err(|error| error.to_string())
}

pub(crate) const SIM: &str = "org.freedesktop.ModemManager1.Sim";
pub(crate) const BEARER: &str = "org.freedesktop.ModemManager1.Bearer";
pub(crate) const OBJECTS: &str = "org.freedesktop.DBus.ObjectManager";
pub(crate) const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

#[cfg(test)]
mod tests {
    use zbus::Variant;

    use super::*;

    const PATH: &str = "/org/freedesktop/ModemManager1/Modem/0";

    fn values(pairs: Vec<(&str, Variant<'_>)>) -> Values {
        pairs.into_iter().map(|(key, value)| (key.to_owned(), value.try_to_owned().unwrap())).collect()
    }

    fn signal<B: serde::Serialize + zbus::DynamicType>(path: &str, interface: &str, member: &str, body: &B) -> Message {
        Message::signal(path, interface, member).sender(":1.7").build(body).unwrap()
    }

    fn changed(path: &str, interface: &str, pairs: Vec<(&str, Variant<'_>)>) -> Message {
        signal(path, PROPERTIES, "PropertiesChanged", &(interface, values(pairs), Vec::<String>::new()))
    }

    fn known() -> Known {
        let sim = zbus::ObjectPath::try_from("/org/freedesktop/ModemManager1/SIM/0").unwrap();
        let interfaces =
            HashMap::from([(MODEM.to_owned(), values(vec![("State", 8_i32.into()), ("Sim", sim.into())]))]);
        let objects = HashMap::from([(OwnedObjectPath::try_from(PATH).unwrap(), interfaces)]);
        Known::new(":1.7".into(), "1.20".into(), objects, 40)
    }

    #[test]
    fn what_is_told_is_known_and_a_radio_is_told_from_the_rest() {
        let mut known = known();
        let before = known.modems()[0].clone();
        let radio = [("Lte", Variant::from(HashMap::from([("rsrp", Variant::from(-101.0))])))];
        assert_eq!(known.hear(&changed(PATH, SIGNAL, radio.into())), Heard::News(News::Radio));
        let after = known.modems()[0].clone();
        assert_eq!((after.signal.rsrp, after.reading > before.reading), (Some(-101.0), true));
        let quality = Variant::from((31_u32, false));
        assert_eq!(known.hear(&changed(PATH, MODEM, vec![("SignalQuality", quality)])), Heard::News(News::Radio));
        assert_eq!(known.modems()[0].signal.percent, Some((31, false)));
        let state = vec![("State", 3_i32.into())];
        assert_eq!(known.hear(&changed(PATH, MODEM, state)), Heard::News(News::Modems));
        assert_eq!((known.modems()[0].state, known.modems()[0].signal.rsrp), (State::Disabled, Some(-101.0)));
        let other = changed(PATH, "org.freedesktop.ModemManager1.Modem.Messaging", vec![("Messages", 1_u32.into())]);
        assert_eq!(known.hear(&other), Heard::Nothing);
    }

    #[test]
    fn modems_come_and_go_as_they_are_told() {
        let mut known = known();
        let second = "/org/freedesktop/ModemManager1/Modem/1";
        let added = HashMap::from([(MODEM.to_owned(), values(vec![("Device", "/sys/devices/x".into())]))]);
        let path = OwnedObjectPath::try_from(second).unwrap();
        let came = signal(ROOT, OBJECTS, "InterfacesAdded", &(path.clone(), added));
        assert_eq!(known.hear(&came), Heard::News(News::Modems));
        assert_eq!(known.modems().len(), 2);
        let went = signal(ROOT, OBJECTS, "InterfacesRemoved", &(path, vec![MODEM]));
        assert_eq!(known.hear(&went), Heard::News(News::Modems));
        assert_eq!(known.modems().iter().map(|modem| modem.path.as_str()).collect::<Vec<_>>(), [PATH]);
    }

    #[test]
    fn a_sim_is_asked_for_once_and_what_it_says_then_is_taken_in() {
        let mut known = known();
        let sim = "/org/freedesktop/ModemManager1/SIM/0";
        assert_eq!(known.missing(), [(sim.to_owned(), SIM)]);
        known.learn(sim.into(), Some(values(vec![("SimIdentifier", "".into())])));
        assert_eq!(known.missing(), []);
        let told = changed(sim, SIM, vec![("SimIdentifier", "8949".into())]);
        assert_eq!(known.hear(&told), Heard::News(News::Modems));
        assert_eq!(known.modems()[0].sim.as_ref().unwrap().iccid, "8949");
    }

    #[test]
    fn what_no_modem_has_any_more_is_forgotten_and_asked_for_when_one_has_it_again() {
        let mut known = known();
        let sim = "/org/freedesktop/ModemManager1/SIM/0";
        known.learn(sim.into(), Some(values(vec![("SimIdentifier", "8949".into())])));
        let of_sim = |path: &'static str| vec![("Sim", Variant::from(zbus::ObjectPath::try_from(path).unwrap()))];
        // Pulled, and another one of the same name put in.
        known.hear(&changed(PATH, MODEM, of_sim("/")));
        known.tidy();
        assert_eq!((known.missing(), known.modems()[0].sim.clone()), (vec![], None));
        known.hear(&changed(PATH, MODEM, of_sim(sim)));
        assert_eq!(known.missing(), [(sim.to_owned(), SIM)]);
    }

    #[test]
    fn what_cannot_be_read_or_is_not_said_is_told_apart_from_nothing() {
        let mut known = known();
        for garbled in [
            signal(PATH, PROPERTIES, "PropertiesChanged", &"nonsense"),
            signal(PATH, PROPERTIES, "PropertiesChanged", &(MODEM, 7_u32)),
            signal(ROOT, OBJECTS, "InterfacesAdded", &()),
            signal(ROOT, OBJECTS, "InterfacesRemoved", &vec![1_u8]),
        ] {
            assert!(matches!(known.hear(&garbled), Heard::Unreadable(_)), "{garbled:?}");
        }
        let unsaid = signal(PATH, PROPERTIES, "PropertiesChanged", &(MODEM, Values::new(), vec!["State"]));
        assert_eq!(known.hear(&unsaid), Heard::Unsaid);
        assert_eq!(known.modems()[0].state, State::Registered);
    }

    #[test]
    fn the_word_of_a_modemmanager_of_before_is_of_other_objects() {
        let mut known = known();
        let message = Message::signal(PATH, PROPERTIES, "PropertiesChanged").sender(":1.3");
        let body = (MODEM, values(vec![("State", 3_i32.into())]), Vec::<String>::new());
        assert_eq!(known.hear(&message.build(&body).unwrap()), Heard::Nothing);
        assert_eq!(known.modems()[0].state, State::Registered);
    }
}
