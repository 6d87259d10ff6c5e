//! The rules and routes that links need.
//!
//! Sticks of one kind lease the same address and name the same router, so each link has a table of its own. Rules choose it
//!
//! 1. by the *outgoing interface*, for sockets that are bound to one: the bond's are, and it works with equal addresses,
//! 2. by the *source address*, where no other link has the same, for programs that bind to an address.
//!
//! And each link has one default route in the main table, for what is bound to nothing: updates, time. The cheapest link that
//! has a way out comes first there.
//!
//! Who leases an address (networkd, or a DHCP client of somebody's) may have made some of it already: what is there from
//! others is left alone and not made twice. What is ours carries [`OURS`] and goes when it is not needed.

use std::net::IpAddr;

use bondbox_modem::Method;
use bondbox_netlink::{Address, Change, Interface, MAIN, Route, Rule, Snapshot};

/// A link as routes see it.
#[derive(Clone, Debug)]
pub struct Way<'a> {
    /// As the kernel has it.
    pub interface: &'a Interface,
    /// Of the link, 0 to 15.
    pub slot: u8,
    /// 0 to 7: those with less come first for what is bound to nothing.
    pub cost: u8,
    /// Nothing that was sent over it arrived.
    pub dead: bool,
    /// What a modem's bearer was given, which nobody else puts on the interface.
    pub bearer: Option<&'a Bearer>,
    /// What the one before was given, while there is none: nobody else takes it from the interface.
    pub ended: Option<&'a Bearer>,
}

/// What a network gave a modem.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bearer {
    /// Of either family, or of both.
    pub addresses: Vec<Address>,
    /// The interface gets an IPv4 address by itself, by DHCP.
    pub leases_ipv4: bool,
    /// The interface gets an IPv6 address by itself, as its router tells.
    pub leases_ipv6: bool,
    /// Where the network names any; such interfaces have one other end.
    pub gateways: Vec<IpAddr>,
    /// Bytes of a packet at most.
    pub mtu: Option<u32>,
}

/// What of a bearer concerns routes; `None` where its network gave nothing of use.
pub fn given(bearer: &bondbox_modem::Bearer) -> Option<Bearer> {
    let mut given = Bearer::default();
    for family in &bearer.families {
        match (family.method, family.address) {
            (Method::Static, Some((ip, prefix))) => {
                given.addresses.push(Address { ip, prefix });
                given.gateways.extend(family.gateway);
            }
            (Method::Dhcp, _) if family.ipv6 => given.leases_ipv6 = true,
            (Method::Dhcp, _) => given.leases_ipv4 = true,
            (Method::Static, None) | (Method::Ppp, _) => continue,
        }
        // An interface has one for both families.
        given.mtu = given.mtu.into_iter().chain(family.mtu).min();
    }
    (given.leases_ipv4 || given.leases_ipv6 || !given.addresses.is_empty()).then_some(given)
}

