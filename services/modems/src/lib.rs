//! The parts of `bondbox-modems`.
//!
//! The [`service`] looks at the network whenever the kernel or udev tells of a change, and does what six cores ask for, which
//! take time and what was seen as arguments and open nothing: the [`inventory`] of links, by the port they are plugged into;
//! the [`book`] of modems and what they are to do next; the [`families`] of addresses that their bearers are asked for; the
//! [`recovery`] of what does not carry any more, on [`ladders`] that outlive a restart; the [`routes`] that each link needs; and
//! the [`data`] that each SIM has carried. What an operator said is [`kept`].

pub mod book;
pub mod data;
pub mod families;
pub mod inventory;
pub mod kept;
pub mod ladders;
pub mod proof;
pub mod recovery;
pub mod routes;
pub mod service;
pub mod settings;
pub mod spread;

pub use service::serve;
