//! Drives a stateful encoder of V4L2 as the capture service drives those that it knows: it is tried out, carries a stream, is
//! drained, closed in the middle of one, and opened again. The encoder is the kernel's `vicodec`, which `hil-tests/rig` has in the
//! virtual unit: its codec, FWHT, is one that nobody streams, and it knows no bitrate, so that it passes by what it is told of one.
//!
//! Fails with what is not as it should be.

use std::sync::{Arc, Mutex};

use bondbox_encoder::{BitrateProperty, Change, Encoder, Format, Keyframe, Kind, TraitCard, choose_of};
use bondbox_units::Bitrate;
use gstreamer as gst;

use gst::prelude::*;

static CARDS: &[TraitCard] = &[TraitCard {
    factory: "v4l2fwhtenc",
    plugin: "video4linux2",
    kind: Kind::Hardware,
    change: Change::Live,
    keyframe: Keyframe::Event,
    floor: Bitrate::from_kbps(25),
    ceiling: Bitrate::from_kbps(25_000),
    bitrate: BitrateProperty::ExtraControls,
    output: "video/x-fwht",
    settings: |_| vec![("extra-controls", format!("controls,video_gop_size={INTERVAL}"))],
}];

fn main() -> Result<(), String> {
    gst::init().map_err(say)?;
    let card = choose_of(CARDS, None, &FORMAT).map_err(say)?.card;
    println!("tried out");
    for _ in 0..3 {
        Stream::open(card)?.to_its_end()?;
    }
    println!("drained, and opened again");
    for _ in 0..3 {
        let stream = Stream::open(card)?;
        stream.until(FRAMES as usize / 2)?;
        stream.encoder.set_bitrate(Bitrate::from_kbps(300)).map_err(say)?;
    }
    println!("closed in the middle of a stream");
    Stream::open(card)?.to_its_end()
}

/// Frames that go in, and the units that come out.
struct Stream {
    pipeline: gst::Pipeline,
    encoder: Encoder,
    /// Of each unit, whether it is a keyframe.
    units: Arc<Mutex<Vec<bool>>>,
}

impl Stream {
    fn open(card: &'static TraitCard) -> Result<Self, String> {
        let encoder = Encoder::build(card, &FORMAT, Bitrate::from_kbps(2_000)).map_err(say)?;
        encoder.start_at(Bitrate::from_kbps(500));
        let pipeline = gst::Pipeline::new();
        let source = gst::ElementFactory::make("videotestsrc").property("num-buffers", FRAMES);
        let source = source.build().map_err(say)?;
        let sink = gst::ElementFactory::make("fakesink").property("sync", false).build().map_err(say)?;
        pipeline.add_many([&source, encoder.element(), &sink]).map_err(say)?;
        source.link_filtered(encoder.element(), &FORMAT.caps()).map_err(say)?;
        encoder.element().link_filtered(&sink, &encoder.caps()).map_err(say)?;
        let units = Arc::<Mutex<Vec<bool>>>::default();
        let seen = Arc::clone(&units);
        let pad = encoder.element().static_pad("src").ok_or("the encoder has no source pad")?;
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            if let Some(unit) = info.buffer().and_then(|buffer| buffer.map_readable().ok()) {
                seen.lock().expect("nobody panics").push(is_keyframe(&unit));
            }
            gst::PadProbeReturn::Ok
        });
        let stream = Self { pipeline, encoder, units };
        stream.pipeline.set_state(gst::State::Playing).map_err(say)?;
        Ok(stream)
    }

    /// Every frame comes out as a unit before the end does, with the keyframes that were asked for.
    fn to_its_end(&self) -> Result<(), String> {
        self.until(usize::MAX)?;
        let units = self.units.lock().expect("nobody panics");
        let wanted: Vec<bool> = (0..FRAMES).map(|frame| frame % INTERVAL == 0).collect();
        if *units == wanted {
            return Ok(());
        }
        let keyframes =
            units.iter().enumerate().filter_map(|(at, keyframe)| keyframe.then_some(at)).collect::<Vec<_>>();
        Err(format!(
            "{} units of {FRAMES} frames, keyframes at {keyframes:?}, must be at each {INTERVAL}th",
            units.len()
        ))
    }

    /// So many units came out, or all.
    fn until(&self, count: usize) -> Result<(), String> {
        let came = || self.units.lock().expect("nobody panics").len();
        let bus = self.pipeline.bus().expect("a pipeline has a bus");
        for _ in 0..PATIENCE_S * 50 {
            let message = bus.timed_pop_filtered(MOMENT, &[gst::MessageType::Eos, gst::MessageType::Error]);
            match message.as_ref().map(|message| message.view()) {
                Some(gst::MessageView::Error(error)) => return Err(say(error.error())),
                Some(_) => return Ok(()),
                None if came() >= count => return Ok(()),
                None => {}
            }
        }
        Err(format!("{} units in {PATIENCE_S} s", came()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // Whatever is in it is given up, and the device is free again.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// By the unit's header (`struct fwht_cframe_hdr`, `V4L2_FWHT_FL_I_FRAME`): the driver does not tell it of its buffers.
fn is_keyframe(unit: &[u8]) -> bool {
    unit.get(20..24).is_some_and(|flags| flags[2] & 0b100 != 0)
}

fn say(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The least that the driver takes.
const FORMAT: Format = Format { width: 640, height: 360, rate: 25 };
const FRAMES: i32 = 60;
/// Of keyframes, other than the driver's own.
const INTERVAL: i32 = 7;
const MOMENT: gst::ClockTime = gst::ClockTime::from_mseconds(20);
const PATIENCE_S: u32 = 60;
