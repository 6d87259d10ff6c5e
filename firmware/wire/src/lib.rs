//! The bond datagram.
//!
//! Two ends, a *unit* (the client) and a *gateway* (the server), hold one *session* over any number of *paths*. A path is
//! one link's way to the gateway; it is known by the receiver index in its datagrams, never by an address. All integers
//! are big-endian, and `varint` is the variable-length integer of RFC 9000 §16.
//!
//! # Envelopes
//!
//! The first byte tells what a datagram is; see [`envelope`].
//!
//! ```text
//! DATA       0x40 | pn_len-1 << 1 | phase · index u32 · pn 1–4 · ciphertext · tag 16
//! JOIN       0x50 | pn_len-1 << 1 | phase · session index u32 · path id u32 · pn 1–4 · ciphertext · tag 16
//! HANDSHAKE  0x60 · version u8 · id 8 · cookie (u8 length, ≤ 32) · offset · total · acknowledged (varints) · TLS bytes
//! RESET      0x70 · index u32
//! ```
//!
//! * DATA and JOIN are sealed with the QUIC 1-RTT packet keys of the session's TLS 1.3 handshake (RFC 9001 §5, cipher as
//!   negotiated); everything before the ciphertext is the associated data. The nonce is IV xor (path id ‖ packet number)
//!   as in the QUIC multipath extension, so that one key serves all paths. Path ids count up and are never used twice in
//!   a session. Packet numbers start at 0 on each path and direction, travel truncated (RFC 9000 §17.1, appendix A) and
//!   never repeat; [`ReplayWindow`] refuses those that do.
//! * JOIN opens a path of an open session: it can be read because its path id travels in the clear, and its tag proves
//!   that the sender holds the session's keys. It carries a LINK_JOIN frame with the index that the unit wants to be
//!   called by on that path; the gateway answers with DATA carrying LINK_ACCEPT.
//! * HANDSHAKE carries one direction's TLS handshake bytes, a stream of at most [`handshake::MAX_TOTAL`], cut so that a
//!   datagram is at most [`handshake::MAX_DATAGRAM`]. `id` is chosen by the unit, `acknowledged` counts the peer's bytes
//!   that arrived without a gap. A gateway that too many strangers ask answers with a cookie and no TLS bytes, and keeps
//!   nothing: a MAC over the address and `id`, which the unit repeats in all further datagrams on that link. The identities
//!   in a handshake can be read by who listens on the way; nothing else can. A unit that has shown its key and is not let in is
//!   told so by one more message of the gateway's stream, of type 0xf0, which is sealed with the keys of the session that was to
//!   be. A handshake of another version is answered with the first two bytes of one: nothing authentic can be said there.
//! * RESET answers a datagram whose index nobody knows, rate-limited (with what answers other versions) and never larger than it. It is not authenticated:
//!   all that a unit does on it is open a new session beside the old one.
//!
//! # Frames
//!
//! The plaintext of DATA and JOIN is a sequence of frames; see [`frame`].
//!
//! ```text
//! type u8: kind (low 5 bits) | 0x20 FIRST | 0x40 LAST (media only) | 0x80 to the end of the datagram
//! length varint, absent with 0x80
//! body
//! ```
//!
//! A frame of unknown kind is skipped by its length. What COMMAND messages say is in [`command`].
//!
//! # Coded repair
//!
//! REPAIR (0x03) carries a linear combination over GF(256) of the plaintexts of earlier packets; see [`frame::Repair`]. A receiver
//! that has all of them but as many as it has independent symbols works out the missing ones and takes in their MEDIA and
//! MEDIA_AGAIN frames, and no others, as if they had come. It does not acknowledge them: the packets are lost. A receiver may
//! ignore REPAIR, and may begin to keep plaintexts with the first that comes, so the first symbols may name packets it does not
//! have any more. A sender sends them only where a second copy would come too late.
//!
//! # Who may do what
//!
//! [`threats`] says who the bond is guarded against, by what, and which test shows it.
//!
//! # Floor of the cost
//!
//! A 1316-byte payload costs 28 bytes of IPv4 and UDP, 23 to 25 of envelope, and 7 to 13 of media frame.
#![no_std]
#![forbid(unsafe_code)]

mod codec;
pub mod command;
pub mod envelope;
pub mod frame;
pub mod handshake;
mod replay;
mod seq;
pub mod threats;

pub use codec::{Full, Reader, Truncated, Writer, varint_len};
pub use replay::ReplayWindow;
pub use seq::{expand, expand_micros, pn_len};

/// Largest UDP payload that every path must carry: 1,000 bytes of IPv4.
pub const MIN_DATAGRAM: usize = 972;

/// Largest UDP payload ever sent: 1,500 bytes of IPv4.
pub const MAX_DATAGRAM: usize = 1_472;

/// Smallest datagram with control only: carrier NATs drop tiny ones.
pub const PAD_TO: usize = 32;
