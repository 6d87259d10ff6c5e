//! What ModemManager's numbers and properties mean.

use std::collections::HashMap;

use zbus::OwnedVariant;

use crate::bus::{Values, number, owned, path, text};
use crate::{Anchor, Bearer, Cell, IpConfig, Lock, Method, Modem, Network, Signal, Sim, State};

/// A modem's own properties, by interface.
pub(crate) fn modem(object: &str, interfaces: &HashMap<String, Values>) -> Option<Modem> {
    let values = interfaces.get(MODEM)?;
    let none = Values::new();
    let signal = interfaces.get(SIGNAL).unwrap_or(&none);
    let retries = owned::<HashMap<u32, u32>>(values, "UnlockRetries").unwrap_or_default();
    let code: i32 = values.get("State").and_then(|value| value.downcast_ref::<i32>().ok()).unwrap_or_default();
    Some(Modem {
        path: object.to_owned(),
        device: text(values, "Device"),
        manufacturer: text(values, "Manufacturer"),
        model: text(values, "Model"),
        revision: text(values, "Revision"),
        equipment: text(values, "EquipmentIdentifier"),
        state: state(code),
        failure: failure(number(values, "StateFailedReason").unwrap_or_default()),
        lock: lock(number(values, "UnlockRequired").unwrap_or_default(), &retries),
        sim: None,
        interface: owned::<Vec<(String, u32)>>(values, "Ports")
            .and_then(|ports| ports.into_iter().find(|(_, kind)| *kind == PORT_NET))
            .map(|(name, _)| name),
        network: Network {
            cell: served(code).then(|| location(interfaces.get(LOCATION)?)).flatten(),
            ..network(values, interfaces.get(THREE_GPP).unwrap_or(&none))
        },
        signal: Signal { percent: owned::<(u32, bool)>(values, "SignalQuality"), ..reading(signal) },
        reading: 0,
        signal_rate: number(signal, "Rate").unwrap_or_default(),
        bands: owned(values, "SupportedBands").unwrap_or_default(),
        bands_allowed: owned(values, "CurrentBands").unwrap_or_default(),
        bearer: None,
    })
}

/// Where its SIM and its bearers are to be asked for.
pub(crate) fn parts(interfaces: &HashMap<String, Values>) -> (Option<String>, Vec<String>) {
    let Some(values) = interfaces.get(MODEM) else { return (None, Vec::new()) };
    let bearers = owned::<Vec<zbus::OwnedObjectPath>>(values, "Bearers").unwrap_or_default();
    (path(values, "Sim"), bearers.iter().map(|path| path.as_str().to_owned()).collect())
}

pub(crate) fn sim(object: String, values: &Values) -> Sim {
    Sim { path: object, iccid: text(values, "SimIdentifier"), operator: text(values, "OperatorName") }
}

/// `None` of one that is not connected.
pub(crate) fn bearer(object: &str, values: &Values) -> Option<Bearer> {
    if !values.get("Connected")?.downcast_ref::<bool>().ok()? {
        return None;
    }
    let family = |(key, ipv6)| config(&owned::<HashMap<String, OwnedVariant>>(values, key)?, ipv6);
    Some(Bearer {
        path: object.to_owned(),
        interface: text(values, "Interface"),
        families: [("Ip4Config", false), ("Ip6Config", true)].into_iter().filter_map(family).collect(),
    })
}

fn config(values: &Values, ipv6: bool) -> Option<IpConfig> {
    let method = match number(values, "method")? {
        1 => Method::Ppp,
        2 => Method::Static,
        3 => Method::Dhcp,
        _ => return None,
    };
    let ip = |key| text(values, key).parse().ok();
    Some(IpConfig {
        ipv6,
        method,
        address: ip("address").zip(number(values, "prefix").and_then(|prefix| u8::try_from(prefix).ok())),
        gateway: ip("gateway"),
        mtu: number(values, "mtu").filter(|mtu| *mtu >= LEAST_MTU),
    })
}

/// In a network, so that what is known of its cell is not of before.
const fn served(code: i32) -> bool {
    matches!(state(code), State::Registered | State::Connecting | State::Connected)
}

/// The cell, where ModemManager has it from the modem's registration and was told to tell ([`crate::Action::Listen`]).
/// GetCellInfo would have channels, too, but asks the modem, and some let no data pass meanwhile.
fn location(values: &Values) -> Option<Cell> {
    let told = owned::<HashMap<u32, OwnedVariant>>(values, "Location")?;
    cell(told.get(&THREE_GPP_LAC_CI)?.downcast_ref::<&str>().ok()?)
}

