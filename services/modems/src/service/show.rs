//! What the service shows on its socket.

use std::collections::BTreeMap;

use bondbox_ipc::modems::{
    self, Anchor, Band, Cell, LinkState, Lock, ModemState, Network as ShownNetwork, Radio, Recovery, Sim, State,
};
use bondbox_modem::{Manager, Modem, band_of};
use bondbox_netlink::Network;
use bondbox_radio::health::health;
use bondbox_system::Leases;
use bondbox_udev::{Devices, Port};
use bondbox_units::Instant;

use super::Service;
use crate::book::{Book, Entry};
use crate::inventory::Link;

impl<N: Network, D: Devices, M: Manager, L: Leases> Service<N, D, M, L> {
    pub(super) fn show(&self) {
        self.server.set_state(self.state());
    }

    /// Everything that is known.
    pub(super) fn state(&self) -> State {
        let now = (self.now)();
        let links = self.inventory.links().iter().map(|(port, link)| self.link(now, port, link));
        let parts = links_of(&self.book, self.inventory.present());
        let modems =
            self.book.entries().iter().map(|(port, entry)| self.modem(now, port, entry, parts.get(port).copied()));
        State {
            manager: self.version.clone(),
            links: links.collect(),
            modems: modems.collect(),
            data: self.ledger.data(),
            counters: self.counters,
        }
    }

    fn link(&self, now: Instant, port: &Port, link: &Link) -> modems::Link {
        let interface = &link.interface;
        let iccid = self.iccid(port, &interface.name);
        let place = self.ledger.kept().place(port.as_str(), iccid);
        let label = place.and_then(|place| place.label.clone());
        let named = || if link.model.is_empty() { port.to_string() } else { link.model.clone() };
        let global = || interface.addresses.iter().filter(|address| address.is_global());
        modems::Link {
            port: port.to_string(),
            name: interface.name.clone(),
            label: label.unwrap_or_else(named),
            colour: place.and_then(|place| place.colour).unwrap_or(COLOURS[usize::from(link.slot) % COLOURS.len()]),
            kind: link.kind,
            state: self.link_state(now, link),
            addresses: global().map(|address| address.ip.to_string()).take(MOST_ADDRESSES).collect(),
            usage: self.ledger.usage(port.as_str(), iccid),
            radio: self
                .book
                .behind(port, &interface.name)
                .and_then(|(_, entry)| self.smoothed(now, entry, &interface.name)),
            iccid: iccid.map(str::to_owned),
            recovery: self.recovery(port),
        }
    }

    pub(super) fn link_state(&self, now: Instant, link: &Link) -> LinkState {
        let interface = &link.interface;
        if link.gone.is_some() {
            LinkState::Gone
        } else if !interface.up || !interface.carrier {
            LinkState::NoCarrier
        } else if !interface.addresses.iter().any(|address| address.is_global()) {
            LinkState::NoAddress
        } else if self.proof.is_dead(now, &interface.name) {
            LinkState::NoWayOut
        } else {
            LinkState::Ready
        }
    }
}

impl<N: Network, D: Devices, M: Manager, L: Leases> Service<N, D, M, L> {
    fn modem(&self, now: Instant, port: &Port, entry: &Entry, link: Option<&str>) -> modems::Modem {
        modem(now, port, entry, link, self.recovery(port))
    }

    fn recovery(&self, port: &Port) -> Recovery {
        let shown = self.ladders.shown(port);
        Recovery { refused: self.switches.failure(port).or(shown.refused), ..shown }
    }

    /// The reading that counts, with what arrives over the link.
    fn smoothed(&self, now: Instant, entry: &Entry, interface: &str) -> Option<Radio> {
        let reading = entry.radio.reading(now);
        let figures = self.proof.figures(interface);
        let tenths = |value: Option<f32>| value.map(|value| (value * 10.0).round() as i16);
        Some(Radio {
            rsrp_tenth_dbm: tenths(reading.rsrp),
            rsrq_tenth_db: tenths(reading.rsrq),
            sinr_tenth_db: tenths(reading.sinr),
            health: health(&reading, figures.map(|figures| figures.loss), figures.map(|figures| figures.jitter)),
            handover: entry.radio.handover(now),
            ..radio(now, entry)?
        })
    }
}

/// The names of the links that modems are part of, by the modems' ports.
fn links_of<'a>(book: &'a Book, links: impl Iterator<Item = (&'a Port, &'a Link)>) -> BTreeMap<&'a Port, &'a str> {
    let part = |(port, link): (&'a Port, &'a Link)| {
        let name = link.interface.name.as_str();
        book.behind(port, name).map(|(modem, _)| (modem, name))
    };
    links.filter_map(part).collect()
}

