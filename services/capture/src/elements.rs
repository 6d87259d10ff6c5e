//! Elements of GStreamer that the service is made of.
//!
//! `bondbox-capture --elements` asks for each, which has GStreamer look through all of its plugins and write down what they
//! have. An image is built with that list (`board/common/plugins`), so that no start looks through them, and is not built where
//! one is missing.

use gstreamer as gst;

/// Of each of these one has to be there. What depends on a device, and what draws text, may be missing.
const NEEDED: &[&[&str]] = &[
    // Sources, and what brings them into form.
    &["videotestsrc"],
    &["audiotestsrc"],
    &["v4l2src"],
    &["uridecodebin"],
    &["decodebin"],
    &["jpegdec"],
    &["queue"],
    &["videoconvert"],
    &["videoscale"],
    &["audioconvert"],
    &["audioresample"],
    &["appsink"],
    // Encoders, and what is around them.
    &["appsrc"],
    &["capsfilter"],
    &["x264enc", "openh264enc"],
    &["h264parse"],
    &["voaacenc", "avenc_aac", "fdkaacenc"],
    &["aacparse"],
    &["opusenc"],
    &["fakesink"],
];

/// Those of which none is there.
///
/// # Errors
/// When GStreamer itself does not start.
pub fn missing() -> Result<Vec<String>, gst::glib::Error> {
    gst::init()?;
    Ok(lacking(NEEDED))
}

fn lacking(needed: &[&[&str]]) -> Vec<String> {
    let is_missing = |names: &&&[&str]| names.iter().all(|name| gst::ElementFactory::find(name).is_none());
    needed.iter().filter(is_missing).map(|names| names.join(" or ")).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bondbox_camera::{Camera, Encoding, Fake, Mode};
    use bondbox_encoder::{CARDS, Format, Kind};

    use super::*;
    use crate::source::{SoundSource, VideoSource};

    /// Where a plan names them, first in each part.
    fn named(line: &str) -> BTreeSet<String> {
        let words = line.split('!').filter_map(|part| part.split_whitespace().next());
        words.filter(|word| !word.contains(['/', '.', '='])).map(String::from).collect()
    }

    #[test]
    fn what_sources_and_encoders_are_made_of_is_asked_for() {
        gst::init().unwrap();
        let asked: BTreeSet<&str> = NEEDED.iter().flat_map(|names| names.iter().copied()).collect();
        let format = Format { width: 1280, height: 720, rate: 25 };
        let cameras = Fake::default();
        let modes = [Encoding::Raw, Encoding::Jpeg, Encoding::Other];
        let modes = modes.map(|encoding| Mode { encoding, width: 1280, height: 720, frames: 25, seconds: 1 });
        for (number, mode) in modes.into_iter().enumerate() {
            let path = format!("/dev/video{number}").into();
            cameras.plug(Camera {
                path,
                name: "Webcam".into(),
                driver: "uvcvideo".into(),
                modes: vec![mode],
                controls: Vec::new(),
            });
        }
        let mut used = BTreeSet::new();
        for source in ["test", "/dev/video0", "/dev/video1", "/dev/video2", file!()] {
            // The file is named from the workspace's root.
            let source =
                source.rsplit_once("capture/").map_or(source, |(_, name)| name).parse::<VideoSource>().unwrap();
            used.extend(named(&source.plan(&format, &SoundSource::Default, &cameras).unwrap().unwrap().line));
            used.extend(SoundSource::Default.plan(&source).iter().flat_map(|plan| named(&plan.line)));
        }
        used.extend(CARDS.iter().filter(|card| card.kind == Kind::Software).map(|card| card.factory.into()));
        // A card for sound, and what writes the time into the test picture, may be missing.
        for optional in ["alsasrc", "timeoverlay"] {
            used.remove(optional);
        }
        assert!(used.len() > 8, "{used:?}");
        let unasked: Vec<_> = used.iter().filter(|name| !asked.contains(name.as_str())).collect();
        assert!(unasked.is_empty(), "{unasked:?}");
        assert_eq!(missing().unwrap(), Vec::<String>::new());
    }

    #[test]
    fn what_is_missing_is_named_with_what_would_do_instead() {
        gst::init().unwrap();
        let needed: &[&[&str]] = &[&["queue"], &["fairyenc", "elfenc"], &["elfenc", "queue"]];
        assert_eq!(lacking(needed), ["fairyenc or elfenc"]);
    }
}
