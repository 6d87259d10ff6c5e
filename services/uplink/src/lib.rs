//! The bond's sending end as a service: sockets, a clock and settings around [`bondbox_bond::Sender`].
//!
//! [`reactor`] is the loop. It reads units from a [`source`], gives them to the engine, and sends what the engine says
//! over [`links`], one socket each, to where the [`gateway`] is. [`settings`] is what an operator sets.

mod command;
pub mod gateway;
mod links;
mod modems;
pub mod pairing;
mod panel;
pub mod reactor;
pub mod settings;
mod show;
mod source;
mod talkback;
mod telemetry;
pub mod trace;

pub use reactor::{Uplink, serve};
pub use settings::Settings;
