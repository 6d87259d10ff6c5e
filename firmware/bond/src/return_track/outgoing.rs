//! The gateway's end: what is on its way to the unit, over which path, and what is known to have come.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bondbox_units::{Instant, TrackId};
use bondbox_wire::Writer;
use bondbox_wire::frame::{Media, UnitHeader, UnitsAck};
use bytes::Bytes;

use super::{MAX_UNIT, RATE};
use crate::channel::Refused;
use crate::packet::{ENVELOPE, IP_UDP};
use crate::sender::Unit;

/// What became of the units of all return tracks of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReturnCounters {
    /// Taken in.
    pub units: u64,
    /// The other end had them in time, by its own word.
    pub acknowledged: u64,
    /// Nobody said so before their time was over.
    pub expired: u64,
    /// Tries beyond the first of each unit.
    pub again: u64,
}

/// Units on their way, those of one session.
#[derive(Debug)]
pub(crate) struct ReturnSender {
    latency: Duration,
    /// The next unit of each track.
    tracks: BTreeMap<TrackId, u32>,
    waiting: VecDeque<Waiting>,
    held: usize,
    /// The rate allows nothing before this.
    free_at: Instant,
    /// When a try over a path last went unanswered.
    failed: BTreeMap<u32, Instant>,
    pub(crate) counters: ReturnCounters,
}

/// A unit that nobody has acknowledged.
#[derive(Debug)]
struct Waiting {
    track: TrackId,
    unit: u32,
    header: UnitHeader,
    payload: Bytes,
    deadline: Instant,
    /// Bytes of this try that are out.
    sent: usize,
    /// Tries that are out in full.
    tries: u8,
    /// The path of the last try.
    over: Option<u32>,
    /// The last try, if there was one, has had its time to be answered; else it goes twice at once.
    awaited: bool,
    /// When the next try begins.
    at: Instant,
}

impl ReturnSender {
    /// Units are put out `latency` after they were taken in.
    pub(crate) const fn new(latency: Duration) -> Self {
        Self {
            latency,
            tracks: BTreeMap::new(),
            waiting: VecDeque::new(),
            held: 0,
            free_at: Instant::ZERO,
            failed: BTreeMap::new(),
            counters: ReturnCounters { units: 0, acknowledged: 0, expired: 0, again: 0 },
        }
    }

    /// Takes a unit in.
    pub(crate) fn push(&mut self, now: Instant, unit: Unit) -> Result<(), Refused> {
        if unit.payload.len() > MAX_UNIT {
            return Err(Refused::TooLong(unit.payload.len()));
        }
        let full = self.waiting.len() >= MAX_WAITING || self.held + unit.payload.len() > MAX_HELD;
        if full || (self.tracks.len() >= MAX_TRACKS && !self.tracks.contains_key(&unit.track)) {
            return Err(Refused::Full);
        }
        let next = self.tracks.entry(unit.track).or_default();
        let number = *next;
        *next = next.wrapping_add(1);
        self.held += unit.payload.len();
        self.counters.units += 1;
        self.waiting.push_back(Waiting {
            track: unit.track,
            unit: number,
            header: unit.header(now),
            payload: unit.payload,
            deadline: now + self.latency,
            sent: 0,
            tries: 0,
            over: None,
            awaited: true,
            at: now,
        });
        Ok(())
    }

    /// Takes in the unit's word on what it has.
    pub(crate) fn on_ack(&mut self, ack: &UnitsAck) {
        let (failed, counters, held) = (&mut self.failed, &mut self.counters, &mut self.held);
        self.waiting.retain(|waiting| {
            let behind = ack.next.wrapping_sub(1).wrapping_sub(waiting.unit);
            let there = waiting.track == ack.track && behind < u64::BITS && ack.before & (1 << behind) != 0;
            if there {
                counters.acknowledged += 1;
                *held -= waiting.payload.len();
                // Of one that went over two paths nobody knows which it was.
                if let Some(path) = waiting.over.filter(|_| waiting.tries <= 1) {
                    failed.remove(&path);
                }
            }
            !there
        });
    }

    /// Gives up what is past its time.
    pub(crate) fn expire(&mut self, now: Instant) {
        let (failed, counters, held) = (&mut self.failed, &mut self.counters, &mut self.held);
        self.waiting.retain(|waiting| {
            let past = waiting.deadline <= now;
            if past {
                failed.extend(waiting.over.map(|path| (path, now)));
                counters.expired += 1;
                *held -= waiting.payload.len();
            }
            !past
        });
    }

