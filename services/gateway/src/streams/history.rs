//! The last seconds of a session, for figures that need two points in time.

use std::collections::VecDeque;
use std::time::Duration;

use bondbox_bond::gateway::SessionStatus;
use bondbox_units::Instant;

/// Samples of what came over the wire and what came out.
#[derive(Debug, Default)]
pub(crate) struct History {
    samples: VecDeque<Sample>,
    latency: Duration,
    late: Lateness,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    wire: u64,
    media: u64,
}

/// How long after they were due units came out since the last sample, and over the one before.
#[derive(Debug, Default)]
struct Lateness {
    sum: Duration,
    count: u32,
    mean: Duration,
}

impl History {
    /// A unit came out this long after it was due.
    pub(crate) fn on_output(&mut self, late: Duration) {
        self.late.sum += late;
        self.late.count += 1;
    }

    pub(crate) fn add(&mut self, now: Instant, session: &SessionStatus) {
        let wire = session.received_bytes + session.received_packets * HEADERS;
        let media = session.tracks.iter().map(|track| track.counters.bytes).sum();
        self.sample(now, session.latency, wire, media);
    }

    fn sample(&mut self, now: Instant, latency: Duration, wire: u64, media: u64) {
        self.latency = latency;
        self.samples.push_back(Sample { at: now, wire, media });
        while self.samples.front().is_some_and(|sample| now.since(sample.at) > WINDOW + latency + SLACK) {
            self.samples.pop_front();
        }
        self.late.mean = self.late.sum.checked_div(self.late.count).unwrap_or_default();
        (self.late.sum, self.late.count) = (Duration::ZERO, 0);
    }

    /// From a unit's ingest to our output, measured.
    pub(crate) fn delay(&self) -> Duration {
        self.latency + self.late.mean
    }

    /// Bytes on the wire by bytes of media; 0 before there is enough of both. Media comes out a latency after it came
    /// in, so the two are taken that far apart.
    pub(crate) fn cost(&self) -> f64 {
        let Some(last) = self.samples.back() else { return 0.0 };
        let at = |back: Duration| self.at(last.at.earlier_by(back));
        let (Some((_, media_from)), Some((wire_from, _)), Some((wire_to, _))) =
            (at(WINDOW), at(WINDOW + self.latency), at(self.latency))
        else {
            return 0.0;
        };
        let media = last.media as f64 - media_from;
        let wire = wire_to - wire_from;
        if media < 1.0 { 0.0 } else { (wire / media).max(0.0) }
    }

    /// Bytes on the wire and of media at a time, between the two samples around it.
    fn at(&self, time: Instant) -> Option<(f64, f64)> {
        let after = self.samples.partition_point(|sample| sample.at <= time);
        let from = self.samples.get(after.checked_sub(1)?)?;
        let to = self.samples.get(after).unwrap_or(from);
        let span = to.at.since(from.at).as_secs_f64();
        let part = if span > 0.0 { time.since(from.at).as_secs_f64() / span } else { 0.0 };
        let between = |from: u64, to: u64| from as f64 + (to as f64 - from as f64) * part;
        Some((between(from.wire, to.wire), between(from.media, to.media)))
    }
}

/// IPv4 and UDP, around each datagram.
const HEADERS: u64 = 28;
const WINDOW: Duration = Duration::from_secs(4);
const SLACK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const LATENCY_MS: u64 = 600;
    const LATENCY: Duration = Duration::from_millis(LATENCY_MS);

    #[test]
    fn cost_compares_the_media_with_the_datagrams_that_brought_it() {
        let mut history = History::default();
        // 100 bytes a millisecond, 200 from 10 s on; 15 % are overhead.
        let media_in = |at: u64| at * 100 + at.saturating_sub(10_000) * 100;
        for look in 0..80_u64 {
            let now = look * 230;
            let media_out = media_in(now.saturating_sub(LATENCY_MS));
            history.sample(Instant::from_millis(now), LATENCY, media_in(now) * 115 / 100, media_out);
            if now > 6_000 {
                let cost = history.cost();
                assert!((cost - 1.15).abs() < 0.02, "{cost} at {now} ms");
            }
        }
    }

    #[test]
    fn without_media_there_is_no_cost() {
        let mut history = History::default();
        for quarter in 0..40 {
            history.sample(Instant::from_millis(quarter * 250), LATENCY, quarter * 100, 0);
        }
        assert_eq!(history.cost(), 0.0);
    }

    #[test]
    fn the_delay_is_what_was_seen_on_the_output() {
        let mut history = History::default();
        history.on_output(Duration::from_millis(1));
        history.on_output(Duration::from_millis(3));
        history.sample(Instant::from_millis(250), LATENCY, 0, 0);
        assert_eq!(history.delay(), Duration::from_millis(602));
        history.sample(Instant::from_millis(500), LATENCY, 0, 0);
        assert_eq!(history.delay(), LATENCY);
    }
}
