//! Which elements make up a source.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use bondbox_camera::{Camera, CameraError, Cameras, Encoding, Wanted};
use bondbox_encoder::Format;
use gstreamer as gst;

/// Where the picture comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VideoSource {
    /// Colour bars with a running clock.
    Test,
    /// No source: the slate.
    Slate,
    /// A camera, by its device node.
    Camera(PathBuf),
    /// A file, played again and again.
    File(PathBuf),
}

/// Where the sound comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SoundSource {
    /// What belongs to the picture: a tone, the file's own, the default ALSA device beside a camera.
    Default,
    /// A tone.
    Test,
    /// Silence.
    None,
    /// An ALSA device by name, as `hw:1,0`.
    Alsa(String),
}

/// A pipeline to be built: picture to `video`, sound to `sound`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// As `gst-launch-1.0` takes it.
    pub line: String,
    /// Properties of the element `in`, which may hold anything and so are not part of the line.
    pub input: Vec<(&'static str, String)>,
}

/// Why there is no such source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Neither a known name, nor a device, nor a file.
    #[error("{0} is no file that can be read, must be test, slate, /dev/videoN or a file")]
    NoFile(String),
    /// A device node that is not a camera.
    #[error("{path} is no camera: {reason}")]
    NoCamera {
        /// As given.
        path: String,
        /// As the device says.
        reason: String,
    },
}

impl VideoSource {
    /// Whether it can be opened now, as far as can be told without opening it.
    ///
    /// # Errors
    /// [`SourceError`].
    pub fn check(&self, cameras: &dyn Cameras) -> Result<(), SourceError> {
        match self {
            Self::Test | Self::Slate => Ok(()),
            Self::Camera(path) => find(cameras, path).map(|_| ()),
            Self::File(path) => match std::fs::File::open(path).and_then(|file| file.metadata()) {
                Ok(found) if found.is_file() => Ok(()),
                Ok(_) | Err(_) => Err(SourceError::NoFile(path.display().to_string())),
            },
        }
    }

    /// How to get frames of `format` from it, with the sound that comes along; `None` for the slate.
    ///
    /// # Errors
    /// [`SourceError`] when it is not there.
    pub fn plan(
        &self,
        format: &Format,
        sound: &SoundSource,
        cameras: &dyn Cameras,
    ) -> Result<Option<Plan>, SourceError> {
        self.check(cameras)?;
        let video = video_tail(format);
        Ok(match self {
            Self::Slate => None,
            Self::Test => Some(Plan { line: format!("{} {video} sync=true", test_picture(format)), input: Vec::new() }),
            Self::Camera(path) => {
                let input = camera_input(&find(cameras, path)?, format);
                let line = format!("v4l2src name=in {input} {video} sync=false");
                Some(Plan { line, input: vec![("device", path.display().to_string())] })
            }
            Self::File(path) => {
                let sound = match sound {
                    SoundSource::Default => format!("in. {SOUND_TAIL} sync=true"),
                    SoundSource::Test | SoundSource::None | SoundSource::Alsa(_) => String::new(),
                };
                let line = format!("uridecodebin name=in in. ! queue {video} sync=true {sound}");
                let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
                let uri = gst::glib::filename_to_uri(&path, None)
                    .map_err(|_| SourceError::NoFile(path.display().to_string()))?;
                Some(Plan { line, input: vec![("uri", uri.to_string())] })
            }
        })
    }

    /// Whether it begins again when it ends.
    pub fn loops(&self) -> bool {
        matches!(self, Self::File(_))
    }
}

