//! The messages between the services of one box.
//!
//! Services talk over Unix `SOCK_SEQPACKET` sockets, one message a packet, encoded with postcard. A service is a
//! [`Protocol`]: the state it serves, the commands it takes, and whether it serves media. A connection runs so:
//!
//! 1. Each side sends a [`Hello`] naming the service and the hash of the protocol's schema. One that differs ends the
//!    connection with an error that names both, so a decode error later can only be a bug.
//! 2. The client sends [`Request`]s, the service answers with [`Response`]s. After [`Request::Watch`] the client gets
//!    the state now and each change after; one that reads slowly skips to the newest. After [`Request::Media`] it gets
//!    [`media::Piece`]s. A command is answered once, when its effect was seen or did not come in time.
//!
//! Without the feature `alloc` there is what holds neither text nor lists: the words of the panel, media pieces, requests.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;

#[cfg(feature = "alloc")]
pub mod capture;
#[cfg(feature = "alloc")]
mod hello;
pub mod media;
#[cfg(feature = "alloc")]
pub mod modems;
pub mod panel;
#[cfg(feature = "alloc")]
mod response;
#[cfg(feature = "alloc")]
pub mod uplink;

#[cfg(feature = "alloc")]
pub use hello::{Hello, Mismatch};
#[cfg(feature = "alloc")]
pub use response::{Refusal, Response};

use postcard_schema::Schema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Largest packet on a socket. A default socket buffer (212,992 bytes) takes three.
pub const MAX_PACKET: usize = 60 * 1024;

/// What one service says and understands.
pub trait Protocol: 'static {
    /// The service's name: its socket is `NAME.sock`.
    const NAME: &'static str;
    /// Served as latest value.
    type State: Serialize + DeserializeOwned + Schema + Clone + PartialEq + Send + Sync + 'static;
    /// Taken from clients.
    type Command: Serialize + DeserializeOwned + Schema + Send + 'static;
    /// The answer to a command that took effect.
    type Done: Serialize + DeserializeOwned + Schema + Send + 'static;
}

/// From a client, after the hello.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Request<C> {
    /// Send the state now and at each change.
    Watch,
    /// Send media from the next keyframe on.
    Media,
    /// Do this; the answer carries `id`.
    Command {
        /// Chosen by the client, unique among its unanswered commands.
        id: u32,
        /// What to do.
        command: C,
    },
}
