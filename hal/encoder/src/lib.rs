//! Video and audio encoders: which ones this machine has, and how each behaves.
//!
//! The services know no encoder by name. [`choose`] tries the [`CARDS`] in order, hardware first, and returns the first
//! whose element exists and really encodes a few frames of the wanted [`Format`]. Its [`TraitCard`] says what a caller
//! must know: how a bitrate change takes effect, between which bitrates, how a keyframe is forced. [`Encoder`] is one
//! opened for good, at its ceiling, so that no later bitrate needs it to be opened again. [`SoundEncoder`] is the
//! same, simpler, for sound.
//!
//! Of H.264, only the software encoders were run so far; the cards of hardware encoders follow their drivers' documents. What
//! they have in common with the kernel's `vicodec`, which is driven as the Raspberry Pi 4's, was (`examples/stateful.rs`).

mod card;
mod choose;
mod sound;
mod video;

pub use card::{BitrateProperty, CARDS, Change, Format, Keyframe, Kind, TraitCard};
pub use choose::{Choice, Refused, choose, choose_of};
pub use sound::{SoundCodec, SoundEncoder};
pub use video::{Encoder, OpenError};
