//! The TLS handshake over datagrams that get lost.
//!
//! Each direction is a stream of TLS bytes. The unit drives: it sends its unacknowledged bytes, or an empty piece when it
//! has none, on all links at growing intervals; the gateway answers each datagram with the bytes that the unit has not
//! acknowledged, on the way that the datagram came. So the gateway needs no timer and never sends more than it was sent.

mod gateway;
mod params;
mod stream;
mod unit;

pub(crate) use gateway::{Accepted, GatewayHandshake, HandshakeRefused};
pub(crate) use params::{GatewayParams, UnitParams};
pub(crate) use unit::UnitHandshake;
