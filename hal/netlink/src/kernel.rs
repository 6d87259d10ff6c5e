//! The kernel's own network, by rtnetlink(7).

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures_util::future::{FutureExt as _, pending};
use futures_util::stream::{Stream, StreamExt as _};
use futures_util::{TryStreamExt as _, pin_mut};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage, Stats64};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use rtnetlink::{Error, Handle, IpVersion, LinkUnspec, MulticastGroup, RouteMessageBuilder, new_multicast_connection};

use crate::{Address, Change, Interface, MAIN, NetlinkError, Network, Route, Rule, Snapshot};

/// The network of the namespace that it was opened in.
pub struct Kernel {
    handle: Handle,
    news: Box<dyn Stream<Item = ()> + Send + Unpin>,
    task: tokio::task::JoinHandle<()>,
}

impl Kernel {
    /// Opens it, on the current reactor.
    ///
    /// # Errors
    /// When the system has no socket for that.
    pub fn open() -> io::Result<Self> {
        let (connection, handle, news) = new_multicast_connection(&[
            MulticastGroup::Link,
            MulticastGroup::Ipv4Ifaddr,
            MulticastGroup::Ipv6Ifaddr,
            MulticastGroup::Ipv4Route,
            MulticastGroup::Ipv6Route,
            MulticastGroup::Ipv4Rule,
            MulticastGroup::Ipv6Rule,
        ])?;
        let task = tokio::spawn(connection);
        Ok(Self { handle, news: Box::new(news.map(drop)), task })
    }

    async fn interfaces(&self) -> Result<Vec<Interface>, Error> {
        let mut interfaces = BTreeMap::new();
        let links: Vec<LinkMessage> = self.handle.link().get().execute().try_collect().await?;
        for link in links {
            interfaces.insert(link.header.index, interface(link));
        }
        let addresses: Vec<AddressMessage> = self.handle.address().get().execute().try_collect().await?;
        for message in addresses {
            let Some(interface) = interfaces.get_mut(&message.header.index) else { continue };
            interface.addresses.extend(address(&message));
        }
        for interface in interfaces.values_mut() {
            interface.addresses.sort_unstable();
        }
        Ok(interfaces.into_values().collect())
    }

    async fn routes(&self) -> Result<Vec<Route>, Error> {
        let mut routes = Vec::new();
        for any in [RouteMessageBuilder::<Ipv4Addr>::new().build(), RouteMessageBuilder::<Ipv6Addr>::new().build()] {
            let found: Vec<RouteMessage> = self.handle.route().get(any).execute().try_collect().await?;
            routes.extend(found.iter().filter_map(route));
        }
        routes.sort_unstable();
        Ok(routes)
    }