/// The cell of a location: "MCC,MNC,LAC,CI,TAC", the last three in hexadecimal; 0 and FFFE are no area (3GPP TS 24.008 10.5.1.3).
fn cell(location: &str) -> Option<Cell> {
    let parts: Vec<&str> = location.split(',').collect();
    let hex = |at: usize| u64::from_str_radix(parts.get(at)?, 16).ok().filter(|value| *value != 0);
    let area = |at| hex(at).and_then(|area| u32::try_from(area).ok()).filter(|area| *area != 0xfffe);
    Some(Cell { id: hex(3)?, area: area(4).or_else(|| area(2)) })
}

const fn state(code: i32) -> State {
    match code {
        -1 => State::Failed,
        2 => State::Locked,
        3 => State::Disabled,
        4 | 5 => State::Switching,
        6 | 7 => State::Searching,
        8 => State::Registered,
        9 | 10 => State::Connecting,
        11 => State::Connected,
        _ => State::Starting,
    }
}

fn failure(code: u32) -> Option<&'static str> {
    match code {
        0 => None,
        2 => Some("no SIM"),
        3 => Some("the SIM does not answer"),
        4 => Some("it does not say what it can do"),
        5 => Some("an eSIM without a profile"),
        _ => Some("it does not say why"),
    }
}

/// A second PIN guards a SIM's phone book, and nothing that is needed here.
fn lock(code: u32, retries: &HashMap<u32, u32>) -> Lock {
    let left = retries.get(&code).copied();
    match code {
        0 | 1 | 3 | 5 => Lock::None,
        2 => Lock::Pin(left),
        4 => Lock::Puk(left),
        _ => Lock::Other,
    }
}

fn network(modem: &Values, values: &Values) -> Network {
    let registration = number(values, "RegistrationState").unwrap_or_default();
    let technologies = number(modem, "AccessTechnologies").unwrap_or_default();
    Network {
        operator: text(values, "OperatorName"),
        code: text(values, "OperatorCode"),
        roaming: [5, 7, 10].contains(&registration),
        denied: registration == 3,
        technologies: TECHNOLOGIES.iter().filter(|(bits, _)| technologies & bits != 0).map(|(_, name)| *name).collect(),
        cell: None,
    }
}

fn reading(values: &Values) -> Signal {
    let of = |technology| {
        let values = owned::<HashMap<String, OwnedVariant>>(values, technology).unwrap_or_default();
        // A modem without a value says -32768 for it.
        let of = |key| values.get(key)?.downcast_ref::<f64>().ok().filter(|value| (-200.0..=100.0).contains(value));
        Signal { rssi: of("rssi"), rsrp: of("rsrp"), rsrq: of("rsrq"), sinr: of("snr"), ..Signal::default() }
    };
    let said = |technology| Some(of(technology)).filter(|signal| *signal != Signal::default());
    match (said("Nr5g"), said("Lte")) {
        (Some(nr), lte) => {
            Signal { anchor: lte.map(|Signal { rsrp, rsrq, sinr, .. }| Anchor { rsrp, rsrq, sinr }), ..nr }
        }
        (None, lte) => lte.or_else(|| said("Umts")).or_else(|| said("Gsm")).unwrap_or_default(),
    }
}

pub(crate) const MODEM: &str = "org.freedesktop.ModemManager1.Modem";
pub(crate) const SIGNAL: &str = "org.freedesktop.ModemManager1.Modem.Signal";
pub(crate) const THREE_GPP: &str = "org.freedesktop.ModemManager1.Modem.Modem3gpp";
pub(crate) const LOCATION: &str = "org.freedesktop.ModemManager1.Modem.Location";
/// MM_MODEM_LOCATION_SOURCE_3GPP_LAC_CI
pub(crate) const THREE_GPP_LAC_CI: u32 = 1;
/// MM_MODEM_PORT_TYPE_NET
const PORT_NET: u32 = 2;
/// What IPv4 itself asks of every link (RFC 791): less is no value.
const LEAST_MTU: u32 = 576;
/// Bits of MMModemAccessTechnology, best first.
const TECHNOLOGIES: &[(u32, &str)] = &[(1 << 15, "5G NR"), (1 << 14, "LTE"), (0x3e0, "UMTS"), (0x1a, "GSM")];

#[cfg(test)]
mod tests {
    use zbus::Variant;

    use super::*;

