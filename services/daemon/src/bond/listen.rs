//! Sockets for datagrams from and to other programs.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

use super::udp::Port;

/// Listens at `address`, as a member where that is a multicast group; gives where it really does.
///
/// # Errors
/// When the system refuses.
pub fn listen(address: SocketAddr) -> io::Result<(Port, SocketAddr)> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.ip().is_multicast() {
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())?;
    match address.ip() {
        IpAddr::V4(group) if group.is_multicast() => socket.join_multicast_v4(&group, &Ipv4Addr::UNSPECIFIED)?,
        IpAddr::V6(group) if group.is_multicast() => socket.join_multicast_v6(&group, 0)?,
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    let bound = socket.local_addr()?.as_socket().unwrap_or(address);
    Ok((Port::new(socket)?, bound))
}

/// A socket that sends to `address`, and never waits.
///
/// # Errors
/// When the system refuses.
pub fn connect(address: SocketAddr) -> io::Result<UdpSocket> {
    let any = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    socket.connect(address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// UDP carries no more.
pub const LARGEST: usize = 65_536;
