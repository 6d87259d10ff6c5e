//! What was sent over one path and is not settled: in flight, or taken for lost not long ago.
//!
//! [`super::Path`] adds each packet and tells what acknowledgements name; it reads what is in flight and learns what is lost. A
//! packet is lost when a later one arrived, unless the path has shown that it reorders.

use std::collections::VecDeque;
use std::time::Duration;

use bondbox_units::{Instant, LinkId};

use super::Content;
use crate::sender::store::{Again, Chunk, Store};

#[derive(Debug)]
pub(super) struct Sent {
    pub(super) at: Instant,
    pub(super) size: u32,
    pub(super) content: Content,
    /// The path waited for something to send.
    pub(super) limited: bool,
    /// It goes out on another link too.
    rescued: bool,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    InFlight,
    /// Taken for lost; an acknowledgement may prove that wrong.
    Lost,
    Done,
}

/// What an acknowledgement speaks of. One that came over another path names only what arrived of late: of what was before that it
/// says nothing, and another, on its way over the packets' own path, may.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    /// From this number on it names what arrived.
    pub(super) from: u64,
    /// The largest that it names.
    pub(super) to: u64,
    /// What is before `from`, and this much older than the largest, would have been named by another by now.
    pub(super) untold: Duration,
}

/// Packets by number.
#[derive(Debug, Default)]
pub(super) struct Unsettled {
    packets: VecDeque<Sent>,
    /// Number of `packets[0]`.
    base: u64,
    /// No packet before this number is in flight.
    oldest: u64,
    /// The largest number acknowledged.
    largest: Option<u64>,
    /// Bytes in flight.
    bytes: u64,
    /// How much later than a later one a packet may arrive.
    reorder: Duration,
}

impl Unsettled {
    /// The number of the next packet.
    pub(super) fn next(&self) -> u64 {
        self.base + self.packets.len() as u64
    }

    /// No packet before this number is remembered.
    pub(super) const fn first(&self) -> u64 {
        self.base
    }

    /// The largest number acknowledged.
    pub(super) const fn largest(&self) -> Option<u64> {
        self.largest
    }