    fn values(pairs: Vec<(&str, Variant<'_>)>) -> Values {
        pairs.into_iter().map(|(key, value)| (key.to_owned(), value.try_to_owned().unwrap())).collect()
    }

    #[test]
    fn numbers_mean_what_modemmanager_says() {
        let modem_values = values(vec![
            ("State", Variant::from(11_i32)),
            ("UnlockRequired", Variant::from(1_u32)),
            ("AccessTechnologies", Variant::from((1_u32 << 14) | (1 << 15))),
            ("SignalQuality", Variant::from((71_u32, true))),
        ]);
        let signal = HashMap::from([("rsrp", Variant::from(-95.5_f64)), ("snr", Variant::from(-32_768.0_f64))]);
        let interfaces = HashMap::from([
            (MODEM.to_owned(), modem_values),
            (SIGNAL.to_owned(), values(vec![("Rate", Variant::from(1_u32)), ("Lte", Variant::from(signal))])),
            (THREE_GPP.to_owned(), values(vec![("RegistrationState", Variant::from(5_u32))])),
        ]);
        let modem = modem("/m/0", &interfaces).unwrap();
        assert_eq!((modem.state, modem.lock, modem.signal_rate), (State::Connected, Lock::None, 1));
        assert_eq!(modem.network.technologies, ["5G NR", "LTE"]);
        assert!(modem.network.roaming);
        let expected = Signal { percent: Some((71, true)), rsrp: Some(-95.5), ..Signal::default() };
        assert_eq!(modem.signal, expected);
    }

    #[test]
    fn lte_beside_nr_is_its_anchor_and_a_technology_without_values_is_none() {
        let of = |rsrp: f64, snr: f64| HashMap::from([("rsrp", Variant::from(rsrp)), ("snr", Variant::from(snr))]);
        let none = -32_768.0;
        let nr = Signal { rsrp: Some(-101.0), sinr: Some(7.5), ..Signal::default() };
        let lte = Signal { rsrp: Some(-88.0), sinr: Some(21.0), ..Signal::default() };
        let anchor = Some(Anchor { rsrp: Some(-88.0), rsrq: None, sinr: Some(21.0) });
        for (said, expected) in [
            (vec![("Nr5g", of(-101.0, 7.5)), ("Lte", of(-88.0, 21.0))], Signal { anchor, ..nr }),
            // Alone (NR SA), and only said to be there.
            (vec![("Nr5g", of(-101.0, 7.5)), ("Lte", of(none, none))], nr),
            (vec![("Nr5g", of(none, none)), ("Lte", of(-88.0, 21.0))], lte),
            (vec![("Nr5g", of(none, none)), ("Gsm", of(none, none))], Signal::default()),
        ] {
            let said = said.into_iter().map(|(technology, values)| (technology, Variant::from(values)));
            assert_eq!(reading(&values(said.collect())), expected);
        }
    }

    #[test]
    fn a_bearer_has_what_its_network_gave_in_each_family() {
        let four = HashMap::from([
            ("method", Variant::from(2_u32)),
            ("address", Variant::from("10.2.2.2")),
            ("prefix", Variant::from(30_u32)),
            ("gateway", Variant::from("10.2.2.1")),
            ("mtu", Variant::from(0_u32)),
        ]);
        let six = HashMap::from([("method", Variant::from(0_u32))]);
        let mut all = values(vec![
            ("Connected", Variant::from(true)),
            ("Interface", Variant::from("wwan0")),
            ("Ip4Config", Variant::from(four)),
            ("Ip6Config", Variant::from(six)),
        ]);
        let expected = IpConfig {
            ipv6: false,
            method: Method::Static,
            address: Some(("10.2.2.2".parse().unwrap(), 30)),
            gateway: Some("10.2.2.1".parse().unwrap()),
            mtu: None,
        };
        assert_eq!(bearer("/b/0", &all).unwrap().families, [expected]);
        all.insert("Connected".into(), Variant::from(false).try_to_owned().unwrap());
        assert_eq!(bearer("/b/0", &all), None);
    }

    #[test]
    fn a_location_names_a_cell_and_its_area() {
        let lte = Cell { id: 0x01c3_d4e5, area: Some(0x1a2b) };
        assert_eq!(cell("001,01,FFFE,01C3D4E5,1A2B"), Some(lte));
        assert_eq!(cell("262,02,12F,C3D4,000000"), Some(Cell { id: 0xc3d4, area: Some(0x12f) }));
        assert_eq!(cell("262,02,0,C3D4,0").and_then(|cell| cell.area), None);
        assert_eq!([cell(""), cell("262,02,1,0,1"), cell("262,02,1,cell,1")], [None; 3]);
    }

    #[test]
    fn a_pin_is_told_from_a_puk_and_tries_are_counted() {
        let retries = HashMap::from([(2, 3), (4, 10)]);
        assert_eq!(
            [2, 4, 3, 17].map(|code| lock(code, &retries)),
            [Lock::Pin(Some(3)), Lock::Puk(Some(10)), Lock::None, Lock::Other]
        );
    }
}
