//! The gateway's word that it lets a unit not in, which only the two of them can say and read.
//!
//! When a unit has shown who it is, both ends have the keys of the session that was to be. The gateway seals its reason with them
//! and sends it as one more message of its stream, of a type that TLS does not have; nothing else is ever sealed with these keys.
//!
//! ```text
//! 0xf0 · length u24 · sealed reason u8 · tag 16
//! ```

use bondbox_units::Instant;
use bondbox_wire::envelope::TAG_LEN;

use super::{HandshakeRefused, NoSession};
use crate::crypto::SessionKeys;

/// Seals it; nothing for what is no refusal of a unit.
pub(crate) fn seal(keys: &mut SessionKeys, refused: HandshakeRefused) -> Option<[u8; LEN]> {
    let reason = match refused {
        HandshakeRefused::UnknownUnit => UNKNOWN_UNIT,
        HandshakeRefused::UnknownCode => USED_CODE,
        HandshakeRefused::Malformed => return None,
    };
    let mut message = [0; LEN];
    message[..HEADER.len()].copy_from_slice(&HEADER);
    let mut sealed = [reason];
    let tag = keys.seal(NO_PATH, 0, &HEADER, &mut sealed);
    message[HEADER.len()] = sealed[0];
    message[HEADER.len() + 1..].copy_from_slice(&tag);
    Some(message)
}

/// Whether a message of the handshake is one.
pub(super) fn is_one(message: &[u8]) -> bool {
    message.first() == Some(&HEADER[0])
}

/// What the gateway said; `None` where somebody else did.
pub(crate) fn open(keys: &mut SessionKeys, now: Instant, message: &[u8]) -> Option<NoSession> {
    let mut sealed = *message.strip_prefix(&HEADER)?.as_array::<{ 1 + TAG_LEN }>()?;
    keys.open(now, false, NO_PATH, 0, &HEADER, &mut sealed)?;
    match sealed[0] {
        UNKNOWN_UNIT => Some(NoSession::UnknownUnit),
        USED_CODE => Some(NoSession::UsedCode),
        // Of a gateway newer than this build: that it refuses is all that can be said.
        _ => Some(NoSession::NotLetIn),
    }
}

const HEADER: [u8; 4] = [0xf0, 0, 0, 1 + TAG_LEN as u8];
const LEN: usize = HEADER.len() + 1 + TAG_LEN;
/// Paths count from 1.
const NO_PATH: u32 = 0;

const UNKNOWN_UNIT: u8 = 1;
const USED_CODE: u8 = 2;
