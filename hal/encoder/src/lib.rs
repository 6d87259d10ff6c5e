//! Video and audio encoders: which ones this machine has, and how each behaves.
//!
//! The services know no encoder by name. [`choose`] tries the [`CARDS`] in order, hardware first, and returns the first
//! whose element exists and really encodes a few frames of the wanted [`Format`]. Its [`TraitCard`] says what a caller
//! must know: how a bitrate change takes effect, between which bitrates, how a keyframe is forced. [`Encoder`] is one
//! opened for good, at its ceiling, so that no later bitrate needs it to be opened again. [`SoundEncoder`] is the
//! same, simpler, for sound.
//!
//! Only the software encoders were run so far; the cards of hardware encoders follow their drivers' documents.

mod card;
mod choose;
mod sound;
mod video;

pub use card::{CARDS, Change, Format, Keyframe, Kind, TraitCard};
pub use choose::{Choice, Refused, choose};
pub use sound::{SoundCodec, SoundEncoder};
pub use video::{Encoder, OpenError};
