//! What one path delivers.
//!
//! A sample is delivered bytes ÷ max(send span, receive span) over the last 100 ms, 20 packets or four swings of the delay, so that
//! neither a burst at the sender nor one out of a modem's buffer reads as speed. By as much as the delay swings widely by itself,
//! packets may arrive farther apart than they left: else each rise would prove less, the pace would follow, and nothing would
//! prove more again.

use std::collections::VecDeque;
use std::time::Duration;

use bondbox_units::{Bitrate, Instant};

use super::delay::Swing;

/// A packet that arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivered {
    /// On the sender's clock.
    pub(crate) sent: Instant,
    /// On the receiver's clock.
    pub(crate) received: Instant,
    /// With IP and UDP headers, in bytes.
    pub(crate) size: u32,
    /// There was less to send than the path would have taken.
    pub(crate) limited: bool,
}

/// How busy the path was when a sample was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// A queue stands in it, or it drops a good part: what it delivers is all that it has.
    Full,
    /// It may have more.
    Open,
}

/// What the last packets tell.
struct Sample {
    /// The slower of how they left and how they arrived.
    rate: Bitrate,
    /// How they left.
    leaving: Bitrate,
    /// How they arrived.
    arriving: Bitrate,
    /// There was less to send than the path would have taken.
    limited: bool,
}

/// Capacity of a path as proven.
#[derive(Debug)]
pub(crate) struct Capacity {
    window: VecDeque<Delivered>,
    proven: Bitrate,
    proven_at: Instant,
    /// When a sample was looked at last.
    looked: Instant,
    /// More is never used, whatever it could.
    pub(crate) cap: Option<Bitrate>,
}

impl Capacity {
    /// Starts from a guess.
    pub(crate) const fn new(now: Instant, guess: Bitrate) -> Self {
        Self { window: VecDeque::new(), proven: guess, proven_at: now, looked: now, cap: None }
    }

    /// Takes in packets that one acknowledgement named for the first time, oldest first.
    /// Their delay swings by itself by `swing`: it is measured over several, and a wide one is no sign of a lower rate.
    pub(crate) fn on_delivered(
        &mut self,
        now: Instant,
        packets: impl IntoIterator<Item = Delivered>,
        load: Load,
        swing: Swing,
    ) {
        let least = MIN_SPAN.max(swing.size * 4);
        self.window.extend(packets);
        let Some(newest) = self.window.iter().map(|packet| packet.received).max() else { return };
        while let Some(oldest) = self.window.front() {
            let age = newest.since(oldest.received);
            let enough = self.window.len() > MIN_PACKETS && age > least;
            if self.window.len() <= MAX_PACKETS && !enough && age <= MAX_SPAN {
                break;
            }
            self.window.pop_front();
        }
        let Some(Sample { rate: sample, leaving, arriving, limited }) = self.sample(swing.wide * 2) else { return };
        let gain = ((now - self.looked).as_secs_f64() / FOLLOW.as_secs_f64()).clamp(MIN_GAIN, 1.0);
        self.looked = now;
        match load {
            // Sparse packets from before the queue grew prove nothing about how little the path has; and neither do packets
            // that arrive as fast as they leave: what looks like a queue is drained, or is none.
            Load::Full if !limited && arriving < leaving.scaled(KEPT_UP) || sample > self.proven => {
                let proven = self.proven.as_bps() as f64;
                let told = self.proven.clamp(sample, arriving.max(sample));
                self.proven = Bitrate::from_bps((proven + (told.as_bps() as f64 - proven) * gain) as u64);
                self.proven_at = now;
            }
            Load::Full if !limited => self.proven_at = now,
            Load::Full => {}
            Load::Open if sample > self.estimate(now) => (self.proven, self.proven_at) = (sample, now),
            Load::Open if !limited && sample >= self.proven.scaled(0.9) => self.proven_at = now,
            Load::Open => {}
        }
    }

    /// The path was silent: what it can do now is unknown, half is a fair start, but for one that was silent time and again.
    pub(crate) fn on_readmitted(&mut self, now: Instant) {
        self.window.clear();
        (self.proven, self.proven_at) = (self.proven.scaled(0.5).max(FAIR.min(self.proven)), now);
    }

    /// What the path delivers at most. Decays to half the last proof over 60 s, never lower.
    pub(crate) fn estimate(&self, now: Instant) -> Bitrate {
        let age = (now - self.proven_at).as_secs_f64() / DECAY.as_secs_f64();
        let proven = self.proven.scaled(1.0 - 0.5 * age.min(1.0));
        proven.min(self.cap.unwrap_or(proven))
    }

