//! Which bytes go out next, and over which link: each goes where it would arrive first.
//!
//! The queue is dealt out in thought, in order: a link that is busy takes what it would still deliver first, and what is
//! left over goes now over a link that is free. So a slow link carries the middle of a keyframe while the fast one sends
//! its beginning, and a link that would be late carries nothing.

use std::time::Duration;

use bondbox_units::{Bitrate, Instant, LinkId, TrackId};

use super::store::{Again, Chunk, Store};

/// A link as the schedule sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) link: LinkId,
    /// When it can take a packet.
    pub(crate) free: Instant,
    /// From leaving to arriving, in microseconds.
    pub(crate) delay: i64,
    pub(crate) pace: Bitrate,
    /// Media bytes in a packet at most.
    pub(crate) room: u32,
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

/// Picks the bytes that a free link is to send now, if any. Units that no link would bring in time are passed over and put
/// into `hopeless`, but for the last one: something has to show that the links are as slow as they seem.
pub(crate) fn pick(
    now: Instant,
    links: &mut [Candidate],
    store: &Store,
    ahead: bool,
    hopeless: &mut Hopeless,
) -> Option<Pick> {
    let steps_at_most = if ahead { MAX_STEPS } else { 1 };
    let mut steps = 0;
    let total = links.iter().fold(Bitrate::ZERO, |sum, link| sum.saturating_add(link.pace));
    let mut chunks = in_order(store).peekable();
    while let Some((source, chunk)) = chunks.next() {
        let mut from = chunk.range.start;
        loop {
            if steps == steps_at_most || links.iter().all(|link| link.free > now) {
                return None;
            }
            steps += 1;
            let left = chunk.range.end - from;
            let best = links.iter_mut().min_by_key(|link| arrival(link, left))?;
            let rest = total.time_for(u64::from(left.saturating_sub(best.room)));
            let late = store.unit(chunk).is_some_and(|unit| arrival(best, left) + rest > unit.deadline);
            if late && chunks.peek().is_some() && !hopeless.is_full() {
                let _ = hopeless.push((chunk.track, chunk.unit));
                break;
            }
            if best.free <= now {
                return Some(Pick { link: best.link, source, from });
            }
            let size = left.min(best.room);
            best.free += best.pace.time_for(u64::from(size + PACKET_OVERHEAD));
            from += size;
            if from >= chunk.range.end {
                break;
            }
        }
    }
    None
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
        .take_while(|(why, deadline, _)| {
            *why == Again::Repair || first_due.is_none_or(|first_due| *deadline + RESCUE_LEAD < first_due)
        })
        .count();
    let second_time = move |range: std::ops::Range<usize>| {
        let offset = range.start;
        again[range].iter().enumerate().map(move |(i, (_, _, chunk))| (Source::Again(offset + i), chunk))
    };
    let first = store.waiting_first().iter().enumerate().map(|(i, chunk)| (Source::First(i), chunk));
    second_time(0..urgent).chain(first).chain(second_time(urgent..again.len()))
}

fn arrival(link: &Candidate, bytes: u32) -> Instant {
    let sending = link.pace.time_for(u64::from(bytes.min(link.room) + PACKET_OVERHEAD));
    (link.free + sending).offset_micros(link.delay)
}

/// Around the media bytes of a packet, IP included.
pub(crate) const PACKET_OVERHEAD: u32 = 28 + 25 + 16;

/// Within this much of each other first copies go before rescues.
const RESCUE_LEAD: Duration = Duration::from_millis(100);

/// How far ahead the queue is dealt out.
const MAX_STEPS: usize = 64;

#[cfg(test)]
mod tests {
    use bondbox_units::Priority;
    use bondbox_wire::frame::UnitHeader;
    use bytes::Bytes;

    use super::*;

    fn store(len: usize) -> Store {
        let header = UnitHeader {
            priority: Priority::Standard,
            keyframe: false,
            discontinuity: false,
            ingest_low: 0,
            pts_offset: 0,
            dts_offset: 0,
        };
        let mut store = Store::default();
        store.push(TrackId(0), header, Bytes::from(vec![0; len]), Instant::from_millis(600));
        store
    }

    fn link(id: u8, free_ms: u64, delay_ms: i64, kbps: u64) -> Candidate {
        let free = Instant::from_millis(free_ms);
        Candidate { link: LinkId(id), free, delay: delay_ms * 1_000, pace: Bitrate::from_kbps(kbps), room: 1_000 }
    }

    #[test]
    fn a_packet_waits_for_the_link_that_still_delivers_it_first() {
        let now = Instant::ZERO;
        let store = store(1_000);
        assert_eq!(
            pick(now, &mut [link(0, 3, 10, 8_000), link(1, 0, 40, 8_000)], &store, true, &mut Hopeless::new()),
            None
        );
        let sooner =
            pick(now, &mut [link(0, 50, 10, 8_000), link(1, 0, 40, 8_000)], &store, true, &mut Hopeless::new())
                .unwrap();
        assert_eq!((sooner.link, sooner.from), (LinkId(1), 0));
    }

    #[test]
    fn a_slow_link_takes_the_bytes_that_the_fast_one_would_bring_no_sooner() {
        let store = store(100_000);
        let picked = pick(
            Instant::ZERO,
            &mut [link(0, 1, 10, 8_000), link(1, 0, 40, 8_000)],
            &store,
            true,
            &mut Hopeless::new(),
        )
        .unwrap();
        assert_eq!(picked.link, LinkId(1));
        assert!((25_000..32_000).contains(&picked.from), "30 ms ahead at 8 Mbit/s: {}", picked.from);
    }
}
