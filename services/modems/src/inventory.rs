//! Which links there are, by the port they are plugged into.
//!
//! A port keeps its slot for as long as the service runs: what comes back there is the same link, with the same colour and the
//! same place in the order of routes, however Linux numbers it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bondbox_ipc::modems::LinkKind;
use bondbox_netlink::{Interface, Snapshot};
use bondbox_udev::{Device, Kind, Port};
use bondbox_units::Instant;

/// Which interfaces count.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Links though nothing is behind them.
    pub also: Vec<String>,
    /// No links, whatever is behind them.
    pub inside: Vec<String>,
}

/// All links, those included that were pulled and may come back.
#[derive(Debug, Default)]
pub struct Inventory {
    links: BTreeMap<Port, Link>,
}

/// A link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// 0 to [`MOST`] - 1; two links never have the same.
    pub slot: u8,
    /// What it is.
    pub kind: LinkKind,
    /// As the device calls itself.
    pub model: String,
    /// The interface, as last seen.
    pub interface: Interface,
    /// Since when it is there, or was.
    pub came: Instant,
    /// Since when it is gone, if it is.
    pub gone: Option<Instant>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is there, or there again: perhaps another device.
    Came(Port),
    /// It was pulled.
    Went(Port),
    /// There is no slot for it.
    Full(Port),
}

impl Link {
    /// Whether it has an address without a bearer of ours: what is behind it is a router.
    pub fn routes_by_itself(&self) -> bool {
        let addressed = self.interface.addresses.iter().any(bondbox_netlink::Address::is_global);
        self.gone.is_none() && self.kind != LinkKind::Modem && addressed
    }
}

impl Inventory {
    /// All of them.
    pub const fn links(&self) -> &BTreeMap<Port, Link> {
        &self.links
    }

    /// Those that are plugged in.
    pub fn present(&self) -> impl Iterator<Item = (&Port, &Link)> {
        self.links.iter().filter(|(_, link)| link.gone.is_none())
    }

    /// Takes in what is there now.
    pub fn look(
        &mut self,
        now: Instant,
        snapshot: &Snapshot,
        selection: &Selection,
        behind: impl Fn(&str) -> Option<Device>,
    ) -> Vec<Event> {
        let mut events = Vec::new();
        let mut seen = BTreeSet::new();
        for interface in snapshot.interfaces.iter().filter(|interface| !interface.loopback) {
            let Some((device, kind)) = selection.take(interface, &behind) else { continue };
            // A device with several: the first has the port's own name.
            let port = if seen.contains(&device.port) {
                Port::named(&format!("{}:{}", device.port, interface.name))
            } else {
                device.port
            };
            seen.insert(port.clone());
            let before = self.links.get(&port);
            let fresh = before.is_none_or(|link| link.gone.is_some() || link.interface.index != interface.index);
            let came = before.filter(|_| !fresh).map_or(now, |link| link.came);
            let Some(slot) = before.map(|link| link.slot).or_else(|| self.free_slot()) else {
                events.push(Event::Full(port));
                continue;
            };
            if fresh {
                events.push(Event::Came(port.clone()));
            }
            let link = Link { slot, kind, model: device.model, interface: interface.clone(), came, gone: None };
            self.links.insert(port, link);
        }
        for (port, link) in &mut self.links {
            if link.gone.is_none() && !seen.contains(port) {
                link.gone = Some(now);
                events.push(Event::Went(port.clone()));
            }
        }
        self.links.retain(|_, link| link.gone.is_none_or(|since| now.since(since) < REMEMBERED));
        events
    }

    /// Of what nobody has; else of what was gone longest.
    fn free_slot(&mut self) -> Option<u8> {
        let free = (0..MOST).find(|slot| self.links.values().all(|link| link.slot != *slot));
        free.or_else(|| {
            let gone = self.links.iter().filter_map(|(port, link)| Some((link.gone?, port.clone())));
            let (_, oldest) = gone.min()?;
            self.links.remove(&oldest).map(|link| link.slot)
        })
    }
}

impl Selection {
    fn take(&self, interface: &Interface, behind: &impl Fn(&str) -> Option<Device>) -> Option<(Device, LinkKind)> {
        if self.inside.contains(&interface.name) {
            return None;
        }
        let device = behind(&interface.name)?;
        let kind = match device.kind {
            Kind::Modem => LinkKind::Modem,
            Kind::Stick => LinkKind::Stick,
            Kind::Phone => LinkKind::Phone,
            Kind::Wifi => LinkKind::Wifi,
            Kind::Ethernet => LinkKind::Ethernet,
            Kind::Virtual if self.also.contains(&interface.name) => LinkKind::Ethernet,
            Kind::Virtual => return None,
        };
        Some((device, kind))
    }
}

