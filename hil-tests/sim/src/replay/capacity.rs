//! What a link carried, window by window: while packets queue, what leaves the queue is all that passes.

use std::time::Duration;

use bondbox_units::{Bitrate, Instant};

use super::packets::{Packet, Times};

/// A packet that arrived, with the time at which it left the bottleneck.
#[derive(Clone, Copy, Debug)]
struct Passed {
    sent: Instant,
    left: Instant,
    bytes: u64,
}

/// The rate in each window of [`WINDOW`], on the sender's clock. `base` gives the least delay at a time, `proven` what the
/// sender had proven then.
pub(super) fn windows(
    packets: &[Packet],
    times: Times,
    base: impl Fn(Instant) -> i64,
    proven: impl Fn(Instant) -> Bitrate,
) -> Vec<Bitrate> {
    let count = ((times.end - times.start).as_micros() / WINDOW.as_micros()) as usize + 1;
    let mut windows = vec![Window::default(); count];
    let mut passed: Vec<_> = packets
        .iter()
        .filter_map(|packet| {
            let queued = (packet.relative()? - base(packet.sent)).max(0);
            let left = packet.sent.offset_micros(queued);
            Some(Passed { sent: packet.sent, left, bytes: u64::from(packet.size) + IP_UDP })
        })
        .collect();
    passed.sort_by_key(|packet| packet.left);
    for packet in &passed {
        if let Some(window) = windows.get_mut(index(times, packet.left)) {
            window.delivered += packet.bytes;
        }
    }
    for pair in passed.windows(2) {
        let [before, packet] = [pair[0], pair[1]];
        let from = before.left.max(packet.sent);
        if packet.left - packet.sent >= STANDS && packet.left > from {
            serve(&mut windows, times, from, packet.left, packet.bytes);
        }
    }
    let known: Vec<_> = windows.iter().map(Window::rate).collect();
    let middle = |i: usize| times.start + WINDOW * i as u32 + WINDOW / 2;
    let fill = |i: usize| {
        let before = known[..i].iter().rev().take(NEAR).find_map(|rate| *rate);
        let after = known[i..].iter().take(NEAR).find_map(|rate| *rate);
        let near = before.into_iter().chain(after).max().unwrap_or_default();
        let delivered = Bitrate::from_bytes_in(windows[i].delivered, WINDOW).unwrap_or_default();
        near.max(proven(middle(i))).max(delivered.scaled(1.05))
    };
    (0..count).map(|i| known[i].unwrap_or_else(|| fill(i))).collect()
}

/// The bottleneck worked on `bytes` from `from` to `to`.
fn serve(windows: &mut [Window], times: Times, from: Instant, to: Instant, bytes: u64) {
    let whole = (to - from).as_micros() as f64;
    let mut at = from;
    while at < to {
        let i = index(times, at);
        let end = (times.start + WINDOW * (i as u32 + 1)).min(to);
        let Some(window) = windows.get_mut(i) else { return };
        window.busy += end - at;
        window.served += bytes as f64 * (end - at).as_micros() as f64 / whole;
        at = end;
    }
}

fn index(times: Times, at: Instant) -> usize {
    ((at - times.start).as_micros() / WINDOW.as_micros()) as usize
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    busy: Duration,
    served: f64,
    delivered: u64,
}

impl Window {
    /// `None` where too little queued to tell.
    fn rate(&self) -> Option<Bitrate> {
        (self.busy >= ENOUGH).then(|| Bitrate::from_bps((self.served * 8.0 / self.busy.as_secs_f64()) as u64))
    }
}

pub(super) const WINDOW: Duration = Duration::from_millis(100);
/// Less than this may be jitter, or the timer of the sender.
const STANDS: Duration = Duration::from_millis(8);
const ENOUGH: Duration = Duration::from_millis(30);
/// Windows that may speak for one in which nothing queued.
const NEAR: usize = 20;
const IP_UDP: u64 = 28;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_of_a_link_shows_while_packets_queue_and_an_outage_shows_as_none() {
        // 1,250 bytes on the wire a millisecond into a link of 5 Mbit/s that stops from 400 to 800 ms.
        let base = 30_000;
        let mut free = Instant::ZERO;
        let mut packets = vec![];
        for ms in 0..300 {
            let sent = Instant::from_millis(ms);
            free = free.max(sent) + Duration::from_millis(2);
            if free > Instant::from_millis(400) && free < Instant::from_millis(800) {
                free = Instant::from_millis(802);
            }
            packets.push(Packet { sent, received: Some(free.offset_micros(base)), size: 1_222 });
        }
        let times = Times { start: Instant::ZERO, end: Instant::from_millis(1_000) };
        let windows = windows(&packets, times, |_| base, |_| Bitrate::ZERO);
        let kbps: Vec<_> = windows.iter().map(|rate| rate.as_bps() / 1_000).collect();
        for (i, kbps) in kbps.iter().enumerate().take(9) {
            let expected = if (4..8).contains(&i) { 0..100 } else { 4_700..5_300 };
            assert!(expected.contains(kbps), "window {i}: {kbps} kbit/s");
        }
    }
}
