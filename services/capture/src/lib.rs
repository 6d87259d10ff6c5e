//! The parts of `bondbox-capture`.
//!
//! A [`source`] delivers raw frames and samples as they come, or not at all. The clocked [`feeder`] takes the newest at
//! the exact frame rate, or a slate, and gives them to the [`encode`] pipelines, which therefore never stop with the
//! source. Units leave on a lock-free queue ([`mod@unit`]) to the reactor ([`service`]), which watches, measures and serves
//! them.
//!
//! What decides takes time as an argument and opens nothing: [`picker`], [`timeline`], [`pace`], [`meter`], [`follow`],
//! [`watch`], and what [`intent`] has of it. Only [`stamp`] is of use to others: tests read the frame number with it.

pub mod air;
pub mod elements;
pub mod encode;
pub mod feeder;
pub mod follow;
pub mod intent;
pub mod meter;
pub mod pace;
pub mod picker;
pub mod service;
pub mod settings;
pub mod source;
pub mod stamp;
pub mod still;
pub mod timeline;
pub mod unit;
pub mod watch;
