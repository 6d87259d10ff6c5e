//! The units of one track, in order, each at its time, at every output.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::time::Duration;

use bondbox_units::{Instant, TrackId};
use bondbox_wire::expand;
use bondbox_wire::frame::{Media, UnitHeader};

use super::assembly::{Assembly, OVERHEAD};
use super::clock::ClockMap;
use super::keyframes::Keyframes;
use super::output::{Output, Passing, TrackCounters};
use super::pool::Pool;
use super::{Delivered, MAX_OUTPUTS, OnDamage, OutOfBounds};
use crate::ordered::Ordered;

/// Waits for units and lets them out, at each output after that output's latency.
///
/// The outputs share what has arrived: a unit is held until the last of them is past it. Unit numbers travel as 32 bits,
/// which an opaque stream uses up in weeks: here they have 64.
#[derive(Debug)]
pub(crate) struct Playout {
    track: TrackId,
    outputs: heapless::Vec<Output, MAX_OUTPUTS>,
    /// Units that an output has yet to put out, and what arrived of those that may still turn out late.
    units: Ordered<Box<Assembly>>,
    keyframes: Keyframes,
    on_damage: OnDamage,
    held: usize,
}

impl Playout {
    /// A track with as many outputs.
    pub(crate) fn new(track: TrackId, outputs: usize, on_damage: OnDamage) -> Self {
        Self {
            track,
            outputs: std::iter::repeat_with(Output::default).take(outputs.min(MAX_OUTPUTS)).collect(),
            units: Ordered::default(),
            keyframes: Keyframes::default(),
            on_damage,
            held: 0,
        }
    }

    /// Bytes held.
    pub(crate) const fn held(&self) -> usize {
        self.held
    }

    /// What is to be done with units that have holes when they are due.
    pub(crate) const fn set_on_damage(&mut self, on_damage: OnDamage) {
        self.on_damage = on_damage;
    }

    /// Units of this track build on each other.
    pub(crate) const fn set_pictures(&mut self) {
        self.keyframes.set_pictures();
    }

    /// The first unit that still matters to an output.
    pub(crate) fn horizon(&self) -> Option<u32> {
        Some(self.outputs.iter().map(|output| output.next).min()?? as u32)
    }

    /// The unit after the last of which anything came, and of the 64 before it those that are whole, or past at the live
    /// output: bit *n* is the unit *n* + 1 before it.
    pub(crate) fn whole(&self) -> Option<(u32, u64)> {
        let next = self.outputs.first().and_then(|live| live.next);
        let end = self.units.last().map(|unit| unit + 1).max(next)?;
        let whole = |unit: u64| {
            next.is_some_and(|next| unit < next) || self.units.get(unit).is_some_and(|part| part.is_complete())
        };
        let there = (0..u64::from(u64::BITS)).filter(|n| end.checked_sub(n + 1).is_some_and(whole));
        Some((end as u32, there.fold(0, |bits, n| bits | 1 << n)))
    }

    /// What became of the units at output `output`.
    pub(crate) fn counters(&self, output: usize) -> TrackCounters {
        self.outputs.get(output).map(|output| output.counters).unwrap_or_default()
    }

