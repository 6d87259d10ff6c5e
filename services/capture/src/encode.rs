//! The encode pipelines: raw frames in, access units out.
//!
//! One for the picture and one for the sound, so that neither can stop the other. Time stamps are the host's monotonic
//! clock throughout: nothing in these pipelines waits for a clock, the feeder has done so.

mod sound;
mod video;

pub use sound::{SoundPipeline, SoundTap};
pub use video::{Busy, Tap, VideoPipeline};

use std::time::Duration;

use bondbox_encoder::OpenError;
use bondbox_units::Instant;
use gstreamer as gst;
use gstreamer_app as gst_app;

use gst::prelude::*;

/// Why a pipeline could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The encoder refuses.
    #[error(transparent)]
    Encoder(#[from] OpenError),
    /// GStreamer's own elements are missing or do not fit together.
    #[error("the pipeline cannot be built: {0}")]
    Pipeline(#[from] gst::glib::BoolError),
    /// It does not start.
    #[error("the pipeline does not start: {0}")]
    Start(#[from] gst::StateChangeError),
}

/// A source that the feeder pushes into. It takes what comes and never blocks, so its level must be looked at.
fn inlet(caps: &gst::Caps) -> gst_app::AppSrc {
    gst_app::AppSrc::builder().caps(caps).format(gst::Format::Time).is_live(true).build()
}

/// A sink that hands each buffer to `take` at once, with its time stamps on the host's clock.
fn outlet(caps: &gst::Caps, mut take: impl FnMut(Stamps, gst::Buffer) + Send + 'static) -> gst_app::AppSink {
    let callbacks = gst_app::AppSinkCallbacks::builder()
        .new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            if let (Some(stamps), Some(buffer)) = (Stamps::of(&sample), sample.buffer_owned()) {
                take(stamps, buffer);
            }
            Ok(gst::FlowSuccess::Ok)
        })
        .build();
    gst_app::AppSink::builder().caps(caps).sync(false).async_(false).callbacks(callbacks).build()
}

struct Stamps {
    pts: Instant,
    dts: Instant,
}

impl Stamps {
    /// In running time: encoders shift pts and segment alike to make room for negative dts.
    fn of(sample: &gst::Sample) -> Option<Self> {
        let (buffer, segment) = (sample.buffer()?, sample.segment()?.downcast_ref::<gst::ClockTime>()?);
        let running = |time| segment.to_running_time(time).map(to_instant);
        let pts = running(buffer.pts()?)?;
        // Without reordering a missing dts is the pts; and it is never later.
        let dts = buffer.dts().and_then(running).map_or(pts, |dts| dts.min(pts));
        Some(Self { pts, dts })
    }
}

/// GStreamer's time as ours; both count the host's monotonic clock.
pub(crate) fn to_instant(time: gst::ClockTime) -> Instant {
    Instant::from_micros(time.useconds())
}

/// Our time as GStreamer's.
pub(crate) fn to_clock_time(time: Instant) -> gst::ClockTime {
    gst::ClockTime::from_useconds(time.as_micros())
}

/// A running pipeline that ends with its owner.
struct Running(gst::Pipeline);

impl Running {
    fn start(elements: &[&gst::Element]) -> Result<Self, BuildError> {
        let pipeline = gst::Pipeline::new();
        pipeline.add_many(elements)?;
        gst::Element::link_many(elements)?;
        let running = Self(pipeline);
        running.0.set_state(gst::State::Playing)?;
        Ok(running)
    }

    /// What the pipeline last complained about.
    fn error(&self) -> Option<String> {
        let message = self.0.bus()?.pop_filtered(&[gst::MessageType::Error])?;
        match message.view() {
            gst::MessageView::Error(error) => Some(error.error().to_string()),
            _ => None,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Stopping waits for the threads of the pipeline, and a hanging encoder never lets go of its own.
        let pipeline = self.0.clone();
        let (stopped, wait) = std::sync::mpsc::channel();
        let stop = move || {
            let _ = pipeline.set_state(gst::State::Null);
            let _ = stopped.send(());
        };
        let thread = std::thread::Builder::new().name("pipeline-end".into()).spawn(stop);
        // A device must be free before it is opened again, so a pipeline that does stop is waited for.
        if thread.is_err() || wait.recv_timeout(STOP_TIME).is_err() {
            tracing::warn!(patience_ms = STOP_TIME.as_millis(), "a pipeline does not stop: it is left behind");
        }
    }
}

/// A healthy pipeline stops within some milliseconds; the reactor stands still meanwhile.
const STOP_TIME: Duration = Duration::from_millis(500);