impl SoundSource {
    /// The pipeline for sound beside `video`; `None` for silence, or when the sound comes with the picture.
    pub fn plan(&self, video: &VideoSource) -> Option<Plan> {
        let alsa = |device: &str| Plan {
            line: format!("alsasrc name=in {SOUND_TAIL} sync=false"),
            input: vec![("device", device.to_owned())],
        };
        match (self, video) {
            (Self::None, _) | (Self::Default, VideoSource::File(_) | VideoSource::Slate) => None,
            (Self::Alsa(device), _) => Some(alsa(device)),
            (Self::Default, VideoSource::Camera(_)) => Some(alsa("default")),
            (Self::Test, _) | (Self::Default, VideoSource::Test) => {
                let line = format!("{TONE} {SOUND_TAIL} sync=true");
                Some(Plan { line, input: Vec::new() })
            }
        }
    }
}

impl FromStr for VideoSource {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "test" => Self::Test,
            "slate" => Self::Slate,
            path if path.starts_with("/dev/") => Self::Camera(path.into()),
            path => Self::File(path.into()),
        })
    }
}

impl FromStr for SoundSource {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "default" => Self::Default,
            "test" => Self::Test,
            "none" => Self::None,
            device => Self::Alsa(device.into()),
        })
    }
}

impl fmt::Display for VideoSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Test => f.write_str("test"),
            Self::Slate => f.write_str("slate"),
            Self::Camera(path) | Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

impl VideoSource {
    /// Whether a picture comes in, where a device can tell.
    ///
    /// # Errors
    /// [`SourceError::NoCamera`].
    pub fn signal(&self, cameras: &dyn Cameras) -> Result<(), SourceError> {
        match self {
            Self::Camera(path) => cameras.signal(path).map_err(|error| no_camera(path, &error)),
            Self::Test | Self::Slate | Self::File(_) => Ok(()),
        }
    }
}

fn no_camera(path: &Path, error: &CameraError) -> SourceError {
    SourceError::NoCamera { path: path.display().to_string(), reason: error.to_string() }
}

fn find(cameras: &dyn Cameras, path: &Path) -> Result<Camera, SourceError> {
    cameras.describe(path).map_err(|error| no_camera(path, &error))
}

/// What follows `v4l2src`, so that it opens in the mode that suits best.
fn camera_input(camera: &Camera, format: &Format) -> String {
    let wanted = Wanted { width: format.width.into(), height: format.height.into(), rate: format.rate.into() };
    let Some(mode) = camera.best_mode(&wanted) else {
        // It lists no modes, as multi-planar devices cannot through our library: GStreamer asks it again.
        return "! decodebin".into();
    };
    let size = format!("width={},height={},framerate={}/{}", mode.width, mode.height, mode.frames, mode.seconds);
    match mode.encoding {
        Encoding::Raw => format!("! video/x-raw,{size}"),
        Encoding::Jpeg => format!("! image/jpeg,{size} ! jpegdec"),
        Encoding::Other => "! decodebin".into(),
    }
}

fn test_picture(format: &Format) -> String {
    let Format { width, height, rate } = format;
    let raw = format!("video/x-raw,format=I420,width={width},height={height},framerate={rate}/1");
    // The clock needs Pango's plugin, which small images leave out.
    let clock = match gst::ElementFactory::find("timeoverlay") {
        Some(_) => format!("! timeoverlay {CLOCK}"),
        None => String::new(),
    };
    format!("videotestsrc is-live=true pattern=smpte horizontal-speed=2 ! {raw} {clock}")
}

fn video_tail(format: &Format) -> String {
    let Format { width, height, .. } = format;
    format!(
        "! videoconvert ! videoscale \
         ! video/x-raw,format=I420,width={width},height={height},pixel-aspect-ratio=1/1 \
         ! appsink name=video async=false max-buffers=2 drop=true"
    )
}

/// Hours, minutes, seconds and milliseconds since the source was opened.
const CLOCK: &str = "time-mode=running-time halignment=center valignment=top font-desc=\"Monospace 24\"";
const TONE: &str = "audiotestsrc is-live=true wave=sine freq=440 volume=0.2 samplesperbuffer=480";
const SOUND_TAIL: &str = "! queue ! audioconvert ! audioresample \
     ! audio/x-raw,format=S16LE,layout=interleaved,rate=48000,channels=2 \
     ! appsink name=sound async=false max-buffers=100 drop=true";