/// What has to change so that each way has what it needs, in the order to do it.
pub fn plan(snapshot: &Snapshot, ways: &[Way<'_>]) -> Vec<Change> {
    let mut changes = Vec::new();
    let (mut rules, mut routes) = (Vec::new(), Vec::new());
    for way in ways {
        let Interface { index, name, .. } = way.interface;
        match (way.bearer, way.ended) {
            (Some(bearer), _) => changes.extend(addresses(way.interface, bearer)),
            (None, Some(ended)) => {
                let left = way.interface.addresses.iter().filter(|own| ended.addresses.contains(own));
                changes.extend(left.map(|own| Change::RemoveAddress(*index, *own)));
            }
            (None, None) => {}
        }
        let table = table_of(*index);
        let own = way.addresses();
        for ipv6 in [false, true] {
            let mut of_family = own.iter().filter(|own| own.ip.is_ipv6() == ipv6 && own.is_global()).peekable();
            if of_family.peek().is_none() {
                continue;
            }
            let rule = Rule { ipv6, outgoing: None, source: None, table, priority: BY_INTERFACE, protocol: OURS };
            rules.push(Rule { outgoing: Some(name.clone()), ..rule.clone() });
            let route = |destination, gateway, table, metric| Route {
                destination,
                gateway,
                interface: *index,
                table,
                metric,
                protocol: OURS,
            };
            for own in of_family {
                let shared = ways.iter().filter(|way| way.addresses().iter().any(|other| other.ip == own.ip)).count();
                if shared == 1 {
                    rules.push(Rule { source: Some(own.ip), priority: BY_SOURCE, ..rule.clone() });
                }
                if own.prefix < if ipv6 { 128 } else { 32 } {
                    routes.push(route(own.network(), None, table, 0));
                }
            }
            let Some(gateway) = way.gateway(snapshot, ipv6) else { continue };
            let anywhere = Address::anywhere(ipv6);
            routes.push(route(anywhere, gateway, table, FIRST));
            routes.push(route(anywhere, gateway, MAIN, way.metric()));
        }
    }
    changes.extend(of_routes(snapshot, &routes));
    changes.extend(of_rules(snapshot, &rules));
    changes
}

fn addresses(interface: &Interface, bearer: &Bearer) -> Vec<Change> {
    let index = interface.index;
    let mut changes = Vec::new();
    if let Some(mtu) = bearer.mtu.filter(|mtu| *mtu != interface.mtu) {
        changes.push(Change::SetMtu(index, mtu));
    }
    if !interface.up {
        changes.push(Change::SetUp(index));
    }
    let is_old =
        |own: &&Address| own.is_global() && !bearer.addresses.contains(own) && !bearer.leases(own.ip.is_ipv6());
    let old = interface.addresses.iter().filter(is_old);
    changes.extend(old.map(|own| Change::RemoveAddress(index, *own)));
    let new = bearer.addresses.iter().filter(|given| !interface.addresses.contains(given));
    changes.extend(new.map(|given| Change::AddAddress(index, *given)));
    changes
}

/// First what is gone, so that its metric is free; then, for each table, the way to the neighbours before the way beyond.
fn of_routes(snapshot: &Snapshot, wanted: &[Route]) -> Vec<Change> {
    let ours = snapshot.routes.iter().filter(|route| route.protocol == OURS);
    let gone = ours.filter(|route| !wanted.iter().any(|wanted| is_same(route, wanted)));
    let new = wanted.iter().filter(|wanted| {
        let serves = |there: &&Route| {
            // Of others, a default route in the link's own table does, whatever its metric is.
            let of_others = there.protocol != OURS && there.table == wanted.table && wanted.table != MAIN;
            is_same(there, wanted)
                || of_others && there.interface == wanted.interface && there.destination == wanted.destination
        };
        !snapshot.routes.iter().any(|there| serves(&there))
    });
    gone.map(|route| Change::RemoveRoute(route.clone()))
        .chain(new.map(|route| Change::AddRoute(route.clone())))
        .collect()
}

/// IPv6 has no metric of 0: the kernel takes 1024 for it.
fn is_same(there: &Route, wanted: &Route) -> bool {
    let metric = if wanted.destination.ip.is_ipv6() && wanted.metric == 0 { 1_024 } else { wanted.metric };
    Route { metric, protocol: there.protocol, ..wanted.clone() } == *there
}

fn of_rules(snapshot: &Snapshot, wanted: &[Rule]) -> Vec<Change> {
    let ours = snapshot.rules.iter().filter(|rule| rule.protocol == OURS);
    let gone = ours.filter(|rule| !wanted.contains(rule));
    let new = wanted.iter().filter(|wanted| {
        let by_anybody = |there: &Rule| Rule { protocol: OURS, ..there.clone() } == **wanted;
        !snapshot.rules.iter().any(by_anybody)
    });
    gone.map(|rule| Change::RemoveRule(rule.clone())).chain(new.map(|rule| Change::AddRule(rule.clone()))).collect()
}

impl Bearer {
    const fn leases(&self, ipv6: bool) -> bool {
        if ipv6 { self.leases_ipv6 } else { self.leases_ipv4 }
    }
}

impl Way<'_> {
    /// Those that it has, or will have in a moment.
    fn addresses(&self) -> Vec<Address> {
        let own = self.interface.addresses.iter().copied();
        match (self.bearer, self.ended) {
            (Some(bearer), _) => {
                bearer.addresses.iter().copied().chain(own.filter(|own| bearer.leases(own.ip.is_ipv6()))).collect()
            }
            (None, Some(ended)) => own.filter(|own| !ended.addresses.contains(own)).collect(),
            (None, None) => own.collect(),
        }
    }

    /// The next router, `Some(None)` where there is only one other end, and `None` where nobody named any.
    fn gateway(&self, snapshot: &Snapshot, ipv6: bool) -> Option<Option<IpAddr>> {
        if let Some(bearer) = self.bearer.filter(|bearer| !bearer.leases(ipv6)) {
            return Some(bearer.gateways.iter().find(|gateway| gateway.is_ipv6() == ipv6).copied());
        }
        let of_others = |route: &&Route| {
            route.protocol != OURS
                && route.interface == self.interface.index
                && route.destination == Address::anywhere(ipv6)
        };
        let route = snapshot.routes.iter().filter(of_others).min_by_key(|route| route.metric)?;
        Some(route.gateway)
    }

    /// In the main table; all below those of networkd, so that cost and health decide.
    fn metric(&self) -> u32 {
        let rank = u32::from(self.cost) + if self.dead { 8 } else { 0 };
        FIRST + rank * 16 + u32::from(self.slot)
    }
}