    /// Bytes that are in flight.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Packets that are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.packets.len()
    }

    /// A packet of `size` bytes of IP leaves; `limited` when the path waited for it.
    pub(super) fn push(&mut self, at: Instant, size: u32, content: Content, limited: bool) {
        self.bytes += u64::from(size);
        self.packets.push_back(Sent { at, size, content, limited, rescued: false, state: State::InFlight });
    }

    /// Packet `pn` arrived; gives it the first time.
    pub(super) fn on_arrived(&mut self, pn: u64) -> Option<&mut Sent> {
        let sent = self.packets.get_mut(usize::try_from(pn.checked_sub(self.base)?).ok()?)?;
        match std::mem::replace(&mut sent.state, State::Done) {
            State::Done => return None,
            State::InFlight => self.bytes -= u64::from(sent.size),
            // Taken for lost too early: the path reorders.
            State::Lost => self.reorder = self.reorder.mul_f64(MORE_PATIENCE).clamp(MIN_REORDER, MAX_REORDER),
        }
        Some(sent)
    }

    /// An acknowledgement goes up to `pn`; gives when that left if none went as far before.
    pub(super) fn on_largest(&mut self, pn: u64) -> Option<Instant> {
        if self.largest.is_some_and(|largest| pn <= largest) {
            return None;
        }
        let sent = self.packets.get(usize::try_from(pn.checked_sub(self.base)?).ok()?)?.at;
        self.largest = Some(pn);
        Some(sent)
    }

    /// When the oldest packet left that is in flight and was sent to arrive: a probe of how large packets may be was not.
    pub(super) fn oldest(&mut self) -> Option<Instant> {
        let from = (self.oldest.max(self.base) - self.base) as usize;
        let mut in_flight = self.packets.range(from..).zip(from..).filter(|(sent, _)| sent.state == State::InFlight);
        let first = in_flight.next();
        self.oldest = first.map_or(self.next(), |(_, index)| self.base + index as u64);
        first.into_iter().chain(in_flight).find(|(sent, _)| !sent.content.mtu_probe).map(|(sent, _)| sent.at)
    }

    /// Takes for lost what did not arrive by what is `said`, though what was sent later did: later by the path's patience with what
    /// it reorders, which is at most `patience`. Gives each to `lost` with its number, and with whether the one before it was not.
    pub(super) fn take_overtaken(&mut self, said: Said, patience: Duration, mut lost: impl FnMut(u64, &Sent, bool)) {
        let place = |pn: u64| (pn.max(self.base) - self.base) as usize;
        let (from, told, to) = (place(self.oldest), place(said.from), place(said.to));
        let Some(newest) = self.packets.get(to).map(|sent| sent.at) else { return };
        let reorder = self.reorder.min(patience);
        let before_them = from.checked_sub(1).and_then(|index| self.packets.get(index));
        let mut in_a_row = before_them.is_some_and(|sent| sent.state == State::Lost);
        for index in from..to {
            let sent = &mut self.packets[index];
            let overtaken_by = if index < told { said.untold } else { reorder };
            if sent.state == State::InFlight && newest - sent.at >= overtaken_by {
                sent.state = State::Lost;
                self.bytes -= u64::from(sent.size);
                self.reorder = self.reorder.min(patience).mul_f64(LESS_PATIENCE);
                lost(self.base + index as u64, sent, !in_a_row);
            }
            in_a_row = sent.state == State::Lost;
        }
    }

    /// Nobody waits any longer for packets that were in flight for an age.
    pub(super) fn give_up_old(&mut self, now: Instant) {
        for sent in self.packets.iter_mut().take_while(|sent| now - sent.at > FORGET_IN_FLIGHT) {
            if sent.state == State::InFlight {
                sent.state = State::Lost;
                self.bytes -= u64::from(sent.size);
            }
        }
        self.forget_done(now);
    }

    /// Forgets the oldest as long as nothing can become of them any more.
    pub(super) fn forget_done(&mut self, now: Instant) {
        while let Some(oldest) = self.packets.front() {
            let old = now - oldest.at > FORGET_LOST;
            let forget = oldest.state == State::Done || (oldest.state == State::Lost && old);
            if !forget {
                break;
            }
            self.packets.pop_front();
            self.base += 1;
        }
    }

    /// Everything in flight that carries media and was not taken elsewhere.
    pub(super) fn chunks(&self) -> impl Iterator<Item = &Chunk> {
        let in_flight = |sent: &&Sent| sent.state == State::InFlight && !sent.rescued;
        self.packets.iter().filter(in_flight).flat_map(|sent| &sent.content.chunks)
    }

    /// Has media in flight on `link` that is due by `limit`, and was not taken before, sent again as long as `budget` bytes
    /// allow; gives the bytes.
    pub(super) fn rescue(&mut self, link: LinkId, limit: Instant, budget: &mut u64, store: &mut Store) -> u32 {
        let mut bytes = 0;
        for sent in self.packets.iter_mut().filter(|sent| sent.state == State::InFlight && !sent.rescued) {
            let chunks = &sent.content.chunks;
            if !chunks.iter().any(|chunk| store.unit(chunk).is_some_and(|unit| unit.deadline <= limit)) {
                continue;
            }
            let Some(left) = budget.checked_sub(sent.size.into()) else { break };
            (*budget, sent.rescued) = (left, true);
            for chunk in chunks {
                bytes += chunk.range.end - chunk.range.start;
                store.send_again(Again::Repair, Some(link), chunk);
            }
        }
        bytes
    }
}

