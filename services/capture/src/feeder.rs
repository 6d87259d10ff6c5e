//! The thread that gives the encoders their frames and samples, each at its instant.
//!
//! It alone decides when the encoders work; sources only leave things for it. So a source may stall, vanish or change
//! and the encoders see an unbroken rhythm.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bondbox_encoder::Format;
use bondbox_units::Instant;
use gstreamer as gst;

use crate::encode::{SoundTap, Tap};
use crate::pace::{Pace, Tick};
use crate::picker::{Frame, Pick, Picker};
use crate::stamp::Layout;
use crate::still;
use crate::timeline::{self, READ_DELAY_SAMPLES, SAMPLE_RATE, Timeline};

/// Where sources leave what they have, and the feeder finds it. Each lock is held for a few instructions.
#[derive(Debug)]
pub struct Shelf {
    frames: Mutex<Picker<gst::Buffer>>,
    sound: Mutex<Timeline>,
}

/// The numbers drawn into frames; they outlive any pipeline.
#[derive(Debug)]
pub struct Numbering {
    next: AtomicU32,
    drawn: AtomicBool,
}

/// What the feeder needs.
pub struct Parts {
    /// Of the frames.
    pub format: Format,
    /// Where sources leave theirs.
    pub shelf: Arc<Shelf>,
    /// Shown when no source does.
    pub slate: gst::Buffer,
    /// What is drawn into the frames.
    pub numbering: Arc<Numbering>,
    /// Where frames go.
    pub video: Tap,
    /// Where blocks of so many samples go.
    pub sound: Option<(SoundTap, u32)>,
    /// Reads the host's monotonic clock.
    pub now: fn() -> Instant,
}

/// The running thread; dropping it ends it.
pub struct Feeder {
    stop: Arc<AtomicBool>,
    skipped: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Shelf {
    /// A source starts now, for an encoder that takes frames of `format`.
    pub fn new(now: Instant, format: &Format) -> Self {
        let frame_time = Duration::from_secs(1) / u32::from(format.rate);
        Self { frames: Mutex::new(Picker::new(now, frame_time)), sound: Mutex::default() }
    }

    /// The frames.
    pub fn frames(&self) -> MutexGuard<'_, Picker<gst::Buffer>> {
        // Whoever panicked with the lock held left whole frames.
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sound.
    pub fn sound(&self) -> MutexGuard<'_, Timeline> {
        self.sound.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Numbering {
    /// The first number follows from the host's clock, so that it is higher than any that an earlier run drew: at most
    /// one frame is numbered per tick.
    pub fn starting(now: Instant, rate: u16) -> Self {
        let ticks = Pace::starting(now, rate.into(), 1).number();
        // Wraps after years of uptime, as 32 bits must.
        Self { next: AtomicU32::new(ticks as u32), drawn: AtomicBool::new(false) }
    }

    /// Whether numbers are drawn; frames are counted either way.
    pub fn draw(&self, drawn: bool) {
        self.drawn.store(drawn, Ordering::Relaxed);
    }

    /// The number that the next frame gets.
    pub fn next(&self) -> u32 {
        self.next.load(Ordering::Relaxed)
    }
}

impl Feeder {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(parts: Parts) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let skipped = Arc::new(AtomicU64::new(0));
        let work = Work::new(parts, skipped.clone());
        let stopped = stop.clone();
        let thread = std::thread::Builder::new().name("feeder".into()).spawn(move || work.run(&stopped))?;
        Ok(Self { stop, skipped, thread: Some(thread) })
    }

    /// Frames the encoder did not get because it was behind, or this thread was.
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic in it has been printed; the output watch sees what it means.
            let _ = thread.join();
        }
    }
}

struct Work {
    parts: Parts,
    layout: Option<Layout>,
    skipped: Arc<AtomicU64>,
    frames: Pace,
    blocks: Option<Pace>,
}

