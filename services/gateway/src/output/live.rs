//! The live transport stream: the last few seconds in memory, read by any number of viewers at their own pace.
//!
//! A viewer starts at the last keyframe, so that there is a picture at once. One that reads too slowly to stay within
//! what is kept goes on at the last keyframe: it loses whole groups of pictures and holds nobody up.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bondbox_units::Instant;
use bytes::Bytes;
use tokio::sync::Notify;

/// Whole transport packets of one unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) bytes: Bytes,
    /// A viewer can start with it.
    pub(crate) start: bool,
}

/// The stream and its memory.
#[derive(Default)]
pub(crate) struct Live {
    ring: Mutex<Ring>,
    grown: Notify,
    skipped: AtomicU64,
    viewers: AtomicU64,
}

#[derive(Default)]
struct Ring {
    pieces: VecDeque<(Instant, Bytes)>,
    /// Number of the first piece.
    first: u64,
    bytes: usize,
    /// Numbers of the pieces that a viewer can start with.
    starts: VecDeque<u64>,
}

/// Somebody who watches.
pub(crate) struct Viewer {
    live: Arc<Live>,
    /// Number of the next piece.
    next: u64,
    /// It has to be one that a viewer can start with.
    waits: bool,
}

impl Live {
    pub(crate) fn push(&self, now: Instant, piece: Piece) {
        self.ring().push(now, piece);
        self.grown.notify_waiters();
    }

    /// How often a viewer was too slow.
    pub(crate) fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// Viewers now.
    pub(crate) fn viewers(&self) -> u64 {
        self.viewers.load(Ordering::Relaxed)
    }

    /// Somebody comes to watch. What is older than a moment is not shown to them: it is no longer live.
    pub(crate) fn watch(self: &Arc<Self>, now: Instant) -> Viewer {
        self.viewers.fetch_add(1, Ordering::Relaxed);
        let ring = self.ring();
        let flows = ring.pieces.back().is_some_and(|(at, _)| now.since(*at) < STALE);
        let next = ring.starts.back().copied().filter(|_| flows);
        Viewer { live: self.clone(), next: next.unwrap_or(ring.end()), waits: true }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        // A panic while it was held can only have been a broken allocation.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn push(&mut self, now: Instant, piece: Piece) {
        if piece.start {
            self.starts.push_back(self.end());
        }
        self.bytes += piece.bytes.len();
        self.pieces.push_back((now, piece.bytes));
        while self.can_forget_first(now) {
            if let Some((_, bytes)) = self.pieces.pop_front() {
                self.bytes -= bytes.len();
                self.first += 1;
            }
        }
        while self.starts.front().is_some_and(|start| *start < self.first) {
            self.starts.pop_front();
        }
    }

    /// The last group of pictures stays whole for those who come, unless it is larger than any should be.
    fn can_forget_first(&self, now: Instant) -> bool {
        let Some((at, _)) = self.pieces.front() else { return false };
        let before_last_start = self.starts.back().is_some_and(|start| self.first < *start);
        let without_start = self.starts.is_empty();
        self.bytes > MAX_BYTES || ((before_last_start || without_start) && now.since(*at) > KEEP)
    }

    fn end(&self) -> u64 {
        self.first + self.pieces.len() as u64
    }
}

