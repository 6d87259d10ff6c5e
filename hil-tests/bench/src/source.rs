//! The camera of a measurement: datagrams at even distances from inside a namespace.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use bondbox_linksim::emulator::enter_netns;
use bondbox_linksim::realtime;

use crate::clock::now_us;
use crate::payload::{self, Stamp};

/// A running source. It ends when dropped.
pub(crate) struct Source {
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<anyhow::Result<Sent>>>,
}

/// What a source has sent.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// When, by number.
    pub(crate) at_us: Vec<u64>,
    /// The latest that one was sent behind its time, which is the machine's fault.
    pub(crate) worst_us: u64,
}

impl Source {
    /// Sends to `port` of the loopback of `netns`, at this rate of payload.
    pub(crate) fn start(netns: &str, port: u16, rate_kbps: u64) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let (netns, ended) = (netns.to_owned(), Arc::clone(&end));
        let thread = std::thread::spawn(move || send(&netns, port, rate_kbps, &ended));
        Self { end, thread: Some(thread) }
    }

    /// Ends it; gives what it has sent.
    pub(crate) fn finish(mut self) -> anyhow::Result<Sent> {
        self.end.store(true, Ordering::Relaxed);
        let ended = self.thread.take().context("the source has ended already")?.join();
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic)).context("source")
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
    }
}

fn send(netns: &str, port: u16, rate_kbps: u64, end: &AtomicBool) -> anyhow::Result<Sent> {
    enter_netns(netns)?;
    realtime::claim(PRIORITY).context("real-time priority")?;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let start_us = now_us()?;
    let mut sent = Sent::default();
    while !end.load(Ordering::Relaxed) {
        let number = sent.at_us.len() as u64;
        let due_us = start_us + number * payload::LEN as u64 * 8_000 / rate_kbps;
        std::thread::sleep(Duration::from_micros(due_us.saturating_sub(now_us()?)));
        let stamp = Stamp { number, sent_us: now_us()? };
        // Unconnected, so that a peer that is not there does not show here: what it misses is lost.
        socket.send_to(&payload::write(stamp), ("127.0.0.1", port))?;
        sent.at_us.push(stamp.sent_us);
        sent.worst_us = sent.worst_us.max(stamp.sent_us.saturating_sub(due_us));
    }
    Ok(sent)
}

/// Before everything that is measured, so that its stamps are true; behind the emulator.
pub(crate) const PRIORITY: i32 = 5;