/// As many as the bond takes.
pub const MOST: u8 = 16;
/// What was pulled longer ago does not come back by itself.
const REMEMBERED: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(index: u32, name: &str) -> Interface {
        Interface { index, name: name.into(), ..Interface::default() }
    }

    /// `usbN-N` is behind `usb…`, nothing behind `veth…`.
    fn behind(name: &str) -> Option<Device> {
        let (port, kind) = match name.strip_prefix("usb") {
            Some(place) => (format!("usb{}", place.split('x').next().unwrap_or(place)), Kind::Stick),
            None => (name.to_owned(), Kind::Virtual),
        };
        Some(Device { port: Port::named(&port), kind, driver: String::new(), model: "stick".into() })
    }

    fn look(inventory: &mut Inventory, seconds: u64, interfaces: &[Interface]) -> Vec<Event> {
        let snapshot = Snapshot { interfaces: interfaces.to_vec(), ..Snapshot::default() };
        let selection = Selection { also: vec!["veth0".into()], inside: vec!["usb9-9".into()] };
        inventory.look(Instant::from_millis(seconds * 1_000), &snapshot, &selection, behind)
    }

    fn came(port: &str) -> Event {
        Event::Came(Port::named(port))
    }

    #[test]
    fn what_is_plugged_in_is_a_link_and_software_only_where_it_is_said() {
        let mut inventory = Inventory::default();
        let there = ["usb1-1", "veth0", "veth1", "usb9-9"].iter().zip(2..).map(|(name, index)| interface(index, name));
        let events = look(&mut inventory, 1, &there.collect::<Vec<_>>());
        assert_eq!(events, [came("usb1-1"), came("veth0")]);
    }

    #[test]
    fn a_stick_that_comes_back_has_its_slot_and_one_that_was_replaced_is_told_of() {
        let mut inventory = Inventory::default();
        look(&mut inventory, 1, &[interface(2, "usb1-1"), interface(3, "usb1-2")]);
        let slot = |inventory: &Inventory| inventory.links()[&Port::named("usb1-1")].slot;
        let first = slot(&inventory);
        assert_eq!(look(&mut inventory, 2, &[interface(3, "usb1-2")]), [Event::Went(Port::named("usb1-1"))]);
        assert_eq!(inventory.present().count(), 1);
        assert_eq!(look(&mut inventory, 3, &[interface(3, "usb1-2"), interface(9, "usb1-1")]), [came("usb1-1")]);
        assert_eq!(slot(&inventory), first);
        // Between two looks it was pulled and plugged in again.
        assert_eq!(look(&mut inventory, 4, &[interface(3, "usb1-2"), interface(10, "usb1-1")]), [came("usb1-1")]);
        assert_eq!(look(&mut inventory, 5, &[interface(3, "usb1-2"), interface(10, "usb1-1")]), []);
    }

    #[test]
    fn a_router_is_known_by_its_address() {
        let mut inventory = Inventory::default();
        let address = bondbox_netlink::Address { ip: "192.168.8.100".parse().unwrap(), prefix: 24 };
        let addressed = Interface { addresses: vec![address], ..interface(2, "usb1-1") };
        look(&mut inventory, 1, &[addressed, interface(3, "usb1-2")]);
        let routes = |port: &str| inventory.links()[&Port::named(port)].routes_by_itself();
        assert_eq!(["usb1-1", "usb1-2"].map(routes), [true, false]);
        let modem = Link { kind: LinkKind::Modem, ..inventory.links()[&Port::named("usb1-1")].clone() };
        assert!(!modem.routes_by_itself(), "its address came from a bearer");
    }

    #[test]
    fn a_device_with_two_interfaces_is_two_links() {
        let mut inventory = Inventory::default();
        let events = look(&mut inventory, 1, &[interface(2, "usb1-1x0"), interface(3, "usb1-1x1")]);
        assert_eq!(events, [came("usb1-1"), came("usb1-1:usb1-1x1")]);
    }

    #[test]
    fn what_does_not_come_back_is_forgotten_and_gives_way() {
        let mut inventory = Inventory::default();
        let many: Vec<_> = (0..u32::from(MOST)).map(|i| interface(i + 2, &format!("usb1-{i}"))).collect();
        assert_eq!(look(&mut inventory, 1, &many).len(), 16);
        let one_more = interface(99, "usb2-1");
        let mut more = many.clone();
        more.push(one_more.clone());
        assert_eq!(look(&mut inventory, 2, &more), [Event::Full(Port::named("usb2-1"))]);
        look(&mut inventory, 3, &many[1..]);
        more.remove(0);
        assert_eq!(look(&mut inventory, 4, &more), [came("usb2-1")]);
        look(&mut inventory, 5, &[]);
        assert_eq!(inventory.links().len(), 16);
        look(&mut inventory, 5 + 601, &[]);
        assert_eq!(inventory.links().len(), 0);
    }
}