/// Patience with a path that was seen to reorder once.
const MIN_REORDER: Duration = Duration::from_millis(2);
/// More than any path may be given.
const MAX_REORDER: Duration = Duration::from_secs(3);
/// Patience grows by a quarter with each packet that was taken for lost and was not, and shrinks by a twentieth with each that is:
/// three in ten that are, then, go out again for nothing. Without the second one mistake lasts for ever.
const MORE_PATIENCE: f64 = 1.25;
const LESS_PATIENCE: f64 = 0.95;
/// Later than this nobody waits for proof that a packet was not lost after all.
const FORGET_LOST: Duration = Duration::from_secs(5);
/// Longer than any buffer holds a packet.
const FORGET_IN_FLIGHT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    /// Ten packets of 1,000 bytes, 10 ms apart.
    fn ten() -> Unsettled {
        let mut unsettled = Unsettled::default();
        (0..10).for_each(|i| unsettled.push(ms(10 * i), 1_000, Content::default(), false));
        unsettled
    }

    /// What is lost by an acknowledgement that goes as far as any did, and back to the beginning.
    fn lost(unsettled: &mut Unsettled, patience_ms: u64) -> Vec<(u64, bool)> {
        let to = unsettled.largest().unwrap_or(0);
        lost_by(unsettled, Said { from: 0, to, untold: Duration::ZERO }, patience_ms)
    }

    fn lost_by(unsettled: &mut Unsettled, said: Said, patience_ms: u64) -> Vec<(u64, bool)> {
        let mut lost = vec![];
        unsettled.take_overtaken(said, Duration::from_millis(patience_ms), |pn, _, begins| lost.push((pn, begins)));
        lost
    }

    #[test]
    fn what_a_later_packet_overtook_is_lost_once_and_counted_out() {
        let mut unsettled = ten();
        assert!(unsettled.on_arrived(4).is_some() && unsettled.on_arrived(4).is_none());
        assert_eq!(unsettled.on_largest(4), Some(ms(40)));
        assert_eq!(unsettled.on_largest(3), None);
        assert_eq!(lost(&mut unsettled, 100), [(0, true), (1, false), (2, false), (3, false)]);
        assert_eq!(lost(&mut unsettled, 100), []);
        assert_eq!((unsettled.bytes(), unsettled.oldest()), (5_000, Some(ms(50))));
    }

    #[test]
    fn a_path_that_reorders_gets_patience_up_to_what_is_allowed() {
        let mut unsettled = ten();
        unsettled.on_arrived(1);
        unsettled.on_largest(1);
        assert_eq!(lost(&mut unsettled, 100), [(0, true)]);
        unsettled.reorder = Duration::from_millis(64);
        unsettled.on_arrived(0);
        unsettled.on_arrived(5);
        unsettled.on_largest(5);
        assert_eq!(lost(&mut unsettled, 100), [], "80 ms");
        assert_eq!(lost(&mut unsettled, 20), [(2, true), (3, false)]);
    }

    #[test]
    fn what_an_acknowledgement_does_not_speak_of_is_lost_only_when_another_must_have_come() {
        let mut unsettled = ten();
        [4, 6, 9].into_iter().for_each(|pn| assert!(unsettled.on_arrived(pn).is_some()));
        unsettled.on_largest(9);
        let news = |untold_ms| Said { from: 6, to: 9, untold: Duration::from_millis(untold_ms) };
        assert_eq!(
            lost_by(&mut unsettled, news(100), 100),
            [(7, true), (8, false)],
            "5 may have arrived, and 0 to 3 may"
        );
        assert_eq!(lost_by(&mut unsettled, news(70), 100), [(0, true), (1, false), (2, false)]);
        let older = Said { from: 0, to: 4, untold: Duration::ZERO };
        assert_eq!(lost_by(&mut unsettled, older, 100), [(3, false)], "of 5 it does not know");
        let forgotten = Said { from: 0, to: 20, untold: Duration::ZERO };
        assert_eq!(lost_by(&mut unsettled, forgotten, 100), [], "nobody sent that many");
    }

    #[test]
    fn patience_follows_by_how_much_a_path_reorders_both_ways() {
        let (mut unsettled, mut mistakes) = (Unsettled::default(), [0, 0]);
        for pn in 0..4_000_u64 {
            unsettled.push(ms(10 * pn), 1_000, Content::default(), false);
            // Every tenth comes 40 ms after its turn, until the path changes and it does not come at all.
            let late = |pn: u64| pn % 10 == 3;
            if !late(pn) && unsettled.on_arrived(pn).is_some() {
                unsettled.on_largest(pn);
            }
            for (pn, _) in lost(&mut unsettled, 100) {
                mistakes[usize::from(pn >= 2_000)] += 1;
            }
            if let Some(pn) = pn.checked_sub(4).filter(|pn| late(*pn) && *pn < 2_000) {
                unsettled.on_arrived(pn);
            }
            unsettled.forget_done(ms(10 * pn));
        }
        assert!((5..40).contains(&mistakes[0]), "{mistakes:?}");
        assert!(mistakes[1] >= 199 && unsettled.reorder < Duration::from_millis(1), "{mistakes:?} {unsettled:?}");
    }

    #[test]
    fn what_is_settled_is_forgotten_and_what_is_lost_a_while_later() {
        let mut unsettled = ten();
        assert!((1..10).all(|pn| unsettled.on_arrived(pn).is_some()));
        unsettled.on_largest(9);
        lost(&mut unsettled, 0);
        unsettled.forget_done(ms(5_000));
        assert_eq!((unsettled.len(), unsettled.first()), (10, 0));
        unsettled.forget_done(ms(5_001));
        assert_eq!((unsettled.len(), unsettled.first(), unsettled.next()), (0, 10, 10));
    }
}
