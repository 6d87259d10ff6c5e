//! The sockets between services: `RUN_DIR/NAME.sock`, `SOCK_SEQPACKET`, one message of [`bondbox_ipc`] a packet.
//!
//! A service [`bind`](Server::bind)s a [`Server`] of its protocol, sets its state, takes commands and pushes media;
//! whoever wants something from it holds a [`Client`], which reconnects by itself for ever. Both sides check who the
//! other is, say hello, and survive whatever comes: what is not understood ends that one connection and is counted by
//! name in [`Counters`].

mod client;
mod connection;
mod counters;
mod greeting;
mod inbox;
mod media;
mod packet;
mod peers;
mod queue;
mod reassembly;
mod server;
mod socket;
#[cfg(test)]
mod tests;

pub use client::{Client, CommandError, Commander, Event, Want};
pub use connection::Responder;
pub use counters::{Counters, Garbage};
pub use media::{Media, Unit, UnitTooLarge};
pub use peers::Peers;
pub use server::{BindError, Commands, Server};
