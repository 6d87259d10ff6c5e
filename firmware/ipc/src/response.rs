//! What a service answers.

use alloc::string::String;

use postcard_schema::Schema;
use serde::{Deserialize, Serialize};

use crate::media;

/// From a service, after the hello.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Response<S, D> {
    /// The state now.
    State(S),
    /// A piece of a media unit; its payload is the rest of the packet.
    Media(media::Piece),
    /// The answer to the command with this `id`.
    Answer {
        /// The command's.
        id: u32,
        /// What came of it.
        result: Result<D, Refusal>,
    },
}

/// Why a command was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Refusal {
    /// The value cannot be: names the thing, the value and the range.
    Invalid(String),
    /// Not now: names what is in the way.
    Unavailable(String),
    /// It was tried and its effect was not seen in time.
    NoEffect(String),
}

impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Invalid(why) => write!(f, "invalid: {why}"),
            Self::Unavailable(why) => write!(f, "not now: {why}"),
            Self::NoEffect(why) => write!(f, "no effect seen: {why}"),
        }
    }
}

impl core::error::Error for Refusal {}
