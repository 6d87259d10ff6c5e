//! What the service shows on its socket.

use bondbox_daemon::clock;
use bondbox_ipc::modems::{self, LinkState, State};
use bondbox_netlink::Network;
use bondbox_udev::{Devices, Port};
use bondbox_units::Instant;

use super::Service;
use crate::inventory::Link;

impl<N: Network, D: Devices> Service<N, D> {
    pub(super) fn show(&self) {
        let now = clock::now();
        let links = self.inventory.links().iter().map(|(port, link)| self.link(now, port, link));
        self.server.set_state(State {
            manager: None,
            links: links.collect(),
            modems: Vec::new(),
            data: self.ledger.data(),
            counters: self.counters,
        });
    }

    fn link(&self, now: Instant, port: &Port, link: &Link) -> modems::Link {
        let place = self.ledger.kept().place(port.as_str(), None);
        let label = place.and_then(|place| place.label.clone());
        let named = || if link.model.is_empty() { port.to_string() } else { link.model.clone() };
        let interface = &link.interface;
        let global = || interface.addresses.iter().filter(|address| address.is_global());
        modems::Link {
            port: port.to_string(),
            name: interface.name.clone(),
            label: label.unwrap_or_else(named),
            colour: place.and_then(|place| place.colour).unwrap_or(COLOURS[usize::from(link.slot) % COLOURS.len()]),
            kind: link.kind,
            state: if link.gone.is_some() {
                LinkState::Gone
            } else if !interface.up || !interface.carrier {
                LinkState::NoCarrier
            } else if global().next().is_none() {
                LinkState::NoAddress
            } else if self.proof.is_dead(now, &interface.name) {
                LinkState::NoWayOut
            } else {
                LinkState::Ready
            },
            addresses: global().map(|address| address.ip.to_string()).take(MOST_ADDRESSES).collect(),
            usage: self.ledger.usage(port.as_str(), None),
            radio: None,
            iccid: None,
        }
    }
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
