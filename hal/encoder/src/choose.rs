//! The first encoder that exists and works.

use std::fmt;

use gstreamer as gst;

use gst::prelude::*;

use crate::card::{CARDS, Format, TraitCard};
use crate::video::{Encoder, OpenError};

/// Which encoder, and which were tried before it.
#[derive(Debug)]
pub struct Choice {
    /// The one that works.
    pub card: &'static TraitCard,
    /// Those tried before it.
    pub refused: Vec<OpenError>,
}

/// No encoder works; why not, one by one.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused(pub Vec<OpenError>);

/// The first of [`CARDS`] that encodes `format` here, or the one named by `wanted`.
///
/// Each is tried for real: a device that is there may still be busy, or refuse the picture's size.
///
/// # Errors
/// [`Refused`] with a reason for each that was tried.
pub fn choose(wanted: Option<&str>, format: &Format) -> Result<Choice, Refused> {
    choose_of(CARDS, wanted, format)
}

/// The same of other cards.
///
/// # Errors
/// [`Refused`].
pub fn choose_of(cards: &'static [TraitCard], wanted: Option<&str>, format: &Format) -> Result<Choice, Refused> {
    let mut refused = Vec::new();
    for card in cards.iter().filter(|card| wanted.is_none_or(|name| name == card.factory)) {
        match try_out(card, format) {
            Ok(()) => return Ok(Choice { card, refused }),
            Err(error) => refused.push(error),
        }
    }
    if let (Some(name), true) = (wanted, refused.is_empty()) {
        refused.push(OpenError::Missing(name.into()));
    }
    Err(Refused(refused))
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no encoder works here")?;
        self.0.iter().try_for_each(|error| write!(f, "; {error}"))
    }
}

impl std::error::Error for Refused {}

fn try_out(card: &'static TraitCard, format: &Format) -> Result<(), OpenError> {
    // What a plugin for hardware has depends on the devices that are there when it is loaded, and a list of plugins that was made
    // on another machine does not say. Where there is no such plugin, there is no such element either.
    let _ = gst::Plugin::load_by_name(card.plugin);
    let encoder = Encoder::build(card, format, card.ceiling)?;
    let pipeline = gst::Pipeline::new();
    let outcome = encode_some(&pipeline, &encoder, format);
    // The device must be free again, whatever happened.
    let _ = pipeline.set_state(gst::State::Null);
    outcome.map_err(|reason| OpenError::Dead { factory: card.factory.into(), reason })
}

fn encode_some(pipeline: &gst::Pipeline, encoder: &Encoder, format: &Format) -> Result<(), String> {
    let say = |error: &dyn fmt::Display| error.to_string();
    let source =
        gst::ElementFactory::make("videotestsrc").property("num-buffers", TRIAL_FRAMES).build().map_err(|e| say(&e))?;
    let sink = gst::ElementFactory::make("fakesink").property("sync", false).build().map_err(|e| say(&e))?;
    pipeline.add_many([&source, encoder.element(), &sink]).map_err(|e| say(&e))?;
    source.link_filtered(encoder.element(), &format.caps()).map_err(|e| say(&e))?;
    encoder.element().link_filtered(&sink, &encoder.caps()).map_err(|e| say(&e))?;

    pipeline.set_state(gst::State::Playing).map_err(|e| say(&e))?;
    let bus = pipeline.bus().expect("a pipeline has a bus");
    let message = bus.timed_pop_filtered(TRIAL_TIME, &[gst::MessageType::Eos, gst::MessageType::Error]);
    match message.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => Err(say(&error.error())),
        Some(_) => Ok(()),
        None => Err(format!("no {TRIAL_FRAMES} frames in {TRIAL_TIME}")),
    }
}

impl Format {
    /// Raw video of this format, as the encoders take it.
    pub fn caps(&self) -> gst::Caps {
        gst::Caps::builder("video/x-raw")
            .field("format", "I420")
            .field("width", i32::from(self.width))
            .field("height", i32::from(self.height))
            .field("framerate", gst::Fraction::new(i32::from(self.rate), 1))
            .field("interlace-mode", "progressive")
            .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
            .build()
    }
}

/// Enough to pass through the deepest hardware queue.
const TRIAL_FRAMES: i32 = 8;
/// Hardware that takes longer would stop the stream when it is opened again on air.
const TRIAL_TIME: gst::ClockTime = gst::ClockTime::from_seconds(3);