    /// Whether the path was kept busy over the whole of the last sample.
    pub(crate) fn is_busy(&self) -> bool {
        self.sample(Duration::ZERO).is_some_and(|sample| !sample.limited)
    }

    /// How long ago it was proven.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        now - self.proven_at
    }

    /// What the window tells, where between the least and the most delay there lies a `swing` of the path's own.
    fn sample(&self, swing: Duration) -> Option<Sample> {
        if self.window.len() < MIN_PACKETS / 2 {
            return None;
        }
        // The first packet opens the span, so its bytes were delivered before it.
        let bytes: u64 = self.window.iter().skip(1).map(|packet| u64::from(packet.size)).sum();
        // Not simply from the front to the back: what was acknowledged late stands behind what was sent after it.
        let sent = span(self.window.iter().map(|packet| packet.sent))?;
        let received = span(self.window.iter().map(|packet| packet.received))?;
        let received = received.saturating_sub(swing).max(sent).min(received).max(MIN_SAMPLE_SPAN);
        Some(Sample {
            rate: Bitrate::from_bytes_in(bytes, received.max(sent))?,
            leaving: Bitrate::from_bytes_in(bytes, sent.max(MIN_SAMPLE_SPAN))?,
            arriving: Bitrate::from_bytes_in(bytes, received)?,
            limited: self.window.iter().any(|packet| packet.limited),
        })
    }
}

fn span(times: impl Iterator<Item = Instant> + Clone) -> Option<Duration> {
    Some(times.clone().max()? - times.min()?)
}

