//! UDP ports that are read and written in batches, know when each datagram came, and can answer from the address that was
//! asked.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use bondbox_units::Instant;
use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
use nix::time::{ClockId, clock_gettime};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use socket2::Socket;

use crate::clock;

/// A socket whose datagrams are never fragmented on the way out, nor put together on the way in. It never waits.
pub struct Port {
    socket: Socket,
    state: UdpSocketState,
    sending: Sending,
}

/// Room for one batch of what comes. Ports of one kind share it.
pub struct Inbox {
    buffer: Vec<u8>,
    slot: usize,
}

/// Datagrams on their way out, until they are sent together.
pub struct Outbox {
    buffer: Vec<u8>,
    slot: usize,
    /// Whom each is for, as its owner numbers ports, and how long it is.
    filled: Vec<(u64, usize)>,
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
    /// Takes over a socket that is bound.
    ///
    /// # Errors
    /// When the system refuses one of its options.
    pub fn new(socket: Socket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        // The kernel grants what its limits allow.
        socket.set_recv_buffer_size(SOCKET_BUFFER)?;
        socket.set_send_buffer_size(SOCKET_BUFFER)?;
        // This asks for time stamps, too.
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        // Put together in the kernel, datagrams would all seem to have come at one time.
        let _ = setsockopt(&socket, sockopt::UdpGroSegment, &false);
        Ok(Self { socket, state, sending: Sending::default() })
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
        self.state.try_send(UdpSockRef::from(&self.socket), &transmit)
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let address = self.socket.local_addr()?;
        address.as_socket().ok_or_else(|| io::Error::other("a socket without an internet address"))
    }
}

impl AsFd for Port {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Inbox {
    /// For datagrams of at most `largest` bytes; longer ones are cut.
    pub fn new(largest: usize) -> Self {
        Self { buffer: vec![0; largest * BATCH_SIZE], slot: largest }
    }

