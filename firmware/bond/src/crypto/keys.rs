//! Sealing and opening datagrams with the session's keys, and their rotation (RFC 9001 §6, but the phase is the session's).

use std::time::Duration;

use bondbox_units::Instant;
use bondbox_wire::envelope::TAG_LEN;
use rustls::quic::{Keys, PacketKey, PacketKeySet, Secrets};

/// The keys of one session, on one side.
pub(crate) struct SessionKeys {
    phase: bool,
    current: PacketKeySet,
    next: PacketKeySet,
    previous: Option<Previous>,
    secrets: Secrets,
    sealed: u64,
}

struct Previous {
    remote: Box<dyn PacketKey>,
    until: Instant,
}

impl SessionKeys {
    /// From the end of a TLS handshake.
    pub(crate) fn new(keys: Keys, mut secrets: Secrets) -> Self {
        let current = PacketKeySet { local: keys.local.packet, remote: keys.remote.packet };
        let next = secrets.next_packet_keys();
        Self { phase: false, current, next, previous: None, secrets, sealed: 0 }
    }

    /// The phase bit to write into the next header.
    pub(crate) const fn phase(&self) -> bool {
        self.phase
    }

    /// Rotates the keys when enough was sealed with them; call before a header is written.
    pub(crate) fn rotate_if_due(&mut self, now: Instant) {
        if self.sealed >= ROTATE_AFTER && self.previous.as_ref().is_none_or(|previous| previous.until <= now) {
            self.rotate(now);
        }
    }

    /// Encrypts `datagram[header_len..]` in place and returns the tag that follows it.
    pub(crate) fn seal(&mut self, path: u32, pn: u64, header: &[u8], payload: &mut [u8]) -> [u8; TAG_LEN] {
        self.sealed += 1;
        let tag = self.current.local.encrypt_in_place_for_path(path, pn, header, payload);
        let tag = tag.expect("a datagram is far below the cipher's limit");
        tag.as_ref().try_into().expect("all suites have 16-byte tags")
    }

    /// Opens `payload` (ciphertext and tag) in place and gives the length of the plaintext at its front; `None` when it was
    /// not sealed by the peer in this session.
    pub(crate) fn open(
        &mut self,
        now: Instant,
        phase: bool,
        path: u32,
        pn: u64,
        header: &[u8],
        payload: &mut [u8],
    ) -> Option<usize> {
        let open = |key: &dyn PacketKey, payload: &mut [u8]| {
            key.decrypt_in_place_for_path(path, pn, header, payload).ok().map(|plain| plain.len())
        };
        if phase == self.phase {
            return open(&*self.current.remote, payload);
        }
        // A failed attempt garbles the payload: which key it can be is told by time, and only that one is tried.
        self.previous.take_if(|previous| previous.until <= now);
        if let Some(previous) = &self.previous {
            return open(&*previous.remote, payload);
        }
        let opened = open(&*self.next.remote, payload)?;
        self.rotate(now);
        Some(opened)
    }

    /// As if enough had been sealed.
    #[cfg(test)]
    pub(crate) const fn wear_out(&mut self) {
        self.sealed = ROTATE_AFTER;
    }

    fn rotate(&mut self, now: Instant) {
        let next = std::mem::replace(&mut self.next, self.secrets.next_packet_keys());
        let old = std::mem::replace(&mut self.current, next);
        self.previous = Some(Previous { remote: old.remote, until: now + KEEP_PREVIOUS });
        self.phase = !self.phase;
        self.sealed = 0;
    }
}

/// Half of the confidentiality limit of AES-GCM (2²³ packets, RFC 9001 §6.6), for all paths of a session together.
const ROTATE_AFTER: u64 = 1 << 22;

/// Longer than any link holds packets back.
const KEEP_PREVIOUS: Duration = Duration::from_secs(10);
