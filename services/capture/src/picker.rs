//! Which picture is encoded next.
//!
//! The source brings frames when it likes, the encoder wants one at every tick. Frames wait in a queue of two, enough to
//! even out a source that is just as fast as the encoder; from a faster one the oldest are dropped, a slower one is
//! repeated. When nothing came for [`PATIENCE`], or the source said that it is lost, the slate is shown.

use std::collections::VecDeque;
use std::time::Duration;

use bondbox_ipc::capture::Picture;
use bondbox_units::Instant;

/// Decides what is shown. `F` is a frame, cheap to clone.
#[derive(Debug)]
pub struct Picker<F> {
    /// Between ticks.
    frame_time: Duration,
    waiting: VecDeque<Frame<F>>,
    /// How long the frames shown since the last look had waited at least, and how many they were.
    waited: (Duration, u32),
    shown: Option<Frame<F>>,
    picture: Picture,
    /// When the present source last gave a sign of life.
    alive: Instant,
    /// Whether a frame of the present source was shown.
    fresh: bool,
    losses: u64,
    /// Brought by the present source.
    brought: u64,
    /// Why it brings nothing, as it says itself.
    why_lost: String,
}

/// A frame, and when the source delivered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame<F> {
    /// The picture.
    pub frame: F,
    /// When it came.
    pub captured: Instant,
}

/// What to encode at a tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick<F> {
    /// Nothing yet: the source has just started.
    Nothing,
    /// This frame, new or again.
    Frame(Frame<F>),
    /// There is no source.
    Slate,
}

impl<F: Clone> Picker<F> {
    /// A source starts now; there is a tick every `frame_time`.
    pub fn new(now: Instant, frame_time: Duration) -> Self {
        Self {
            frame_time,
            waiting: VecDeque::new(),
            waited: (Duration::MAX, 0),
            shown: None,
            picture: Picture::Starting,
            alive: now,
            fresh: false,
            losses: 0,
            brought: 0,
            why_lost: String::new(),
        }
    }

    /// The source brought a frame.
    pub fn on_frame(&mut self, now: Instant, frame: F) {
        if self.waiting.len() == DEPTH {
            self.waiting.pop_front();
        }
        self.waiting.push_back(Frame { frame, captured: now });
        self.alive = now;
        self.brought += 1;
    }

    /// The source is gone and knows it: nobody has to wait for [`PATIENCE`].
    pub fn on_loss(&mut self, why: &str) {
        self.waiting.clear();
        self.shown = None;
        why.clone_into(&mut self.why_lost);
    }

    /// The source begins again, as a looped file does. That is no loss: its last frame stays for [`REOPENING`].
    pub fn on_restart(&mut self, now: Instant) {
        self.alive = now + (REOPENING - PATIENCE);
    }

    /// Another source takes over.
    pub fn on_switch(&mut self, now: Instant) {
        self.waiting.clear();
        self.alive = now;
        self.fresh = false;
        self.brought = 0;
        self.why_lost.clear();
    }

    /// What to encode now.
    pub fn pick(&mut self, now: Instant) -> Pick<F> {
        if let Some(next) = self.next(now) {
            self.picture = Picture::Live;
            self.fresh = true;
            self.shown = Some(next);
        } else if now.since(self.alive) >= PATIENCE || (self.shown.is_none() && self.picture != Picture::Starting) {
            self.losses += u64::from(self.picture == Picture::Live);
            self.picture = Picture::Slate;
            self.shown = None;
        }
        match (&self.shown, self.picture) {
            (Some(frame), _) => Pick::Frame(frame.clone()),
            (None, Picture::Starting) => Pick::Nothing,
            (None, Picture::Stopped | Picture::Live | Picture::Slate) => Pick::Slate,
        }
    }

    /// The oldest frame that waits. When over many ticks each had waited for a whole tick and more, one is left out: the
    /// wait began with a hiccup long past, and all it does is delay.
    fn next(&mut self, now: Instant) -> Option<Frame<F>> {
        let next = self.waiting.pop_front()?;
        let (least, count) = self.waited;
        self.waited = (least.min(now.since(next.captured)), count + 1);
        if self.waited.1 < LOOK {
            return Some(next);
        }
        let (least, _) = std::mem::replace(&mut self.waited, (Duration::MAX, 0));
        let spare = least > self.frame_time + JITTER;
        Some(if spare { self.waiting.pop_front().unwrap_or(next) } else { next })
    }

    /// What was last picked.
    pub fn picture(&self) -> Picture {
        self.picture
    }

    /// Whether the present source, and not the one before a switch, is live.
    pub fn is_live(&self) -> bool {
        self.fresh && self.picture == Picture::Live
    }

    /// How many frames the present source has brought, shown or not.
    pub fn brought(&self) -> u64 {
        self.brought
    }

    /// Why the present source was last lost, as it said; empty where it said nothing.
    pub fn why_lost(&self) -> &str {
        &self.why_lost
    }

    /// How often a live source was lost.
    pub fn losses(&self) -> u64 {
        self.losses
    }
}

/// How long the last frame stands before the slate. With the frame it may take to notice, at 25 a second, the slate is
/// there within 200 ms. A source slower than seven frames a second flickers.
pub const PATIENCE: Duration = Duration::from_millis(150);

/// How long a file may take to begin again.
pub const REOPENING: Duration = Duration::from_secs(1);