    async fn rules(&self) -> Result<Vec<Rule>, Error> {
        let mut rules = Vec::new();
        for family in [IpVersion::V4, IpVersion::V6] {
            let found: Vec<RuleMessage> = self.handle.rule().get(family).execute().try_collect().await?;
            rules.extend(found.iter().filter_map(rule));
        }
        rules.sort_unstable();
        Ok(rules)
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Network for Kernel {
    async fn look(&self) -> Result<Snapshot, NetlinkError> {
        let refused = |doing: &'static str| move |error: Error| told(doing.to_owned(), &error);
        Ok(Snapshot {
            interfaces: self.interfaces().await.map_err(refused("interfaces"))?,
            routes: self.routes().await.map_err(refused("routes"))?,
            rules: self.rules().await.map_err(refused("rules"))?,
        })
    }

    async fn changed(&mut self) {
        if self.news.next().await.is_none() {
            // The connection has ended, which it does with the reactor.
            pending::<()>().await;
        }
        while let Some(Some(())) = self.news.next().now_or_never() {}
    }

    async fn apply(&self, change: &Change) -> Result<(), NetlinkError> {
        let (done, there) = match change {
            Change::AddRule(rule) => (self.add_rule(rule).await, ADDED),
            Change::RemoveRule(rule) => (self.handle.rule().del(rule_message(rule)).execute().await, REMOVED),
            Change::AddRoute(route) => (self.handle.route().add(route_message(route)).execute().await, ADDED),
            Change::RemoveRoute(route) => (self.handle.route().del(route_message(route)).execute().await, REMOVED),
            Change::AddAddress(index, address) => {
                (self.handle.address().add(*index, address.ip, address.prefix).execute().await, ADDED)
            }
            Change::RemoveAddress(index, address) => (self.remove_address(*index, *address).await, REMOVED),
            Change::SetUp(index) => {
                let message = LinkUnspec::new_with_index(*index).up().build();
                (self.handle.link().set(message).execute().await, &[] as &[i32])
            }
            Change::SetMtu(index, mtu) => {
                let message = LinkUnspec::new_with_index(*index).mtu(*mtu).build();
                (self.handle.link().set(message).execute().await, &[] as &[i32])
            }
        };
        match done {
            Err(error) if code(&error).is_some_and(|code| there.contains(&code)) => Ok(()),
            Err(error) => Err(told(change.to_string(), &error)),
            Ok(()) => Ok(()),
        }
    }
}

impl Kernel {
    async fn add_rule(&self, rule: &Rule) -> Result<(), Error> {
        let mut request = self.handle.rule().add();
        *request.message_mut() = rule_message(rule);
        request.execute().await
    }

    async fn remove_address(&self, index: u32, gone: Address) -> Result<(), Error> {
        let of_it = self.handle.address().get().set_link_index_filter(index).execute();
        pin_mut!(of_it);
        while let Some(message) = of_it.try_next().await? {
            if address(&message) == Some(gone) {
                return self.handle.address().del(message).execute().await;
            }
        }
        Ok(())
    }
}

fn interface(link: LinkMessage) -> Interface {
    let flags = link.header.flags;
    let mut interface = Interface {
        index: link.header.index,
        up: flags.contains(LinkFlags::Up),
        carrier: flags.contains(LinkFlags::LowerUp),
        loopback: flags.contains(LinkFlags::Loopback),
        ..Interface::default()
    };
    for attribute in link.attributes {
        match attribute {
            LinkAttribute::IfName(name) => interface.name = name,
            LinkAttribute::Mtu(mtu) => interface.mtu = mtu,
            LinkAttribute::Stats64(Stats64 { rx_bytes, tx_bytes, .. }) => {
                (interface.received, interface.sent) = (rx_bytes, tx_bytes);
            }
            _ => {}
        }
    }
    interface
}

/// Point-to-point interfaces name their own address apart from that of the other end.
fn address(message: &AddressMessage) -> Option<Address> {
    let local = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(ip) => Some(*ip),
        _ => None,
    });
    let any = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Address(ip) => Some(*ip),
        _ => None,
    });
    Some(Address { ip: local.or(any)?, prefix: message.header.prefix_len })
}

fn route(message: &RouteMessage) -> Option<Route> {
    let header = &message.header;
    if header.kind != RouteType::Unicast {
        return None;
    }
    let ipv6 = header.address_family == AddressFamily::Inet6;
    let mut route = Route {
        destination: Address { prefix: header.destination_prefix_length, ..Address::anywhere(ipv6) },
        gateway: None,
        interface: 0,
        table: header.table.into(),
        metric: 0,
        protocol: header.protocol.into(),
    };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(to) => route.destination.ip = ip(to)?,
            RouteAttribute::Gateway(gateway) => route.gateway = ip(gateway),
            RouteAttribute::Oif(index) => route.interface = *index,
            RouteAttribute::Table(table) => route.table = *table,
            RouteAttribute::Priority(metric) => route.metric = *metric,
            _ => {}
        }
    }
    (route.interface != 0).then_some(route)
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(ip) => Some((*ip).into()),
        RouteAddress::Inet6(ip) => Some((*ip).into()),
        _ => None,
    }
}

fn route_message(route: &Route) -> RouteMessage {
    let Route { destination, gateway, interface, table, metric, protocol } = *route;
    let mut message = RouteMessageBuilder::<IpAddr>::new()
        .output_interface(interface)
        .table_id(table)
        .protocol(protocol.into())
        .build();
    message.header.address_family = if destination.ip.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
    message.header.destination_prefix_length = destination.prefix;
    if metric > 0 {
        message.attributes.push(RouteAttribute::Priority(metric));
    }
    if destination.prefix > 0 {
        message.attributes.push(RouteAttribute::Destination(destination.ip.into()));
    }
    match gateway {
        Some(gateway) => message.attributes.push(RouteAttribute::Gateway(gateway.into())),
        None => message.header.scope = netlink_packet_route::route::RouteScope::Link,
    }
    message
}

