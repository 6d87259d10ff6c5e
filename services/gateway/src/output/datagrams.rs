//! A stream as UDP datagrams.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use bondbox_daemon::bond::listen::connect;
use bondbox_daemon::bond::udp::Sending;
use bondbox_media::ts::PACKET_LEN;
use bytes::{Bytes, BytesMut};

/// Sends, and never waits.
pub(super) struct Datagrams {
    socket: UdpSocket,
    sending: Sending,
    /// Whole datagrams that leave together at the end of the turn.
    waiting: Vec<Bytes>,
    /// Transport packets that do not fill a datagram yet.
    rest: BytesMut,
    dropped: u64,
}

impl Datagrams {
    pub(super) fn open(to: SocketAddr) -> io::Result<Self> {
        Ok(Self {
            socket: connect(to)?,
            sending: Sending::default(),
            waiting: Vec::with_capacity(TOGETHER),
            rest: BytesMut::with_capacity(DATAGRAM),
            dropped: 0,
        })
    }

    /// Sends a datagram as it is, with the next flush.
    pub(super) fn send(&mut self, datagram: Bytes) {
        self.waiting.push(datagram);
        if self.waiting.len() == TOGETHER {
            self.flush();
        }
    }

    /// Sends a stretch of a transport stream, seven packets a datagram; what does not fill one waits for more.
    pub(super) fn stream(&mut self, mut packets: &[u8]) {
        while !packets.is_empty() {
            let (now, later) = packets.split_at(packets.len().min(DATAGRAM - self.rest.len()));
            self.rest.extend_from_slice(now);
            packets = later;
            if self.rest.len() == DATAGRAM {
                let full = self.rest.split().freeze();
                self.send(full);
            }
        }
    }

    /// What waits leaves.
    pub(super) fn flush(&mut self) {
        let Self { socket, sending, waiting, dropped, .. } = self;
        let mut datagrams = [&[][..]; TOGETHER];
        datagrams.iter_mut().zip(waiting.iter()).for_each(|(place, datagram)| *place = datagram);
        sending.send(socket, &datagrams[..waiting.len()], |_| *dropped += 1);
        waiting.clear();
    }

    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// What fits an Ethernet frame, and what everybody expects.
const DATAGRAM: usize = 7 * PACKET_LEN;
/// More is sent before the turn ends.
const TOGETHER: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_goes_out_in_datagrams_of_seven_packets() {
        let there = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut datagrams = Datagrams::open(there.local_addr().unwrap()).unwrap();
        let stream: Vec<u8> = (0..20 * PACKET_LEN).map(|at| at as u8).collect();
        for piece in stream.chunks(3 * PACKET_LEN) {
            datagrams.stream(piece);
        }
        datagrams.flush();
        let mut received = Vec::new();
        let mut buffer = [0; 2_000];
        for _ in 0..2 {
            let len = there.recv(&mut buffer).unwrap();
            assert_eq!(len, 1_316);
            received.extend_from_slice(&buffer[..len]);
        }
        assert_eq!(received, stream[..2 * 1_316]);
        assert_eq!(datagrams.rest[..], stream[2 * 1_316..]);
    }
}
