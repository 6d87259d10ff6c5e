//! The sound's encode pipeline.

use bondbox_encoder::{SoundCodec, SoundEncoder};
use bondbox_units::{Bitrate, Instant};
use bytes::Bytes;
use gstreamer as gst;
use gstreamer_app as gst_app;

use gst::prelude::*;

use super::{BuildError, Running, Stamps};
use crate::timeline::{SAMPLE_RATE, Stereo};
use crate::unit::{Outlet, SOUND, Unit};

/// Encodes 48 kHz stereo to AAC or Opus, one frame a unit.
pub struct SoundPipeline {
    name: String,
    running: Running,
}

/// Where samples go in.
pub struct SoundTap {
    source: gst_app::AppSrc,
}

impl SoundPipeline {
    /// `now` reads the host's monotonic clock.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn open(codec: SoundCodec, now: fn() -> Instant, mut out: Outlet) -> Result<(Self, SoundTap), BuildError> {
        let encoder = SoundEncoder::build(codec, BITRATE)?;
        let source = super::inlet(&raw_caps());
        let convert = gst::ElementFactory::make("audioconvert").build()?;
        let parser = encoder.parser()?;
        let sink = super::outlet(&encoder.caps(), move |Stamps { pts, dts }, buffer| {
            if let Ok(data) = buffer.into_mapped_buffer_readable() {
                let data = Bytes::from_owner(data);
                out.push(Unit { track: SOUND, pts, dts, captured: pts, encoded: now(), keyframe: true, data });
            }
        });
        let chain: Vec<&gst::Element> = [source.upcast_ref(), &convert, encoder.element()]
            .into_iter()
            .chain(&parser)
            .chain([sink.upcast_ref()])
            .collect();
        let running = Running::start(&chain)?;
        Ok((Self { name: encoder.name(), running }, SoundTap { source }))
    }

    /// The encoder, by its GStreamer factory.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the pipeline last complained about.
    pub fn error(&self) -> Option<String> {
        self.running.error()
    }
}

impl SoundTap {
    /// Encodes `block`, whose first sample is heard at `pts`. Returns false when the encoder is behind, or stopped.
    pub fn push(&mut self, block: &[Stereo], pts: Instant) -> bool {
        if self.source.current_level_buffers() >= BEHIND {
            return false;
        }
        let bytes: Vec<u8> = block.iter().flatten().flat_map(|sample| sample.to_le_bytes()).collect();
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        let head = buffer.make_mut();
        head.set_pts(super::to_clock_time(pts));
        let micros = block.len() as u64 * 1_000_000 / u64::from(SAMPLE_RATE);
        head.set_duration(gst::ClockTime::from_useconds(micros));
        self.source.push_buffer(buffer).is_ok()
    }
}

/// Samples as this service handles them.
fn raw_caps() -> gst::Caps {
    gst::Caps::builder("audio/x-raw")
        .field("format", "S16LE")
        .field("layout", "interleaved")
        .field("rate", SAMPLE_RATE.cast_signed())
        .field("channels", 2i32)
        .build()
}

/// Transparent for speech and good for music, and little beside any picture.
const BITRATE: Bitrate = Bitrate::from_kbps(96);
/// Blocks of about 20 ms that may wait before the encoder.
const BEHIND: u64 = 32;
