//! Media to subscribers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bondbox_ipc::media::{MAX_PIECE, MAX_UNIT, Piece};
use bytes::Bytes;
use tokio::sync::Notify;

use super::queue::UnitQueue;

/// One access unit with its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// What it is; [`Media::push`] fills in `offset` and `total`.
    pub head: Piece,
    /// Its bytes.
    pub data: Bytes,
}

/// A unit that no subscriber could take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a unit has {length} bytes, at most {MAX_UNIT}")]
pub struct UnitTooLarge {
    /// Its length.
    pub length: usize,
}

/// Where a service pushes its units. Clones are the same.
#[derive(Clone, Default)]
pub struct Media {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    subscribers: Mutex<Vec<Arc<Queue>>>,
    keyframe_wanted: Notify,
    /// Dropped for subscribers that are gone.
    dropped_before: AtomicU64,
}

#[derive(Default)]
struct Queue {
    units: Mutex<UnitQueue>,
    ready: Notify,
}

impl Media {
    /// Queues `unit` for every subscriber; never waits. Units of sound are keyframes, each.
    ///
    /// # Errors
    /// [`UnitTooLarge`], and nobody gets it.
    pub fn push(&self, mut unit: Unit) -> Result<(), UnitTooLarge> {
        let length = unit.data.len();
        let total = u32::try_from(length).ok().filter(|length| *length <= MAX_UNIT).ok_or(UnitTooLarge { length })?;
        (unit.head.offset, unit.head.total) = (0, total);
        for queue in self.subscribers().iter() {
            if lock(&queue.units).push(unit.clone()) {
                queue.ready.notify_one();
            }
        }
        Ok(())
    }

    /// Returns each time somebody cannot decode before the next keyframe: a subscriber came, or one that had lost
    /// units caught up. Wishes that nobody waited for are remembered as one.
    pub async fn keyframe_wanted(&self) {
        self.inner.keyframe_wanted.notified().await;
    }

    /// Subscribers now.
    pub fn subscribers_now(&self) -> usize {
        self.subscribers().len()
    }

    /// Units dropped for slow subscribers so far.
    pub fn dropped_units(&self) -> u64 {
        let now: u64 = self.subscribers().iter().map(|queue| lock(&queue.units).dropped()).sum();
        self.inner.dropped_before.load(Ordering::Relaxed) + now
    }

    pub(super) fn want_keyframe(&self) {
        self.inner.keyframe_wanted.notify_one();
    }

    pub(super) fn subscribe(&self) -> Subscriber {
        let queue = Arc::new(Queue::default());
        self.subscribers().push(queue.clone());
        self.want_keyframe();
        Subscriber { queue, media: self.clone(), sending: None }
    }

    fn subscribers(&self) -> MutexGuard<'_, Vec<Arc<Queue>>> {
        lock(&self.inner.subscribers)
    }
}

/// One subscriber's end.
pub(super) struct Subscriber {
    queue: Arc<Queue>,
    media: Media,
    sending: Option<Unit>,
}

impl Subscriber {
    /// The next piece of a unit, cut to what a packet takes. Loses nothing when dropped halfway.
    pub(super) async fn piece(&mut self) -> (Piece, Bytes) {
        loop {
            if let Some(unit) = &mut self.sending {
                let data = unit.data.split_to(unit.data.len().min(MAX_PIECE));
                let piece = unit.head;
                unit.head.offset += data.len() as u32;
                if unit.data.is_empty() {
                    self.sending = None;
                }
                return (piece, data);
            }
            self.sending = self.next_unit();
            if self.sending.is_none() {
                self.queue.ready.notified().await;
            }
        }
    }

    fn next_unit(&self) -> Option<Unit> {
        let mut units = lock(&self.queue.units);
        let unit = units.pop();
        if unit.is_none() && units.take_keyframe_wish() {
            self.media.want_keyframe();
        }
        unit
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.media.subscribers().retain(|queue| !Arc::ptr_eq(queue, &self.queue));
        self.media.inner.dropped_before.fetch_add(lock(&self.queue.units).dropped(), Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these locks is whole between any two statements.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(super) mod tests {
    use bondbox_units::{Instant, Priority, TrackId};

    use super::*;

    /// A unit of ten bytes; every one is a reference.
    pub(in crate::ipc) fn unit(track: u8, sequence: u32, dts_ms: u32, keyframe: bool) -> Unit {
        let time = Instant::from_millis(dts_ms.into());
        let head = Piece {
            track: TrackId(track),
            sequence,
            offset: 0,
            total: 10,
            pts: time,
            dts: time,
            captured: time,
            priority: if keyframe { Priority::Reference } else { Priority::Standard },
            keyframe,
            discontinuity: false,
        };
        Unit { head, data: Bytes::from_static(&[7; 10]) }
    }

    #[tokio::test]
    async fn a_unit_is_cut_into_pieces_that_fit_a_packet() {
        let media = Media::default();
        let mut subscriber = media.subscribe();
        let data = Bytes::from(vec![1; 2 * MAX_PIECE + 5]);
        media.push(Unit { data, ..unit(0, 0, 0, true) }).unwrap();
        let mut offsets = Vec::new();
        for _ in 0..3 {
            let (piece, data) = subscriber.piece().await;
            assert_eq!(piece.total as usize, 2 * MAX_PIECE + 5);
            offsets.push((piece.offset as usize, data.len()));
        }
        assert_eq!(offsets, [(0, MAX_PIECE), (MAX_PIECE, MAX_PIECE), (2 * MAX_PIECE, 5)]);
    }

    #[tokio::test]
    async fn whoever_comes_wants_a_keyframe() {
        let media = Media::default();
        let _subscriber = media.subscribe();
        media.keyframe_wanted().await;
        assert_eq!(media.subscribers_now(), 1);
    }

    #[test]
    fn a_unit_beyond_the_limit_is_refused_by_length() {
        let length = MAX_UNIT as usize + 1;
        let data = Bytes::from(vec![0; length]);
        assert_eq!(Media::default().push(Unit { data, ..unit(0, 0, 0, true) }), Err(UnitTooLarge { length }));
    }

    #[test]
    fn drops_are_still_known_when_the_subscriber_is_gone() {
        let media = Media::default();
        let subscriber = media.subscribe();
        media.push(unit(0, 0, 0, true)).unwrap();
        media.push(unit(0, 1, 500, false)).unwrap();
        assert_eq!(media.dropped_units(), 1);
        drop(subscriber);
        assert_eq!((media.dropped_units(), media.subscribers_now()), (1, 0));
    }
}
