//! What both ends of the bond share: their keys, their sockets, and a timer as exact as pacing needs.
//!
//! What a system call costs decides how many streams a gateway carries and how warm a unit gets. So datagrams are read and
//! sent many at a time ([`udp`]), sockets are looked at together ([`watch`]), and while much flows nobody is woken for
//! single ones ([`beat`]).

pub mod beat;
pub mod keys;
pub mod listen;
pub mod timer;
pub mod udp;
pub mod watch;
