//! The far end of a measurement: takes datagrams inside a namespace and notes when each came.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use bondbox_linksim::emulator::enter_netns;
use bondbox_linksim::realtime;
use nix::sys::socket::{setsockopt, sockopt};

use crate::clock::now_us;
use crate::meter::{Arrival, Arrivals};
use crate::payload;
use crate::source::PRIORITY;

/// A running sink. It ends when dropped.
pub(crate) struct Sink {
    flags: Arc<Flags>,
    thread: Option<JoinHandle<anyhow::Result<Arrivals>>>,
}

#[derive(Default)]
struct Flags {
    heard: AtomicBool,
    end: AtomicBool,
}

impl Sink {
    /// Listens at `port` of the loopback, that of `netns` where one is named; returns when it does.
    pub(crate) fn start(netns: Option<&str>, port: u16) -> anyhow::Result<Self> {
        let flags = Arc::new(Flags::default());
        let (netns, inside, (opened, is_open)) = (netns.map(str::to_owned), Arc::clone(&flags), channel());
        let thread = std::thread::spawn(move || receive(netns.as_deref(), port, &inside, opened));
        let sink = Self { flags, thread: Some(thread) };
        match is_open.recv() {
            Ok(()) => Ok(sink),
            Err(_) => sink.finish().and_then(|_| anyhow::bail!("sink: ended before it was open")),
        }
    }

    /// Whether anything has come.
    pub(crate) fn has_heard(&self) -> bool {
        self.flags.heard.load(Ordering::Relaxed)
    }

    /// Ends it; gives all that came.
    pub(crate) fn finish(mut self) -> anyhow::Result<Arrivals> {
        self.flags.end.store(true, Ordering::Relaxed);
        let ended = self.thread.take().context("the sink has ended already")?.join();
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic)).context("sink")
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.flags.end.store(true, Ordering::Relaxed);
    }
}

fn receive(netns: Option<&str>, port: u16, flags: &Flags, opened: Sender<()>) -> anyhow::Result<Arrivals> {
    netns.map_or(Ok(()), enter_netns)?;
    realtime::claim(PRIORITY).context("real-time priority")?;
    let socket = UdpSocket::bind(("127.0.0.1", port))?;
    setsockopt(&socket, sockopt::RcvBufForce, &BUFFER)?;
    socket.set_read_timeout(Some(LOOK))?;
    opened.send(()).context("nobody waits for the sink")?;
    let mut arrivals = Arrivals::default();
    // One byte more than is sent shows what is too long.
    let mut datagram = [0; payload::LEN + 1];
    while !flags.end.load(Ordering::Relaxed) {
        let length = match socket.recv(&mut datagram) {
            Ok(length) => length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => continue,
            Err(error) => return Err(error.into()),
        };
        let received_us = now_us()?;
        match payload::read(&datagram[..length]) {
            Some(stamp) => arrivals.intact.push(Arrival { number: stamp.number, received_us }),
            None => arrivals.altered_us.push(received_us),
        }
        flags.heard.store(true, Ordering::Relaxed);
    }
    Ok(arrivals)
}

/// Holds some seconds of any stream here: what is lost, a peer lost.
const BUFFER: usize = 16 << 20;
/// How soon the end is noticed.
const LOOK: Duration = Duration::from_millis(100);
