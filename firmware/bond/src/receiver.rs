//! The gateway's end of one session: acknowledges what arrives, puts units together and lets each out at its time.
//!
//! [`crate::gateway::Gateway`] owns one for each session and feeds it. What has arrived is shared by a few *outputs*: the
//! live one, and those that wait longer so that more of it is there, such as a recording.

mod ack;
mod assembly;
mod clock;
mod keyframes;
mod latency;
mod missed;
mod output;
mod playout;
mod pool;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use bondbox_units::{Instant, Priority, TrackId};
use bondbox_wire::frame::{self, Clock, Media};
use bytes::Bytes;

pub(crate) use ack::AckState;
pub use output::TrackCounters;

use clock::ClockMap;
use latency::Latency;
use playout::Playout;
use pool::Pool;

use crate::handshake::MAX_LATENCY;

/// One of a session's outputs. They differ in how long a unit waits for its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutputId(pub u8);

impl OutputId {
    /// The one that waits least, and that everything is done for.
    pub const LIVE: Self = Self(0);
}

/// What is done with a unit that has holes when it is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDamage {
    /// It does not come out.
    #[default]
    Drop,
    /// It comes out, with zeros in the place of what is missing; see [`Delivered::missing`].
    Deliver,
}

/// A unit that is due now.
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
    /// It builds on a unit that is missing, or on one that does: a decoder makes nothing good of it.
    pub undecodable: bool,
    /// Parts of the payload that never came and are zeros. The last ends at `u32::MAX` when the unit's end is among them.
    /// Always empty with [`OnDamage::Drop`].
    pub missing: Vec<Range<u32>>,
    /// Its bytes.
    pub payload: Bytes,
}

/// What each session puts out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    /// Latencies of up to three outputs beside the live one. One that is shorter than that is as long.
    pub longer: Vec<Duration>,
    /// What is done with damaged units, where nothing else is said for a track.
    pub on_damage: OnDamage,
}

/// Puts the units of one session together.
#[derive(Debug)]
pub(crate) struct Receiver {
    clock: ClockMap,
    /// Of each output, the live one first.
    latencies: heapless::Vec<Latency, MAX_OUTPUTS>,
    /// They are not what the unit was told when it opened the session.
    changed: bool,
    /// Only the live output goes on: the others wait for the session before to end.
    held_back: bool,
    on_damage: OnDamage,
    tracks: BTreeMap<TrackId, Playout>,
    held: usize,
    most_held: usize,
    pool: Pool,
}

/// Media that was not taken: more than a session may hold, or far from what is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfBounds;