/// The table of an interface, as `bondbox-link` numbers them, too.
pub const fn table_of(index: u32) -> u32 {
    1_000 + index
}

/// Who made a route or a rule: a number that nobody else has (rtnetlink(7), `/etc/iproute2/rt_protos`).
pub const OURS: u8 = 98;
const BY_INTERFACE: u32 = 1_000;
const BY_SOURCE: u32 = 1_001;
/// The kernel gives IPv6 another metric than asked for where that is 0.
const FIRST: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        let (ip, prefix) = text.split_once('/').unwrap();
        Address { ip: ip.parse().unwrap(), prefix: prefix.parse().unwrap() }
    }

    fn interface(index: u32, addresses: &[&str]) -> Interface {
        let addresses = addresses.iter().map(|text| address(text)).collect();
        Interface { index, name: format!("usb{index}"), up: true, carrier: true, addresses, ..Interface::default() }
    }

    fn way(interface: &Interface, slot: u8) -> Way<'_> {
        Way { interface, slot, cost: 0, dead: false, bearer: None, ended: None }
    }

    /// As a DHCP client leaves it.
    fn leased(index: u32, gateway: &str, metric: u32) -> Route {
        let gateway: IpAddr = gateway.parse().unwrap();
        let destination = Address::anywhere(gateway.is_ipv6());
        Route { destination, gateway: Some(gateway), interface: index, table: MAIN, metric, protocol: 16 }
    }

    /// Does it, as the kernel would.
    fn carry_out(snapshot: &mut Snapshot, changes: &[Change]) {
        for change in changes {
            match change {
                Change::AddRule(rule) => snapshot.rules.push(rule.clone()),
                Change::RemoveRule(rule) => snapshot.rules.retain(|other| other != rule),
                Change::AddRoute(route) => {
                    let mut route = route.clone();
                    if route.destination.ip.is_ipv6() && route.metric == 0 {
                        route.metric = 1_024;
                    }
                    snapshot.routes.push(route);
                }
                Change::RemoveRoute(route) => snapshot.routes.retain(|other| other != route),
                Change::AddAddress(..) | Change::RemoveAddress(..) | Change::SetUp(..) | Change::SetMtu(..) => {}
            }
        }
    }

    #[test]
    fn twins_have_tables_of_their_own_and_no_rule_by_the_address_that_they_share() {
        let twins = [interface(4, &["192.168.8.100/24"]), interface(5, &["192.168.8.100/24"])];
        let other = interface(6, &["10.0.0.2/24", "2001:db8::2/64", "fe80::1/64"]);
        let mut snapshot = Snapshot {
            routes: vec![
                leased(4, "192.168.8.1", 1_004),
                leased(5, "192.168.8.1", 1_005),
                leased(6, "10.0.0.1", 1_006),
                leased(6, "fe80::2", 1_006),
            ],
            ..Snapshot::default()
        };
        let ways = [way(&twins[0], 0), way(&twins[1], 1), way(&other, 2)];
        let changes = plan(&snapshot, &ways);
        carry_out(&mut snapshot, &changes);
        assert_eq!(plan(&snapshot, &ways), [], "once is enough");
        for index in [4, 5] {
            let table = table_of(index);
            let rules: Vec<_> = snapshot.rules.iter().filter(|rule| rule.table == table).collect();
            assert!(
                matches!(rules[..], [Rule { outgoing: Some(name), source: None, priority: 1_000, .. }]
                if *name == format!("usb{index}")),
                "{rules:?}"
            );
            let defaults = snapshot.routes.iter().filter(|route| route.table == table && route.destination.prefix == 0);
            assert_eq!(defaults.map(|route| route.interface).collect::<Vec<_>>(), [index]);
        }
        let sources: Vec<_> = snapshot.rules.iter().filter_map(|rule| rule.source).collect();
        assert_eq!(sources, [other.addresses[0].ip, other.addresses[1].ip]);
    }

    #[test]
    fn the_main_table_prefers_the_cheapest_that_has_a_way_out() {
        let links = [interface(4, &["10.0.4.2/24"]), interface(5, &["10.0.5.2/24"]), interface(6, &["10.0.6.2/24"])];
        let routes = vec![leased(4, "10.0.4.1", 1_004), leased(5, "10.0.5.1", 1_005), leased(6, "10.0.6.1", 1_006)];
        let mut snapshot = Snapshot { routes, ..Snapshot::default() };
        let order = |snapshot: &mut Snapshot, ways: &[Way<'_>]| {
            let changes = plan(snapshot, ways);
            carry_out(snapshot, &changes);
            assert_eq!(plan(snapshot, ways), []);
            let mut main: Vec<_> = snapshot.routes.iter().filter(|route| route.table == MAIN).collect();
            main.sort_by_key(|route| route.metric);
            main.iter().take(3).map(|route| route.interface).collect::<Vec<_>>()
        };
        let mut ways = [way(&links[0], 0), way(&links[1], 1), way(&links[2], 2)];
        ways[0].cost = 2;
        assert_eq!(order(&mut snapshot, &ways), [5, 6, 4]);
        ways[1].dead = true;
        assert_eq!(order(&mut snapshot, &ways), [6, 4, 5]);
    }

    #[test]
    fn what_others_made_is_not_made_twice_and_never_removed() {
        let link = interface(4, &["10.0.4.2/24"]);
        let table = table_of(4);
        let theirs = Route { table, ..leased(4, "10.0.4.1", 1_004) };
        let rule =
            Rule { ipv6: false, outgoing: Some("usb4".into()), source: None, table, priority: 1_000, protocol: 4 };
        let mut snapshot = Snapshot { routes: vec![theirs.clone()], rules: vec![rule.clone()], ..Snapshot::default() };
        let changes = plan(&snapshot, &[way(&link, 0)]);
        let twice = |change: &Change| match change {
            Change::AddRoute(route) => route.table == table && route.destination.prefix == 0,
            Change::AddRule(rule) => rule.outgoing.is_some(),
            _ => false,
        };
        assert!(!changes.iter().any(twice), "{changes:?}");
        carry_out(&mut snapshot, &changes);
        let changes = plan(&snapshot, &[]);
        carry_out(&mut snapshot, &changes);
        assert_eq!((snapshot.routes, snapshot.rules), (vec![theirs], vec![rule]));
    }

    #[test]
    fn a_bearer_is_given_its_addresses_and_loses_those_of_the_one_before() {
        let old = Interface { up: false, ..interface(4, &["10.1.1.1/30", "fe80::1/64"]) };
        let bearer = Bearer {
            addresses: vec![address("10.2.2.2/30"), address("2001:db8::2/64")],
            gateways: vec!["10.2.2.1".parse().unwrap()],
            mtu: Some(1_430),
            ..Bearer::default()
        };
        let ways = [Way { bearer: Some(&bearer), ..way(&old, 0) }];
        let changes = plan(&Snapshot::default(), &ways);
        let expected = [
            Change::SetMtu(4, 1_430),
            Change::SetUp(4),
            Change::RemoveAddress(4, address("10.1.1.1/30")),
            Change::AddAddress(4, address("10.2.2.2/30")),
            Change::AddAddress(4, address("2001:db8::2/64")),
        ];
        assert_eq!(changes[..5], expected);
        let defaults = changes.iter().filter_map(|change| match change {
            Change::AddRoute(route) if route.destination.prefix == 0 && route.table != MAIN => Some(route.gateway),
            _ => None,
        });
        assert_eq!(defaults.collect::<Vec<_>>(), [Some(bearer.gateways[0]), None]);
    }

    #[test]
    fn the_next_bearers_mtu_is_set_on_an_interface_that_works_and_the_smaller_of_two() {
        let family = |ipv6, address: &str, mtu| bondbox_modem::IpConfig {
            ipv6,
            method: Method::Static,
            address: Some((address.parse().unwrap(), 64 >> u8::from(!ipv6))),
            gateway: None,
            mtu,
        };
        let families = vec![family(false, "10.2.2.2", Some(1_500)), family(true, "2001:db8::2", Some(1_358))];
        let bearer = given(&bondbox_modem::Bearer { families, ..bondbox_modem::Bearer::default() }).unwrap();
        let changes = |mtu| {
            let link = Interface { mtu, ..interface(4, &["10.2.2.2/32", "2001:db8::2/64"]) };
            let changes = plan(&Snapshot::default(), &[Way { bearer: Some(&bearer), ..way(&link, 0) }]);
            changes.into_iter().filter(|change| matches!(change, Change::SetMtu(..))).collect::<Vec<_>>()
        };
        assert_eq!((changes(1_430), changes(1_358)), (vec![Change::SetMtu(4, 1_358)], vec![]));
        let unsaid = Bearer { mtu: None, ..bearer.clone() };
        let link = Interface { mtu: 1_430, ..interface(4, &[]) };
        let left = plan(&Snapshot::default(), &[Way { bearer: Some(&unsaid), ..way(&link, 0) }]);
        assert!(!left.iter().any(|change| matches!(change, Change::SetMtu(..))), "{left:?}");
    }

    #[test]
    fn what_the_network_leases_beside_a_bearers_address_is_left_and_led() {
        let both = interface(4, &["10.1.1.1/30", "2001:db8::7/64"]);
        let router: IpAddr = "fe80::2".parse().unwrap();
        let told = leased(4, "fe80::2", 1_024);
        let snapshot = Snapshot { routes: vec![told], ..Snapshot::default() };
        let bearer = Bearer { addresses: vec![address("10.2.2.2/30")], leases_ipv6: true, ..Bearer::default() };
        let changes = plan(&snapshot, &[Way { bearer: Some(&bearer), ..way(&both, 0) }]);
        let removed = changes.iter().filter(|change| matches!(change, Change::RemoveAddress(..)));
        assert_eq!(removed.collect::<Vec<_>>(), [&Change::RemoveAddress(4, address("10.1.1.1/30"))]);
        let defaults = changes.iter().filter_map(|change| match change {
            Change::AddRoute(route) if route.destination.prefix == 0 && route.table != MAIN => Some(route.gateway),
            _ => None,
        });
        assert_eq!(defaults.collect::<Vec<_>>(), [None, Some(router)]);
    }

    #[test]
    fn of_a_bearer_that_ended_nothing_is_left_but_what_others_gave() {
        let left = interface(4, &["10.1.1.1/30", "192.168.8.100/24"]);
        let ended = Bearer { addresses: vec![address("10.1.1.1/30")], ..Bearer::default() };
        let changes = plan(&Snapshot::default(), &[Way { ended: Some(&ended), ..way(&left, 0) }]);
        let removed = changes.iter().filter(|change| matches!(change, Change::RemoveAddress(..)));
        assert_eq!(removed.collect::<Vec<_>>(), [&Change::RemoveAddress(4, address("10.1.1.1/30"))]);
        let sources = changes.iter().filter_map(|change| match change {
            Change::AddRule(rule) => rule.source,
            _ => None,
        });
        assert_eq!(sources.collect::<Vec<_>>(), [left.addresses[1].ip]);
    }
}
