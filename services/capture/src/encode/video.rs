//! The picture's encode pipeline.

use bondbox_encoder::{Change, Encoder, Format, OpenError, TraitCard};
use bondbox_units::{Bitrate, Instant};
use bytes::Bytes;
use gstreamer as gst;
use gstreamer_app as gst_app;
use rtrb::{Consumer, Producer, RingBuffer};

use gst::prelude::*;

use super::{BuildError, Running, Stamps};
use crate::unit::{Outlet, Unit, VIDEO};

/// Encodes I420 frames to H.264 access units, parameter sets before each keyframe.
pub struct VideoPipeline {
    encoder: Encoder,
    running: Running,
}

/// Where frames go in.
pub struct Tap {
    source: gst_app::AppSrc,
    captured: Producer<(Instant, Instant)>,
}

impl VideoPipeline {
    /// Opens the encoder at `ceiling` and lets it begin at `start`. `now` reads the host's monotonic clock.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn open(
        card: &'static TraitCard,
        format: &Format,
        ceiling: Bitrate,
        start: Bitrate,
        now: fn() -> Instant,
        out: Outlet,
    ) -> Result<(Self, Tap), BuildError> {
        let encoder = Encoder::build(card, format, ceiling)?;
        encoder.start_at(start);
        let (captured, seen) = RingBuffer::new(IN_FLIGHT);
        let source = super::inlet(&format.caps());
        let filter = gst::ElementFactory::make("capsfilter").property("caps", encoder.caps()).build()?;
        // -1: parameter sets with every keyframe, so that a viewer can join at any.
        let parser = gst::ElementFactory::make("h264parse").property("config-interval", -1i32).build()?;
        let sink = super::outlet(&byte_stream(), collector(seen, now, out));
        let running = Running::start(&[source.upcast_ref(), encoder.element(), &filter, &parser, sink.upcast_ref()])?;
        Ok((Self { encoder, running }, Tap { source, captured }))
    }

    /// Encodes at `bitrate` from now on, and says what the encoder was told. `None`: it must be opened anew for that.
    ///
    /// # Errors
    /// [`OpenError`] when the encoder does not take it.
    pub fn set_bitrate(&self, bitrate: Bitrate) -> Result<Option<Bitrate>, OpenError> {
        match self.encoder.card().change {
            Change::Live | Change::NextKeyframe => self.encoder.set_bitrate(bitrate).map(Some),
            Change::Restart => Ok(None),
        }
    }

    /// Asks for a keyframe; whether the encoder took the request.
    pub fn force_keyframe(&self) -> bool {
        self.encoder.force_keyframe()
    }

    /// What the pipeline last complained about.
    pub fn error(&self) -> Option<String> {
        self.running.error()
    }

    /// Stops frames at the encoder's door, as an encoder that hangs does.
    #[cfg(test)]
    pub(crate) fn hang(&self) {
        let pad = self.encoder.element().static_pad("sink").expect("every encoder has a sink pad");
        pad.add_probe(gst::PadProbeType::BLOCK_DOWNSTREAM, |_, _| gst::PadProbeReturn::Ok);
    }
}

impl Tap {
    /// Encodes `buffer`, shown at `pts`; `captured` comes out with its unit.
    ///
    /// # Errors
    /// [`Busy`] when the encoder is behind by some frames: the frame is not taken.
    pub fn push(&mut self, mut buffer: gst::Buffer, pts: Instant, captured: Instant) -> Result<(), Busy> {
        if self.source.current_level_buffers() >= BEHIND {
            return Err(Busy);
        }
        let head = buffer.make_mut();
        head.set_pts(super::to_clock_time(pts));
        head.set_dts(None);
        head.set_duration(None);
        // Full only when units stopped coming out, and then nobody asks.
        let _ = self.captured.push((pts, captured));
        self.source.push_buffer(buffer).map(|_| ()).map_err(|_| Busy)
    }
}

/// The encoder is behind, or stopped.
#[derive(Debug, PartialEq, Eq)]
pub struct Busy;

fn collector(
    mut seen: Consumer<(Instant, Instant)>,
    now: fn() -> Instant,
    mut out: Outlet,
) -> impl FnMut(Stamps, gst::Buffer) + Send + 'static {
    move |Stamps { pts, dts }, buffer| {
        let captured = capture_time(&mut seen, pts);
        let keyframe = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        if let Ok(data) = buffer.into_mapped_buffer_readable() {
            let data = Bytes::from_owner(data);
            out.push(Unit { track: VIDEO, pts, dts, captured, encoded: now(), keyframe, data });
        }
    }
}

/// When the frame shown at `pts` came in. Frames leave in the order they came: no encoder here reorders.
fn capture_time(seen: &mut Consumer<(Instant, Instant)>, pts: Instant) -> Instant {
    while let Ok(&(frame, captured)) = seen.peek() {
        if frame > pts {
            break;
        }
        let _ = seen.pop();
        if frame == pts {
            return captured;
        }
    }
    pts
}

fn byte_stream() -> gst::Caps {
    gst::Caps::builder("video/x-h264").field("stream-format", "byte-stream").field("alignment", "au").build()
}

/// Frames that may wait before the encoder. Three at 25 a second are 120 ms of delay already.
const BEHIND: u64 = 3;
/// More than any encoder holds.
const IN_FLIGHT: usize = 64;