/// Longer than what a cell's scheduler bunches.
const MIN_SPAN: Duration = Duration::from_millis(100);
/// What keeps an idle link alive says nothing about its rate, and must not dilute what comes after it.
const MAX_SPAN: Duration = Duration::from_secs(1);
/// Fewer make a rate of single packets.
const MIN_PACKETS: usize = 20;
/// What 200 Mbit/s bring in that span. A gateway whose clock stands still must not make it grow.
const MAX_PACKETS: usize = 2_048;
/// A handful of packets in less is a burst out of a buffer, whatever both clocks say.
const MIN_SAMPLE_SPAN: Duration = Duration::from_millis(20);
/// Whatever is up at all is worth a try with a packet in 100 ms.
const FAIR: Bitrate = Bitrate::from_kbps(100);
/// A cell's load changes over minutes.
const DECAY: Duration = Duration::from_secs(60);
/// A path that delivers this much of what leaves keeps up with it.
const KEPT_UP: f64 = 0.97;
/// A step is followed to 90 % within about 100 ms of its window, however often acknowledgements come.
const FOLLOW: Duration = Duration::from_millis(30);
const MIN_GAIN: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(from_ms: u64, count: u64, every_us: u64, received_every_us: u64) -> Vec<Delivered> {
        let start = from_ms * 1_000;
        let packet = |i| Delivered {
            sent: Instant::from_micros(start + i * every_us),
            received: Instant::from_micros(start + 50_000 + i * received_every_us),
            size: 1_250,
            limited: false,
        };
        (0..count).map(packet).collect()
    }

    fn capacity() -> Capacity {
        Capacity::new(Instant::ZERO, Bitrate::from_kbps(500))
    }

    #[test]
    fn a_burst_out_of_a_buffer_is_not_speed() {
        let mut capacity = capacity();
        capacity.on_delivered(Instant::from_millis(200), packets(0, 100, 1_000, 10), Load::Open, Swing::default());
        let estimate = capacity.estimate(Instant::from_millis(200)).as_bps();
        assert!((9_500_000..10_500_000).contains(&estimate), "{estimate}");
    }

    #[test]
    fn a_packet_that_is_acknowledged_late_does_not_make_the_others_look_fast() {
        let mut capacity = capacity();
        let mut late = packets(0, 100, 1_000, 1_000);
        late.rotate_left(1);
        capacity.on_delivered(Instant::from_millis(200), late, Load::Open, Swing::default());
        let estimate = capacity.estimate(Instant::from_millis(200)).as_bps();
        assert!((9_500_000..10_500_000).contains(&estimate), "{estimate}");
    }

    #[test]
    fn an_idle_hour_does_not_hide_what_a_probe_finds() {
        let mut capacity = capacity();
        for second in 0..30 {
            capacity.on_delivered(
                Instant::from_millis(second * 1_000),
                packets(second * 1_000, 1, 0, 0),
                Load::Open,
                Swing::default(),
            );
        }
        capacity.on_delivered(
            Instant::from_millis(30_100),
            packets(30_000, 12, 1_000, 1_000),
            Load::Open,
            Swing::default(),
        );
        let estimate = capacity.estimate(Instant::from_millis(30_100)).as_bps();
        assert!(estimate > 4_000_000, "{estimate}");
    }

    #[test]
    fn a_full_path_is_followed_down_and_an_open_one_is_not() {
        let mut capacity = capacity();
        capacity.on_delivered(Instant::from_millis(200), packets(0, 100, 1_000, 1_000), Load::Open, Swing::default());
        capacity.on_delivered(Instant::from_millis(400), packets(200, 30, 4_000, 4_000), Load::Open, Swing::default());
        assert!(capacity.estimate(Instant::from_millis(400)).as_bps() > 9_000_000);
        for step in 0..12 {
            let from = 400 + step * 40;
            // Twice as much leaves as arrives.
            let mut queued = packets(from, 20, 2_000, 4_000);
            queued.iter_mut().for_each(|packet| packet.received += Duration::from_millis(step * 40));
            capacity.on_delivered(Instant::from_millis(from), queued, Load::Full, Swing::default());
        }
        let estimate = capacity.estimate(Instant::from_millis(900)).as_bps();
        assert!((2_300_000..3_200_000).contains(&estimate), "{estimate}");
    }

    #[test]
    fn a_path_that_delivers_all_that_leaves_is_not_taken_for_less() {
        let mut capacity = capacity();
        capacity.on_delivered(Instant::from_millis(200), packets(0, 100, 1_000, 1_000), Load::Open, Swing::default());
        for step in 0..40 {
            let from = 400 + step * 40;
            capacity.on_delivered(
                Instant::from_millis(from),
                packets(from, 20, 2_000, 2_000),
                Load::Full,
                Swing::default(),
            );
        }
        let estimate = capacity.estimate(Instant::from_millis(2_000)).as_bps();
        assert!(estimate > 9_000_000, "a base that rose looks like a queue: {estimate}");
    }

    #[test]
    fn a_delay_that_rises_by_its_own_swing_proves_no_lower_rate_and_a_rate_that_fell_does() {
        let after = |received_every_us, swing_ms| {
            let mut capacity = capacity();
            let open = packets(0, 100, 1_000, 1_000);
            capacity.on_delivered(Instant::from_millis(200), open, Load::Open, Swing::default());
            let rising = packets(1_000, 400, 1_000, received_every_us);
            let by = Duration::from_millis(swing_ms);
            let swing = Swing { size: by, wide: by };
            for (now, arrived) in (1_400..).step_by(10).zip(rising.chunks(10)) {
                capacity.on_delivered(Instant::from_millis(now), arrived.iter().copied(), Load::Full, swing);
            }
            capacity.estimate(Instant::from_millis(1_800)).as_bps()
        };
        assert!(after(1_400, 0) < 8_000_000, "{}", after(1_400, 0));
        assert!(after(1_400, 70) > 9_000_000, "{}", after(1_400, 70));
        assert!(after(4_000, 70) < 5_000_000, "{}", after(4_000, 70));
    }

    #[test]
    fn many_silences_leave_enough_to_begin_with() {
        let mut capacity = capacity();
        (0..20).for_each(|second| capacity.on_readmitted(Instant::from_millis(second * 1_000)));
        assert_eq!(capacity.estimate(Instant::from_millis(19_000)), Bitrate::from_kbps(100));
    }

    #[test]
    fn a_proof_decays_to_half_and_no_further() {
        let mut capacity = capacity();
        capacity.on_delivered(Instant::from_millis(200), packets(0, 100, 1_000, 1_000), Load::Open, Swing::default());
        let at = |s| capacity.estimate(Instant::from_millis(200) + Duration::from_secs(s)).as_bps();
        assert!(at(30) < at(0) * 8 / 10 && at(60) * 2 <= at(0) + 1 && at(600) == at(60));
    }

    #[test]
    fn little_that_was_sent_proves_no_lower_rate_and_much_that_arrives_slowly_does() {
        let after = |limited| {
            let mut capacity = capacity();
            let open = packets(0, 100, 1_000, 1_000);
            capacity.on_delivered(Instant::from_millis(200), open, Load::Open, Swing::default());
            for step in 0..20 {
                // 1 Mbit/s leaves, and arrives slower, behind a queue of before.
                let mut sparse = packets(400 + step * 100, 10, 10_000, 11_000);
                sparse.iter_mut().for_each(|packet| packet.limited = limited);
                let now = Instant::from_millis(500 + step * 100);
                capacity.on_delivered(now, sparse, Load::Full, Swing::default());
            }
            capacity.estimate(Instant::from_millis(2_500)).as_bps()
        };
        assert!(after(true) > 9_000_000, "{}", after(true));
        assert!(after(false) < 2_000_000, "{}", after(false));
    }
}
