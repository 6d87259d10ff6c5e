//! Where picture and sound come from.
//!
//! A source is described by a [`Plan`] and run by a thread of its own ([`Runner`]), which opens it, sees it fail, and
//! tries again with growing pauses. What it delivers lands on the [`crate::feeder::Shelf`].

mod plan;
mod run;

pub use plan::{Plan, SoundSource, SourceError, VideoSource};
pub use run::{Feed, Planner, Role, Runner, Signal};