    /// Hands on all that waits, and when each came, a bounded number of batches at a time. Whether more may wait.
    ///
    /// # Errors
    /// When the socket has one to tell, which it does once.
    pub fn drain(&mut self, port: &Port, mut each: impl FnMut(Instant, Peer, &mut [u8])) -> io::Result<bool> {
        for _ in 0..MAX_BATCHES {
            let mut metas = [RecvMeta::default(); BATCH_SIZE];
            let received = {
                let mut slots = self.buffer.chunks_mut(self.slot).map(IoSliceMut::new);
                let mut slots: [IoSliceMut<'_>; BATCH_SIZE] =
                    std::array::from_fn(|_| slots.next().expect("the buffer has a slot for each"));
                port.state.recv(UdpSockRef::from(&port.socket), &mut slots, &mut metas)
            };
            let count = match received {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            };
            let read_at = ReadAt::now();
            for (slot, meta) in self.buffer.chunks_mut(self.slot).zip(&metas[..count]) {
                let came = read_at.came(meta.timestamp);
                each(came, Peer { remote: meta.addr, local: meta.dst_ip }, &mut slot[..meta.len]);
            }
            if count < BATCH_SIZE {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// One moment on both clocks: the kernel's stamps are on the one that people set.
#[derive(Clone, Copy, Debug)]
struct ReadAt {
    monotonic: Instant,
    real: Duration,
}

impl ReadAt {
    fn now() -> Self {
        // In this order a pause between the two makes datagrams older, not younger than those that came before them.
        let monotonic = clock::now();
        Self { monotonic, real: clock_gettime(ClockId::CLOCK_REALTIME).map_or(Duration::ZERO, Duration::from) }
    }

    /// When a datagram with this stamp came. A stamp that makes no sense, for the clock was set meanwhile, is not believed.
    fn came(self, stamp: Option<Duration>) -> Instant {
        let age = stamp.and_then(|stamp| self.real.checked_sub(stamp)).filter(|age| *age <= OLDEST);
        self.monotonic.earlier_by(age.unwrap_or(Duration::ZERO))
    }
}

impl Outbox {
    /// For so many datagrams of at most `largest` bytes.
    pub fn new(datagrams: usize, largest: usize) -> Self {
        Self { buffer: vec![0; datagrams * largest], slot: largest, filled: Vec::with_capacity(datagrams) }
    }

    /// Where the next datagram is to be written; `None` when all have to be sent first.
    pub fn slot(&mut self) -> Option<&mut [u8]> {
        self.buffer.chunks_mut(self.slot).nth(self.filled.len())
    }

    /// `len` bytes were written there, for this port.
    pub fn push(&mut self, port: u64, len: usize) {
        self.filled.push((port, len.min(self.slot)));
    }

    /// Whether nothing waits.
    pub const fn is_empty(&self) -> bool {
        self.filled.is_empty()
    }

    /// Whether something is for this port.
    pub fn has(&self, number: u64) -> bool {
        self.filled.iter().any(|(port, _)| *port == number)
    }

    /// Sends what is for this port, which is connected; `failed` is told of each datagram that the system does not take.
    pub fn send(&self, number: u64, port: &mut Port, mut failed: impl FnMut(io::Error)) {
        let filled = self.buffer.chunks(self.slot).zip(&self.filled);
        let mut own = filled.filter(|(_, (port, _))| *port == number).map(|(slot, (_, len))| &slot[..*len]);
        loop {
            let mut batch = [&[][..]; BATCH_SIZE];
            let count = batch.iter_mut().zip(&mut own).map(|(place, datagram)| *place = datagram).count();
            if count == 0 {
                return;
            }
            let Port { socket, sending, .. } = port;
            sending.send(socket, &batch[..count], &mut failed);
        }
    }

    /// What waited was sent or given up.
    pub fn clear(&mut self) {
        self.filled.clear();
    }
}

/// How datagrams are handed to the system over a socket that is connected: as many at a time as it takes, and a run of
/// one size as one, for it to cut. What they meet on the way is met once for all of them, and whoever waits at the far end
/// is woken once.
#[derive(Debug)]
pub struct Sending {
    /// Datagrams in a run; one, where the system does not cut.
    run: usize,
}

impl Default for Sending {
    fn default() -> Self {
        Self { run: LONGEST_RUN }
    }
}

impl Sending {
    /// Sends them all; `failed` is told of each that the system does not take.
    pub fn send(&mut self, socket: &impl AsFd, datagrams: &[&[u8]], mut failed: impl FnMut(io::Error)) {
        let mut rest = datagrams;
        let mut refused = false;
        while !rest.is_empty() {
            match send_some(socket.as_fd(), rest, self.run) {
                Ok(sent) => {
                    rest = &rest[sent.min(rest.len())..];
                    refused = false;
                }
                // Told for an earlier datagram, by a host where nobody listens: these were not tried yet.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && !refused => refused = true,
                Err(error) if run_of(rest, self.run) > 1 && cannot_cut(&error) => self.run = 1,
                Err(error) => {
                    failed(error);
                    rest = &rest[run_of(rest, self.run)..];
                    refused = false;
                }
            }
        }
    }
}

/// What the system says where it, the device or the route cannot cut, or where a datagram does not fit.
fn cannot_cut(error: &io::Error) -> bool {
    let said = [libc::EINVAL, libc::EIO, libc::EOPNOTSUPP, libc::ENOPROTOOPT, libc::EMSGSIZE];
    error.raw_os_error().is_some_and(|code| said.contains(&code))
}

/// How many of the first are of one size, the last of them perhaps shorter, as the system cuts them.
fn run_of(datagrams: &[&[u8]], most: usize) -> usize {
    let Some(first) = datagrams.first().filter(|first| !first.is_empty()) else { return 1 };
    let same = datagrams.iter().take(most).take_while(|datagram| datagram.len() == first.len()).count();
    let shorter = datagrams.get(same).is_some_and(|next| !next.is_empty() && next.len() < first.len());
    if same < most && shorter { same + 1 } else { same.max(1) }
}

/// One call: how many of the first were sent, at least one.
#[allow(unsafe_code, reason = "the safe way to this call allocates at each")]
fn send_some(socket: BorrowedFd<'_>, datagrams: &[&[u8]], run: usize) -> io::Result<usize> {
    let datagrams = &datagrams[..datagrams.len().min(BATCH_SIZE)];
    let mut parts = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; BATCH_SIZE];
    for (part, datagram) in parts.iter_mut().zip(datagrams) {
        *part = libc::iovec { iov_base: datagram.as_ptr().cast_mut().cast(), iov_len: datagram.len() };
    }
    // SAFETY: these are structures of integers and pointers, for which zero is a value: no name, no parts, no control.
    let (mut headers, mut cuts): ([libc::mmsghdr; BATCH_SIZE], [Cut; BATCH_SIZE]) = unsafe { std::mem::zeroed() };
    let mut runs = [0; BATCH_SIZE];
    let (mut at, mut count) = (0, 0);
    while at < datagrams.len() {
        let own = run_of(&datagrams[at..], run);
        let header = &mut headers[count].msg_hdr;
        (header.msg_iov, header.msg_iovlen) = (&raw mut parts[at], own);
        if own > 1 {
            cuts[count] = Cut::after(datagrams[at].len());
            (header.msg_control, header.msg_controllen) = ((&raw mut cuts[count]).cast(), size_of::<Cut>());
        }
        (runs[count], at, count) = (own, at + own, count + 1);
    }
    // SAFETY: the first `count` headers point to parts and cuts of theirs alone, and the parts to datagrams; all of them
    // outlive the call, which writes to nothing but the headers.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count as u32, libc::MSG_DONTWAIT) };
    let sent = usize::try_from(sent).map_err(|_| io::Error::last_os_error())?;
    Ok(runs.iter().take(sent).sum())
}

/// Has the system cut a message into datagrams: a control message as cmsg(3) lays it out.
#[repr(C)]
#[derive(Clone, Copy)]
struct Cut {
    head: libc::cmsghdr,
    len: u16,
    padding: [u8; 6],
}

impl Cut {
    fn after(len: usize) -> Self {
        let head = libc::cmsghdr {
            cmsg_len: size_of::<libc::cmsghdr>() + size_of::<u16>(),
            cmsg_level: libc::SOL_UDP,
            cmsg_type: libc::UDP_SEGMENT,
        };
        Self { head, len: len.min(u16::MAX.into()) as u16, padding: [0; 6] }
    }
}

/// More at once were seen to be lost on loopback, and would be a burst on any link.
const LONGEST_RUN: usize = 8;
/// 2 s of 16 Mbit/s, or 100 ms of 300: as long as another process may keep the processor from us.
const SOCKET_BUFFER: usize = 4 << 20;
/// Longer than another process may keep the processor from us; an older stamp means that the clock was set.
const OLDEST: Duration = Duration::from_secs(2);
/// After so many the engine has its turn.
const MAX_BATCHES: usize = 8;

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;
    use crate::bond::watch::Watch;

    fn peers() -> (Port, UdpSocket) {
        let own = UdpSocket::bind("127.0.0.1:0").unwrap();
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        own.connect(peer.local_addr().unwrap()).unwrap();
        peer.connect(own.local_addr().unwrap()).unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        (Port::new(own.into()).unwrap(), peer)
    }

    #[tokio::test]
    async fn what_waits_is_handed_on_with_where_it_came_from_and_can_be_answered() {
        let own = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = Port::new(own.into()).unwrap();
        let mut watch = Watch::new().unwrap();
        watch.add(&port, 0).unwrap();
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sent: Vec<Vec<u8>> = (0..BATCH_SIZE as u8 + 3).map(|number| vec![number; 40]).collect();
        for datagram in &sent {
            peer.send_to(datagram, port.local_addr().unwrap()).unwrap();
        }
        let (mut inbox, mut received, mut from) = (Inbox::new(30), Vec::new(), None);
        while received.len() < sent.len() {
            watch.readable().await.unwrap();
            inbox
                .drain(&port, |_, peer, datagram| {
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

    #[test]
    fn a_datagram_that_is_read_late_came_when_it_came() {
        let (port, peer) = peers();
        // Asked for the first stamp, the kernel stamps some time later (Linux' net_enable_timestamp leaves it to a work
        // queue); what came before that came when it is read.
        let when_it_came = (0..1_000).any(|_| {
            peer.send(b"one").unwrap();
            let sent = clock::now();
            while clock::now() < sent + Duration::from_millis(5) {
                std::hint::spin_loop();
            }
            let mut came = Instant::FAR_FUTURE;
            Inbox::new(30).drain(&port, |at, _, _| came = at).unwrap();
            came <= sent + Duration::from_millis(1)
        });
        assert!(when_it_came);
    }

    #[test]
    fn a_stamp_from_another_life_of_the_clock_is_not_believed() {
        let read_at = ReadAt { monotonic: Instant::from_millis(5_000), real: Duration::from_secs(1_000) };
        let came = |ms| read_at.came(Some(Duration::from_millis(ms)));
        assert_eq!(came(999_990), Instant::from_millis(4_990));
        assert_eq!([came(1_000_001), came(997_000), read_at.came(None)], [read_at.monotonic; 3]);
    }

    #[test]
    fn what_is_sent_together_arrives_one_by_one_in_order_and_only_where_it_should() {
        let (mut one, mut other) = (peers(), peers());
        let mut outbox = Outbox::new(2 * BATCH_SIZE + 6, 100);
        let mut expected = [vec![], vec![]];
        for number in 0..2 * BATCH_SIZE + 6 {
            let to = number % 3 % 2;
            // Runs of one size, some with a shorter end, and single ones.
            let len = [50, 50, 50, 50, 50, 50, 20, 60, 60][number % 9];
            outbox.slot().unwrap()[..len].fill(number as u8);
            outbox.push(to as u64, len);
            expected[to].push(vec![number as u8; len]);
        }
        assert!(outbox.slot().is_none());
        outbox.send(0, &mut one.0, |error| panic!("{error}"));
        outbox.send(1, &mut other.0, |error| panic!("{error}"));
        outbox.clear();
        assert!(outbox.slot().is_some());
        for ((_, peer), expected) in [one, other].iter().zip(expected) {
            let mut buffer = [0; 100];
            let came = expected.iter().map(|_| peer.recv(&mut buffer).map(|len| buffer[..len].to_vec()).unwrap());
            assert_eq!(came.collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn what_the_system_does_not_take_is_told_and_the_rest_goes_out() {
        let (port, peer) = peers();
        let too_long = vec![0; 70_000];
        let mut failed = vec![];
        Sending::default().send(&port, &[b"one", &too_long, b"two"], |error| failed.push(error.raw_os_error()));
        assert_eq!(failed, [Some(libc::EMSGSIZE)]);
        let mut buffer = [0; 10];
        let came = [(); 2].map(|()| peer.recv(&mut buffer).map(|len| buffer[..len].to_vec()).unwrap());
        assert_eq!(came, [b"one", b"two"]);
    }

    #[test]
    fn a_run_is_of_one_size_with_a_shorter_end() {
        let datagrams = |lens: &[usize]| lens.iter().map(|len| &[7; 100][..*len]).collect::<Vec<_>>();
        let runs = [&[50, 50, 50][..], &[50, 50, 20, 20], &[50, 60], &[50, 50, 60], &[0, 0], &[50, 0], &[50; 12]];
        assert_eq!(runs.map(|lens| run_of(&datagrams(lens), 8)), [3, 3, 1, 2, 1, 1, 8]);
        assert_eq!(run_of(&datagrams(&[50, 50, 20]), 2), 2);
        assert_eq!(run_of(&datagrams(&[50, 50]), 1), 1);
    }

    #[test]
    #[allow(unsafe_code, reason = "no crate here knows this option")]
    fn where_the_system_does_not_cut_each_goes_by_itself() {
        let own = UdpSocket::bind("127.0.0.1:0").unwrap();
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        own.connect(peer.local_addr().unwrap()).unwrap();
        // Linux does not cut what it is to send without a checksum.
        let on: libc::c_int = 1;
        let len = size_of_val(&on) as libc::socklen_t;
        // SAFETY: the option takes an integer, which outlives the call.
        let set = unsafe {
            libc::setsockopt(own.as_raw_fd(), libc::SOL_SOCKET, libc::SO_NO_CHECK, (&raw const on).cast(), len)
        };
        assert_eq!(set, 0);
        let mut sending = Sending::default();
        sending.send(&own, &[b"one", b"two"], |error| panic!("{error}"));
        assert_eq!(sending.run, 1);
        let mut buffer = [0; 10];
        let came = [(); 2].map(|()| peer.recv(&mut buffer).map(|len| buffer[..len].to_vec()).unwrap());
        assert_eq!(came, [b"one", b"two"]);
    }
}
