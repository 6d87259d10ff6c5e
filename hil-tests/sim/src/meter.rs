//! What came out, and when.

use std::time::Duration;

use bondbox_units::{Bitrate, Instant, Priority};

use bondbox_bond::sender::Unit;

use crate::Wire;
use crate::source;

/// Holds each unit that comes out against what went in.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    pushed: Vec<Asked>,
    /// When it came out.
    out: Vec<Option<Instant>>,
    last: Option<u32>,
    /// Units that came out twice, behind a later one, or with other bytes than went in.
    wrong: u64,
}

/// A unit that went in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// On the unit's clock.
    pub at: Instant,
    /// Bytes of it.
    pub size: usize,
    /// It can be shown without the one before it.
    pub alone: bool,
    /// Nothing can be shown without it.
    pub critical: bool,
}

/// Units in their order.
#[derive(Clone, Default)]
pub struct Stream(pub Vec<Asked>);

impl std::fmt::Debug for Stream {
    // Who looks at an outcome wants to know what became of tens of thousands, not each.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} units", self.0.len())
    }
}

/// What became of a stream.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Units that went in while measured.
    pub units: u64,
    /// Of these, came out no later than the latency and 20 ms after.
    pub on_time: u64,
    /// Came out later than that.
    pub late: u64,
    /// Never came out.
    pub lost: u64,
    /// Came out twice, out of order, or changed. Zero, or the engine is broken.
    pub wrong: u64,
    /// Median, 99th percentile and maximum of the time from in to out, of units that came out.
    pub delay: [Duration; 3],
    /// Media bytes that went in while measured.
    pub media_bytes: u64,
    /// Each link.
    pub links: Vec<LinkOutcome>,
    /// When the session opened.
    pub opened: Option<Instant>,
    /// Sessions opened.
    pub sessions: u64,
    /// Units that cannot be shown: not on time, or frames that refer to such.
    pub undecodable: u64,
    /// Longest time from a unit that cannot be shown to the next one that can.
    pub longest_damage: Duration,
    /// What went in while measured.
    pub asked: Stream,
    /// When each unit went in that did not come out on time.
    pub missed: Vec<Instant>,
    /// References that did not come out on time, among [`Self::units`].
    pub references_missed: u64,
    /// Critical units that did not come out on time, and how many there were, among [`Self::units`].
    pub critical_missed: [u64; 2],
    /// Units that did not come out of the recording in its time, among [`Self::units`], where there is one.
    pub not_recorded: u64,
    /// Encoder targets, and since when each holds.
    pub targets: Vec<(Instant, Bitrate)>,
    /// Bytes on the wire that sending the stream over these links takes at least.
    pub floor_bytes: f64,
}

/// One link while measured.
#[derive(Clone, Debug, Default)]
pub struct LinkOutcome {
    /// Its name.
    pub name: String,
    /// What went over it.
    pub wire: Wire,
}

impl Outcome {
    /// Share of units on time, in percent.
    pub fn on_time_percent(&self) -> f64 {
        100.0 * self.on_time as f64 / self.units.max(1) as f64
    }

    /// Share of units that can be shown, in percent.
    pub fn shown_percent(&self) -> f64 {
        100.0 * (self.units - self.undecodable) as f64 / self.units.max(1) as f64
    }

    /// Share of critical units on time, in percent; of none all.
    pub fn critical_percent(&self) -> f64 {
        let [missed, all] = self.critical_missed;
        100.0 - 100.0 * missed as f64 / all.max(1) as f64
    }

    /// Bytes from the unit per media byte, headers of IP and UDP included.
    pub fn cost(&self) -> f64 {
        let bytes: u64 = self.links.iter().map(|link| link.wire.up_bytes).sum();
        bytes as f64 / self.media_bytes.max(1) as f64
    }

    /// Cost in parts of the least possible: headers in full datagrams, and what losses make necessary.
    pub fn excess(&self) -> f64 {
        let bytes: u64 = self.links.iter().map(|link| link.wire.up_bytes).sum();
        bytes as f64 / self.floor_bytes.max(1.0)
    }

    /// Bytes to the unit per byte from it.
    pub fn return_share(&self) -> f64 {
        let up: u64 = self.links.iter().map(|link| link.wire.up_bytes).sum();
        let down: u64 = self.links.iter().map(|link| link.wire.down_bytes).sum();
        down as f64 / up.max(1) as f64
    }
}

impl Meter {
    pub(crate) fn on_push(&mut self, now: Instant, unit: &Unit) {
        let alone = unit.keyframe || unit.pts.is_none();
        let critical = unit.priority == Priority::Critical;
        self.pushed.push(Asked { at: now, size: unit.payload.len(), alone, critical });
        self.out.push(None);
    }

    pub(crate) fn on_out(&mut self, now: Instant, bytes: &[u8]) {
        let Some(number) = source::number(bytes).filter(|number| (*number as usize) < self.out.len()) else {
            self.wrong += 1;
            return;
        };
        let slot = &mut self.out[number as usize];
        if slot.is_some()
            || self.last.is_some_and(|last| last >= number)
            || bytes.len() != self.pushed[number as usize].size
        {
            self.wrong += 1;
            return;
        }
        *slot = Some(now);
        self.last = Some(number);
    }

    /// Bytes on the wire of each unit that went in from `from` on, were each sent once and alone.
    pub(crate) fn wire_bytes(&self, from: Instant, of: impl Fn(usize) -> usize) -> u64 {
        self.pushed.iter().filter(|pushed| pushed.at >= from).map(|pushed| of(pushed.size) as u64).sum()
    }

    /// Everything that went in from `from` on.
    pub(crate) fn outcome(&self, from: Instant, latency: Duration) -> Outcome {
        let allowed = latency + ALLOWANCE;
        let mut outcome = Outcome { wrong: self.wrong, ..Outcome::default() };
        let mut delays = vec![];
        let mut damaged_since: Option<Instant> = None;
        for (pushed, out) in self.pushed.iter().zip(&self.out).filter(|(pushed, _)| pushed.at >= from) {
            outcome.units += 1;
            outcome.asked.0.push(*pushed);
            outcome.critical_missed[1] += u64::from(pushed.critical);
            outcome.media_bytes += pushed.size as u64;
            let delay = out.map(|out| out - pushed.at);
            let on_time = delay.is_some_and(|delay| delay <= allowed);
            match delay {
                _ if on_time => outcome.on_time += 1,
                Some(_) => outcome.late += 1,
                None => outcome.lost += 1,
            }
            delays.extend(delay);
            if let Some(since) = damaged_since {
                outcome.longest_damage = outcome.longest_damage.max(pushed.at - since);
            }
            if on_time && (pushed.alone || damaged_since.is_none()) {
                damaged_since = None;
            } else {
                outcome.undecodable += 1;
                damaged_since.get_or_insert(pushed.at);
            }
            if !on_time {
                outcome.missed.push(pushed.at);
                outcome.references_missed += u64::from(pushed.alone);
                outcome.critical_missed[0] += u64::from(pushed.critical);
            }
        }
        delays.sort_unstable();
        let at = |share: f64| delays.get(((delays.len() as f64 - 1.0) * share) as usize).copied().unwrap_or_default();
        outcome.delay = [at(0.5), at(0.99), at(1.0)];
        outcome
    }
}

/// The meter's own grain and the receiver's timer.
pub(crate) const ALLOWANCE: Duration = Duration::from_millis(20);
