//! Which bytes go out next, and over which link: each goes where it would arrive first.
//!
//! The queue is dealt out in thought, in order: a link that is busy takes what it would still deliver first, and what is
//! left over goes now over a link that is free. So a slow link carries the middle of a keyframe while the fast one sends
//! its beginning, and a link that would be late carries nothing.

use std::time::Duration;

use bondbox_units::{Bitrate, Instant, LinkId, Priority, TrackId};

use super::policy::{LinkUse, Policy};
use super::store::{Again, Chunk, Repeat, Store, StoredUnit};
use crate::packet::{ENVELOPE, IP_UDP};

/// A link as the schedule sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) link: LinkId,
    /// When it can take a packet.
    pub(crate) free: Instant,
    /// When it can take one with what was lost.
    pub(crate) early: Instant,
    /// From leaving to arriving, in microseconds.
    pub(crate) delay: i64,
    pub(crate) pace: Bitrate,
    /// What it delivers, however slowly packets leave while its queue drains.
    pub(crate) capacity: Bitrate,
    /// Share of what is sent that is lost.
    pub(crate) loss: f64,
    /// There and back, without queue.
    pub(crate) round_trip: Duration,
    /// Media bytes in a packet at most.
    pub(crate) room: u32,
    /// How the operator wants it to be used.
    pub(crate) usage: LinkUse,
    /// It takes no first copies while another link does: see [`Path::is_for_redundancy`](super::path::Path).
    pub(crate) redundancy: bool,
    /// Datagrams that went over it.
    pub(crate) sent: u64,
}

/// What holds for all packets of a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) policy: Policy,
    /// Whether the queue is dealt out over links that are busy.
    pub(crate) ahead: bool,
}

/// Where bytes wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// At this place among those sent again.
    Again(usize),
    /// At this place among the first copies.
    First(usize),
}

/// What to send now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pick {
    pub(crate) link: LinkId,
    pub(crate) source: Source,
    /// From this byte of the unit on.
    pub(crate) from: u32,
}

/// Picks the bytes that a free link is to send now, if any. Units that no link would bring in time are passed over where
/// they can be put into `hopeless`, but for the last one: something has to show that the links are as slow as they seem.
pub(crate) fn pick(
    now: Instant,
    links: &mut [Candidate],
    store: &Store,
    rules: Rules,
    mut hopeless: Option<&mut Hopeless>,
) -> Option<Pick> {
    let steps_at_most = if rules.ahead { MAX_STEPS } else { 1 };
    let mut steps = 0;
    let spared = links.iter().any(|link| !link.redundancy);
    let takes_first = |link: &Candidate| !(spared && link.redundancy);
    let total: Bitrate = links.iter().filter(|link| takes_first(link)).map(|link| link.capacity).sum();
    let mut chunks = in_order(store).peekable();
    while let Some((source, chunk)) = chunks.next() {
        let mut from = chunk.range.start;
        loop {
            let leaves = |link: &Candidate| if matches!(source, Source::Again(_)) { link.early } else { link.free };
            if steps == steps_at_most || links.iter().all(|link| leaves(link) > now) {
                return None;
            }
            steps += 1;
            let left = chunk.range.end - from;
            let best = match source {
                Source::First(_) => {
                    let deadline = store.unit(chunk).map_or(Instant::FAR_FUTURE, |unit| unit.deadline);
                    let links = links.iter_mut().filter(|link| takes_first(link));
                    links.min_by_key(|link| rules.policy.rank(link, arrival(link, left), deadline))?
                }
                Source::Again(i) => {
                    let repeat = store.waiting_again().get(i)?;
                    links.iter_mut().min_by_key(|link| arrival(link, left) + risk(link, left, repeat))?
                }
            };
            let rest = total.time_for(u64::from(left.saturating_sub(best.room)));
            let late = store.unit(chunk).is_some_and(|unit| arrival(best, left) + rest > unit.deadline + doubt(unit));
            if late
                && chunks.peek().is_some()
                && let Some(hopeless) = &mut hopeless
                && hopeless.push((chunk.track, chunk.unit)).is_ok()
            {
                break;
            }
            if leaves(best) <= now {
                return Some(Pick { link: best.link, source, from });
            }
            let size = left.min(best.room);
            let sending = best.pace.time_for(u64::from(size + PACKET_OVERHEAD));
            best.free += sending;
            best.early += sending;
            best.sent += 1;
            from += size;
            if from >= chunk.range.end {
                break;
            }
        }
    }
    None
}

