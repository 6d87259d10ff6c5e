//! What the service can be set to.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use bondbox_daemon::settings::{Rules, Settings as Checked};
use bondbox_encoder::{CARDS, Format, SoundCodec};
use bondbox_units::Bitrate;
use serde::{Deserialize, Serialize};

use crate::source::{SoundSource, VideoSource};

/// The file, as `overlay/etc/bondbox/capture.toml` documents it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// `test`, `slate`, `/dev/videoN`, or a file.
    pub source: String,
    /// `WIDTHxHEIGHT`.
    pub size: String,
    /// Pictures a second.
    pub rate: u16,
    /// Where video starts.
    pub bitrate_kbps: u64,
    /// What video may be told later.
    pub max_bitrate_kbps: u64,
    /// How sound is encoded.
    pub audio: Audio,
    /// `default`, `test`, `none`, or an ALSA device.
    pub audio_source: String,
    /// `auto`, or the GStreamer factory of an encoder.
    pub encoder: String,
    /// Where frame numbers are drawn.
    pub frame_numbers: FrameNumbers,
    /// Without power for no longer than this, it goes on the air again by itself.
    pub resume_within_min: u32,
    /// Where what is meant outlives a loss of power.
    pub state_dir: PathBuf,
    /// Users that may connect, besides root and the service's own.
    pub clients: Vec<String>,
}

/// How sound is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Audio {
    /// AAC: every player takes it.
    Aac,
    /// Opus: better at low bitrates.
    Opus,
    /// No sound.
    None,
}

/// Where frame numbers are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum FrameNumbers {
    /// Into the test pattern.
    Test,
    /// Into every picture.
    Always,
    /// Nowhere.
    Never,
}

/// The same keys as flags.
#[derive(Debug, Default, clap::Args, Serialize)]
pub struct Flags {
    /// test, slate, /dev/videoN, or a file that is played again and again.
    #[arg(long)]
    source: Option<String>,
    /// WIDTHxHEIGHT of the picture.
    #[arg(long)]
    size: Option<String>,
    /// Pictures a second.
    #[arg(long)]
    rate: Option<u16>,
    /// Video bitrate at the start.
    #[arg(long)]
    bitrate_kbps: Option<u64>,
    /// Highest video bitrate that can be asked for later.
    #[arg(long)]
    max_bitrate_kbps: Option<u64>,
    /// How sound is encoded.
    #[arg(long)]
    audio: Option<Audio>,
    /// default, test, none, or an ALSA device.
    #[arg(long)]
    audio_source: Option<String>,
    /// auto, or the GStreamer factory of an encoder.
    #[arg(long)]
    encoder: Option<String>,
    /// Where frame numbers are drawn.
    #[arg(long)]
    frame_numbers: Option<FrameNumbers>,
    /// Where what is meant outlives a loss of power.
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            source: "test".into(),
            size: "640x360".into(),
            rate: 25,
            bitrate_kbps: 1_500,
            max_bitrate_kbps: 6_000,
            audio: Audio::Aac,
            audio_source: "default".into(),
            encoder: "auto".into(),
            frame_numbers: FrameNumbers::Test,
            resume_within_min: 10,
            state_dir: "/var/lib/bondbox-capture".into(),
            clients: vec![
                "bondbox-uplink".into(),
                "bondbox-panel".into(),
                "bondbox-portal".into(),
                "bondbox-ota".into(),
            ],
        }
    }
}

impl Checked for Settings {
    fn check(&self, rules: &mut Rules<'_>) {
        rules.holds("source", !self.source.is_empty(), "empty", "test, slate, /dev/videoN or a file");
        let size = self.parse_size();
        let even = |(width, height)| {
            (160..=3_840).contains(&width) && (90..=2_160).contains(&height) && width % 2 == 0 && height % 2 == 0
        };
        let must_be = "WIDTHxHEIGHT, even, 160x90 to 3840x2160";
        rules.holds("size", size.is_some_and(even), &self.size, must_be);
        rules.range("rate", self.rate, 5..=60);
        rules.range("bitrate_kbps", self.bitrate_kbps, 100..=50_000);
        rules.range("max_bitrate_kbps", self.max_bitrate_kbps, self.bitrate_kbps.min(50_000)..=50_000);
        rules.range("resume_within_min", self.resume_within_min, 0..=1_440);
        let known = self.encoder == "auto" || CARDS.iter().any(|card| card.factory == self.encoder);
        let names: Vec<&str> = CARDS.iter().map(|card| card.factory).collect();
        rules.holds("encoder", known, &self.encoder, format_args!("auto, {}", names.join(", ")));
    }
}

