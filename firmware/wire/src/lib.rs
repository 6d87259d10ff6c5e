//! The bond datagram: envelope, frames, variable-length integers, handshake datagrams.
