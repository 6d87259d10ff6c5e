//! The gateway's end of one session: acknowledges what arrives, puts units together and lets each out at its time.
//!
//! [`crate::gateway::Gateway`] owns one for each session and feeds it.

mod ack;
mod assembly;
mod clock;
mod keyframes;
mod missed;
mod playout;
mod pool;

use std::collections::BTreeMap;
use std::time::Duration;

use bondbox_units::{Instant, Priority, TrackId};
use bondbox_wire::frame::{Clock, Media};
use bytes::Bytes;

pub(crate) use ack::AckState;
pub use playout::TrackCounters;

use clock::ClockMap;
use playout::Playout;
use pool::Pool;

/// A unit that arrived in full and is due now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The track.
    pub track: TrackId,
    /// Counts the track's units; a gap is a lost unit.
    pub unit: u32,
    /// When to show it, on the receiver's clock, latency included; as `due` for opaque tracks.
    pub pts: Instant,
    /// When to decode it.
    pub dts: Instant,
    /// When it was due here.
    pub due: Instant,
    /// What it means to lose it.
    pub priority: Priority,
    /// Decoding can start here.
    pub keyframe: bool,
    /// Something before it is missing, here or at the source.
    pub discontinuity: bool,
    /// Its bytes.
    pub payload: Bytes,
}

/// Puts the units of one session together.
#[derive(Debug)]
pub(crate) struct Receiver {
    clock: ClockMap,
    latency: Duration,
    tracks: BTreeMap<TrackId, Playout>,
    held: usize,
    most_held: usize,
    pool: Pool,
}

/// Media that was not taken: more than a session may hold, or far from what is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfBounds;

impl Receiver {
    /// `clock` is a first guess.
    pub(crate) fn new(now: Instant, latency: Duration, clock: Clock) -> Self {
        let clock = ClockMap::new(now, clock);
        Self { clock, latency, tracks: BTreeMap::new(), held: 0, most_held: MAX_HELD, pool: Pool::default() }
    }

    /// Holds at most so many bytes.
    pub(crate) fn holding(self, most_held: usize) -> Self {
        Self { most_held, ..self }
    }

    /// A guess how the clocks map, good until the sender says so.
    pub(crate) fn guess_clock(&mut self, clock: Clock) {
        self.clock.guess(clock);
    }

    /// The sender's word on how the clocks map.
    pub(crate) fn on_clock(&mut self, now: Instant, clock: Clock) {
        self.clock.on_clock(now, clock);
    }

    /// Takes in bytes of a unit.
    pub(crate) fn on_media(&mut self, now: Instant, media: &Media<'_>) -> Result<(), OutOfBounds> {
        if !self.tracks.contains_key(&media.track) && self.tracks.len() >= MAX_TRACKS {
            return Err(OutOfBounds);
        }
        let track = self.tracks.entry(media.track).or_default();
        let before = track.held();
        let room = self.most_held.saturating_sub(self.held);
        let result = track.on_media(now, media, &self.clock, self.latency, room, &mut self.pool);
        self.held = self.held + track.held() - before;
        result
    }

    /// The next unit that is due, as long as `turn` lasts: each that is looked at, missed ones included, takes one of it.
    pub(crate) fn poll(&mut self, now: Instant, turn: &mut usize) -> Option<Delivered> {
        self.clock.slew(now);
        // Tracks share no queue: each unit leaves at its own instant.
        for (id, track) in &mut self.tracks {
            let before = track.held();
            let delivered = track.poll(now, *id, &self.clock, self.latency, turn, &mut self.pool);
            self.held = self.held + track.held() - before;
            if delivered.is_some() {
                return delivered;
            }
        }
        None
    }

    /// When the next unit is due.
    pub(crate) fn deadline(&self, now: Instant) -> Option<Instant> {
        self.tracks.values().filter_map(|track| track.deadline(now, &self.clock, self.latency)).min()
    }

    /// A track whose picture is damaged until a keyframe that nothing promises, at most once a second.
    pub(crate) fn keyframe_wanted(&mut self, now: Instant) -> Option<TrackId> {
        self.tracks.iter_mut().find_map(|(id, track)| track.keyframe_wanted(now).then_some(*id))
    }

    /// The first unit of each track that still matters.
    pub(crate) fn horizons(&self) -> impl Iterator<Item = (TrackId, u32)> {
        self.tracks.iter().filter_map(|(id, track)| Some((*id, track.horizon()?)))
    }

    /// Of each track, the unit after the last of which anything came, and which of those before it are not wanted any more.
    pub(crate) fn whole(&self) -> impl Iterator<Item = (TrackId, u32, u64)> {
        self.tracks.iter().filter_map(|(id, track)| track.whole().map(|(next, before)| (*id, next, before)))
    }

    /// Bytes held.
    #[cfg(test)]
    pub(crate) const fn held(&self) -> usize {
        self.held
    }

    /// Counters of each track.
    pub(crate) fn counters(&self) -> impl Iterator<Item = (TrackId, TrackCounters)> {
        self.tracks.iter().map(|(id, track)| (*id, track.counters))
    }
}

/// Bytes that the units of one session may hold, all around them included: 5 s of 40 Mbit/s, or 2 s in small datagrams.
const MAX_HELD: usize = 32 << 20;

/// A programme with several sounds and captions.
const MAX_TRACKS: usize = 16;
