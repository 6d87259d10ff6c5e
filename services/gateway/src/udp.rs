//! The UDP port: read in batches, and answered from the address that was asked.

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;

use bondbox_bond::gateway::Route;
use nix::sys::socket::{setsockopt, sockopt};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// A socket whose datagrams are never fragmented on the way out, nor put together on the way in.
pub(crate) struct Port {
    socket: UdpSocket,
    state: UdpSocketState,
}

/// Room for one batch.
pub(crate) struct Inbox {
    buffer: Vec<u8>,
    slot: usize,
}

impl Port {
    /// Listens at `address`; the unspecified IPv6 address is IPv4's too.
    pub(crate) fn listen(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(!address.ip().is_unspecified())?;
        }
        socket.bind(&address.into())?;
        Self::new(socket)
    }

    fn new(socket: Socket) -> io::Result<Self> {
        // The kernel grants what its limits allow.
        socket.set_recv_buffer_size(SOCKET_BUFFER)?;
        socket.set_send_buffer_size(SOCKET_BUFFER)?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        // Put together in the kernel, datagrams would all seem to have come at one time. Its time stamps are not read.
        let _ = setsockopt(&socket, sockopt::UdpGroSegment, &false);
        let _ = setsockopt(&socket, sockopt::ReceiveTimestampns, &false);
        let socket = UdpSocket::from_std(socket.into())?;
        Ok(Self { socket, state })
    }

    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Sends, or says why not at once.
    pub(crate) fn send(&self, route: Route, datagram: &[u8]) -> io::Result<()> {
        let transmit = Transmit {
            destination: route.remote,
            ecn: None,
            contents: datagram,
            segment_size: None,
            src_ip: route.local,
        };
        self.socket.try_io(Interest::WRITABLE, || self.state.try_send(UdpSockRef::from(&self.socket), &transmit))
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

impl Inbox {
    /// For datagrams of at most `largest` bytes; longer ones are cut.
    pub(crate) fn new(largest: usize) -> Self {
        Self { buffer: vec![0; largest * BATCH_SIZE], slot: largest }
    }

    /// Hands on all that waits, a bounded number of batches at a time. Whether more may wait.
    pub(crate) fn drain(&mut self, port: &Port, mut each: impl FnMut(Route, &mut [u8])) -> io::Result<bool> {
        for _ in 0..MAX_BATCHES {
            let mut metas = [RecvMeta::default(); BATCH_SIZE];
            let received = {
                let mut slots = self.buffer.chunks_mut(self.slot).map(IoSliceMut::new);
                let mut slots: [IoSliceMut<'_>; BATCH_SIZE] =
                    std::array::from_fn(|_| slots.next().expect("the buffer has a slot for each"));
                port.socket.try_io(Interest::READABLE, || {
                    port.state.recv(UdpSockRef::from(&port.socket), &mut slots, &mut metas)
                })
            };
            let count = match received {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            };
            for (slot, meta) in self.buffer.chunks_mut(self.slot).zip(&metas[..count]) {
                each(Route { remote: meta.addr, local: meta.dst_ip }, &mut slot[..meta.len]);
            }
            if count < BATCH_SIZE {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// 100 ms of 300 Mbit/s: as long as another process may keep the processor from us.
const SOCKET_BUFFER: usize = 4 << 20;
/// After so many the engine has its turn.
const MAX_BATCHES: usize = 8;
