//! The bond's receiving end as a service: a UDP port, a clock and settings around [`bondbox_bond::Gateway`], and what is
//! done with the units that come out.
//!
//! [`reactor`] is the loop of the packet path. Each stream has its [`output`]s: datagrams, a live transport stream, a
//! recording. The page and its API live on a thread of their own, [`http`], and see only a report made four times a
//! second: nobody who looks can slow down what is looked at.

mod commands;
mod http;
pub mod keys;
mod members;
mod output;
pub mod reactor;
mod report;
pub mod settings;
mod streams;
mod talkback;
mod units;

pub use reactor::{Gateway, serve};
pub use report::status;
pub use settings::Settings;