/// What becomes of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CopyPick {
    /// It leaves over this link.
    Over(LinkId),
    /// A link that would bring it in time is not free yet.
    Later,
    /// No link would, and those behind it may still be in time.
    TooLate,
}

/// The link for a copy of `repeat`: another than the first went over, free, and in time.
pub(crate) fn pick_for_copy(now: Instant, links: &[Candidate], repeat: &Repeat) -> CopyPick {
    let size = repeat.chunk.range.end - repeat.chunk.range.start;
    let others = links.iter().filter(|link| Some(link.link) != repeat.lost_on && !link.usage.backup);
    let mut in_time = others.filter(|link| arrival(link, size) <= repeat.deadline).peekable();
    if in_time.peek().is_none() {
        return CopyPick::TooLate;
    }
    let free = in_time.filter(|link| link.free <= now);
    let best = free.min_by_key(|link| arrival(link, size) + link.usage.penalty());
    best.map_or(CopyPick::Later, |link| CopyPick::Over(link.link))
}

/// Units that would come too late.
pub(crate) type Hopeless = heapless::Vec<(TrackId, u64), 16>;

/// The most urgent first: what was lost; what a silent link holds, if it is due 100 ms before the next first copy; first
/// copies; the rest.
pub(crate) fn in_order(store: &Store) -> impl Iterator<Item = (Source, &Chunk)> {
    let again = store.waiting_again();
    let first_due = store.oldest_waiting().map(|unit| unit.deadline);
    let urgent = again
        .iter()
        .take_while(|waiting| {
            let sooner = first_due.is_none_or(|first_due| waiting.deadline + RESCUE_LEAD < first_due);
            waiting.why == Again::Repair || sooner
        })
        .count();
    let second_time = move |range: std::ops::Range<usize>| {
        let offset = range.start;
        again[range].iter().enumerate().map(move |(i, waiting)| (Source::Again(offset + i), &waiting.chunk))
    };
    let first = store.waiting_first().iter().enumerate().map(|(i, chunk)| (Source::First(i), chunk));
    second_time(0..urgent).chain(first).chain(second_time(urgent..again.len()))
}

/// What it is worth in time not to lose bytes once more on `link`.
fn risk(link: &Candidate, bytes: u32, repeat: &Repeat) -> Duration {
    let again = arrival(link, bytes) + link.round_trip + DETECTION;
    let price = if again < repeat.deadline { link.round_trip + DETECTION } else { NO_OTHER_CHANCE };
    let burst = if repeat.lost_on == Some(link.link) { SAME_BURST } else { Duration::ZERO };
    price.mul_f64(link.loss.clamp(0.0, 1.0)) + burst
}

/// What a picture hangs on is worth a try when it is a close thing.
const fn doubt(unit: &StoredUnit) -> Duration {
    match unit.header.priority {
        Priority::Critical | Priority::Reference => Duration::from_millis(50),
        Priority::Standard | Priority::Disposable => Duration::ZERO,
    }
}

fn arrival(link: &Candidate, bytes: u32) -> Instant {
    let sending = link.pace.time_for(u64::from(bytes.min(link.room) + PACKET_OVERHEAD));
    (link.free + sending).offset_micros(link.delay)
}

/// Around the media bytes of a packet, IP included.
pub(crate) const PACKET_OVERHEAD: u32 = (IP_UDP + ENVELOPE) as u32 + 16;

/// Within this much of each other first copies go before rescues.
const RESCUE_LEAD: Duration = Duration::from_millis(100);

