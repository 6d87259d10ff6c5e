//! The most units that fit.
//!
//! Units come and fall due in the same order, so each slot can serve an interval of them. Taken in their order, each with
//! those slots that the fewest later ones could use, as many packets find a slot as can at all (Glover 1967). A unit counts
//! whole: where one finds too few slots, the largest goes without which the others find theirs (Moore 1968, with release
//! times that agree with due times: Kise, Ibaraki and Mine 1978).

use std::collections::{BTreeMap, VecDeque};

use super::{Demand, Slot};

/// How many of `units`, by their time, can be served whole.
pub(super) fn most(units: &[Demand], slots: &[Slot]) -> usize {
    let mut intervals: Vec<(usize, usize)> = slots.iter().filter_map(|slot| interval(units, slot)).collect();
    intervals.sort_unstable();
    let mut packing = Packing { units, intervals, kept: vec![true; units.len()] };
    let mut state = State::default();
    // What was before each of the last units.
    let mut before: VecDeque<State> = VecDeque::new();
    for index in 0..units.len() {
        before.push_back(state.clone());
        if before.len() > REACH {
            before.pop_front();
        }
        let first = index + 1 - before.len();
        if !packing.serve(&mut state, index) {
            let gone = packing.sacrifice(&before, first, index);
            packing.kept[gone] = false;
            state = before[gone - first].clone();
            for again in gone..=index {
                before[again - first] = state.clone();
                packing.serve(&mut state, again);
            }
        }
    }
    packing.kept.iter().filter(|kept| **kept).count()
}

/// The units that a slot can serve: from the first that is not yet past its time when it arrives, to before the first that is
/// not yet there.
fn interval(units: &[Demand], slot: &Slot) -> Option<(usize, usize)> {
    let from = units.partition_point(|unit| unit.deadline < slot.arrival);
    let to = units.partition_point(|unit| unit.at <= slot.at);
    (from < to).then_some((from, to))
}

struct Packing<'a> {
    units: &'a [Demand],
    /// Of units that a slot can serve, ascending.
    intervals: Vec<(usize, usize)>,
    kept: Vec<bool>,
}

/// Slots that are free where the packing has come to.
#[derive(Clone, Default)]
struct State {
    /// Intervals that begin before here.
    seen: usize,
    /// How many slots are free, by the end of their interval.
    free: BTreeMap<usize, usize>,
}

impl Packing<'_> {
    /// Gives the unit its slots; `false` if there are too few.
    fn serve(&self, state: &mut State, index: usize) -> bool {
        while let Some((_, to)) = self.intervals.get(state.seen).filter(|(from, _)| *from <= index) {
            *state.free.entry(*to).or_default() += 1;
            state.seen += 1;
        }
        while state.free.first_key_value().is_some_and(|(to, _)| *to <= index) {
            state.free.pop_first();
        }
        if !self.kept[index] {
            return true;
        }
        let mut left = self.units[index].packets;
        while left > 0 {
            let Some(mut first) = state.free.first_entry() else { return false };
            let taken = left.min(*first.get());
            left -= taken;
            *first.get_mut() -= taken;
            if *first.get() == 0 {
                first.remove();
            }
        }
        true
    }

    /// The largest unit, the latest of such, without which all up to `last` find their slots.
    fn sacrifice(&mut self, before: &VecDeque<State>, first: usize, last: usize) -> usize {
        let mut candidates: Vec<usize> = (first..last).filter(|index| self.kept[*index]).collect();
        // Those no larger than the one that found no room cannot do better than it.
        candidates.retain(|index| self.units[*index].packets > self.units[last].packets);
        candidates.sort_by_key(|index| std::cmp::Reverse((self.units[*index].packets, *index)));
        let helps = |packing: &mut Self, gone: usize| {
            packing.kept[gone] = false;
            let mut state = before[gone - first].clone();
            let fits = (gone..=last).all(|index| packing.serve(&mut state, index));
            packing.kept[gone] = true;
            fits
        };
        candidates.into_iter().find(|index| helps(self, *index)).unwrap_or(last)
    }
}

/// How far back a unit is looked for that may go: what is older than any latency is done.
const REACH: usize = 160;

#[cfg(test)]
mod tests {
    use bondbox_units::Instant;

    use super::*;

    /// A small instance, drawn.
    fn instance(seed: u64, sizes: &[usize]) -> (Vec<Demand>, Vec<Slot>) {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut draw = |n: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % n
        };
        let latency = 2 + draw(6);
        let mut at = 0;
        let units = (0..2 + draw(6)).map(|_| {
            at += draw(4);
            let (from, to) = (Instant::from_micros(at), Instant::from_micros(at + latency));
            Demand { at: from, deadline: to, packets: sizes[draw(sizes.len() as u64) as usize] }
        });
        let units = units.collect();
        let slots = (0..draw(12)).map(|_| {
            let at = draw(20);
            Slot { at: Instant::from_micros(at), arrival: Instant::from_micros(at + draw(4)) }
        });
        (units, slots.collect())
    }

    /// Tries every set of units, and for each set every way to serve it (augmenting paths: Kuhn 1955).
    fn by_force(units: &[Demand], slots: &[Slot]) -> usize {
        let serves = |unit: &Demand, slot: &Slot| unit.at <= slot.at && slot.arrival <= unit.deadline;
        let fits = |set: u32| {
            let packets: Vec<&Demand> = (0..units.len())
                .filter(|index| set >> index & 1 == 1)
                .flat_map(|index| std::iter::repeat_n(&units[index], units[index].packets))
                .collect();
            let mut taken: Vec<Option<usize>> = vec![None; slots.len()];
            fn place(
                packet: usize,
                can: &dyn Fn(usize, usize) -> bool,
                taken: &mut Vec<Option<usize>>,
                tried: &mut [bool],
            ) -> bool {
                for slot in 0..taken.len() {
                    if !can(packet, slot) || std::mem::replace(&mut tried[slot], true) {
                        continue;
                    }
                    if taken[slot].is_none_or(|other| place(other, can, taken, tried)) {
                        taken[slot] = Some(packet);
                        return true;
                    }
                }
                false
            }
            let can = |packet: usize, slot: usize| serves(packets[packet], &slots[slot]);
            (0..packets.len()).all(|packet| place(packet, &can, &mut taken, &mut vec![false; slots.len()]))
        };
        (0..1_u32 << units.len()).filter(|set| fits(*set)).map(u32::count_ones).max().unwrap_or(0) as usize
    }

    #[test]
    fn with_packets_of_one_size_it_is_exact() {
        for seed in 0..3_000 {
            let (units, slots) = instance(seed, &[1]);
            assert_eq!(most(&units, &slots), by_force(&units, &slots), "seed {seed}: {units:?} {slots:?}");
        }
    }

    #[test]
    fn with_keyframes_it_misses_the_best_by_one_frame_in_few_cases_and_never_exceeds_it() {
        let mut short = 0;
        for seed in 0..3_000 {
            let (units, slots) = instance(seed, &[1, 1, 1, 4]);
            let (found, best) = (most(&units, &slots), by_force(&units, &slots));
            assert!(found <= best && best <= found + 1, "seed {seed}: {found} of {best}");
            short += usize::from(found < best);
        }
        assert!(short <= 30, "{short} of 3000");
    }
}
