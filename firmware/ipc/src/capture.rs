//! `bondbox-capture`: the camera, the microphone and the encoder.

use alloc::string::String;
use alloc::vec::Vec;

use bondbox_units::Bitrate;
use postcard_schema::Schema;
use serde::{Deserialize, Serialize};

use crate::media::Track;

/// The capture service.
pub struct Capture;

impl crate::Protocol for Capture {
    const NAME: &'static str = "capture";
    type State = State;
    type Command = Command;
    type Done = Done;
}

/// What capture is doing now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct State {
    /// The source as configured.
    pub source: String,
    /// What comes from it.
    pub picture: Picture,
    /// Whether the unit is meant to be on the air: it was not stopped on purpose, though it may be off the air as long as power
    /// does not last.
    pub meant_on_air: bool,
    /// The encoder in use, by its GStreamer factory name.
    pub encoder: String,
    /// What the encoder was last told.
    pub target: Bitrate,
    /// What video it really produced over the last second.
    pub actual: Bitrate,
    /// Time from camera to encoded unit, median of the last second, in microseconds.
    pub encode_delay_us: u32,
    /// Tracks now on the air; empty while stopped.
    pub tracks: Vec<Track>,
    /// Since the service started.
    pub counters: Counters,
}

/// What the viewer sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Picture {
    /// Nothing is encoded: stopped by command.
    Stopped,
    /// The encoder starts.
    Starting,
    /// The source is live.
    Live,
    /// The source is lost; a slate goes out in its place.
    Slate,
}

/// Counted since the service started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Counters {
    /// Video units encoded.
    pub video_units: u64,
    /// Audio units encoded.
    pub audio_units: u64,
    /// Times the source was lost.
    pub source_lost: u64,
    /// Times the pipeline was built anew because its output stood still.
    pub restarts: u64,
    /// Units dropped for slow subscribers.
    pub dropped_units: u64,
    /// Times that what is meant could not be kept for the next start.
    pub intent_unkept: u64,
}

/// What capture can be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Command {
    /// Encode video at this rate from now on; done when the output follows.
    SetBitrate(Bitrate),
    /// Make the next frame a keyframe; done when it came out.
    ForceKeyframe,
    /// Go on the air; done when units come out. Meant so over a crash, and over a short time without power.
    Start,
    /// Go off the air on purpose, for this start of the system and those after; done when nothing comes out and that is kept.
    Stop,
    /// Go off the air because power goes, with what is meant as it was; done when nothing comes out.
    Suspend,
    /// Take the picture from another source; done when it is live.
    SetSource(String),
    /// Count what the source brings, on the air or off it, for two seconds. Changes nothing.
    CountPictures,
}

/// What was seen after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Done {
    /// The encoder accepted this rate, and its output was measured at `measured`.
    Bitrate {
        /// What the encoder reports.
        target: Bitrate,
        /// What came out in the half second after.
        measured: Bitrate,
    },
    /// A keyframe came out this long after the command, in milliseconds.
    Keyframe {
        /// See above.
        after_ms: u32,
    },
    /// The source brought so many pictures in so long.
    Pictures {
        /// At least one.
        count: u32,
        /// In milliseconds.
        within_ms: u32,
        /// So many a second are shown, and more need not come.
        rate: u16,
    },
    /// The first unit came out, or none does any more.
    Now,
}
