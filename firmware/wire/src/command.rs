//! What the messages of the COMMAND channel say: the gateway asks a unit to do something, and the unit answers when that is so.
//!
//! ```text
//! version u8, 1 · kind u8 · number varint · …
//! kind 0, ASK     verb varint · what that verb needs
//! kind 1, ANSWER  outcome varint · why, UTF-8 to the end, for people
//! ```
//!
//! A unit lags its gateway by months, and a gateway its units by days. What is added is a verb, an outcome, or bytes behind what a
//! verb has; none of these may come to mean something else. Whoever is asked a verb that it does not know answers
//! [`Outcome::Unknown`], and one skips bytes that follow what it knows. `number` is the asking end's, differs from that of its other
//! questions, and comes back in the answer.

use crate::{Full, Reader, Truncated, Writer};

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// Do this.
    Ask {
        /// Of this question.
        number: u64,
        /// What.
        verb: Verb,
    },
    /// This has come of it.
    Answer {
        /// Of the question.
        number: u64,
        /// How it ended.
        outcome: Outcome,
        /// Why, where it was not done; at most [`MAX_WHY`] bytes.
        why: &'a str,
    },
}

/// What a unit can be asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Blink, so that somebody finds it. Done when its lights do.
    Identify,
    /// Go on the air. Done when units come out.
    Start,
    /// Go off the air, on purpose. Done when nothing comes out.
    Stop,
    /// Something that this build does not know.
    Other(u64),
}

/// How a question ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The effect was seen.
    Done,
    /// This build does not know what was asked for.
    Unknown,
    /// What would do it is not there.
    Absent,
    /// What would do it says no.
    Refused,
    /// It was tried and its effect was not seen in time.
    NoEffect,
    /// Something that this build does not know; it was not done.
    Other(u64),
}

/// Why bytes are no such message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadBody {
    /// They end inside a field.
    Truncated,
    /// Newer or older than this build speaks.
    Version(u8),
    /// Neither question nor answer.
    Kind(u8),
    /// The reason is too long or no text.
    Why,
}

impl<'a> Body<'a> {
    /// Reads one.
    ///
    /// # Errors
    /// [`BadBody`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, BadBody> {
        let mut reader = Reader::new(bytes);
        match reader.u8()? {
            VERSION => {}
            other => return Err(BadBody::Version(other)),
        }
        let (kind, number) = (reader.u8()?, reader.varint()?);
        match kind {
            ASK => Ok(Self::Ask { number, verb: Verb::of(reader.varint()?) }),
            ANSWER => {
                let outcome = Outcome::of(reader.varint()?);
                let why = core::str::from_utf8(reader.rest()).ok().filter(|why| why.len() <= MAX_WHY);
                Ok(Self::Answer { number, outcome, why: why.ok_or(BadBody::Why)? })
            }
            other => Err(BadBody::Kind(other)),
        }
    }

    /// Writes it; of a reason that is too long, its beginning.
    ///
    /// # Errors
    /// [`Full`] when it does not fit; [`MAX_BODY`] bytes always do.
    pub fn encode(&self, writer: &mut Writer<'_>) -> Result<(), Full> {
        writer.u8(VERSION)?;
        match *self {
            Self::Ask { number, verb } => {
                writer.u8(ASK)?;
                writer.varint(number)?;
                writer.varint(verb.code())
            }
            Self::Answer { number, outcome, why } => {
                writer.u8(ANSWER)?;
                writer.varint(number)?;
                writer.varint(outcome.code())?;
                writer.bytes(&why.as_bytes()[..why.floor_char_boundary(MAX_WHY)])
            }
        }
    }
}

impl Verb {
    const fn of(code: u64) -> Self {
        match code {
            0 => Self::Identify,
            1 => Self::Start,
            2 => Self::Stop,
            other => Self::Other(other),
        }
    }

    const fn code(self) -> u64 {
        match self {
            Self::Identify => 0,
            Self::Start => 1,
            Self::Stop => 2,
            Self::Other(code) => code,
        }
    }
}

impl Outcome {
    const fn of(code: u64) -> Self {
        match code {
            0 => Self::Done,
            1 => Self::Unknown,
            2 => Self::Absent,
            3 => Self::Refused,
            4 => Self::NoEffect,
            other => Self::Other(other),
        }
    }

    const fn code(self) -> u64 {
        match self {
            Self::Done => 0,
            Self::Unknown => 1,
            Self::Absent => 2,
            Self::Refused => 3,
            Self::NoEffect => 4,
            Self::Other(code) => code,
        }
    }

    /// For logs, counters and programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Unknown => "unknown",
            Self::Absent => "absent",
            Self::Refused => "refused",
            Self::NoEffect => "no_effect",
            Self::Other(_) => "other",
        }
    }
}

impl From<Truncated> for BadBody {
    fn from(Truncated: Truncated) -> Self {
        Self::Truncated
    }
}

/// More of a reason nobody reads.
pub const MAX_WHY: usize = 200;
/// The longest body that is written.
pub const MAX_BODY: usize = 2 + 8 + 8 + MAX_WHY;

const VERSION: u8 = 1;
const ASK: u8 = 0;
const ANSWER: u8 = 1;
