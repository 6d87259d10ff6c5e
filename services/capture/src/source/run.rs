//! The thread that keeps a source running.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use bondbox_units::Instant;
use gstreamer as gst;
use gstreamer_app as gst_app;

use gst::prelude::*;

use super::Plan;
use crate::feeder::Shelf;
use crate::picker::Picker;
use crate::timeline::Stereo;

/// Makes the plan anew for each attempt: what is there may have changed. `None` when there is nothing to run.
pub type Planner = Box<dyn Fn() -> Result<Option<Plan>, String> + Send>;

/// Says why nothing comes in although the device is there: a cable that was pulled.
pub type Signal = Box<dyn Fn() -> Result<(), String> + Send>;

/// What is kept running.
pub struct Feed {
    /// Makes the plan.
    pub planner: Planner,
    /// Looked at before and during an attempt.
    pub signal: Signal,
}

/// A source that is kept running. Dropping it ends it: nothing of it reaches the shelf any more.
pub struct Runner {
    /// Dropped to wake the thread.
    _stop: Sender<()>,
    present: Arc<AtomicBool>,
}

/// What a source is to the rest.
#[derive(Clone)]
pub struct Role {
    /// For the log.
    pub name: String,
    /// Where it leaves what it has.
    pub shelf: Arc<Shelf>,
    /// Whether the picture comes from it, or sound alone.
    pub picture: bool,
    /// Whether its end is a reason to begin again at once.
    pub loops: bool,
    /// Reads the host's monotonic clock.
    pub now: fn() -> Instant,
}

impl Runner {
    /// Opens the source and keeps it open.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(role: Role, feed: Feed) -> std::io::Result<Self> {
        let (stop, stopped) = channel();
        let present = Arc::new(AtomicBool::new(true));
        let outlet = Outlet { shelf: role.shelf.clone(), picture: role.picture, present: present.clone() };
        // Not joined at the end: a device may hang while it closes, and the next source must not wait for it.
        std::thread::Builder::new()
            .name("source".into())
            .spawn(move || keep_running(&role, &outlet, &feed, &stopped))?;
        Ok(Self { _stop: stop, present })
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.present.store(false, Ordering::Relaxed);
    }
}

/// The source's way to the shelf, closed when another source has taken over.
#[derive(Clone)]
struct Outlet {
    shelf: Arc<Shelf>,
    picture: bool,
    present: Arc<AtomicBool>,
}

impl Outlet {
    /// Changes the picture, if it is this source's.
    fn picture(&self, change: impl FnOnce(&mut Picker<gst::Buffer>)) {
        // Asked under the lock: whoever takes over closes this first, and clears what was left after.
        let mut frames = self.shelf.frames();
        if self.picture && self.present.load(Ordering::Relaxed) {
            change(&mut frames);
        }
    }

    fn sound(&self, at: Instant, block: &[Stereo]) {
        if self.present.load(Ordering::Relaxed) {
            self.shelf.sound().write(at, block);
        }
    }
}

/// How an attempt ended.
enum End {
    /// The owner is gone, or there is nothing to run.
    Stopped,
    /// It has delivered all it had.
    Finished,
    /// It broke.
    Broken(String),
}