impl Receiver {
    /// `latency` is the live output's, and `clock` a first guess.
    pub(crate) fn new(now: Instant, latency: Duration, outputs: &Outputs, clock: Clock) -> Self {
        Self {
            clock: ClockMap::new(now, clock),
            latencies: std::iter::once(latency)
                .chain(outputs.longer.iter().map(|latency| (*latency).min(MAX_LATENCY)))
                .take(MAX_OUTPUTS)
                .map(|latency| Latency::new(now, latency))
                .collect(),
            changed: !outputs.longer.is_empty(),
            held_back: false,
            on_damage: outputs.on_damage,
            tracks: BTreeMap::new(),
            held: 0,
            most_held: MAX_HELD,
            pool: Pool::default(),
        }
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

    /// Units of this track are pictures.
    pub(crate) fn set_pictures(&mut self, id: TrackId) {
        if let Some(track) = self.track(id) {
            track.set_pictures();
        }
    }

    /// What is to be done with damaged units of a track.
    pub(crate) fn set_on_damage(&mut self, id: TrackId, on_damage: OnDamage) {
        if let Some(track) = self.track(id) {
            track.set_on_damage(on_damage);
        }
    }

    /// How long units wait, and are going to, where the unit does not know that yet.
    pub(crate) fn news_of_latency(&self) -> Option<frame::Latency> {
        self.changed.then(|| {
            let ms = |latency: Duration| u32::try_from(latency.as_millis()).unwrap_or(u32::MAX);
            let live = self.latencies[0];
            frame::Latency { now_ms: ms(live.current()), target_ms: ms(live.target()), longest_ms: ms(self.longest()) }
        })
    }

    /// The live latency goes to this, by 50 ms a second.
    pub(crate) fn set_latency(&mut self, latency: Duration) {
        self.latencies[0].set(latency.min(MAX_LATENCY));
        self.changed = true;
    }

    /// Where the live latency goes.
    pub(crate) fn latency_target(&self) -> Duration {
        self.latencies[0].target()
    }

    /// From ingest to the live output, now.
    pub(crate) fn latency(&self) -> Duration {
        self.latencies[0].current()
    }

    /// The outputs beside the live one, with their latencies now.
    pub(crate) fn longer(&self) -> impl Iterator<Item = (OutputId, Duration)> {
        (1..self.latencies.len()).map(|output| (OutputId(output as u8), self.latency_at(output)))
    }

    /// Whether the outputs beside the live one are to wait.
    pub(crate) const fn hold_back(&mut self, held_back: bool) {
        self.held_back = held_back;
    }

    /// Whether the live output has yet to put out something that came.
    pub(crate) fn is_live_waiting(&self) -> bool {
        self.tracks.values().any(|track| track.is_waiting(0))
    }

    /// Whether any output has.
    pub(crate) fn is_waiting(&self) -> bool {
        (0..self.latencies.len()).any(|output| self.tracks.values().any(|track| track.is_waiting(output)))
    }

    /// Takes in bytes of a unit.
    pub(crate) fn on_media(&mut self, now: Instant, media: &Media<'_>) -> Result<(), OutOfBounds> {
        let room = self.most_held.saturating_sub(self.held);
        let longest = self.longest();
        self.track(media.track).ok_or(OutOfBounds)?;
        let track = self.tracks.get_mut(&media.track).ok_or(OutOfBounds)?;
        let before = track.held();
        let result = track.on_media(now, media, &self.clock, longest, room, &mut self.pool);
        self.held = self.held + track.held() - before;
        result
    }

    /// The next unit that is due, and at which output, as long as `turn` lasts: each that is looked at, missed ones included,
    /// takes one of it.
    pub(crate) fn poll(&mut self, now: Instant, turn: &mut usize) -> Option<(OutputId, Delivered)> {
        self.clock.slew(now);
        self.latencies.iter_mut().for_each(|latency| latency.slew(now));
        // Tracks and outputs share no queue: each unit leaves at its own instant.
        let latencies: heapless::Vec<_, MAX_OUTPUTS> = self.going().map(|output| self.latency_at(output)).collect();
        for track in self.tracks.values_mut() {
            let before = track.held();
            let due = latencies.iter().enumerate().find_map(|(output, latency)| {
                let unit = track.poll(now, output, &self.clock, *latency, turn, &mut self.pool)?;
                Some((OutputId(output as u8), unit))
            });
            self.held = self.held + track.held() - before;
            if due.is_some() {
                return due;
            }
        }
        None
    }

    /// When the next unit is due.
    pub(crate) fn deadline(&self, now: Instant) -> Option<Instant> {
        let of_track = |track: &Playout| {
            self.going().filter_map(|output| track.deadline(now, output, &self.clock, self.latency_at(output))).min()
        };
        self.tracks.values().filter_map(of_track).min()
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

    /// Counters of each track at one output.
    pub(crate) fn counters(&self, output: OutputId) -> impl Iterator<Item = (TrackId, TrackCounters)> {
        self.tracks.iter().map(move |(id, track)| (*id, track.counters(output.0.into())))
    }

    /// The outputs that do not wait for another session.
    fn going(&self) -> std::ops::Range<usize> {
        0..if self.held_back { 1 } else { self.latencies.len() }
    }

    /// No output waits less than the live one.
    fn latency_at(&self, output: usize) -> Duration {
        self.latencies[output].current().max(self.latencies[0].current())
    }

    /// From ingest to the last output, now.
    fn longest(&self) -> Duration {
        (0..self.latencies.len()).map(|output| self.latency_at(output)).max().unwrap_or_default()
    }

    /// The track, begun now if it is new; `None` when there are too many.
    fn track(&mut self, id: TrackId) -> Option<&mut Playout> {
        if !self.tracks.contains_key(&id) && self.tracks.len() >= MAX_TRACKS {
            return None;
        }
        let (outputs, on_damage) = (self.latencies.len(), self.on_damage);
        Some(self.tracks.entry(id).or_insert_with(|| Playout::new(id, outputs, on_damage)))
    }
}

/// Bytes that the units of one session may hold, all around them included: 5 s of 40 Mbit/s, or 2 s in small datagrams.
const MAX_HELD: usize = 32 << 20;

/// A programme with several sounds and captions.
const MAX_TRACKS: usize = 16;

/// Live, a recording, and two for whatever else.
const MAX_OUTPUTS: usize = 4;
