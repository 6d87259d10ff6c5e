//! The front panel: what presses mean, what the lights say, when the battery ends the day, how fast the fan turns.
//!
//! [`Panel`] is the decision: inputs with their time go in, [`Output`]s come out, and it says when it wants to be called
//! again. Its parts are [`keys`] (debounce and gestures), [`lights`] (the one table of what is shown), [`world`] (what
//! is true, most urgent first), [`services`] (which of them are gone for good), [`battery`] and [`fan`]; [`looks`] says when a gauge is worth
//! another look. None of them knows a clock, a channel or a device.
//!
//! [`tasks`] joins the decision to devices and services by channels, on whatever executor there is.
//!
//! | key | click | twice | held |
//! |---|---|---|---|
//! | start, off the air | start | | 5 s: power off |
//! | start, on the air | nothing, and says so | | 1.5 s: stop |
//! | select | identify; found, where it does | next profile | 3 s: pair |
//! | both, off the air | | | 10 s: factory reset |
//!
//! Nothing that hurts happens by a click, and whatever is held counts down by light and is off when it is let go. A press
//! is answered by light when it is heard, and by *done* only when its effect was seen elsewhere.
#![no_std]
#![forbid(unsafe_code)]

pub mod battery;
pub mod fan;
mod flow;
pub mod keys;
pub mod lights;
pub mod looks;
mod panel;
mod power_off;
pub mod services;
pub mod tasks;
pub mod world;

pub use panel::{Failure, Input, Output, Panel, View};