const DEPTH: usize = 2;
/// Ticks over which the wait is watched.
const LOOK: u32 = 100;
/// How much a frame may come late without missing its tick once the wait is cut.
const JITTER: Duration = Duration::from_millis(8);

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(40);

    fn at(millis: u64) -> Instant {
        Instant::from_millis(1_000 + millis)
    }

    fn frame(millis: u64, frame: u32) -> Pick<u32> {
        Pick::Frame(Frame { frame, captured: at(millis) })
    }

    #[test]
    fn a_source_that_falls_silent_is_a_slate_within_200_ms_and_live_again_by_itself() {
        let mut picker = Picker::new(at(0), FRAME);
        picker.on_frame(at(1), 1);
        let ticks: Vec<_> = (0..6).map(|tick| picker.pick(at(2 + 40 * tick))).collect();
        let still = frame(1, 1);
        assert_eq!(ticks[..4], [still.clone(), still.clone(), still.clone(), still]);
        assert_eq!(ticks[4..], [Pick::Slate, Pick::Slate], "162 ms after the last frame");
        assert_eq!((picker.picture(), picker.losses()), (Picture::Slate, 1));
        picker.on_frame(at(900), 2);
        assert_eq!(picker.pick(at(902)), frame(900, 2));
        assert_eq!((picker.picture(), picker.losses()), (Picture::Live, 1));
    }

    #[test]
    fn a_source_that_says_it_is_lost_is_a_slate_at_the_next_tick() {
        let mut picker = Picker::new(at(0), FRAME);
        picker.on_frame(at(1), 1);
        picker.pick(at(2));
        picker.on_loss("unplugged");
        assert_eq!(picker.pick(at(42)), Pick::Slate);
        assert_eq!(picker.losses(), 1);
    }

    #[test]
    fn nothing_is_shown_while_the_source_starts_and_a_slate_when_it_does_not() {
        let mut picker = Picker::<u32>::new(at(0), FRAME);
        assert_eq!(picker.pick(at(10)), Pick::Nothing);
        assert_eq!(picker.pick(at(150)), Pick::Slate);
        assert_eq!(picker.losses(), 0, "it never was live");
    }

    #[test]
    fn a_source_as_fast_as_the_encoder_repeats_at_most_once_however_its_frames_jitter() {
        let mut picker = Picker::new(at(0), FRAME);
        let (mut shown, mut came) = (Vec::new(), 0);
        // Frames are due at the very instant of each tick; every other one is late, so that it misses its tick.
        for tick in 0..200u64 {
            let late = tick % 2 == 0;
            if !late {
                picker.on_frame(at(tick * 40), came);
                came += 1;
            }
            if let Pick::Frame(pick) = picker.pick(at(tick * 40)) {
                shown.push(pick.frame);
            }
            if late {
                picker.on_frame(at(tick * 40 + 5), came);
                came += 1;
            }
        }
        let repeats = shown.windows(2).filter(|pair| pair[0] == pair[1]).count();
        let skips = shown.windows(2).filter(|pair| pair[1] > pair[0] + 1).count();
        assert!(repeats <= 1 && skips == 0, "{repeats} repeats, {skips} skips");
    }

    #[test]
    fn a_wait_left_by_a_hiccup_is_cut_once_and_for_all() {
        let mut picker = Picker::new(at(0), FRAME);
        // The first tick found nothing, so every frame waits for the tick after next: 20 ms and a whole tick.
        picker.on_frame(at(20), 0);
        let mut delays = Vec::new();
        for tick in 1..400u64 {
            picker.on_frame(at(tick * 40 + 20), tick);
            if let Pick::Frame(pick) = picker.pick(at(tick * 40 + 40)) {
                delays.push(at(tick * 40 + 40).since(pick.captured).as_millis());
            }
        }
        assert!(delays[..99].iter().all(|&delay| delay == 60));
        assert!(delays[99..].iter().all(|&delay| delay == 20), "{:?}", &delays[99..]);
    }

    #[test]
    fn a_faster_source_is_thinned_and_never_delayed_by_more_than_the_queue() {
        let mut picker = Picker::new(at(0), FRAME);
        for number in 0..10u32 {
            picker.on_frame(at(u64::from(number)), number);
        }
        assert_eq!(picker.pick(at(10)), frame(8, 8));
        assert_eq!(picker.pick(at(50)), frame(9, 9));
    }

    #[test]
    fn the_old_picture_stands_while_the_source_is_switched_and_does_not_count_as_the_new_one() {
        let mut picker = Picker::new(at(0), FRAME);
        picker.on_frame(at(1), 1);
        picker.pick(at(2));
        picker.on_switch(at(1_000));
        assert_eq!(picker.pick(at(1_040)), frame(1, 1));
        assert!(!picker.is_live());
        picker.on_frame(at(1_100), 2);
        picker.pick(at(1_120));
        assert!(picker.is_live());
        assert_eq!(picker.losses(), 0);
    }

    #[test]
    fn a_looped_file_keeps_its_last_frame_while_it_begins_again() {
        let mut picker = Picker::new(at(0), FRAME);
        picker.on_frame(at(0), 1);
        picker.pick(at(1));
        picker.on_restart(at(140));
        assert_eq!(picker.pick(at(1_139)), frame(0, 1));
        assert_eq!(picker.pick(at(1_140)), Pick::Slate, "a file that is gone is a lost source");
    }
}
