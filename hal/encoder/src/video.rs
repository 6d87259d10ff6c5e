//! One video encoder, opened.

use bondbox_units::Bitrate;
use gstreamer as gst;
use gstreamer_video as gst_video;

use gst::glib::prelude::*;
use gst::prelude::*;

use crate::card::{BitrateProperty, Change, Format, Keyframe, TraitCard};

/// An encoder element with everything set for low latency, to be put into a pipeline.
///
/// It opens at the ceiling it was built with when the first frame reaches it; the bitrate last set is applied before
/// that frame is encoded.
#[derive(Clone, Debug)]
pub struct Encoder {
    element: gst::Element,
    card: &'static TraitCard,
    ceiling: Bitrate,
}

/// Why an encoder cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// No plugin brings it.
    #[error("GStreamer has no element {0}")]
    Missing(String),
    /// The plugin is older or newer than the card.
    #[error("{factory} does not take {property}={value}")]
    Property {
        /// The element's.
        factory: String,
        /// Set to `value`.
        property: String,
        /// What was asked.
        value: String,
    },
    /// Its device is absent or busy, or it gave no units.
    #[error("{factory} does not encode: {reason}")]
    Dead {
        /// The element's.
        factory: String,
        /// As GStreamer tells it.
        reason: String,
    },
}

impl Encoder {
    /// The encoder of this card for pictures of `format`, able to go up to `ceiling` later.
    ///
    /// # Errors
    /// [`OpenError::Missing`] and [`OpenError::Property`].
    pub fn build(card: &'static TraitCard, format: &Format, ceiling: Bitrate) -> Result<Self, OpenError> {
        let element = make(card.factory)?;
        for (property, value) in (card.settings)(format) {
            set(&element, card.factory, property, &value)?;
        }
        let ceiling = ceiling.clamp(card.floor, card.ceiling);
        let encoder = Self { element, card, ceiling };
        encoder.tell(ceiling)?;
        Ok(encoder)
    }

    /// To be put into a pipeline, [`Self::caps`] behind it.
    pub fn element(&self) -> &gst::Element {
        &self.element
    }

    /// How it behaves.
    pub fn card(&self) -> &'static TraitCard {
        self.card
    }

    /// What its output must be.
    pub fn caps(&self) -> gst::Caps {
        self.card.output.parse().expect("the cards hold valid caps")
    }

    /// Encodes at `bitrate`, brought within floor and ceiling, and returns what it was told.
    ///
    /// [`TraitCard::change`] says from when on; with [`Change::NextKeyframe`] one is forced, and with
    /// [`Change::Restart`] the caller must build anew.
    ///
    /// # Errors
    /// [`OpenError::Property`] when the element does not take it.
    pub fn set_bitrate(&self, bitrate: Bitrate) -> Result<Bitrate, OpenError> {
        let bitrate = bitrate.clamp(self.card.floor, self.ceiling);
        self.tell(bitrate)?;
        if self.card.change == Change::NextKeyframe {
            self.force_keyframe();
        }
        Ok(bitrate)
    }

    /// Sets `bitrate` once the encoder has opened at its ceiling, before it encodes its first frame.
    pub fn start_at(&self, bitrate: Bitrate) {
        let pad = self.element.static_pad("sink").expect("every encoder has a sink pad");
        let encoder = self.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            // The caps came before the buffer, and with them the element opened.
            if let Err(error) = encoder.set_bitrate(bitrate) {
                gst::element_error!(encoder.element, gst::LibraryError::Settings, ("{error}"));
            }
            gst::PadProbeReturn::Remove
        });
    }

    /// Makes the next frame a keyframe. Returns whether the element took the request.
    pub fn force_keyframe(&self) -> bool {
        match self.card.keyframe {
            Keyframe::Event => {
                let pad = self.element.static_pad("src").expect("every encoder has a source pad");
                pad.send_event(gst_video::UpstreamForceKeyUnitEvent::builder().all_headers(true).build())
            }
        }
    }

    fn tell(&self, bitrate: Bitrate) -> Result<(), OpenError> {
        let factory = self.card.factory;
        match self.card.bitrate {
            BitrateProperty::Kbps(property) => {
                set(&self.element, factory, property, &(bitrate.as_bps() / 1_000).to_string())
            }
            BitrateProperty::Bps(properties) => {
                properties.iter().try_for_each(|name| set(&self.element, factory, name, &bitrate.as_bps().to_string()))
            }
            BitrateProperty::ExtraControls => {
                let mut controls = self
                    .element
                    .property::<Option<gst::Structure>>("extra-controls")
                    .unwrap_or_else(|| gst::Structure::new_empty("controls"));
                controls.set("video_bitrate", i32::try_from(bitrate.as_bps()).unwrap_or(i32::MAX));
                self.element.set_property("extra-controls", controls);
                Ok(())
            }
        }
    }
}

/// The element of this factory.
pub(crate) fn make(factory: &str) -> Result<gst::Element, OpenError> {
    gst::ElementFactory::make(factory).build().map_err(|_| OpenError::Missing(factory.into()))
}

/// Sets a property from text, as `gst-launch-1.0` does.
pub(crate) fn set(element: &gst::Element, factory: &str, property: &str, value: &str) -> Result<(), OpenError> {
    let refused = || OpenError::Property { factory: factory.into(), property: property.into(), value: value.into() };
    let spec = element.find_property(property).ok_or_else(refused)?;
    let value = gst::glib::Value::deserialize_with_pspec(value, &spec).map_err(|_| refused())?;
    element.set_property_from_value(property, &value);
    Ok(())
}
