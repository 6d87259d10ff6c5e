//! Who is reached where: lines for `ip -batch`, each family in a batch of its own.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{
    GATEWAY_ADDRESS, GATEWAY_ADDRESS_V6, gateway_link_address, gateway_link_address_v6, unit_address, unit_address_v6,
};
use crate::model::{Family, LinkConfig};

/// What every address waits for, at both sides.
pub(super) fn up(links: &[LinkConfig]) -> String {
    let links = links.iter().map(|link| format!("link set {} txqueuelen {QUEUE_PACKETS} up\n", link.name));
    "link set lo up\n".to_owned() + &links.collect::<String>()
}

/// Addresses, routes and rules of the unit. The interface a socket is bound to comes before its address: on a real
/// box two modems may lease the same one.
pub(super) fn unit_side(links: &[LinkConfig], family: Family) -> String {
    let mut lines = String::new();
    for (link, name) in of_family(links, family) {
        let (table, after) = (101 + link, 201 + link);
        let (address, bits) = match family {
            Family::Ipv4 => (unit_address(link).to_string(), "30"),
            Family::Ipv6 => (unit_address_v6(link).to_string(), WITHOUT_LOOKING),
        };
        lines += &format!(
            "addr add {address}/{bits} dev {name}\n\
             route add default dev {name} src {address} table {table}\n\
             rule add pref {table} oif {name} lookup {table}\n\
             rule add pref {after} from {address} lookup {table}\n\
             route add default dev {name} src {address} metric {table}\n"
        );
    }
    lines
}

/// Addresses of the gateway. Every unit address is on a link of its own, so replies need no rules. They come from the
/// gateway's one address of their family, as from a server in a data centre, also where a socket is bound to none.
pub(super) fn gateway_side(links: &[LinkConfig], family: Family) -> String {
    let mut lines = match family {
        Family::Ipv4 => format!("addr add {GATEWAY_ADDRESS}/32 dev lo\n"),
        Family::Ipv6 if of_family(links, family).next().is_none() => String::new(),
        Family::Ipv6 => format!("addr add {GATEWAY_ADDRESS_V6}/128 nodad dev lo\n"),
    };
    for (link, name) in of_family(links, family) {
        lines += &match family {
            Family::Ipv4 => {
                let address = gateway_link_address(link);
                let subnet = Ipv4Addr::from(u32::from(address) & !3);
                format!(
                    "addr add {address}/30 dev {name} noprefixroute\n\
                     route add {subnet}/30 dev {name} src {GATEWAY_ADDRESS}\n"
                )
            }
            Family::Ipv6 => {
                let address = gateway_link_address_v6(link);
                let subnet = Ipv6Addr::from(u128::from(address) >> 64 << 64);
                format!(
                    "addr add {address}/{WITHOUT_LOOKING} dev {name} noprefixroute\n\
                     route add {subnet}/64 dev {name} src {GATEWAY_ADDRESS_V6}\n"
                )
            }
        };
    }
    lines
}

/// Those that have addresses of it, with their places among all.
fn of_family(links: &[LinkConfig], family: Family) -> impl Iterator<Item = (usize, &str)> {
    let links = links.iter().enumerate().filter(move |(_, link)| link.families.contains(&family));
    links.map(|(place, link)| (place, link.name.as_str()))
}

/// Before this process the kernel queues so many packets: a burst it cannot hold would be lost beside the model.
const QUEUE_PACKETS: usize = 5_000;
/// Nobody else has these addresses, and until others were looked for they could not be used.
const WITHOUT_LOOKING: &str = "64 nodad";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scenario;

    fn links(families: [&str; 2]) -> Vec<LinkConfig> {
        let link = |(index, families)| {
            format!("[[link]]\nname = \"wwan{index}\"\nfamilies = [{families}]\nrate_kbps = 1\ndelay_ms = 0\n")
        };
        let text = families.into_iter().enumerate().map(link).collect::<String>();
        Scenario::parse("test", &text, std::path::Path::new("")).unwrap().links
    }

    fn assert_has(lines: &str, wanted: &[&str]) {
        for line in wanted {
            assert!(lines.lines().any(|there| there == *line), "{line} is not in {lines}");
        }
    }

    #[test]
    fn an_interface_comes_before_an_address_and_every_link_has_a_table() {
        let links = links(["\"ipv4\"", "\"ipv4\", \"ipv6\""]);
        let wanted = [
            "addr add 10.66.2.2/30 dev wwan1",
            "route add default dev wwan1 src 10.66.2.2 table 102",
            "rule add pref 102 oif wwan1 lookup 102",
            "rule add pref 202 from 10.66.2.2 lookup 102",
        ];
        assert_has(&unit_side(&links, Family::Ipv4), &wanted);
        let lines = unit_side(&links, Family::Ipv6);
        let wanted = ["addr add fd66:2::2/64 nodad dev wwan1", "rule add pref 202 from fd66:2::2 lookup 102"];
        assert_has(&lines, &wanted);
        assert!(!lines.contains("wwan0"), "{lines}");
    }

    #[test]
    fn the_gateway_answers_from_its_one_address_of_a_family() {
        let mixed = links(["\"ipv4\"", "\"ipv6\""]);
        assert_has(&gateway_side(&mixed, Family::Ipv4), &["route add 10.66.1.0/30 dev wwan0 src 10.99.0.1"]);
        assert_has(&gateway_side(&mixed, Family::Ipv6), &["route add fd66:2::/64 dev wwan1 src fd99::1"]);
        assert_eq!(gateway_side(&links(["\"ipv4\"", "\"ipv4\""]), Family::Ipv6), "");
    }
}
