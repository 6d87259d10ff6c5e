//! What commands do to real sockets: each is given, and a datagram there and back shows its effect.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use bondbox_linksim::control::{Client, Request};
use bondbox_linksim::emulator::{GATEWAY_ADDRESS, enter_netns, unit_address};
use bondbox_linksim::model::LinkConfig;

use crate::table::Table;
use crate::{GATEWAY, UNIT};

/// Every command on the first link, and the poor link's MTU.
pub(crate) fn all(
    table: &mut Table,
    client: &mut Client,
    steady: &[LinkConfig],
    poor: &LinkConfig,
) -> anyhow::Result<()> {
    let to = SERVICE.into();
    let pair = Pair { to, unit: socket(UNIT, (unit_address(0), 0).into())?, gateway: socket(GATEWAY, to)? };
    let link = steady[0].name.clone();
    let port = pair.unit.local_addr()?.port();
    let seen = pair.there_and_back(100)?;
    table.verdict("a datagram arrives from its own port", seen == Some(port), format!("{port}, seen as {seen:?}"));

    for command in [Request::Cut { link: link.clone() }, Request::Blackhole { link: link.clone(), way: None }] {
        client.request(&command)?;
        let during = pair.there_and_back(100)?;
        client.request(&Request::Restore { link: link.clone() })?;
        // With its carrier an interface gets its queue back a little later, when the kernel comes to it.
        let mut after = None;
        for _ in 0..TRIES {
            after = after.or(pair.there_and_back(100)?);
        }
        let good = during.is_none() && after == Some(port);
        table.verdict(&format!("{command:?}"), good, format!("during {during:?}, restored {after:?}"));
    }

    client.request(&Request::NatRebind { link })?;
    let moved = pair.there_and_back(100)?;
    let again = pair.there_and_back(100)?;
    let good = moved.is_some_and(|moved| moved != port) && again == moved;
    table.verdict("a NAT rebind moves the port, both ways pass", good, format!("{port}, seen as {moved:?}, {again:?}"));

    let mtu_bytes = poor.up.mtu_bytes.unwrap_or(usize::MAX);
    let pair = Pair { unit: socket(UNIT, (unit_address(steady.len()), 0).into())?, ..pair };
    // The link loses a few percent besides, so more than one is sent of each size.
    let (mut fits, mut exceeds) = (0, 0);
    for _ in 0..TRIES {
        fits += usize::from(pair.there_and_back(mtu_bytes - UDP_HEADERS)?.is_some());
        exceeds += usize::from(pair.there_and_back(mtu_bytes - UDP_HEADERS + 1)?.is_some());
    }
    let details = format!("{fits} of {TRIES} of {mtu_bytes} bytes, {exceeds} of one byte more");
    table.verdict("packets above the MTU vanish, others pass", fits > 0 && exceeds == 0, details);
    Ok(())
}

/// Two sockets, one in each namespace.
pub(crate) struct Pair {
    /// Where the gateway's is.
    pub(crate) to: SocketAddr,
    pub(crate) unit: UdpSocket,
    pub(crate) gateway: UdpSocket,
}

impl Pair {
    /// Sends a datagram to the gateway, and an answer to where it came from. Gives the port it was seen from, when
    /// both arrived.
    pub(crate) fn there_and_back(&self, payload_bytes: usize) -> anyhow::Result<Option<u16>> {
        let mut buffer = [0; 2_048];
        self.unit.send_to(&vec![0; payload_bytes], self.to)?;
        let Ok((_, from)) = self.gateway.recv_from(&mut buffer) else { return Ok(None) };
        self.gateway.send_to(&[0; 32], from)?;
        Ok(self.unit.recv_from(&mut buffer).is_ok().then_some(from.port()))
    }
}

/// A socket that lives in the namespace though its user does not.
pub(crate) fn socket(netns: &str, address: SocketAddr) -> anyhow::Result<UdpSocket> {
    let open = move || {
        enter_netns(netns)?;
        let socket = UdpSocket::bind(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        anyhow::Ok(socket)
    };
    std::thread::scope(|scope| scope.spawn(open).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}

const SERVICE: (std::net::Ipv4Addr, u16) = (GATEWAY_ADDRESS, 7_101);
const UDP_HEADERS: usize = 28;
pub(crate) const TRIES: usize = 5;
/// Several round trips of any link here.
const PATIENCE: Duration = Duration::from_millis(400);
