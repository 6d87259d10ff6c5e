//! Emulated cellular links: a pure model in virtual time, and a TUN emulator around it.
//!
//! - [`model`] is the physics: rate, buffer, delay, jitter, loss, outages, events. It owns no clock and no socket.
//! - [`scenario`] reads `hil-tests/scenarios/NAME.toml`, whose format it documents, into the model's settings.
//! - [`emulator`] puts real packets through the model, between two network namespaces. It is the program
//!   `bondbox-linksim` and needs root.
//! - [`child`] starts that program, [`control`] talks to it.
//!
//! The simulation in virtual time and the emulator run the same model over the same files, so what holds in one can
//! be tried in the other.

pub mod child;
pub mod control;
pub mod emulator;
pub mod model;
pub mod realtime;
pub mod scenario;

pub use model::{Direction, DropReason, Event, Link, Network, Way};
pub use scenario::Scenario;
