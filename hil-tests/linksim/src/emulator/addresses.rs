//! Who is reached where: lines for `ip -batch`.

use std::net::Ipv4Addr;

use super::{GATEWAY_ADDRESS, gateway_link_address, unit_address};

/// Addresses, routes and rules of the unit. The interface a socket is bound to comes before its address: on a real
/// box two modems may lease the same one.
pub(super) fn unit_side<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut lines = "link set lo up\n".to_owned();
    for (link, name) in names.enumerate() {
        let (address, table, after) = (unit_address(link), 101 + link, 201 + link);
        lines += &format!(
            "addr add {address}/30 dev {name}\n\
             link set {name} txqueuelen {QUEUE_PACKETS} up\n\
             route add default dev {name} src {address} table {table}\n\
             rule add pref {table} oif {name} lookup {table}\n\
             rule add pref {after} from {address} lookup {table}\n\
             route add default dev {name} src {address} metric {table}\n"
        );
    }
    lines
}

/// Addresses of the gateway. Every unit address is on a link of its own, so replies need no rules. They come from the
/// gateway's one address, as from a server in a data centre, also where a socket is bound to none.
pub(super) fn gateway_side<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut lines = format!("link set lo up\naddr add {GATEWAY_ADDRESS}/32 dev lo\n");
    for (link, name) in names.enumerate() {
        let address = gateway_link_address(link);
        let subnet = Ipv4Addr::from(u32::from(address) & !3);
        lines += &format!(
            "addr add {address}/30 dev {name} noprefixroute\n\
             link set {name} txqueuelen {QUEUE_PACKETS} up\n\
             route add {subnet}/30 dev {name} src {GATEWAY_ADDRESS}\n"
        );
    }
    lines
}

/// Before this process the kernel queues so many packets: a burst it cannot hold would be lost beside the model.
const QUEUE_PACKETS: usize = 5_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_comes_before_an_address_and_every_link_has_a_table() {
        let lines = unit_side(["wwan0", "wwan1"].into_iter());
        for line in [
            "addr add 10.66.2.2/30 dev wwan1",
            "route add default dev wwan1 src 10.66.2.2 table 102",
            "rule add pref 102 oif wwan1 lookup 102",
            "rule add pref 202 from 10.66.2.2 lookup 102",
        ] {
            assert!(lines.lines().any(|there| there == line), "{line} is not in {lines}");
        }
    }

    #[test]
    fn the_gateway_answers_from_its_one_address() {
        let lines = gateway_side(["wwan0"].into_iter());
        assert!(lines.lines().any(|line| line == "route add 10.66.1.0/30 dev wwan0 src 10.99.0.1"), "{lines}");
    }
}