fn rule(message: &RuleMessage) -> Option<Rule> {
    if message.header.action != RuleAction::ToTable {
        return None;
    }
    let mut rule = Rule {
        ipv6: message.header.family == AddressFamily::Inet6,
        outgoing: None,
        source: None,
        table: message.header.table.into(),
        priority: 0,
        protocol: 0,
    };
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Oifname(name) => rule.outgoing = Some(name.clone()),
            RuleAttribute::Source(source) => rule.source = Some(*source),
            RuleAttribute::Table(table) => rule.table = *table,
            RuleAttribute::Priority(priority) => rule.priority = *priority,
            RuleAttribute::Protocol(protocol) => rule.protocol = (*protocol).into(),
            _ => {}
        }
    }
    Some(rule)
}

fn rule_message(rule: &Rule) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = if rule.ipv6 { AddressFamily::Inet6 } else { AddressFamily::Inet };
    message.header.action = RuleAction::ToTable;
    message.header.table = u8::try_from(rule.table).unwrap_or(0);
    message.attributes = vec![
        RuleAttribute::Table(rule.table),
        RuleAttribute::Priority(rule.priority),
        RuleAttribute::Protocol(rule.protocol.into()),
    ];
    message.attributes.extend(rule.outgoing.clone().map(RuleAttribute::Oifname));
    if let Some(source) = rule.source {
        message.header.src_len = if source.is_ipv6() { 128 } else { 32 };
        message.attributes.push(RuleAttribute::Source(source));
    }
    message
}

fn code(error: &Error) -> Option<i32> {
    match error {
        Error::NetlinkError(message) => message.code.map(|code| code.get().abs()),
        _ => None,
    }
}

fn told(doing: String, error: &Error) -> NetlinkError {
    match code(error) {
        Some(EPERM) => NetlinkError::Forbidden(doing),
        Some(ENODEV) => NetlinkError::NoInterface(doing),
        Some(code) => NetlinkError::Refused { doing, reason: io::Error::from_raw_os_error(code).to_string() },
        None => NetlinkError::Refused { doing, reason: error.to_string() },
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rule = |f: &mut std::fmt::Formatter<'_>, rule: &Rule| {
            let family = if rule.ipv6 { "IPv6" } else { "IPv4" };
            write!(f, "rule of {family} to table {}", rule.table)?;
            rule.outgoing.iter().try_for_each(|name| write!(f, " for {name}"))?;
            rule.source.iter().try_for_each(|source| write!(f, " from {source}"))
        };
        let route = |f: &mut std::fmt::Formatter<'_>, route: &Route| {
            let table = if route.table == MAIN { "main".into() } else { route.table.to_string() };
            write!(f, "route to {} over interface {} in table {table}", route.destination, route.interface)
        };
        match self {
            Self::AddRule(of) => rule(f, of),
            Self::RemoveRule(of) => f.write_str("no ").and_then(|()| rule(f, of)),
            Self::AddRoute(of) => route(f, of),
            Self::RemoveRoute(of) => f.write_str("no ").and_then(|()| route(f, of)),
            Self::AddAddress(index, address) => write!(f, "{address} on interface {index}"),
            Self::RemoveAddress(index, address) => write!(f, "no {address} on interface {index}"),
            Self::SetUp(index) => write!(f, "interface {index} up"),
            Self::SetMtu(index, mtu) => write!(f, "packets of {mtu} bytes on interface {index}"),
        }
    }
}

const EPERM: i32 = 1;
const ENOENT: i32 = 2;
const ESRCH: i32 = 3;
const EEXIST: i32 = 17;
const ENODEV: i32 = 19;
const EADDRNOTAVAIL: i32 = 99;
/// It is there.
const ADDED: &[i32] = &[EEXIST];
/// It is not there, or went with its interface.
const REMOVED: &[i32] = &[ENOENT, ESRCH, ENODEV, EADDRNOTAVAIL];