fn modem(now: Instant, port: &Port, entry: &Entry, link: Option<&str>, recovery: Recovery) -> modems::Modem {
    let Modem { manufacturer, model, revision, equipment, network, .. } = &entry.modem;
    modems::Modem {
        port: port.to_string(),
        model: short(format!("{manufacturer} {model}").trim()),
        revision: short(revision),
        equipment: short(equipment),
        state: state(entry),
        reason: entry.reason.as_deref().map(short),
        link: link.map(str::to_owned),
        sim: entry.modem.sim.as_ref().map(|sim| Sim {
            iccid: short(&sim.iccid),
            operator: short(&sim.operator),
            lock: match entry.modem.lock {
                bondbox_modem::Lock::None => Lock::None,
                bondbox_modem::Lock::Pin(left) => Lock::Pin(left.map(few)),
                bondbox_modem::Lock::Puk(left) => Lock::Puk(left.map(few)),
                bondbox_modem::Lock::Other => Lock::Other,
            },
        }),
        network: ShownNetwork {
            operator: short(&network.operator),
            code: short(&network.code),
            roaming: network.roaming,
            denied: network.denied,
            technologies: network.technologies.iter().map(|name| (*name).to_owned()).collect(),
            cell: network.cell.map(|bondbox_modem::Cell { id, area }| Cell { id, area }),
        },
        radio: radio(now, entry).map(|radio| Radio { health: health(&entry.radio.reading(now), None, None), ..radio }),
        bands: bands(&entry.modem.bands),
        bands_allowed: bands(&entry.modem.bands_allowed),
        recovery,
        quirks: entry.quirks().iter().map(|quirk| quirk.name().to_owned()).collect(),
    }
}

fn state(entry: &Entry) -> ModemState {
    use bondbox_modem::State;
    if entry.gone.is_some() {
        return ModemState::Gone;
    }
    match entry.modem.state {
        State::Failed => ModemState::Failed,
        State::Locked => ModemState::Locked,
        State::Starting | State::Disabled | State::Switching => ModemState::Disabled,
        State::Searching => ModemState::Searching,
        State::Registered => ModemState::Registered,
        State::Connecting => ModemState::Connecting,
        State::Connected => ModemState::Connected,
    }
}

/// While it is in no network its radio says nothing; what is stale says nothing any more.
fn radio(now: Instant, entry: &Entry) -> Option<Radio> {
    let signal = &entry.modem.signal;
    let tenths = |value: Option<f64>| value.map(|value| (value * 10.0).round() as i16);
    let percent = signal.percent.filter(|(_, recent)| *recent).map(|(percent, _)| few(percent).min(100));
    let any = [signal.rssi, signal.rsrp, signal.rsrq, signal.sinr].iter().any(Option::is_some);
    (entry.gone.is_none() && !entry.is_stale(now) && (any || percent.is_some())).then(|| Radio {
        at: entry.heard,
        stale_after_ms: entry.stale_after().as_millis() as u32,
        rssi_tenth_dbm: tenths(signal.rssi),
        rsrp_tenth_dbm: tenths(signal.rsrp),
        rsrq_tenth_db: tenths(signal.rsrq),
        sinr_tenth_db: tenths(signal.sinr),
        anchor: signal.anchor.map(|anchor| Anchor {
            rsrp_tenth_dbm: tenths(anchor.rsrp),
            rsrq_tenth_db: tenths(anchor.rsrq),
            sinr_tenth_db: tenths(anchor.sinr),
        }),
        percent,
        health: None,
        handover: false,
    })
}

pub(super) fn bands(numbers: &[u32]) -> Vec<Band> {
    let band = |number: &u32| match band_of(*number) {
        Some(('B', band)) => Some(Band::Lte(band)),
        Some((_, band)) => Some(Band::Nr(band)),
        // 0 is unknown, 256 is any: neither is a band.
        None => (*number != 0 && *number != 256).then_some(Band::Legacy(u16::try_from(*number).ok()?)),
    };
    numbers.iter().filter_map(band).take(MOST_BANDS).collect()
}

fn few(number: u32) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

/// Devices say what they like: no more than a page shows.
fn short(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(LONGEST).collect()
}

/// Where nobody chose: told apart on a dark page and on a bright one, and with the usual weaknesses of colour vision (Okabe and
/// Ito 2008).
const COLOURS: [[u8; 3]; 8] = [
    [0x00, 0x72, 0xb2],
    [0xe6, 0x9f, 0x00],
    [0x00, 0x9e, 0x73],
    [0xcc, 0x79, 0xa7],
    [0x56, 0xb4, 0xe9],
    [0xd5, 0x5e, 0x00],
    [0xf0, 0xe4, 0x42],
    [0x99, 0x99, 0x99],
];
const MOST_ADDRESSES: usize = 4;
const MOST_BANDS: usize = 80;
const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use bondbox_ipc::modems::LinkKind;
    use bondbox_netlink::Interface;

    use super::*;

    fn link(name: &str) -> Link {
        Link {
            slot: 0,
            kind: LinkKind::Stick,
            model: String::new(),
            interface: Interface { name: name.into(), ..Interface::default() },
            came: Instant::ZERO,
            gone: None,
        }
    }

    #[test]
    fn a_modem_is_part_of_the_link_that_carries_it_or_of_the_one_in_its_port() {
        let mut book = Book::default();
        let at = |port: &str, interface: Option<&str>| Modem {
            path: format!("/modem/{port}"),
            device: format!("/sys/devices/platform/usb1/{port}"),
            interface: interface.map(str::to_owned),
            ..Modem::default()
        };
        book.look(Instant::ZERO, vec![at("1-1", None), at("1-2", Some("wwan0")), at("1-3", None)]);
        // The second's link is known by another port than its modem, in whose port another link is.
        let links = [("usb1-1", "usb0"), ("usb1-2", "usb1"), ("pci0-1", "wwan0")];
        let links = links.map(|(port, name)| (Port::named(port), link(name)));
        let parts = links_of(&book, links.iter().map(|(port, link)| (port, link)));
        let part = |port: &str| parts.get(&Port::named(port)).copied();
        assert_eq!([part("usb1-1"), part("usb1-2"), part("usb1-3")], [Some("usb0"), Some("wwan0"), None]);
    }
}
