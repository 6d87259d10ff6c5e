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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use bondbox_units::TrackId;

    use super::*;
    use crate::still;
    use crate::unit::{SOUND, VIDEO};
    use crate::watch::{Action, PATIENCE, Watch};

    fn studio(factory: &str, sound: Option<SoundCodec>) -> Studio {
        gst::init().unwrap();
        let format = Format { width: 320, height: 180, rate: 25 };
        let now = clock::now();
        Studio {
            format,
            card: bondbox_encoder::choose(Some(factory), &format).unwrap().card,
            ceiling: Bitrate::from_kbps(2_000),
            sound,
            shelf: Arc::new(Shelf::new(now, &format)),
            numbering: Arc::new(Numbering::starting(now, format.rate)),
            slate: still::slate(&format).unwrap(),
            wake: Arc::new(Notify::new()),
        }
    }

    /// Waits until `enough` units of all tracks came.
    async fn tracks_of(studio: &Studio, air: &mut Air, enough: usize) -> HashSet<TrackId> {
        let mut tracks = Vec::new();
        while tracks.len() < enough {
            studio.wake.notified().await;
            assert_eq!(air.error(), None);
            tracks.extend(
                air.inlets.iter_mut().flat_map(|inlet| std::iter::from_fn(|| inlet.pop())).map(|unit| unit.track),
            );
        }
        tracks.into_iter().collect()
    }

    #[tokio::test]
    async fn without_any_source_a_slate_and_silence_go_out() {
        for codec in [SoundCodec::Aac, SoundCodec::Opus] {
            let studio = studio("x264enc", Some(codec));
            let mut air = studio.on_air(Bitrate::from_kbps(500)).unwrap();
            assert_eq!(tracks_of(&studio, &mut air, 60).await, HashSet::from([VIDEO, SOUND]));
        }
    }

    #[tokio::test]
    async fn an_encoder_that_hangs_is_noticed_and_a_new_one_gives_units_while_the_sound_goes_on() {
        let studio = studio("x264enc", Some(SoundCodec::Aac));
        let mut air = studio.on_air(Bitrate::from_kbps(500)).unwrap();
        tracks_of(&studio, &mut air, 20).await;
        let mut watch = Watch::start(clock::now());
        air.video.hang();
        // What was in the encoder's queue still comes.
        tracks_of(&studio, &mut air, 20).await;
        assert_eq!(tracks_of(&studio, &mut air, 20).await, HashSet::from([SOUND]));
        assert_eq!(watch.check(clock::now() + PATIENCE), Some(Action::Rebuild));

        let number = studio.numbering.next();
        drop(air);
        let mut air = studio.on_air(Bitrate::from_kbps(500)).unwrap();
        assert_eq!(tracks_of(&studio, &mut air, 20).await, HashSet::from([VIDEO, SOUND]));
        assert!(studio.numbering.next() > number);
    }
}
