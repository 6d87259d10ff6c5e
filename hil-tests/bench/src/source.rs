//! The near end of a measurement: sends numbered datagrams at a steady rate, or as pictures come, from inside a namespace.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use bondbox_linksim::emulator::enter_netns;
use bondbox_linksim::realtime;
use serde::Serialize;

use crate::clock::now_us;
use crate::payload::{self, Stamp};

/// How a stream comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Shape {
    /// Datagrams at even distances.
    Constant,
    /// 25 pictures a second, each as fast as an encoder writes; every fiftieth is eight times as large as the others.
    Frames,
}

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
    /// Of a stream of pictures, the number of each one's first datagram. The last may be half a picture.
    pub(crate) pictures: Vec<u64>,
    /// The latest that one was sent behind its time, which is the machine's fault.
    pub(crate) worst_us: u64,
}

/// When each datagram is due.
#[derive(Debug)]
struct Schedule {
    shape: Shape,
    rate_kbps: u64,
    pictures: u64,
    /// Of this picture, datagrams that are still to come.
    left: u64,
    due_us: u64,
}

impl Source {
    /// Sends to `port` of the loopback of `netns`, at this rate of payload.
    pub(crate) fn start(netns: &str, port: u16, shape: Shape, rate_kbps: u64) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let (netns, ended) = (netns.to_owned(), Arc::clone(&end));
        let thread = std::thread::spawn(move || send(&netns, port, Schedule::new(shape, rate_kbps), &ended));
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

impl Schedule {
    const fn new(shape: Shape, rate_kbps: u64) -> Self {
        Self { shape, rate_kbps, pictures: 0, left: 0, due_us: 0 }
    }

    /// When the next datagram is due, from the start on, and whether a picture begins with it.
    fn next(&mut self, number: u64) -> (u64, bool) {
        match self.shape {
            Shape::Constant => (number * payload::LEN as u64 * 8_000 / self.rate_kbps, false),
            Shape::Frames => {
                let begins = self.left == 0;
                if begins {
                    self.left = self.datagrams_of(self.pictures);
                    self.due_us = self.due_us.max(self.pictures * PICTURE_US);
                    self.pictures += 1;
                }
                self.left -= 1;
                let due_us = self.due_us;
                self.due_us += payload::LEN as u64 * 8_000 / WRITING_KBPS;
                (due_us, begins)
            }
        }
    }

    /// 49 pictures of one share and one of eight bring the rate.
    fn datagrams_of(&self, picture: u64) -> u64 {
        let mean_bytes = self.rate_kbps * PICTURE_US / 8_000;
        let share = mean_bytes * GROUP / (GROUP + 7) * if picture.is_multiple_of(GROUP) { 8 } else { 1 };
        // Bytes that do not fill a datagram are carried on to the next pictures, on average.
        (share + payload::LEN as u64 / 2).div_euclid(payload::LEN as u64).max(1)
    }
}

fn send(netns: &str, port: u16, mut schedule: Schedule, end: &AtomicBool) -> anyhow::Result<Sent> {
    enter_netns(netns)?;
    realtime::claim(PRIORITY).context("real-time priority")?;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let start_us = now_us()?;
    let mut sent = Sent::default();
    while !end.load(Ordering::Relaxed) {
        let number = sent.at_us.len() as u64;
        let (due_us, begins) = schedule.next(number);
        let due_us = start_us + due_us;
        std::thread::sleep(Duration::from_micros(due_us.saturating_sub(now_us()?)));
        let stamp = Stamp { number, sent_us: now_us()? };
        // Unconnected, so that a peer that is not there does not show here: what it misses is lost.
        socket.send_to(&payload::write(stamp), ("127.0.0.1", port))?;
        sent.pictures.extend(begins.then_some(number));
        sent.at_us.push(stamp.sent_us);
        sent.worst_us = sent.worst_us.max(stamp.sent_us.saturating_sub(due_us));
    }
    Ok(sent)
}

/// Before everything that is measured, so that its stamps are true; behind the emulator.
pub(crate) const PRIORITY: i32 = 5;

/// 25 a second.
pub(crate) const PICTURE_US: u64 = 40_000;
/// A keyframe every two seconds.
pub(crate) const GROUP: u64 = 50;
/// As fast as an encoder on the same machine hands its picture over, for receivers with ordinary buffers.
const WRITING_KBPS: u64 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_stream_has_even_distances() {
        let mut schedule = Schedule::new(Shape::Constant, 10_528);
        assert_eq!([0, 1, 1_000].map(|number| schedule.next(number)), [(0, false), (1_000, false), (1_000_000, false)]);
    }

    #[test]
    fn pictures_come_when_they_are_taken_and_bring_the_rate() {
        let mut schedule = Schedule::new(Shape::Frames, 6_000);
        let dues: Vec<_> = (0..5_700).map(|number| schedule.next(number)).collect();
        let begins: Vec<_> = dues.iter().filter(|(_, begins)| *begins).map(|(due_us, _)| *due_us).collect();
        assert!(begins.iter().enumerate().all(|(picture, due_us)| *due_us == picture as u64 * PICTURE_US));
        let first = dues.iter().skip(1).position(|(_, begins)| *begins).unwrap() + 1;
        let second = dues.iter().skip(first + 1).position(|(_, begins)| *begins).unwrap() + 1;
        assert!((7..=9).contains(&(first / second)), "{first} and {second} datagrams");
        let seconds = begins.len() as f64 / 25.0;
        let kbps = dues.len() as f64 * payload::LEN as f64 * 8.0 / 1_000.0 / seconds;
        assert!((5_700.0..6_300.0).contains(&kbps), "{kbps}");
    }
}
