//! The bonding engine: a sender and a receiver without sockets, threads or clocks.
#![forbid(unsafe_code)]

mod counters;
mod crypto;
pub mod gateway;
mod handshake;
#[cfg(test)]
mod hostile;
mod packet;
mod ranges;
pub mod receiver;
pub mod sender;
mod window;

pub use counters::Rejected;
pub use crypto::{BadKey, Identity, PublicKey};
pub use gateway::Gateway;
pub use handshake::is_stream_name;
pub use sender::Sender;
