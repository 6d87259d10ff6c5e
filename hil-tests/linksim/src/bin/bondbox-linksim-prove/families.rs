//! Addresses of IPv6 beside those of IPv4: both pass, each can vanish alone, and the kernel sends nothing by itself.

use std::time::Duration;

use anyhow::Context as _;
use bondbox_linksim::control::{Client, Request};
use bondbox_linksim::emulator::{GATEWAY_ADDRESS, GATEWAY_ADDRESS_V6, unit_address, unit_address_v6};
use bondbox_linksim::model::{Family, LinkConfig};

use crate::events::{Pair, socket};
use crate::table::Table;
use crate::{GATEWAY, UNIT};

/// Before anybody has sent anything.
pub(crate) fn quiet(table: &mut Table, client: &mut Client) -> anyhow::Result<()> {
    std::thread::sleep(LONG_ENOUGH);
    let offered: Vec<u64> =
        client.status()?.links.iter().flat_map(|link| [link.up.offered.packets, link.down.offered.packets]).collect();
    let good = offered.iter().all(|packets| *packets == 0);
    table.verdict("nobody sends, nothing is carried", good, format!("packets up and down, by link: {offered:?}"));
    Ok(())
}

/// Each family of the first link that has both, while nothing happens, while one vanishes, and after a cut.
pub(crate) fn both(table: &mut Table, client: &mut Client, links: &[LinkConfig]) -> anyhow::Result<()> {
    let index = links.iter().position(|link| link.families.len() > 1).context("no link has both families")?;
    let link = links[index].name.clone();
    let four = (GATEWAY_ADDRESS, PORT).into();
    let six = (GATEWAY_ADDRESS_V6, PORT).into();
    let pairs = [
        Pair { to: four, unit: socket(UNIT, (unit_address(index), 0).into())?, gateway: socket(GATEWAY, four)? },
        Pair { to: six, unit: socket(UNIT, (unit_address_v6(index), 0).into())?, gateway: socket(GATEWAY, six)? },
    ];
    let mut pass = |what: &str, expected: [bool; 2]| -> anyhow::Result<()> {
        let mut seen = [false; 2];
        for (pair, seen) in pairs.iter().zip(&mut seen) {
            // A link that was cut carries again when the kernel has noticed.
            for _ in 0..crate::events::TRIES {
                *seen |= pair.there_and_back(100)?.is_some();
            }
        }
        table.verdict(&format!("IPv4 and IPv6 {what}"), seen == expected, format!("passed {seen:?}"));
        Ok(())
    };
    pass("over a link that has both", [true, true])?;
    for (family, expected) in [(Family::Ipv4, [false, true]), (Family::Ipv6, [true, false])] {
        client.request(&Request::BlackholeFamily { link: link.clone(), family })?;
        pass(&format!("while {family:?} vanishes"), expected)?;
        client.request(&Request::Restore { link: link.clone() })?;
    }
    client.request(&Request::Cut { link: link.clone() })?;
    pass("while the link is cut", [false, false])?;
    client.request(&Request::Restore { link: link.clone() })?;
    pass("after that", [true, true])?;
    let status = client.status()?;
    let carried = status.links[index].carried;
    table.verdict("both were counted", carried.ipv4 > 0 && carried.ipv6 > 0, format!("{carried:?}"));
    Ok(())
}

/// Routers are looked for within a second, and again after four.
const LONG_ENOUGH: Duration = Duration::from_secs(6);
const PORT: u16 = 7_102;
