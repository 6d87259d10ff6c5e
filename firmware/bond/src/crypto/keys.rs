//! Sealing and opening datagrams with the session's keys, and their rotation (RFC 9001 §6, but the phase is the session's).
//!
//! Either end rotates both directions when it has sealed enough, at the same time as the other or not: the phase in a header
//! tells which of two keys it is. It does not rotate again before the other has followed and the old keys are gone. They go
//! when every path has shown the new phase, or ten seconds after the first did: a modem may hold packets for seconds, and
//! the way back may be lost for longer, in which case the other end does not even know of the new phase.
//!
//! Secrets are rustls' and aws-lc's: rustls overwrites the traffic secrets that [`Secrets`] holds when they are replaced or
//! dropped, aws-lc the expanded keys within each [`PacketKey`]. Nothing here copies them.

use std::collections::BTreeSet;
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
    /// Packets under the current keys.
    sealed: u64,
    /// Packets that were not the peer's.
    forged: u64,
}

/// Keys of the phase before.
struct Previous {
    remote: Box<dyn PacketKey>,
    /// Paths on which the peer has shown the new phase.
    shown: BTreeSet<u32>,
    /// When it first did.
    since: Option<Instant>,
    /// When it had on all.
    by_all: Option<Instant>,
}

impl Previous {
    fn is_over(&self, now: Instant) -> bool {
        self.since.is_some_and(|since| now - since >= KEEP_PREVIOUS)
            || self.by_all.is_some_and(|since| now - since >= OVERTAKEN)
    }
}

impl SessionKeys {
    /// From the end of a TLS handshake.
    pub(crate) fn new(keys: Keys, mut secrets: Secrets) -> Self {
        let current = PacketKeySet { local: keys.local.packet, remote: keys.remote.packet };
        let next = secrets.next_packet_keys();
        Self { phase: false, current, next, previous: None, secrets, sealed: 0, forged: 0 }
    }

    /// The phase bit to write into the next header.
    pub(crate) const fn phase(&self) -> bool {
        self.phase
    }

    /// Rotates the keys when enough was sealed with them; call before a header is written.
    pub(crate) fn rotate_if_due(&mut self, now: Instant) {
        let free = self.previous.as_ref().is_none_or(|previous| previous.is_over(now));
        // A peer that has not followed for so long will not understand us any more: rather no session than a weak one.
        if self.sealed >= ROTATE_AFTER && free || self.sealed >= ROTATE_AT_LAST {
            self.rotate();
        }
    }

    /// Forgets the keys before when the peer has shown the current phase on all of `paths`, or for long enough.
    pub(crate) fn retire(&mut self, now: Instant, mut paths: impl Iterator<Item = u32>) {
        let Some(previous) = &mut self.previous else { return };
        if previous.by_all.is_none() && !previous.shown.is_empty() && paths.all(|path| previous.shown.contains(&path)) {
            previous.by_all = Some(now);
        }
        self.previous.take_if(|previous| previous.is_over(now));
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
        if self.forged >= self.current.remote.integrity_limit() {
            return None;
        }
        let open = |key: &dyn PacketKey, payload: &mut [u8]| {
            key.decrypt_in_place_for_path(path, pn, header, payload).ok().map(|plain| plain.len())
        };
        self.previous.take_if(|previous| previous.is_over(now));
        let mut turned = false;
        let opened = if phase == self.phase {
            open(&*self.current.remote, payload)
        } else {
            // The phase before, or the one to come when the peer is done with that one sooner than we are. A failed attempt
            // garbles the payload, so that the second one needs a copy.
            let sealed = self.previous.is_some().then(|| payload.to_vec());
            let before = self.previous.as_ref().and_then(|previous| open(&*previous.remote, payload));
            before.or_else(|| {
                if let Some(sealed) = sealed {
                    payload.copy_from_slice(&sealed);
                }
                turned = true;
                open(&*self.next.remote, payload)
            })
        };
        if opened.is_none() {
            self.forged += 1;
        } else if phase == self.phase || turned {
            if turned {
                self.rotate();
            }
            if let Some(previous) = &mut self.previous {
                previous.since.get_or_insert(now);
                previous.shown.insert(path);
            }
        }
        opened
    }

    /// As if enough had been sealed.
    #[cfg(test)]
    pub(crate) const fn wear_out(&mut self) {
        self.sealed = ROTATE_AFTER;
    }

