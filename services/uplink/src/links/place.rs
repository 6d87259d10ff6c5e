//! Which interfaces are there, and by which address.

use std::collections::BTreeMap;
use std::net::IpAddr;

use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::{InterfaceFlags, if_nametoindex};

/// Where a link is now. When any of it changes, its socket has to be bound anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Linux gives a new one when a device comes back.
    pub(super) index: u32,
    pub(super) address: IpAddr,
}

/// All interfaces that are up and have an address of this family, by name.
pub(super) fn places(ipv4: bool) -> nix::Result<BTreeMap<String, Place>> {
    let mut found = BTreeMap::new();
    for interface in getifaddrs()? {
        let Some(address) = usable(&interface).filter(|address| address.is_ipv4() == ipv4) else { continue };
        // Gone since the list was made.
        let Ok(index) = if_nametoindex(interface.interface_name.as_str()) else { continue };
        // The kernel lists the first address first.
        found.entry(interface.interface_name).or_insert(Place { index, address });
    }
    Ok(found)
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
