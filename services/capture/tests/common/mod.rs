//! A picture that is hard to encode, and an encoder fed with it frame by frame: no clock takes part.

#![allow(dead_code, reason = "each test file takes what it needs")]

use std::sync::Arc;

use bondbox_capture::encode::{Tap, VideoPipeline};
use bondbox_capture::stamp::{Layout, Plane};
use bondbox_capture::unit::{self, Inlet, Unit};
use bondbox_encoder::{CARDS, Format, TraitCard};
use bondbox_units::{Bitrate, Instant};
use bytes::Bytes;
use gstreamer as gst;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use tokio::sync::Notify;

use gst::prelude::*;
use gst_video::prelude::*;

pub(crate) const FORMAT: Format = Format { width: 640, height: 360, rate: 25 };
/// Microseconds between frames of [`FORMAT`].
pub(crate) const FRAME: u64 = 40_000;

pub(crate) fn card(factory: &str) -> &'static TraitCard {
    CARDS.iter().find(|card| card.factory == factory).unwrap()
}

/// Numbered frames in, units out.
pub(crate) struct Bench {
    pub(crate) pipeline: VideoPipeline,
    tap: Tap,
    inlet: Inlet,
    wake: Arc<Notify>,
    noise: Noise,
    next: u32,
}

impl Bench {
    pub(crate) fn open(factory: &str, start: Bitrate) -> Self {
        gst::init().unwrap();
        let wake = Arc::new(Notify::new());
        let (outlet, inlet) = unit::queue(wake.clone());
        let ceiling = Bitrate::from_kbps(6_000);
        let (pipeline, tap) =
            VideoPipeline::open(card(factory), &FORMAT, ceiling, start, || Instant::ZERO, outlet).unwrap();
        Self { pipeline, tap, inlet, wake, noise: Noise(0x2545_f491_4f6c_dd1d), next: 0 }
    }

    /// Encodes the next frame, which carries its number, and waits for its unit.
    pub(crate) async fn frame(&mut self) -> Unit {
        let number = self.next;
        self.next += 1;
        let buffer = self.noise.picture(number);
        // Hours into the clock, as on a host that has been up for a while.
        let pts = Instant::from_micros(50_000_000_000 + u64::from(number) * FRAME);
        self.tap.push(buffer, pts, pts.offset_micros(-7)).expect("the frame before it came out");
        loop {
            if let Some(unit) = self.inlet.pop() {
                return unit;
            }
            self.wake.notified().await;
            assert_eq!(self.pipeline.error(), None);
        }
    }

    pub(crate) async fn frames(&mut self, count: usize) -> Vec<Unit> {
        let mut units = Vec::new();
        for _ in 0..count {
            units.push(self.frame().await);
        }
        units
    }
}

/// What `units` of [`FORMAT`] come to.
pub(crate) fn rate_of(units: &[Unit]) -> Bitrate {
    let bytes: usize = units.iter().map(|unit| unit.data.len()).sum();
    let time = std::time::Duration::from_micros(FRAME) * u32::try_from(units.len()).unwrap();
    Bitrate::from_bytes_in(bytes as u64, time).unwrap()
}

/// The number in each frame of a byte stream.
pub(crate) fn decode(units: impl Iterator<Item = Bytes>) -> Vec<Option<u32>> {
    gst::init().unwrap();
    let pipeline = gst::parse::launch(
        "appsrc name=in format=time caps=video/x-h264,stream-format=byte-stream,alignment=au ! decodebin ! videoconvert \
         ! video/x-raw,format=I420 ! appsink name=out sync=false",
    )
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let source = pipeline.by_name("in").unwrap().downcast::<gst_app::AppSrc>().unwrap();
    let sink = pipeline.by_name("out").unwrap().downcast::<gst_app::AppSink>().unwrap();
    for (number, unit) in units.enumerate() {
        let mut buffer = gst::Buffer::from_slice(unit);
        buffer.make_mut().set_pts(gst::ClockTime::from_mseconds(40 * number as u64));
        source.push_buffer(buffer).unwrap();
    }
    source.end_of_stream().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let layout = Layout::of(FORMAT.width.into(), FORMAT.height.into()).unwrap();
    let mut numbers = Vec::new();
    while let Ok(sample) = sink.pull_sample() {
        let info = gst_video::VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
        let frame = gst_video::VideoFrame::from_buffer_readable(sample.buffer_owned().unwrap(), &info).unwrap();
        let stride = usize::try_from(frame.plane_stride()[0]).unwrap();
        numbers.push(layout.read(frame.plane_data(0).unwrap(), stride));
    }
    pipeline.set_state(gst::State::Null).unwrap();
    numbers
}

/// Runs a pipeline until its end.
pub(crate) fn run_to_end(line: &str) {
    gst::init().unwrap();
    let pipeline = gst::parse::launch(line).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let end = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::NONE, &end).unwrap();
    assert_eq!(message.type_(), gst::MessageType::Eos, "{line}: {message:?}");
    pipeline.set_state(gst::State::Null).unwrap();
}

/// A slow slope under grain, the same in every run.
struct Noise(u64);

impl Noise {
    fn picture(&mut self, number: u32) -> gst::Buffer {
        let (width, height) = (usize::from(FORMAT.width), usize::from(FORMAT.height));
        let mut picture = vec![128; width * height * 3 / 2];
        for (place, sample) in picture[..width * height].iter_mut().enumerate() {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            let slope = (place % width + 3 * number as usize) % width / 4;
            *sample = u8::try_from(60 + slope % 100 + (self.0 >> 59) as usize * 2).unwrap();
        }
        let (luma, chroma) = picture.split_at_mut(width * height);
        let (blue, red) = chroma.split_at_mut(width * height / 4);
        let plane = |samples, stride| Plane { samples, stride };
        let layout = Layout::of(width, height).unwrap();
        layout.draw(number, [plane(luma, width), plane(blue, width / 2), plane(red, width / 2)]);
        gst::Buffer::from_mut_slice(picture)
    }
}