impl Settings {
    /// What is encoded.
    pub fn format(&self) -> Format {
        let (width, height) = self.parse_size().unwrap_or((640, 360));
        Format { width, height, rate: self.rate }
    }

    /// Where the picture comes from.
    pub fn video_source(&self) -> VideoSource {
        parse(&self.source)
    }

    /// Where the sound comes from.
    pub fn sound_source(&self) -> SoundSource {
        parse(&self.audio_source)
    }

    /// How sound is encoded; `None` for no sound.
    pub fn sound_codec(&self) -> Option<SoundCodec> {
        match self.audio {
            Audio::Aac => Some(SoundCodec::Aac),
            Audio::Opus => Some(SoundCodec::Opus),
            Audio::None => None,
        }
    }

    /// The encoder asked for by name.
    pub fn wanted_encoder(&self) -> Option<&str> {
        (self.encoder != "auto").then_some(self.encoder.as_str())
    }

    /// Where video starts.
    pub fn start(&self) -> Bitrate {
        Bitrate::from_kbps(self.bitrate_kbps)
    }

    /// What video may be told later.
    pub fn ceiling(&self) -> Bitrate {
        Bitrate::from_kbps(self.max_bitrate_kbps)
    }

    /// Without power for no longer than this, it goes on the air again by itself.
    pub fn resume_within(&self) -> Duration {
        Duration::from_secs(u64::from(self.resume_within_min) * 60)
    }

    /// Whether pictures of `source` carry numbers.
    pub fn numbers(&self, source: &VideoSource) -> bool {
        match self.frame_numbers {
            FrameNumbers::Test => *source == VideoSource::Test,
            FrameNumbers::Always => true,
            FrameNumbers::Never => false,
        }
    }

    fn parse_size(&self) -> Option<(u16, u16)> {
        let (width, height) = self.size.split_once('x')?;
        Some((width.parse().ok()?, height.parse().ok()?))
    }
}

fn parse<T: FromStr<Err = Infallible>>(text: &str) -> T {
    match text.parse() {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_shipped_file_says_what_the_defaults_are() {
        let shipped: Settings = toml::from_str(include_str!("../../../overlay/etc/bondbox/capture.toml")).unwrap();
        assert_eq!(shipped, Settings::default());
    }

    #[test]
    fn a_refusal_names_the_place_the_key_the_value_and_the_range() {
        let refusals = [
            ("size = \"640\"", "size is 640, must be WIDTHxHEIGHT, even, 160x90 to 3840x2160"),
            ("rate = 0", "rate is 0, must be 5 to 60"),
            ("bitrate_kbps = 99", "bitrate_kbps is 99, must be 100 to 50000"),
            ("max_bitrate_kbps = 1000", "max_bitrate_kbps is 1000, must be 1500 to 50000"),
            ("resume_within_min = 1441", "resume_within_min is 1441, must be 0 to 1440"),
            ("encoder = \"x\"", "encoder is x, must be auto, v4l2h264enc, mpph264enc, vah264enc, x264enc, openh264enc"),
        ];
        for (line, refusal) in refusals {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            writeln!(file, "# a line\n{line}").unwrap();
            let error = bondbox_daemon::settings::load::<Settings>(Some(file.path()), &Flags::default()).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(&format!(":2: {refusal}")), "{text}");
        }
    }

    #[test]
    fn a_flag_wins_over_the_default() {
        let flags = Flags { source: Some("slate".into()), rate: Some(50), ..Flags::default() };
        let settings = bondbox_daemon::settings::load::<Settings>(None, &flags).unwrap();
        assert_eq!(settings, Settings { source: "slate".into(), rate: 50, ..Settings::default() });
    }
}
