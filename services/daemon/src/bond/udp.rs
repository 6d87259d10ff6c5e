//! A UDP port that is read in batches, and can answer from the address that was asked.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};

use nix::sys::socket::{setsockopt, sockopt};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use socket2::Socket;
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// A socket whose datagrams are never fragmented on the way out, nor put together on the way in.
pub struct Port {
    socket: UdpSocket,
    state: UdpSocketState,
}

/// Room for one batch. Ports of one kind share it.
pub struct Inbox {
    buffer: Vec<u8>,
    slot: usize,
}

/// Whom a datagram came from, and at which of our addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Theirs.
    pub remote: SocketAddr,
    /// Ours, where the system says.
    pub local: Option<IpAddr>,
}

impl Port {
    /// Takes over a socket that is bound, on the current reactor.
    ///
    /// # Errors
    /// When the system refuses one of its options.
    pub fn new(socket: Socket) -> io::Result<Self> {
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

    /// Whether something can be read.
    pub fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_recv_ready(context)
    }

    /// Returns when something can be read. May be dropped halfway.
    ///
    /// # Errors
    /// When the reactor is gone.
    pub async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Sends to where the socket is connected, or says why not at once.
    ///
    /// # Errors
    /// When the system does not take it now.
    pub fn send(&self, datagram: &[u8]) -> io::Result<()> {
        self.socket.try_send(datagram).map(|_| ())
    }

    /// Sends to `peer`, or says why not at once.
    ///
    /// # Errors
    /// When the system does not take it now.
    pub fn send_to(&self, peer: Peer, datagram: &[u8]) -> io::Result<()> {
        let transmit = Transmit {
            destination: peer.remote,
            ecn: None,
            contents: datagram,
            segment_size: None,
            src_ip: peer.local,
        };
        self.socket.try_io(Interest::WRITABLE, || self.state.try_send(UdpSockRef::from(&self.socket), &transmit))
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

impl Inbox {
    /// For datagrams of at most `largest` bytes; longer ones are cut.
    pub fn new(largest: usize) -> Self {
        Self { buffer: vec![0; largest * BATCH_SIZE], slot: largest }
    }

    /// Hands on all that waits, a bounded number of batches at a time. Whether more may wait.
    ///
    /// # Errors
    /// When the socket has one to tell, which it does once.
    pub fn drain(&mut self, port: &Port, mut each: impl FnMut(Peer, &mut [u8])) -> io::Result<bool> {
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
                each(Peer { remote: meta.addr, local: meta.dst_ip }, &mut slot[..meta.len]);
            }
            if count < BATCH_SIZE {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// 2 s of 16 Mbit/s, or 100 ms of 300: as long as another process may keep the processor from us.
const SOCKET_BUFFER: usize = 4 << 20;
/// After so many the engine has its turn.
const MAX_BATCHES: usize = 8;

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[tokio::test]
    async fn what_waits_is_handed_on_with_where_it_came_from_and_can_be_answered() {
        let own = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = Port::new(own.into()).unwrap();
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sent: Vec<Vec<u8>> = (0..BATCH_SIZE as u8 + 3).map(|number| vec![number; 40]).collect();
        for datagram in &sent {
            peer.send_to(datagram, port.local_addr().unwrap()).unwrap();
        }
        let (mut inbox, mut received, mut from) = (Inbox::new(30), Vec::new(), None);
        while received.len() < sent.len() {
            port.readable().await.unwrap();
            inbox
                .drain(&port, |peer, datagram| {
                    received.push(datagram.to_vec());
                    from = Some(peer);
                })
                .unwrap();
        }
        assert_eq!(received, sent.iter().map(|datagram| datagram[..30].to_vec()).collect::<Vec<_>>());
        let from = from.unwrap();
        assert_eq!(from.remote, peer.local_addr().unwrap());
        port.send_to(from, b"answer").unwrap();
        let mut buffer = [0; 10];
        assert_eq!(peer.recv(&mut buffer).unwrap(), 6);
    }
}
