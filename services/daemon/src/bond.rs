//! What both ends of the bond share: their keys, their sockets, and a timer as exact as pacing needs.

pub mod keys;
pub mod timer;
pub mod udp;