    fn rotate(&mut self) {
        let next = std::mem::replace(&mut self.next, self.secrets.next_packet_keys());
        let old = std::mem::replace(&mut self.current, next);
        self.previous = Some(Previous { remote: old.remote, shown: BTreeSet::new(), since: None, by_all: None });
        self.phase = !self.phase;
        self.sealed = 0;
    }
}

/// Half of the confidentiality limit of AES-GCM (2²³ packets, RFC 9001 §6.6), for all paths of a session together.
const ROTATE_AFTER: u64 = 1 << 22;
/// The limit itself.
const ROTATE_AT_LAST: u64 = (1 << 23) - 1;

/// Longer than any link holds packets back.
const KEEP_PREVIOUS: Duration = Duration::from_secs(10);
/// A packet may be overtaken on its own path by those of the new phase.
const OVERTAKEN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use bondbox_units::LinkId;

    use super::*;
    use crate::pair::{Pair, home, link_at, one_way};

    /// Runs with a rotation by `who` as often as one is possible; gives how many there were.
    fn rotate(pair: &mut Pair, ms: u64, who: impl Fn(&mut Pair)) -> usize {
        let mut turns = 0;
        let mut phase = pair.sender.phase();
        for _ in 0..ms {
            who(pair);
            pair.run(1);
            turns += usize::from(pair.sender.phase() != phase);
            phase = pair.sender.phase();
        }
        turns
    }

    fn nothing_was_refused(pair: &Pair) {
        assert_eq!((pair.sender.rejected().bad_tag, pair.gateway.rejected().bad_tag), (0, 0));
        assert_eq!(pair.sender.status(pair.now).sessions, 1);
        pair.nothing_is_missing();
    }

    #[test]
    fn either_end_and_both_at_once_rotate_every_second_without_loss() {
        let unit = |pair: &mut Pair| pair.sender.wear_out_keys();
        let gateway = |pair: &mut Pair| pair.gateway.wear_out_keys();
        let both = |pair: &mut Pair| {
            pair.sender.wear_out_keys();
            pair.gateway.wear_out_keys();
        };
        for who in [&unit as &dyn Fn(&mut Pair), &gateway, &both] {
            let mut pair = Pair::open();
            let turns = rotate(&mut pair, 6_000, who);
            assert!((4..=6).contains(&turns), "{turns} rotations in six seconds");
            nothing_was_refused(&pair);
        }
    }

    #[test]
    fn packets_that_a_modem_held_for_three_seconds_open_after_a_rotation() {
        let mut pair = Pair::open();
        let (from, to) = (Instant::from_millis(3_000), Instant::from_millis(6_000));
        pair.up = Box::new(move |now, link, _| {
            let held = if link == LinkId(0) && (from..to).contains(&now) { to - now } else { Duration::ZERO };
            vec![(held + one_way(link), home(link))]
        });
        pair.run(1_500);
        pair.sender.wear_out_keys();
        pair.run(4_000);
        assert!(pair.sender.phase());
        assert_eq!((pair.sender.rejected().bad_tag, pair.gateway.rejected().bad_tag), (0, 0));
        // And the phase can turn again when the held path has shown it.
        pair.run(1_500);
        pair.sender.wear_out_keys();
        pair.run(500);
        assert!(!pair.sender.phase());
        assert_eq!((pair.sender.rejected().bad_tag, pair.gateway.rejected().bad_tag), (0, 0));
        assert_eq!(pair.sender.status(pair.now).sessions, 1);
    }

    #[test]
    fn rotations_on_links_that_lose_a_third_both_ways_lose_no_session() {
        let mut pair = Pair::open();
        let mut count = 0_u32;
        let mut lost = move || {
            count = count.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            count >> 16 < 1 << 14
        };
        let mut lost_down = lost;
        pair.up = Box::new(move |_, link, _| if lost() { vec![] } else { vec![(one_way(link), home(link))] });
        pair.down = Box::new(move |_, to, _| {
            link_at(to).filter(|_| !lost_down()).map(|link| (one_way(link), link)).into_iter().collect()
        });
        let turns = rotate(&mut pair, 10_000, |pair| {
            pair.sender.wear_out_keys();
            pair.gateway.wear_out_keys();
        });
        assert!(turns >= 4, "{turns} rotations");
        assert_eq!((pair.sender.rejected().bad_tag, pair.gateway.rejected().bad_tag), (0, 0));
        assert_eq!(pair.sender.status(pair.now).sessions, 1);
    }
}
