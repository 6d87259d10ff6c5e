//! Both ends of the bond over modelled links in virtual time.
//!
//! [`World`] holds a sender, a gateway and a network, and steps from deadline to deadline: a minute of network takes a second
//! of processor. All of it is drawn from one seed, but for the bytes of keys. [`run()`] plays a scenario with a stream of
//! numbered datagrams or frames through it and gives an [`Outcome`]. On these stand
//!
//! - [`suite`]: the cases that the bond is judged by, and what each part of the engine is worth in them;
//! - [`bounds`]: what could have been done at best;
//! - [`random`]: drawn networks, and how far the engine is from the bound there;
//! - [`rides`]: drawn networks with what their modems say, to judge forecasts by;
//! - [`invariants`]: what must hold in every network.

pub mod bounds;
pub mod invariants;
mod meter;
mod pool;
pub mod random;
pub mod replay;
pub mod rides;
mod run;
mod source;
pub mod suite;
mod world;

pub use meter::{Asked, LinkOutcome, Outcome, Stream};
pub use pool::in_order;
pub use run::{Config, Told, run, run_watched};
pub use source::{Shape, Source, number, payload};
pub use world::{Clocks, Wire, World};
