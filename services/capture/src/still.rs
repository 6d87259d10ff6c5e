//! Frames that this service makes or changes itself.

use bondbox_encoder::Format;
use gstreamer as gst;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;

use gst::glib::BoolError;
use gst::prelude::*;
use gst_video::prelude::*;

use crate::stamp::{Layout, Plane};

/// The picture shown when there is no source.
///
/// # Errors
/// When GStreamer lacks an element of its base set, or cannot draw.
pub fn slate(format: &Format) -> Result<gst::Buffer, BoolError> {
    // Text needs Pango's plugin, which small images leave out; a plain picture says enough then.
    let text = match gst::ElementFactory::find("textoverlay") {
        Some(_) => "! textoverlay text=\"No picture from the source\" valignment=center halignment=center",
        None => "",
    };
    let line = format!(
        "videotestsrc num-buffers=1 pattern=solid-color foreground-color=0xff1c2733 {text} ! videoconvert \
         ! appsink name=out sync=false"
    );
    let pipeline = gst::parse::launch(&line).map_err(|error| gst::glib::bool_error!("{error}"))?;
    let pipeline = pipeline.downcast::<gst::Pipeline>().map_err(|_| gst::glib::bool_error!("no pipeline: {line}"))?;
    let sink = pipeline.by_name("out").and_then(|sink| sink.downcast::<gst_app::AppSink>().ok());
    let sink = sink.ok_or_else(|| gst::glib::bool_error!("no sink: {line}"))?;
    sink.set_caps(Some(&format.caps()));
    let sample = pipeline.set_state(gst::State::Playing).ok().and_then(|_| sink.try_pull_sample(PATIENCE));
    let _ = pipeline.set_state(gst::State::Null);
    sample
        .and_then(|sample| sample.buffer_owned())
        .ok_or_else(|| gst::glib::bool_error!("the slate cannot be drawn: {line}"))
}

/// A copy of `frame` with `number` drawn into it.
///
/// # Errors
/// When the frame is not of `format`, or its memory cannot be mapped.
pub fn stamped(frame: &gst::Buffer, format: &Format, layout: Layout, number: u32) -> Result<gst::Buffer, BoolError> {
    let info = gst_video::VideoInfo::from_caps(&format.caps())?;
    let mut copy = frame.copy_deep()?;
    {
        let mut view = gst_video::VideoFrameRef::from_buffer_ref_writable(copy.make_mut(), &info)?;
        let mut strides = [0; 3];
        for (stride, &given) in strides.iter_mut().zip(view.plane_stride()) {
            *stride = usize::try_from(given).map_err(|_| gst::glib::bool_error!("a plane with a stride of {given}"))?;
        }
        let [luma, blue, red, _] = view.planes_data_mut();
        let planes = [(luma, strides[0]), (blue, strides[1]), (red, strides[2])];
        layout.draw(number, planes.map(|(samples, stride)| Plane { samples, stride }));
    }
    Ok(copy)
}

const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(5);