    /// When to write next, or to expire.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let next = |waiting: &Waiting| match waiting.wants_more() {
            true => waiting.at.max(self.free_at).min(waiting.deadline),
            false => waiting.deadline,
        };
        self.waiting.iter().map(next).min()
    }

    /// Whether [`ReturnSender::write`] has something to write.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.free_at <= now && self.waiting.iter().any(|waiting| waiting.is_due(now))
    }

    /// The path for what is due now, of those given with their round trips; `None` when there is none, or nothing is due.
    pub(crate) fn pick(&self, now: Instant, paths: impl Iterator<Item = (u32, Duration)>) -> Option<u32> {
        if self.free_at > now {
            return None;
        }
        let due = self.waiting.iter().find(|waiting| waiting.is_due(now))?;
        if due.sent > 0 {
            return due.over;
        }
        let failed = |path| self.failed.get(&path).is_some_and(|at| now - *at < REMEMBERED);
        let best = paths.min_by_key(|(path, rtt)| (due.over == Some(*path), failed(*path), *rtt));
        best.map(|(path, _)| path)
    }

    /// Writes what is due into a datagram that goes over `path`, where an answer takes `patience`.
    pub(crate) fn write(&mut self, now: Instant, path: u32, patience: Duration, writer: &mut Writer<'_>) {
        let before = writer.len();
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.is_due(now)) {
            // What is half out goes on where it was, and what failed here goes elsewhere.
            let fits = if waiting.sent > 0 { waiting.over == Some(path) } else { true };
            if writer.room() < LEAST_ROOM || !fits {
                break;
            }
            if waiting.sent == 0 && waiting.tries > 0 {
                self.counters.again += 1;
                if let Some(over) = waiting.over.filter(|_| waiting.awaited) {
                    self.failed.insert(over, now);
                }
            }
            waiting.over = Some(path);
            if !waiting.put(writer) {
                break;
            }
            waiting.tries += 1;
            waiting.sent = 0;
            // Once: the last moment to be in time, wherever the first of the two is lost.
            let twice = waiting.awaited && waiting.is_last_chance(now, patience);
            waiting.awaited = !twice;
            waiting.at = if twice { now } else { now + patience };
            if twice {
                // The second one takes another way.
                break;
            }
        }
        self.free_at = self.free_at.max(now) + RATE.time_for((writer.len() - before + IP_UDP + ENVELOPE) as u64);
        let oldest = |failed: &BTreeMap<u32, Instant>| failed.iter().min_by_key(|(_, at)| **at).map(|(path, _)| *path);
        if self.failed.len() > MAX_REMEMBERED
            && let Some(path) = oldest(&self.failed)
        {
            self.failed.remove(&path);
        }
    }

    /// Nothing can be sent before this.
    pub(crate) fn wait_until(&mut self, at: Instant) {
        self.free_at = self.free_at.max(at);
    }

    /// Bytes held.
    #[cfg(test)]
    pub(crate) const fn held(&self) -> usize {
        self.held
    }
}

impl Waiting {
    fn wants_more(&self) -> bool {
        self.tries < MAX_TRIES
    }

    fn is_due(&self, now: Instant) -> bool {
        self.wants_more() && (self.sent > 0 || self.at <= now) && now < self.deadline
    }

    /// Whether a second try after `patience` would come too late: an answer takes the way there and back, the try once there.
    fn is_last_chance(&self, now: Instant, patience: Duration) -> bool {
        now + patience.mul_f64(1.5) > self.deadline
    }

    /// Writes as much as finds room; gives whether that was the rest.
    fn put(&mut self, writer: &mut Writer<'_>) -> bool {
        let header = (self.sent == 0).then_some(self.header);
        let left = self.payload.len() - self.sent;
        let overhead = Media::overhead(self.unit, self.sent as u32, header.as_ref(), left.min(writer.room()));
        let Some(room) = writer.room().checked_sub(overhead) else { return false };
        let end = self.sent + left.min(room);
        let media = Media {
            track: self.track,
            unit: self.unit,
            offset: self.sent as u32,
            last: end == self.payload.len(),
            again: self.tries > 0,
            header,
            bytes: &self.payload[self.sent..end],
        };
        if media.encode(writer).is_err() {
            return false;
        }
        self.sent = end;
        media.last
    }
}

/// The programme's sound, talkback, a picture.
const MAX_TRACKS: usize = 4;
/// Ten seconds of sound in packets of 20 ms.
const MAX_WAITING: usize = 512;
/// Two seconds of all that may be sent.
const MAX_HELD: usize = 128 << 10;
/// One path after the other fails; one that is left is used again.
const MAX_TRIES: u8 = 6;
/// A path that failed is tried again by then.
const REMEMBERED: Duration = Duration::from_secs(2);
const MAX_REMEMBERED: usize = 32;
/// Less room is not worth another frame.
const LEAST_ROOM: usize = 64;