    /// Takes in bytes of a unit, which may make the track hold `room` more. `longest`: the latency of the last output.
    pub(crate) fn on_media(
        &mut self,
        now: Instant,
        media: &Media<'_>,
        clock: &ClockMap,
        longest: Duration,
        room: usize,
        pool: &mut Pool,
    ) -> Result<(), OutOfBounds> {
        let unit = self.number(media.unit);
        let (missed, waits) = self.whereabouts(unit);
        if !(missed || waits) {
            return Ok(());
        }
        if let Some(header) = media.header.as_ref().filter(|_| waits) {
            let due = clock.map(now, header.ingest_low) + longest;
            if due > now + longest + MAX_SKEW || due + MAX_SKEW < now {
                return Err(OutOfBounds);
            }
        }
        let fresh = !self.units.contains(unit);
        let room = if fresh { room.checked_sub(OVERHEAD).ok_or(OutOfBounds)? } else { room };
        let assembly = self.units.get_or_insert_with(unit, || pool.assembly()).ok_or(OutOfBounds)?;
        let before = if fresh { 0 } else { assembly.held() };
        let (headed, whole) = (assembly.header.is_some(), assembly.is_complete());
        let result = assembly.insert(now, media, room, pool);
        self.held = self.held + assembly.held() - before;
        let (header, complete) = (assembly.header.filter(|_| !headed), assembly.is_complete() && !whole);
        if let Some(header) = header {
            self.on_header(now, unit, &header, clock);
        }
        if complete {
            self.outputs.iter_mut().for_each(|output| output.on_complete(now, unit));
            self.let_go(unit, pool);
        }
        result
    }

    /// Whether an output has missed `unit` and may still count it as late, and whether one waits for it.
    fn whereabouts(&self, unit: u64) -> (bool, bool) {
        let missed = self.outputs.iter().any(|output| output.missed.contains(unit));
        (missed, self.outputs.iter().any(|output| output.waits_for(unit)))
    }

    fn on_header(&mut self, now: Instant, unit: u64, header: &UnitHeader, clock: &ClockMap) {
        self.outputs
            .iter_mut()
            .filter(|output| output.waits_for(unit))
            .for_each(|output| output.headed.push(Reverse(unit)));
        // Only the live output asks for keyframes.
        if header.keyframe && self.outputs.first().is_some_and(|live| live.waits_for(unit)) {
            self.keyframes.on_keyframe(unit, clock.map(now, header.ingest_low));
        }
    }

    /// A unit's number in full: the one nearest to those that are there.
    fn number(&self, low: u32) -> u64 {
        let next = self.outputs.first().and_then(|output| output.next);
        let near = next.or_else(|| self.units.first());
        // Before the first unit, leave room below: an earlier one may still come over a slower link.
        expand(low.into(), u32::BITS, near.unwrap_or((1 << u32::BITS) + u64::from(low)))
    }

    /// The next unit that is due at output `index`, as long as `turn` lasts. Those before it whose time has passed are missed.
    pub(crate) fn poll(
        &mut self,
        now: Instant,
        index: usize,
        clock: &ClockMap,
        latency: Duration,
        turn: &mut usize,
        pool: &mut Pool,
    ) -> Option<Delivered> {
        self.settle(now, index, pool);
        loop {
            // The first unit that is due by its own time stamp; whatever lacks one before it has missed its turn.
            let (unit, header) = self.first_headed(index)?;
            let due = clock.map(now, header.ingest_low) + latency;
            if due > now {
                return None;
            }
            *turn = turn.checked_sub(1)?;
            let passing = Passing { unit, due, header, pictures: self.keyframes.pictures() };
            let out = self.pass(now, index, &passing);
            self.let_go(unit, pool);
            if out.is_some() {
                return out;
            }
        }
    }

    /// Whether output `index` has yet to put out something that came.
    pub(crate) fn is_waiting(&self, index: usize) -> bool {
        self.first_headed(index).is_some()
    }

    /// When to poll output `index` again.
    pub(crate) fn deadline(&self, now: Instant, index: usize, clock: &ClockMap, latency: Duration) -> Option<Instant> {
        let (_, header) = self.first_headed(index)?;
        Some(clock.map(now, header.ingest_low) + latency)
    }

    fn first_headed(&self, index: usize) -> Option<(u64, UnitHeader)> {
        let Reverse(unit) = *self.outputs.get(index)?.headed.peek()?;
        Some((unit, self.units.get(unit)?.header?))
    }

    /// Whether to ask for a keyframe now: the first output is broken, and waits for nothing that will mend it.
    pub(crate) fn keyframe_wanted(&mut self, now: Instant) -> bool {
        let broken = self.outputs.first().and_then(|output| output.broken);
        broken.is_some_and(|broken| self.keyframes.wanted(now, broken))
    }