/// Until a loss is known: acknowledgements are so far apart, and one may be lost.
const DETECTION: Duration = Duration::from_millis(50);
/// A loss of 1 % weighs as much as 20 ms.
const NO_OTHER_CHANCE: Duration = Duration::from_secs(2);
/// What was just lost on a link is sooner lost there again than elsewhere.
const SAME_BURST: Duration = Duration::from_millis(20);
/// How far ahead the queue is dealt out: what a link of 30 Mbit/s sends while a packet crosses a satellite.
const MAX_STEPS: usize = 1_024;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::pair::plain_header;

    const RULES: Rules = Rules { policy: Policy::EarliestArrival, ahead: true };

    impl Candidate {
        /// Free, with nothing known of it.
        pub(crate) fn idle(link: LinkId) -> Self {
            Self {
                link,
                free: Instant::ZERO,
                early: Instant::ZERO,
                delay: 0,
                pace: Bitrate::ZERO,
                capacity: Bitrate::ZERO,
                loss: 0.0,
                round_trip: Duration::ZERO,
                room: 1_000,
                usage: LinkUse::default(),
                redundancy: false,
                sent: 0,
            }
        }
    }

    fn store(len: usize) -> Store {
        let mut store = Store::default();
        store.push(Instant::ZERO, TrackId(0), plain_header(), Bytes::from(vec![0; len]), Instant::from_millis(600));
        store
    }

    fn link(id: u8, free_ms: u64, delay_ms: i64, kbps: u64) -> Candidate {
        let pace = Bitrate::from_kbps(kbps);
        let free = Instant::from_millis(free_ms);
        Candidate { free, early: free, delay: delay_ms * 1_000, pace, capacity: pace, ..Candidate::idle(LinkId(id)) }
    }

    #[test]
    fn a_copy_that_no_other_link_brings_in_time_keeps_none_behind_it_waiting() {
        let chunk = Chunk { track: TrackId(0), unit: 0, range: 0..1_000 };
        let deadline = Instant::from_millis(100);
        let repeat = Repeat { why: Again::Copy, deadline, lost_on: Some(LinkId(0)), chunk };
        let near = link(0, 0, 10, 8_000);
        let of = |other| pick_for_copy(Instant::ZERO, &[near, other], &repeat);
        assert_eq!(of(link(1, 0, 80, 8_000)), CopyPick::Over(LinkId(1)));
        assert_eq!(of(link(1, 5, 80, 8_000)), CopyPick::Later, "busy for 5 ms");
        assert_eq!(of(link(1, 0, 100, 8_000)), CopyPick::TooLate);
        assert_eq!(pick_for_copy(Instant::ZERO, &[near], &repeat), CopyPick::TooLate, "where it went already");
    }

    #[test]
    fn a_packet_waits_for_the_link_that_still_delivers_it_first() {
        let now = Instant::ZERO;
        let store = store(1_000);
        assert_eq!(pick(now, &mut [link(0, 3, 10, 8_000), link(1, 0, 40, 8_000)], &store, RULES, None), None);
        let sooner = pick(now, &mut [link(0, 50, 10, 8_000), link(1, 0, 40, 8_000)], &store, RULES, None).unwrap();
        assert_eq!((sooner.link, sooner.from), (LinkId(1), 0));
    }

    #[test]
    fn only_what_was_lost_goes_ahead_of_the_pace() {
        let mut store = store(1_000);
        let early = Candidate { early: Instant::ZERO, ..link(0, 40, 10, 300) };
        let picked = |store: &Store| pick(Instant::ZERO, &mut [early], store, RULES, None).map(|pick| pick.source);
        assert_eq!(picked(&store), None);
        let chunk = store.waiting_first()[0].clone();
        store.take_first(0, &chunk.range);
        store.send_again(Again::Repair, Some(LinkId(0)), &chunk);
        assert_eq!(picked(&store), Some(Source::Again(0)));
    }

    #[test]
    fn a_slow_link_takes_the_bytes_that_the_fast_one_would_bring_no_sooner() {
        let store = store(100_000);
        let picked =
            pick(Instant::ZERO, &mut [link(0, 1, 10, 8_000), link(1, 0, 40, 8_000)], &store, RULES, None).unwrap();
        assert_eq!(picked.link, LinkId(1));
        assert!((25_000..32_000).contains(&picked.from), "30 ms ahead at 8 Mbit/s: {}", picked.from);
    }

    #[test]
    fn what_was_lost_goes_where_it_arrives_first_and_is_not_lost_again() {
        let over = |links: [Candidate; 2]| {
            let mut store = store(1_000);
            let chunk = store.waiting_first()[0].clone();
            store.take_first(0, &chunk.range);
            store.send_again(Again::Repair, Some(LinkId(0)), &chunk);
            pick(Instant::ZERO, &mut links.clone(), &store, RULES, None).unwrap().link
        };
        let (lost_it, other, far) = (link(0, 0, 10, 8_000), link(1, 0, 10, 8_000), link(1, 0, 110, 8_000));
        assert_eq!(over([lost_it, other]), LinkId(1), "a burst may last where it was lost");
        assert_eq!(over([lost_it, far]), LinkId(0), "100 ms are more than a burst");
        let lossy = Candidate { loss: 0.3, round_trip: Duration::from_millis(400), ..lost_it };
        assert_eq!(over([lossy, far]), LinkId(1), "three in ten, and each time half a second");
    }
}