impl Viewer {
    /// The next bytes; `None` when none came for half a minute. May be dropped halfway.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        let patience = tokio::time::Instant::now() + PATIENCE;
        loop {
            let live = self.live.clone();
            let mut grown = std::pin::pin!(live.grown.notified());
            grown.as_mut().enable();
            if let Some(bytes) = self.take() {
                return Some(bytes);
            }
            tokio::time::timeout_at(patience, grown).await.ok()?;
        }
    }

    fn take(&mut self) -> Option<Bytes> {
        let ring = self.live.ring();
        if self.next < ring.first && !self.waits {
            self.live.skipped.fetch_add(1, Ordering::Relaxed);
            self.waits = true;
        }
        if self.waits {
            self.next = ring.starts.back().copied().filter(|start| *start >= self.next)?;
            self.waits = false;
        }
        let place = usize::try_from(self.next - ring.first).ok()?;
        let (_, bytes) = ring.pieces.get(place)?;
        self.next += 1;
        Some(bytes.clone())
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.live.viewers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A viewer may be this far behind; a player's own buffer holds a second or two.
const KEEP: Duration = Duration::from_secs(4);
/// Of one stream: 4 s of 30 Mbit/s.
const MAX_BYTES: usize = 16 << 20;
/// When nothing came for so long, the last pictures are history.
const STALE: Duration = Duration::from_secs(2);
/// Viewers wait so long for a stream to come back.
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(40);

    /// A keyframe every 25 frames; each piece holds its number.
    fn push(live: &Live, frames: std::ops::Range<u32>) {
        for frame in frames {
            let bytes = Bytes::copy_from_slice(&frame.to_be_bytes());
            live.push(at(frame), Piece { bytes, start: frame % 25 == 0 });
        }
    }

    fn at(frame: u32) -> Instant {
        Instant::from_millis(1_000) + FRAME * frame
    }

    async fn read(viewer: &mut Viewer, count: usize) -> Vec<u32> {
        let mut frames = Vec::new();
        for _ in 0..count {
            let bytes = viewer.next().await.unwrap();
            frames.push(u32::from_be_bytes(bytes[..].try_into().unwrap()));
        }
        frames
    }

    #[tokio::test]
    async fn a_viewer_starts_at_the_last_keyframe_and_goes_on_from_there() {
        let live = Arc::new(Live::default());
        push(&live, 0..60);
        let mut viewer = live.watch(at(60));
        assert_eq!(read(&mut viewer, 10).await, (50..60).collect::<Vec<_>>());
        push(&live, 60..80);
        assert_eq!(read(&mut viewer, 20).await, (60..80).collect::<Vec<_>>());
        assert_eq!(live.skipped(), 0);
    }

    #[tokio::test]
    async fn a_slow_viewer_skips_to_a_keyframe_and_that_is_counted() {
        let live = Arc::new(Live::default());
        push(&live, 0..30);
        let mut slow = live.watch(at(30));
        let mut fast = live.watch(at(30));
        assert_eq!(read(&mut slow, 1).await, [25]);
        for start in (30..330).step_by(20) {
            push(&live, start..start + 20);
            let last = read(&mut fast, 20).await;
            assert_eq!(last.last(), Some(&(start + 14)));
        }
        assert_eq!(read(&mut slow, 2).await, [325, 326]);
        assert_eq!(live.skipped(), 1);
    }

    #[tokio::test]
    async fn the_last_group_of_pictures_is_kept_however_long_it_is() {
        let live = Arc::new(Live::default());
        push(&live, 0..1);
        for frame in (1..1_000).filter(|frame| frame % 25 != 0) {
            push(&live, frame..frame + 1);
        }
        assert_eq!(read(&mut live.watch(at(1_000)), 2).await, [0, 1]);
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded_in_bytes() {
        let live = Arc::new(Live::default());
        for _ in 0..64 {
            live.push(at(0), Piece { bytes: Bytes::from(vec![0; 1 << 20]), start: false });
        }
        assert!(live.ring().bytes <= MAX_BYTES);
    }

    #[tokio::test]
    async fn who_comes_when_nothing_flows_waits_for_the_next_keyframe() {
        let live = Arc::new(Live::default());
        push(&live, 0..30);
        let late = at(30) + STALE;
        let mut viewer = live.watch(late);
        let waits = tokio::time::timeout(Duration::ZERO, viewer.next()).await;
        assert!(waits.is_err(), "{waits:?}");
        push(&live, 110..140);
        assert_eq!(read(&mut viewer, 2).await, [125, 126]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_viewer_is_let_go_when_nothing_comes_for_half_a_minute() {
        let live = Arc::new(Live::default());
        let mut viewer = live.watch(at(0));
        assert_eq!(viewer.next().await, None);
        assert_eq!(live.viewers(), 1);
        drop(viewer);
        assert_eq!(live.viewers(), 0);
    }
}
