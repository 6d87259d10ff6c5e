//! Which interfaces are there, by which address, and which of the gateway's addresses they lead to.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::{InterfaceFlags, if_nametoindex};

/// Where a link is now, and where it leads. When any of it changes, its socket has to be bound anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Linux gives a new one when a device comes back.
    pub(super) index: u32,
    pub(super) address: IpAddr,
    pub(super) gateway: SocketAddr,
}

/// All interfaces that are up and have an address of the family of one of `gateways`, by name.
pub(super) fn places(gateways: &[SocketAddr]) -> nix::Result<BTreeMap<String, Place>> {
    let mut addresses = BTreeMap::<String, Vec<IpAddr>>::new();
    for interface in getifaddrs()? {
        if let Some(address) = usable(&interface) {
            addresses.entry(interface.interface_name).or_default().push(address);
        }
    }
    let place = |(name, own): (String, Vec<IpAddr>)| {
        let (address, gateway) = lead(&own, gateways)?;
        // Without an index it is gone since the list was made.
        let index = if_nametoindex(name.as_str()).ok()?;
        Some((name, Place { index, address, gateway }))
    };
    Ok(addresses.into_iter().filter_map(place).collect())
}

/// The first of the gateway's addresses of a family that the link has, and the link's first address of that family.
fn lead(own: &[IpAddr], gateways: &[SocketAddr]) -> Option<(IpAddr, SocketAddr)> {
    gateways.iter().find_map(|gateway| {
        let address = own.iter().find(|address| address.is_ipv4() == gateway.is_ipv4())?;
        Some((*address, *gateway))
    })
}

fn usable(interface: &InterfaceAddress) -> Option<IpAddr> {
    if !interface.flags.contains(InterfaceFlags::IFF_UP) {
        return None;
    }
    let address = interface.address.as_ref()?;
    if let Some(address) = address.as_sockaddr_in() {
        return Some(IpAddr::V4(address.ip()));
    }
    // A link-local address leads to no gateway.
    let address = address.as_sockaddr_in6()?.ip();
    (!address.is_unicast_link_local()).then_some(IpAddr::V6(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_the_first_address_of_a_family_it_has() {
        let six: SocketAddr = "[2001:db8::7]:7000".parse().unwrap();
        let four: SocketAddr = "198.51.100.7:7000".parse().unwrap();
        let other: SocketAddr = "198.51.100.8:7000".parse().unwrap();
        let gateways = [six, four, other];
        let own = |text: &str| text.split(' ').map(|address| address.parse().unwrap()).collect::<Vec<IpAddr>>();
        let both = own("10.0.0.2 10.0.0.3 2001:db8::2");
        assert_eq!(lead(&both, &gateways), Some((both[2], six)));
        assert_eq!(lead(&both[..2], &gateways), Some((both[0], four)));
        assert_eq!(lead(&both[2..], &[four]), None);
        assert_eq!(lead(&both, &[]), None);
    }
}
