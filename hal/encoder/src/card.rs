//! What is known of each encoder.

use bondbox_units::Bitrate;

/// The pictures that an encoder is given: I420, progressive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Pixels across, even.
    pub width: u16,
    /// Pixels down, even.
    pub height: u16,
    /// Pictures a second.
    pub rate: u16,
}

/// How one encoder behaves.
#[derive(Debug)]
pub struct TraitCard {
    /// Its GStreamer factory.
    pub factory: &'static str,
    /// The plugin that brings it.
    pub plugin: &'static str,
    /// What does the work.
    pub kind: Kind,
    /// How a bitrate change takes effect.
    pub change: Change,
    /// How a keyframe is forced.
    pub keyframe: Keyframe,
    /// Below this bitrate it does not follow.
    pub floor: Bitrate,
    /// Above this bitrate it does not follow.
    pub ceiling: Bitrate,
    /// Where the bitrate goes.
    pub bitrate: BitrateProperty,
    /// Caps asked of its output.
    pub output: &'static str,
    /// Properties for low latency at this format.
    pub settings: fn(&Format) -> Vec<(&'static str, String)>,
}

/// What does the work of encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A block on the chip: next to no load on the processor.
    Hardware,
    /// The processor.
    Software,
}

/// When a new bitrate is in the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// From the next frame on.
    Live,
    /// From the next keyframe on, so one is forced with the change.
    NextKeyframe,
    /// Only when opened anew.
    Restart,
}

/// What makes the next frame a keyframe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keyframe {
    /// GStreamer's upstream force-key-unit event, which names the frame after it.
    Event,
}

/// How the element takes a bitrate.
#[derive(Clone, Copy, Debug)]
pub enum BitrateProperty {
    /// In thousands of bits a second.
    Kbps(&'static str),
    /// In bits a second, the same in each.
    Bps(&'static [&'static str]),
    /// As a V4L2 control in the structure `extra-controls`.
    ExtraControls,
}

impl Format {
    /// Frames between keyframes when nobody asks for one: two seconds.
    pub fn keyframe_interval(&self) -> u32 {
        u32::from(self.rate) * 2
    }
}

/// In the order they are tried: hardware first.
pub static CARDS: &[TraitCard] = &[
    TraitCard {
        factory: "v4l2h264enc",
        plugin: "video4linux2",
        kind: Kind::Hardware,
        change: Change::Live,
        keyframe: Keyframe::Event,
        // The driver of the Raspberry Pi 4 refuses less and more (V4L2_CID_MPEG_VIDEO_BITRATE of bcm2835-codec).
        floor: Bitrate::from_kbps(25),
        ceiling: Bitrate::from_kbps(25_000),
        bitrate: BitrateProperty::ExtraControls,
        // The driver derives the level from the first caps and then refuses larger pictures.
        output: "video/x-h264,profile=(string)high,level=(string)4.2",
        settings: |format| {
            let interval = format.keyframe_interval();
            let controls = "controls,video_bitrate_mode=1,repeat_sequence_header=1,h264_i_frame_period";
            vec![("extra-controls", format!("{controls}={interval}"))]
        },
    },
    TraitCard {
        factory: "mpph264enc",
        plugin: "rockchipmpp",
        kind: Kind::Hardware,
        change: Change::Live,
        keyframe: Keyframe::Event,
        floor: Bitrate::from_kbps(100),
        ceiling: Bitrate::from_kbps(50_000),
        bitrate: BitrateProperty::Bps(&["bps", "bps-max"]),
        output: "video/x-h264",
        // The default rate control bursts far above its target.
        settings: |format| {
            vec![
                ("rc-mode", "cbr".into()),
                ("gop", format.keyframe_interval().to_string()),
                ("header-mode", "each-idr".into()),
                ("level", "4.2".into()),
            ]
        },
    },
    TraitCard {
        factory: "vah264enc",
        plugin: "va",
        kind: Kind::Hardware,
        // The element starts a new sequence for a new bitrate.
        change: Change::NextKeyframe,
        keyframe: Keyframe::Event,
        floor: Bitrate::from_kbps(100),
        ceiling: Bitrate::from_kbps(50_000),
        bitrate: BitrateProperty::Kbps("bitrate"),
        output: "video/x-h264",
        settings: |format| {
            vec![
                ("rate-control", "cbr".into()),
                ("key-int-max", format.keyframe_interval().to_string()),
                ("b-frames", "0".into()),
                ("ref-frames", "1".into()),
                ("target-usage", "6".into()),
            ]
        },
    },
    TraitCard {
        factory: "x264enc",
        plugin: "x264",
        kind: Kind::Software,
        change: Change::Live,
        keyframe: Keyframe::Event,
        floor: Bitrate::from_kbps(100),
        ceiling: Bitrate::from_kbps(50_000),
        bitrate: BitrateProperty::Kbps("bitrate"),
        output: "video/x-h264,profile=(string)high",
        // zerolatency means no look-ahead, no B frames, and slices instead of frames spread over the threads: a frame
        // leaves in the call that brought it.
        settings: |format| {
            let large = u32::from(format.width) * u32::from(format.height) > 1280 * 720;
            vec![
                ("tune", "zerolatency".into()),
                ("speed-preset", if large { "superfast" } else { "veryfast" }.into()),
                ("bframes", "0".into()),
                ("key-int-max", format.keyframe_interval().to_string()),
                // A restless picture would be all keyframes, each several times the size of what it replaces.
                ("option-string", "scenecut=0".into()),
                ("vbv-buf-capacity", VBV_MS.to_string()),
                ("byte-stream", "true".into()),
                ("aud", "true".into()),
            ]
        },
    },
    TraitCard {
        factory: "openh264enc",
        plugin: "openh264",
        kind: Kind::Software,
        change: Change::Live,
        keyframe: Keyframe::Event,
        floor: Bitrate::from_kbps(100),
        ceiling: Bitrate::from_kbps(20_000),
        bitrate: BitrateProperty::Bps(&["max-bitrate", "bitrate"]),
        output: "video/x-h264",
        settings: |format| {
            vec![
                ("rate-control", "bitrate".into()),
                ("gop-size", format.keyframe_interval().to_string()),
                ("complexity", "low".into()),
                // A skipped frame is a hole in the stream, which costs the viewer more than a coarse one.
                ("enable-frame-skip", "false".into()),
                ("scene-change-detection", "false".into()),
            ]
        },
    },
];

/// How much the rate control may save up, as time at the bitrate. It is how long a keyframe may take on a link that
/// carries just the bitrate, so it adds to the delay: half a second at most.
const VBV_MS: u32 = 400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_card_reaches_down_to_what_one_bad_link_carries() {
        for card in CARDS {
            assert!(card.floor <= Bitrate::from_kbps(300), "{} stops at {}", card.factory, card.floor);
            assert!(card.ceiling >= Bitrate::from_kbps(10_000), "{} stops at {}", card.factory, card.ceiling);
        }
    }

    #[test]
    fn hardware_is_tried_before_software() {
        let kinds: Vec<Kind> = CARDS.iter().map(|card| card.kind).collect();
        let software = kinds.iter().position(|&kind| kind == Kind::Software).unwrap();
        assert!(kinds[software..].iter().all(|&kind| kind == Kind::Software));
    }
}
