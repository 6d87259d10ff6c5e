//! Every way out, and the modems behind them.

use std::collections::BTreeSet;

use bondbox_ipc::modems::{self, LinkState as PortState};
use bondbox_ipc::uplink::{self, LinkState, Session};

use super::{Check, Result};
use crate::ask::{All, Said};

/// The gateway, each link, each port that should be one, each modem.
pub(super) fn look(all: &All) -> Vec<Check> {
    let mut checks = Vec::new();
    let ports = match &all.modems {
        Said::State(state) => state.links.as_slice(),
        Said::Failure(_) => &[],
    };
    if let Said::State(state) = &all.uplink {
        let result = if state.session == Session::Open { Result::Works } else { Result::Fails };
        checks.push(Check::new("gateway", result, format!("{:?} to {}", state.session, state.gateway)));
        checks.extend(state.links.iter().map(|link| {
            let port = ports.iter().find(|port| port.name == link.name && port.state != PortState::Gone);
            used(link, port)
        }));
        let links: BTreeSet<_> = state.links.iter().map(|link| &link.name).collect();
        checks.extend(ports.iter().filter(|port| !links.contains(&port.name)).map(unused));
    }
    if let Said::State(state) = &all.modems {
        let manager = if state.manager.is_some() { Result::Works } else { Result::Absent };
        checks.push(Check::new("ModemManager", manager, state.manager.clone().unwrap_or_default()));
        for modem in &state.modems {
            let result = if modem.reason.is_none() { Result::Works } else { Result::Fails };
            let why = modem.reason.clone().unwrap_or_default();
            let said = format!("{:?} {} {why}", modem.state, modem.model);
            checks.push(Check::new(format!("modem {}", modem.port), result, said));
        }
    }
    checks
}

/// A link of the bond. What counts is that something arrived: an address and a carrier are had without a way out.
fn used(link: &uplink::Link, port: Option<&modems::Link>) -> Check {
    let result = match link.state {
        LinkState::Up if link.packets_delivered > 0 => Result::Works,
        LinkState::Absent if port.is_none_or(|port| !has_carrier(port)) => Result::Absent,
        _ => Result::Fails,
    };
    let place = port.map(|port| format!("in {} \"{}\": ", port.port, port.label)).unwrap_or_default();
    let lacks = match port.map(|port| port.state) {
        Some(PortState::NoAddress) => ", carrier and no address",
        Some(PortState::NoCarrier) => ", no carrier",
        _ => "",
    };
    let (sent, delivered) = (link.packets_sent, link.packets_delivered);
    let said = format!("{place}{:?}, {}, {delivered} of {sent} packets delivered{lacks}", link.state, link.rate);
    Check::new(format!("link {}", link.name), result, said)
}

/// A port that is no link of the bond.
fn unused(port: &modems::Link) -> Check {
    let (result, why) = match port.state {
        PortState::Gone => (Result::Absent, "pulled"),
        _ if port.usage.off => (Result::Absent, "not to be used"),
        PortState::NoCarrier => (Result::Absent, "no carrier"),
        PortState::NoAddress | PortState::NoWayOut | PortState::Ready => {
            (Result::Fails, "has a carrier, and the bond does not send over it")
        }
    };
    Check::new(format!("link {}", port.name), result, format!("in {} \"{}\": {why}", port.port, port.label))
}

fn has_carrier(port: &modems::Link) -> bool {
    matches!(port.state, PortState::NoAddress | PortState::NoWayOut | PortState::Ready)
}

#[cfg(test)]
mod tests {
    use bondbox_ipc::modems::{LinkKind, Usage};
    use bondbox_units::LinkId;

    use super::*;

    fn link(state: LinkState, packets_delivered: u64) -> uplink::Link {
        uplink::Link { packets_sent: 9, packets_delivered, ..uplink::Link::unmeasured(LinkId(0), "usb1", state) }
    }

    fn port(state: PortState) -> modems::Link {
        modems::Link {
            port: "usb1-1.2".into(),
            name: "usb1".into(),
            label: "left".into(),
            colour: [0; 3],
            kind: LinkKind::Stick,
            state,
            addresses: Vec::new(),
            usage: Usage::default(),
            radio: None,
            iccid: None,
            recovery: bondbox_ipc::modems::Recovery::default(),
        }
    }

    #[test]
    fn a_port_with_a_carrier_over_which_nothing_arrives_fails_by_name() {
        let of = |state, delivered, at| {
            let port = port(at);
            used(&link(state, delivered), Some(&port))
        };
        assert_eq!(of(LinkState::Up, 8, PortState::Ready).result, Result::Works);
        let dead = of(LinkState::Joining, 0, PortState::NoWayOut);
        assert_eq!((dead.what.as_str(), dead.result), ("link usb1", Result::Fails));
        assert_eq!(dead.said, "in usb1-1.2 \"left\": Joining, 0 bit/s, 0 of 9 packets delivered");
        assert_eq!(of(LinkState::Up, 0, PortState::Ready).result, Result::Fails);
        assert_eq!(of(LinkState::Silent, 8, PortState::Ready).result, Result::Fails);
        let without = of(LinkState::Absent, 0, PortState::NoAddress);
        assert!(without.result == Result::Fails && without.said.ends_with("carrier and no address"), "{without:?}");
        assert_eq!(of(LinkState::Absent, 0, PortState::NoCarrier).result, Result::Absent);
        assert_eq!(used(&link(LinkState::Absent, 0), None).result, Result::Absent);
    }

    #[test]
    fn a_port_that_the_bond_does_not_know_fails_unless_that_is_meant() {
        assert_eq!(unused(&port(PortState::Ready)).result, Result::Fails);
        let mut off = port(PortState::Ready);
        off.usage.off = true;
        let absent = [off, port(PortState::NoCarrier), port(PortState::Gone)];
        assert!(absent.iter().all(|port| unused(port).result == Result::Absent));
    }
}
