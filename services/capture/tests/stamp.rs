//! The frame number through a real encoder and a real decoder.

mod common;

use bondbox_capture::stamp::Layout;
use bondbox_units::Bitrate;
use common::{Bench, FORMAT};
use gstreamer as gst;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;

use gst::prelude::*;
use gst_video::prelude::*;

#[tokio::test]
async fn every_number_survives_x264_at_300_kbit_a_second() {
    const FRAMES: usize = 100;
    let mut bench = Bench::open("x264enc", Bitrate::from_kbps(300));
    let units = bench.frames(FRAMES).await;
    let numbers = decode(units.iter().map(|unit| unit.data.to_vec()));
    let wanted: Vec<Option<u32>> = (0..FRAMES).map(|number| u32::try_from(number).ok()).collect();
    assert_eq!(numbers, wanted);
}

/// The number in each frame of a byte stream.
fn decode(units: impl Iterator<Item = Vec<u8>>) -> Vec<Option<u32>> {
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
        let mut buffer = gst::Buffer::from_mut_slice(unit);
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