    /// Output `index` goes past a unit, and puts it out if it can.
    fn pass(&mut self, now: Instant, index: usize, passing: &Passing) -> Option<Delivered> {
        self.miss_up_to(passing.unit, now, index);
        let assembly = self.units.get_mut(passing.unit)?;
        let output = self.outputs.get_mut(index)?;
        output.headed.pop();
        output.next = Some(passing.unit + 1);
        // Nothing that came after it made it miss its turn, and yet it is too late for it.
        if assembly.headed_at.is_some_and(|headed_at| headed_at > passing.due + IN_TIME) {
            output.miss(passing.due, passing.unit..passing.unit + 1);
            if assembly.is_complete() {
                output.on_complete(now, passing.unit);
            }
            return None;
        }
        let (context, payload, missing) = if assembly.is_complete() {
            let payload = assembly.payload();
            (output.deliver(passing, payload.len(), assembly.repaired), payload, vec![])
        } else if self.on_damage == OnDamage::Deliver {
            let (payload, missing) = assembly.damaged();
            (output.deliver_damaged(passing, payload.len()), payload, missing)
        } else {
            output.miss(now, passing.unit..passing.unit + 1);
            return None;
        };
        let header = &passing.header;
        let pts = passing.due.offset_micros(header.pts_offset.into());
        Some(Delivered {
            track: self.track,
            unit: passing.unit as u32,
            pts,
            dts: pts.offset_micros(header.dts_offset.into()),
            due: passing.due,
            priority: header.priority,
            keyframe: header.keyframe,
            discontinuity: header.discontinuity || context.gap,
            undecodable: context.undecodable,
            missing,
            payload,
        })
    }

    /// Everything before `unit` that has not been put out has missed its turn.
    fn miss_up_to(&mut self, unit: u64, now: Instant, index: usize) {
        // The others begin where the first one did, unless they have something from before.
        let begun = self.outputs.iter().find_map(|output| output.begun);
        let begun = begun.or(self.units.first()).unwrap_or(unit).min(unit);
        let Some(output) = self.outputs.get_mut(index) else { return };
        let first = output.next.unwrap_or(*output.begun.get_or_insert(begun));
        if first < unit {
            output.next = Some(unit);
            output.miss(now, first..unit);
        }
    }

    /// Forgets what cannot turn out late any more at output `index`, and what no output has a use for.
    fn settle(&mut self, now: Instant, index: usize, pool: &mut Pool) {
        let Some(output) = self.outputs.get_mut(index) else { return };
        output.counters.lost += output.missed.settle(now);
        let floor = self.outputs.iter().map(Output::floor).min().unwrap_or(0);
        while let Some((_, unit)) = self.units.pop_below(floor) {
            self.held -= unit.held();
            pool.recycle(unit);
        }
    }

    /// An output is past `unit`: when it was the last one, nobody waits for it any more. What one of them may still count
    /// as late stays in mind, so that no copy is counted again.
    fn let_go(&mut self, unit: u64, pool: &mut Pool) {
        let (missed, waits) = self.whereabouts(unit);
        if waits {
            return;
        }
        if !missed {
            let Some(unit) = self.units.remove(unit) else { return };
            self.held -= unit.held();
            pool.recycle(unit);
        } else if let Some(assembly) = self.units.get_mut(unit).filter(|unit| unit.is_complete()) {
            self.held -= assembly.held();
            assembly.forget_bytes(pool);
            self.held += assembly.held();
        }
    }
}

/// What begins to come later than this after it was due is late. The map of the clocks and timers are wrong by as much at times.
const IN_TIME: Duration = Duration::from_millis(20);
/// A unit is never due later than this after one latency from now, nor this long ago when it comes.
const MAX_SKEW: Duration = Duration::from_secs(10);