fn keep_running(role: &Role, outlet: &Outlet, feed: &Feed, stopped: &Receiver<()>) {
    let mut pause = SHORTEST_PAUSE;
    let mut complaint = String::new();
    loop {
        let delivered = Arc::new(AtomicU64::new(0));
        let lost = !complaint.is_empty();
        let end = attempt(role, outlet, feed, lost, &delivered, stopped).unwrap_or_else(End::Broken);
        let worked = delivered.load(Ordering::Relaxed) > 0;
        if worked {
            pause = SHORTEST_PAUSE;
            complaint.clear();
        }
        match end {
            End::Stopped => return,
            End::Finished if role.loops && worked => {
                outlet.picture(|frames| frames.on_restart((role.now)()));
                continue;
            }
            End::Finished => role.complain("it ended", &mut complaint),
            End::Broken(reason) => role.complain(&reason, &mut complaint),
        }
        outlet.picture(|frames| frames.on_loss(&complaint));
        if !matches!(stopped.recv_timeout(pause), Err(RecvTimeoutError::Timeout)) {
            return;
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Runs the feed's plan until it ends, one way or another; says so when it brings back what was `lost`.
fn attempt(
    role: &Role,
    outlet: &Outlet,
    feed: &Feed,
    mut lost: bool,
    delivered: &Arc<AtomicU64>,
    stopped: &Receiver<()>,
) -> Result<End, String> {
    let Some(plan) = (feed.planner)()? else { return Ok(End::Stopped) };
    (feed.signal)()?;
    let pipeline = Pipeline::build(&plan)?;
    let ended = Arc::new(AtomicBool::new(false));
    pipeline.connect(outlet, role.now, delivered, &ended);
    pipeline.0.set_state(gst::State::Playing).map_err(|error| pipeline.complaint().unwrap_or(error.to_string()))?;
    let (mut seen, mut still, mut turn) = (0, Duration::ZERO, 0_u64);
    loop {
        turn += 1;
        match stopped.recv_timeout(LOOK) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return Ok(End::Stopped),
        }
        if let Some(reason) = pipeline.complaint() {
            return Ok(End::Broken(reason));
        }
        if turn.is_multiple_of(SIGNAL_EVERY)
            && let Err(reason) = (feed.signal)()
        {
            return Ok(End::Broken(reason));
        }
        if ended.load(Ordering::Relaxed) {
            return Ok(End::Finished);
        }
        let count = delivered.load(Ordering::Relaxed);
        if lost && count > 0 {
            tracing::info!(source = role.name, "the source is back");
            lost = false;
        }
        still = if count == seen { still + LOOK } else { Duration::ZERO };
        seen = count;
        if still >= STANDSTILL {
            return Ok(End::Broken(format!("it delivered nothing for {} s", STANDSTILL.as_secs())));
        }
    }
}

impl Role {
    /// Says why the source is not there, once per reason.
    fn complain(&self, reason: &str, last: &mut String) {
        if last != reason {
            tracing::warn!(source = self.name, reason, "the source is lost");
            reason.clone_into(last);
        }
    }
}

/// A source's pipeline, stopped with its owner.
struct Pipeline(gst::Pipeline);

impl Pipeline {
    fn build(plan: &Plan) -> Result<Self, String> {
        let element = gst::parse::launch(&plan.line).map_err(|error| format!("{error} in {}", plan.line))?;
        let pipeline = element.downcast::<gst::Pipeline>().map_err(|_| format!("no pipeline: {}", plan.line))?;
        // Sound cards offer clocks of their own; time stamps are to be the host's.
        pipeline.use_clock(Some(&gst::SystemClock::obtain()));
        if !plan.input.is_empty() {
            let input = pipeline.by_name("in").ok_or_else(|| format!("no input: {}", plan.line))?;
            for (property, value) in &plan.input {
                input.set_property(property, value);
            }
        }
        Ok(Self(pipeline))
    }

    fn connect(&self, outlet: &Outlet, now: fn() -> Instant, delivered: &Arc<AtomicU64>, ended: &Arc<AtomicBool>) {
        let sink = |name| self.0.by_name(name).and_then(|sink| sink.downcast::<gst_app::AppSink>().ok());
        let (video, sound) = (sink("video"), sink("sound"));
        // With both, the picture says when it is over: a file may have no sound.
        let leader = if video.is_some() { "video" } else { "sound" };
        for (name, sink) in [("video", video), ("sound", sound)] {
            let Some(sink) = sink else { continue };
            let (outlet, delivered, ended) = (outlet.clone(), delivered.clone(), ended.clone());
            let base = self.0.downgrade();
            let callbacks = gst_app::AppSinkCallbacks::builder()
                .eos(move |_| {
                    if name == leader {
                        ended.store(true, Ordering::Relaxed);
                    }
                })
                .new_sample(move |sink| {
                    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                    if name == "video" {
                        if let Some(buffer) = sample.buffer_owned() {
                            outlet.picture(|frames| frames.on_frame(now(), buffer));
                        }
                    } else if let Some((at, block)) = base.upgrade().and_then(|base| heard(&base, &sample)) {
                        outlet.sound(at, &block);
                    }
                    if name == leader {
                        delivered.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(gst::FlowSuccess::Ok)
                })
                .build();
            sink.set_callbacks(callbacks);
        }
    }

    fn complaint(&self) -> Option<String> {
        let message = self.0.bus()?.pop_filtered(&[gst::MessageType::Error])?;
        match message.view() {
            gst::MessageView::Error(error) => Some(error.error().to_string()),
            _ => None,
        }
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        let _ = self.0.set_state(gst::State::Null);
    }
}

/// The samples in a buffer, and when the first was taken, on the host's clock.
fn heard(pipeline: &gst::Pipeline, sample: &gst::Sample) -> Option<(Instant, Vec<Stereo>)> {
    let (buffer, segment) = (sample.buffer()?, sample.segment()?.downcast_ref::<gst::ClockTime>()?);
    let at = segment.to_running_time(buffer.pts()?)? + pipeline.base_time()?;
    let map = buffer.map_readable().ok()?;
    let (samples, _) = map.as_chunks::<4>();
    let block = samples.iter().map(|&[a, b, c, d]| [i16::from_le_bytes([a, b]), i16::from_le_bytes([c, d])]).collect();
    Some((crate::encode::to_instant(at), block))
}

/// How often a running source is looked at: less than the patience of the picture.
const LOOK: Duration = Duration::from_millis(50);
/// Looks from one question for the signal to the next.
const SIGNAL_EVERY: u64 = 5;
/// A source that is silent for this long is opened anew.
const STANDSTILL: Duration = Duration::from_secs(3);
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
/// A camera that is plugged in again is live within this time.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