impl Work {
    fn new(parts: Parts, skipped: Arc<AtomicU64>) -> Self {
        let now = (parts.now)();
        let frames = Pace::starting(now, parts.format.rate.into(), 1);
        let blocks = parts.sound.as_ref().map(|&(_, block)| Pace::starting(now, SAMPLE_RATE, block));
        let layout = Layout::of(parts.format.width.into(), parts.format.height.into());
        Self { parts, layout, skipped, frames, blocks }
    }

    fn run(mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            let now = (self.parts.now)();
            if let Some(tick) = self.frames.due(now) {
                self.feed_frame(now, tick);
            }
            if let Some(tick) = self.blocks.as_mut().and_then(|blocks| blocks.due(now)) {
                self.feed_sound(tick);
            }
            let deadline = self.blocks.as_ref().map_or(Instant::FAR_FUTURE, Pace::deadline).min(self.frames.deadline());
            std::thread::park_timeout(deadline.since((self.parts.now)()));
        }
    }

    fn feed_frame(&mut self, now: Instant, tick: Tick) {
        self.skipped.fetch_add(tick.missed, Ordering::Relaxed);
        let pick = self.parts.shelf.frames().pick(now);
        let (frame, captured) = match pick {
            Pick::Nothing => return,
            Pick::Frame(Frame { frame, captured }) => (frame, captured),
            Pick::Slate => (self.parts.slate.clone(), now),
        };
        let number = self.parts.numbering.next();
        let drawn = self.parts.numbering.drawn.load(Ordering::Relaxed);
        let frame = match self.layout.filter(|_| drawn) {
            Some(layout) => match still::stamped(&frame, &self.parts.format, layout, number) {
                Ok(stamped) => stamped,
                Err(error) => {
                    tracing::error!(%error, number, "the frame number cannot be drawn");
                    frame
                }
            },
            None => frame,
        };
        // A repeated frame was captured once, and shown again it would look as if the encoder were slow.
        let captured = captured.max(now.earlier_by(self.frame_time() * 2));
        match self.parts.video.push(frame, tick.time, captured) {
            Ok(()) => self.parts.numbering.next.store(number.wrapping_add(1), Ordering::Relaxed),
            Err(_) => _ = self.skipped.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Encodes the block that is due, and those that a stall left behind: unlike pictures they cost little, and a missing
    /// one is heard.
    fn feed_sound(&mut self, tick: Tick) {
        let lag = self.frame_time();
        let Some((tap, block)) = &mut self.parts.sound else { return };
        for number in blocks_due(tick) {
            // The block ends the read delay ago.
            let first = (number * u64::from(*block)).saturating_sub(u64::from(*block) + READ_DELAY_SAMPLES);
            let samples = self.parts.shelf.sound().read(first, *block);
            // Frames wait a tick on average before they are encoded; sound is shifted by as much, so that lips agree.
            let pts = timeline::time_of(first) + lag;
            if !tap.push(&samples, pts) {
                tracing::debug!(%pts, "the sound encoder is behind: a block is dropped");
            }
        }
    }

    fn frame_time(&self) -> Duration {
        Duration::from_secs(1) / u32::from(self.parts.format.rate)
    }
}

/// The numbers of the blocks to encode at `tick`, oldest first.
fn blocks_due(tick: Tick) -> std::ops::RangeInclusive<u64> {
    tick.number - tick.missed.min(MOST_BLOCKS_BEHIND).min(tick.number)..=tick.number
}

/// Half a second of blocks; the timeline keeps a second.
const MOST_BLOCKS_BEHIND: u64 = 24;

#[cfg(test)]
mod tests {
    use bondbox_units::Instant;

    use super::*;

    #[test]
    fn a_stall_leaves_no_hole_in_the_sound_unless_it_was_long() {
        let tick = |number, missed| Tick { number, time: Instant::ZERO, missed };
        assert_eq!(blocks_due(tick(100, 0)), 100..=100);
        assert_eq!(blocks_due(tick(100, 3)), 97..=100);
        assert_eq!(blocks_due(tick(100, 90)), 76..=100);
        assert_eq!(blocks_due(tick(2, 90)), 0..=2);
    }
}
