//! Everything that runs while the unit is on the air: feeder and encode pipelines.

use std::sync::Arc;

use anyhow::Context as _;
use bondbox_daemon::clock;
use bondbox_encoder::{Format, SoundCodec, TraitCard};
use bondbox_units::Bitrate;
use gstreamer as gst;
use tokio::sync::Notify;

use crate::encode::{SoundPipeline, VideoPipeline};
use crate::feeder::{Feeder, Numbering, Parts, Shelf};
use crate::unit::{self, Inlet};

/// What does not change between one time on the air and the next.
pub struct Studio {
    /// What is encoded.
    pub format: Format,
    /// The video encoder.
    pub card: &'static TraitCard,
    /// What video may be told.
    pub ceiling: Bitrate,
    /// How sound is encoded, if at all.
    pub sound: Option<SoundCodec>,
    /// Where sources leave what they have.
    pub shelf: Arc<Shelf>,
    /// The numbers in the frames.
    pub numbering: Arc<Numbering>,
    /// Shown when there is no source.
    pub slate: gst::Buffer,
    /// Wakes the reactor when a unit came out.
    pub wake: Arc<Notify>,
}

/// On the air. Dropping it ends that: first the feeder, then the pipelines.
pub struct Air {
    /// Kept for its thread.
    pub feeder: Feeder,
    /// The picture.
    pub video: VideoPipeline,
    /// The sound.
    pub sound: Option<SoundPipeline>,
    /// Units of each.
    pub inlets: Vec<Inlet>,
}

impl Studio {
    /// Builds the pipelines and starts the feeder; video begins at `start`.
    ///
    /// # Errors
    /// When an encoder cannot be opened.
    pub fn on_air(&self, start: Bitrate) -> anyhow::Result<Air> {
        let (outlet, video_units) = unit::queue(self.wake.clone());
        let (video, video_tap) =
            VideoPipeline::open(self.card, &self.format, self.ceiling, start, clock::now, outlet).context("video")?;
        let mut inlets = vec![video_units];
        let (sound, sound_tap) = match self.sound {
            Some(codec) => {
                let (outlet, sound_units) = unit::queue(self.wake.clone());
                let (sound, tap) = SoundPipeline::open(codec, clock::now, outlet).context("sound")?;
                inlets.push(sound_units);
                (Some(sound), Some((tap, codec.frame())))
            }
            None => (None, None),
        };
        let feeder = Feeder::start(Parts {
            format: self.format,
            shelf: self.shelf.clone(),
            slate: self.slate.clone(),
            numbering: self.numbering.clone(),
            video: video_tap,
            sound: sound_tap,
            now: clock::now,
        })
        .context("the feeder's thread")?;
        Ok(Air { feeder, video, sound, inlets })
    }
}

impl Air {
    /// What a pipeline last complained about.
    pub fn error(&self) -> Option<String> {
        self.video.error().or_else(|| self.sound.as_ref().and_then(SoundPipeline::error))
    }
}
