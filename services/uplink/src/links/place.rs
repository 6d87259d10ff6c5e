//! Which interfaces are there, and by which addresses.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::{InterfaceFlags, if_nametoindex};

/// Where a link is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Linux gives a new one when a device comes back.
    pub(crate) index: u32,
    /// Not empty.
    pub(super) own: Vec<IpAddr>,
}

/// All interfaces that are up and have an address, by name.
pub(crate) fn places() -> nix::Result<BTreeMap<String, Place>> {
    let mut addresses = BTreeMap::<String, Vec<IpAddr>>::new();
    for interface in getifaddrs()? {
        if let Some(address) = usable(&interface) {
            addresses.entry(interface.interface_name).or_default().push(address);
        }
    }
    // Without an index it is gone since the list was made.
    let place =
        |(name, own): (String, _)| Some((name.clone(), Place { index: if_nametoindex(name.as_str()).ok()?, own }));
    Ok(addresses.into_iter().filter_map(place).collect())
}

/// Those of the gateway's addresses that are of a family the link has.
pub(super) fn leads(own: &[IpAddr], gateways: &[SocketAddr]) -> Vec<SocketAddr> {
    let leads = gateways.iter().filter(|gateway| own.iter().any(|own| own.is_ipv4() == gateway.is_ipv4()));
    leads.copied().collect()
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
    fn a_link_leads_to_the_addresses_of_families_it_has_in_their_order() {
        let six: SocketAddr = "[2001:db8::7]:7000".parse().unwrap();
        let four: SocketAddr = "198.51.100.7:7000".parse().unwrap();
        let other: SocketAddr = "198.51.100.8:7000".parse().unwrap();
        let gateways = [four, six, other];
        let own = |text: &str| text.split(' ').map(|address| address.parse().unwrap()).collect::<Vec<IpAddr>>();
        let both = own("10.0.0.2 10.0.0.3 2001:db8::2");
        assert_eq!(leads(&both, &gateways), gateways);
        assert_eq!(leads(&both[..2], &gateways), [four, other]);
        // Behind NAT64 a name has an address of IPv6 that leads to the gateway's of IPv4: it is like any other.
        assert_eq!(leads(&both[2..], &gateways), [six]);
        assert_eq!(leads(&both[2..], &[four]), []);
        assert_eq!(leads(&both, &[]), []);
    }
}
