//! Interfaces, addresses, routes and rules, as the kernel has them.
//!
//! [`Kernel`] asks and changes by rtnetlink(7); [`Fake`] behaves like it with interfaces that a test made up. Changes are
//! idempotent: what is there already is added, what is gone already is removed, and neither is an error.

mod fake;
mod kernel;

pub use fake::Fake;
pub use kernel::Kernel;

use std::net::IpAddr;

/// The network of a machine, or of a namespace.
pub trait Network {
    /// All of it now.
    ///
    /// # Errors
    /// [`NetlinkError`].
    fn look(&self) -> impl Future<Output = Result<Snapshot, NetlinkError>>;

    /// Returns when something changed since it last returned; a burst of changes may count once. May be dropped halfway.
    fn changed(&mut self) -> impl Future<Output = ()>;

    /// Does it.
    ///
    /// # Errors
    /// [`NetlinkError`].
    fn apply(&self, change: &Change) -> impl Future<Output = Result<(), NetlinkError>>;
}

/// A network at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// By index.
    pub interfaces: Vec<Interface>,
    /// Unicast routes of both families. Those that the kernel makes by itself for local addresses are left out.
    pub routes: Vec<Route>,
    /// Of both families, that name a table.
    pub rules: Vec<Rule>,
}

/// An interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Linux gives a new one when a device comes back.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Told to work.
    pub up: bool,
    /// Something is at the other end.
    pub carrier: bool,
    /// Leads to this machine only.
    pub loopback: bool,
    /// Bytes of a packet at most.
    pub mtu: u32,
    /// Its own addresses.
    pub addresses: Vec<Address>,
    /// Bytes since it came.
    pub received: u64,
    /// Bytes since it came.
    pub sent: u64,
}

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// Bits that it shares with its neighbours.
    pub prefix: u8,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// Where it leads; a prefix of 0 is the default route.
    pub destination: Address,
    /// The next router, or `None` where the destination is a neighbour.
    pub gateway: Option<IpAddr>,
    /// Index of the interface.
    pub interface: u32,
    /// Number of its table.
    pub table: u32,
    /// Of two to one destination the one with less is taken.
    pub metric: u32,
    /// Who made it, as rtnetlink(7) numbers them.
    pub protocol: u8,
}

/// A rule that sends a lookup to a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// IPv6, and not IPv4.
    pub ipv6: bool,
    /// Only what is bound to this interface.
    pub outgoing: Option<String>,
    /// Only what comes from this address.
    pub source: Option<IpAddr>,
    /// Number of the table.
    pub table: u32,
    /// Those with less come first.
    pub priority: u32,
    /// Who made it.
    pub protocol: u8,
}

/// What can be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Adds a rule.
    AddRule(Rule),
    /// Removes one that is like this one.
    RemoveRule(Rule),
    /// Adds a route.
    AddRoute(Route),
    /// Removes one that is like this one.
    RemoveRoute(Route),
    /// Gives an interface an address.
    AddAddress(u32, Address),
    /// Takes it away.
    RemoveAddress(u32, Address),
    /// Has an interface work.
    SetUp(u32),
    /// Has its packets be of at most so many bytes.
    SetMtu(u32, u32),
}

/// Why the kernel did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetlinkError {
    /// It takes the right to administer the network.
    #[error("{0}: not permitted")]
    Forbidden(String),
    /// The interface is gone.
    #[error("{0}: no such interface")]
    NoInterface(String),
    /// Anything else.
    #[error("{doing}: {reason}")]
    Refused {
        /// What was tried.
        doing: String,
        /// As the kernel says it.
        reason: String,
    },
}

impl Snapshot {
    /// The interface of this name.
    pub fn named(&self, name: &str) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.name == name)
    }
}

impl Address {
    /// The default route's destination, for this address's family.
    #[must_use]
    pub const fn anywhere(ipv6: bool) -> Self {
        let ip = if ipv6 {
            IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED)
        } else {
            IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)
        };
        Self { ip, prefix: 0 }
    }

    /// Its neighbours: the same with all other bits at zero.
    #[must_use]
    pub fn network(self) -> Self {
        let ip = match self.ip {
            IpAddr::V4(ip) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                IpAddr::V4((u32::from(ip) & mask).into())
            }
            IpAddr::V6(ip) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                IpAddr::V6((u128::from(ip) & mask).into())
            }
        };
        Self { ip, ..self }
    }

    /// Whether it is of use beyond the wire.
    pub const fn is_global(&self) -> bool {
        match self.ip {
            IpAddr::V4(ip) => !ip.is_link_local() && !ip.is_loopback(),
            IpAddr::V6(ip) => !ip.is_unicast_link_local() && !ip.is_loopback(),
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.ip, self.prefix)
    }
}

/// The main table, which the system itself uses.
pub const MAIN: u32 = 254;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_an_address_without_its_own_bits() {
        let network = |ip: &str, prefix| Address { ip: ip.parse().unwrap(), prefix }.network().to_string();
        assert_eq!(network("192.168.8.100", 24), "192.168.8.0/24");
        assert_eq!(network("10.1.2.3", 32), "10.1.2.3/32");
        assert_eq!(network("10.1.2.3", 0), "0.0.0.0/0");
        assert_eq!(network("2001:db8::1:2", 64), "2001:db8::/64");
        assert_eq!(network("2001:db8::1", 0), "::/0");
    }
}
