//! Sound encoders.

use bondbox_units::Bitrate;
use gstreamer as gst;

use gst::prelude::*;

use crate::video::{OpenError, make, set};

/// How sound is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoundCodec {
    /// AAC-LC in ADTS.
    Aac,
    /// Opus.
    Opus,
}

/// A sound encoder element, to be put into a pipeline behind an `audioconvert`, 48 kHz stereo.
#[derive(Clone, Debug)]
pub struct SoundEncoder {
    element: gst::Element,
    codec: SoundCodec,
}

impl SoundCodec {
    /// Samples of one encoded frame.
    pub const fn frame(self) -> u32 {
        match self {
            Self::Aac => 1_024,
            // 20 ms: shorter costs bits, longer costs delay.
            Self::Opus => 960,
        }
    }

    const fn factories(self) -> &'static [&'static str] {
        match self {
            Self::Aac => &["voaacenc", "avenc_aac", "fdkaacenc"],
            Self::Opus => &["opusenc"],
        }
    }
}

impl SoundEncoder {
    /// The first encoder for `codec` that exists here.
    ///
    /// # Errors
    /// The reason of the last one tried.
    pub fn build(codec: SoundCodec, bitrate: Bitrate) -> Result<Self, OpenError> {
        let mut last = OpenError::Missing(String::new());
        for factory in codec.factories() {
            match make(factory).and_then(|element| {
                set(&element, factory, "bitrate", &bitrate.as_bps().to_string())?;
                Ok(element)
            }) {
                Ok(element) => return Ok(Self { element, codec }),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// To be put into a pipeline.
    pub fn element(&self) -> &gst::Element {
        &self.element
    }

    /// The parser that must follow, if any: one that makes ADTS of whatever AAC the encoder gives.
    ///
    /// # Errors
    /// [`OpenError::Missing`].
    pub fn parser(&self) -> Result<Option<gst::Element>, OpenError> {
        match self.codec {
            SoundCodec::Aac => make("aacparse").map(Some),
            SoundCodec::Opus => Ok(None),
        }
    }

    /// What the output must be.
    pub fn caps(&self) -> gst::Caps {
        match self.codec {
            SoundCodec::Aac => gst::Caps::builder("audio/mpeg")
                .field("mpegversion", 4i32)
                .field("stream-format", "adts")
                .field("framed", true)
                .build(),
            SoundCodec::Opus => gst::Caps::builder("audio/x-opus").build(),
        }
    }

    /// Its GStreamer factory.
    pub fn name(&self) -> String {
        self.element.factory().map(|factory| factory.name().to_string()).unwrap_or_default()
    }
}
