//! What comes out of the encoders, on its way to the reactor.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bondbox_units::{Instant, TrackId};
use bytes::Bytes;
use rtrb::{Consumer, Producer, RingBuffer};
use tokio::sync::Notify;

/// The picture's track.
pub const VIDEO: TrackId = TrackId(0);
/// The sound's track.
pub const SOUND: TrackId = TrackId(1);

/// One encoded access unit.
#[derive(Clone, Debug)]
pub struct Unit {
    /// [`VIDEO`] or [`SOUND`].
    pub track: TrackId,
    /// When to show it.
    pub pts: Instant,
    /// When to decode it.
    pub dts: Instant,
    /// When the source delivered it.
    pub captured: Instant,
    /// When it left the encoder.
    pub encoded: Instant,
    /// Decoding can start here.
    pub keyframe: bool,
    /// As the codec's byte stream.
    pub data: Bytes,
}

/// The encoder's end of the queue. Never blocks: what does not fit is dropped and counted.
pub struct Outlet {
    queue: Producer<Unit>,
    wake: Arc<Notify>,
    dropped: Arc<AtomicU64>,
}

/// The reactor's end of the queue.
pub struct Inlet {
    queue: Consumer<Unit>,
    dropped: Arc<AtomicU64>,
}

/// A queue from a thread of GStreamer to the reactor, which waits on `wake`.
pub fn queue(wake: Arc<Notify>) -> (Outlet, Inlet) {
    let (producer, consumer) = RingBuffer::new(CAPACITY);
    let dropped = Arc::new(AtomicU64::new(0));
    (Outlet { queue: producer, wake, dropped: dropped.clone() }, Inlet { queue: consumer, dropped })
}

impl Outlet {
    /// Hands `unit` over.
    pub fn push(&mut self, unit: Unit) {
        if self.queue.push(unit).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        self.wake.notify_one();
    }
}

impl Inlet {
    /// The oldest unit.
    pub fn pop(&mut self) -> Option<Unit> {
        self.queue.pop().ok()
    }

    /// Units dropped since this was last asked. They were younger than every unit that waits now.
    pub fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }
}

/// Two seconds of video: a reactor that stands still for longer is about to be restarted by the watchdog.
const CAPACITY: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(number: u64) -> Unit {
        let time = Instant::from_micros(number);
        Unit { track: VIDEO, pts: time, dts: time, captured: time, encoded: time, keyframe: false, data: Bytes::new() }
    }

    #[test]
    fn a_reactor_that_stands_still_costs_the_youngest_units_and_they_are_counted() {
        let (mut outlet, mut inlet) = queue(Arc::new(Notify::new()));
        for number in 0..CAPACITY as u64 + 5 {
            outlet.push(unit(number));
        }
        let kept: Vec<u64> = std::iter::from_fn(|| inlet.pop()).map(|unit| unit.pts.as_micros()).collect();
        assert_eq!(kept, (0..CAPACITY as u64).collect::<Vec<_>>());
        assert_eq!((inlet.take_dropped(), inlet.take_dropped()), (5, 0));
    }
}