#[cfg(test)]
mod tests {
    use bondbox_camera::{Fake, Mode};

    use super::*;

    const FORMAT: Format = Format { width: 1280, height: 720, rate: 25 };

    fn webcam() -> Fake {
        let mode = |encoding, width, height, frames| Mode { encoding, width, height, frames, seconds: 1 };
        let fake = Fake::default();
        fake.plug(Camera {
            path: "/dev/video0".into(),
            name: "Webcam".into(),
            driver: "uvcvideo".into(),
            modes: vec![mode(Encoding::Raw, 1280, 720, 10), mode(Encoding::Jpeg, 1280, 720, 30)],
            controls: Vec::new(),
        });
        fake.plug_other(Path::new("/dev/video1"));
        fake
    }

    fn plan(source: &str, sound: &SoundSource) -> Result<Option<Plan>, SourceError> {
        gst::init().unwrap();
        source.parse::<VideoSource>().unwrap().plan(&FORMAT, sound, &webcam())
    }

    #[test]
    fn a_camera_is_opened_in_the_mode_that_is_fast_enough() {
        let plan = plan("/dev/video0", &SoundSource::Default).unwrap().unwrap();
        assert!(plan.line.starts_with("v4l2src name=in ! image/jpeg,width=1280,height=720,framerate=30/1 ! jpegdec !"));
        assert_eq!(plan.input, [("device", "/dev/video0".to_owned())]);
    }

    #[test]
    fn what_is_no_source_is_refused_by_name() {
        let refused = |source| plan(source, &SoundSource::Default).unwrap_err().to_string();
        assert_eq!(refused("/dev/video1"), "/dev/video1 is no camera: /dev/video1: delivers no pictures");
        assert_eq!(refused("/dev/video7"), "/dev/video7 is no camera: /dev/video7: no such device");
        assert!(refused("/no/such/file").starts_with("/no/such/file is no file that can be read"));
        assert!(refused("/").starts_with("/ is no file"));
    }

    #[test]
    fn a_path_full_of_syntax_stays_a_path() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("a ! fakesink name=\"in\" b.mp4");
        std::fs::write(&path, "").unwrap();
        let plan = plan(path.to_str().unwrap(), &SoundSource::None).unwrap().unwrap();
        assert!(!plan.line.contains("fakesink") && !plan.line.contains("name=sound"));
        let [("uri", uri)] = plan.input.as_slice() else { panic!("{:?}", plan.input) };
        assert!(uri.ends_with("/a%20!%20fakesink%20name=%22in%22%20b.mp4"), "{uri}");
    }

    #[test]
    fn every_picture_has_the_sound_that_belongs_to_it() {
        let beside = |sound: &str, video: &str| {
            let sound: SoundSource = sound.parse().unwrap();
            sound.plan(&video.parse().unwrap()).map(|plan| plan.line.split(' ').next().unwrap_or_default().to_owned())
        };
        assert_eq!(beside("default", "test").as_deref(), Some("audiotestsrc"));
        assert_eq!(beside("default", "/dev/video0").as_deref(), Some("alsasrc"));
        assert_eq!(beside("default", "film.mp4"), None, "it is in the file");
        assert_eq!(beside("test", "film.mp4").as_deref(), Some("audiotestsrc"));
        assert_eq!(beside("hw:1,0", "test").as_deref(), Some("alsasrc"));
        assert_eq!(beside("none", "test"), None);
    }

    #[test]
    fn what_gstreamer_has_elements_for_it_can_build() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("film.mp4");
        std::fs::write(&file, "").unwrap();
        for source in ["test", "/dev/video0", file.to_str().unwrap()] {
            let plan = plan(source, &SoundSource::Default).unwrap().unwrap();
            assert!(gst::parse::launch(&plan.line).is_ok(), "{}", plan.line);
        }
    }
}
