//! How large datagrams may be on a path: [`MIN_DATAGRAM`] everywhere, more where it was seen to pass.
//!
//! A search over a few sizes that links really have, in the manner of RFC 8899: the largest that may pass is tried first,
//! the next smaller one when it was lost a few times, and one larger again from time to time. Datagrams of the size in use
//! that vanish in a row while small ones pass mean that the path has changed: it falls back at once and searches anew.

use std::time::Duration;

use bondbox_units::Instant;
use bondbox_wire::{MAX_DATAGRAM, MIN_DATAGRAM};

/// The largest datagram that passes, and what is tried next.
#[derive(Debug)]
pub(crate) struct Mtu {
    /// Index into [`SIZES`] of what is known to pass.
    passes: usize,
    /// Index of the size under trial; as `passes` when there is none.
    trial: usize,
    large_lost: u8,
    probes: u8,
    probe_at: Instant,
}

impl Default for Mtu {
    fn default() -> Self {
        Self { passes: 0, trial: SIZES.len() - 1, large_lost: 0, probes: 0, probe_at: Instant::ZERO }
    }
}

impl Mtu {
    /// Largest datagram to send, in bytes.
    pub(crate) const fn datagram(&self) -> usize {
        SIZES[self.passes]
    }

    /// Size of the probe to send now, if one is due.
    pub(crate) fn probe(&mut self, now: Instant) -> Option<usize> {
        if now < self.probe_at {
            return None;
        }
        if self.trial <= self.passes {
            // The search has ended. A path may have grown since.
            if self.passes + 1 >= SIZES.len() {
                return None;
            }
            (self.trial, self.probes) = (self.passes + 1, 0);
        } else if self.probes >= MAX_PROBES {
            (self.trial, self.probes) = (self.trial - 1, 0);
            if self.trial == self.passes {
                self.probe_at = now + SEARCH_AGAIN;
                return None;
            }
        }
        self.probes += 1;
        self.probe_at = now + PROBE_INTERVAL;
        Some(SIZES[self.trial])
    }

    /// A probe of `size` bytes arrived.
    pub(crate) fn on_probe_arrived(&mut self, now: Instant, size: usize) {
        let Some(index) = SIZES.iter().rposition(|known| *known <= size) else { return };
        if index > self.passes {
            self.passes = index;
            self.large_lost = 0;
            self.probe_at = now + SEARCH_AGAIN;
        }
    }

    /// A datagram larger than every path takes arrived.
    pub(crate) const fn on_large_arrived(&mut self) {
        self.large_lost = 0;
    }

    /// One was lost. Gives whether the path has changed.
    pub(crate) fn on_large_lost(&mut self, now: Instant) -> bool {
        self.large_lost = self.large_lost.saturating_add(1);
        let changed = self.passes > 0 && self.large_lost >= MAX_LARGE_LOST;
        if changed {
            *self = Self { probe_at: now + PROBE_INTERVAL, ..Self::default() };
        }
        changed
    }
}

/// UDP payloads over IPv4 of 1,000, 1,280 (the least of IPv6), 1,380 (LTE bearers in tunnels), 1,420 (WireGuard), 1,480 (IPv6
/// over Ethernet less its longer header) and 1,500 bytes.
const SIZES: [usize; 6] = [MIN_DATAGRAM, 1_232, 1_352, 1_392, 1_452, MAX_DATAGRAM];
/// A bearer that loses a fifth of all packets lets one of four through but for two in a thousand.
const MAX_PROBES: u8 = 4;
const PROBE_INTERVAL: Duration = Duration::from_millis(250);
/// A path that was found smaller than it may be is tried again this often.
const SEARCH_AGAIN: Duration = Duration::from_secs(60);
/// In a row, no large one between them having arrived. Drop-tail bursts take fewer.
const MAX_LARGE_LOST: u8 = 12;

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches on a path that takes `limit` bytes until nothing is tried for a while; gives what was tried.
    fn search(mtu: &mut Mtu, from: Instant, limit: usize) -> Vec<usize> {
        let mut tried = vec![];
        for ms in (0..10_000).step_by(50) {
            let now = from + Duration::from_millis(ms);
            if let Some(size) = mtu.probe(now) {
                tried.push(size);
                if size <= limit {
                    mtu.on_probe_arrived(now, size);
                }
            }
        }
        tried
    }

    #[test]
    fn the_largest_is_tried_first_and_the_search_ends_with_it() {
        let mut mtu = Mtu::default();
        assert_eq!(mtu.datagram(), MIN_DATAGRAM);
        assert_eq!(search(&mut mtu, Instant::ZERO, 1_500), [MAX_DATAGRAM]);
        assert_eq!(mtu.datagram(), MAX_DATAGRAM);
        assert_eq!(mtu.probe(Instant::from_millis(3_600_000)), None);
    }

    #[test]
    fn every_limit_is_found_and_tried_again_later() {
        for limit in [972, 1_000, 1_250, 1_360, 1_400, 1_460, 1_472] {
            let mut mtu = Mtu::default();
            let tried = search(&mut mtu, Instant::ZERO, limit);
            let best = SIZES.into_iter().rfind(|size| *size <= limit).unwrap();
            assert_eq!(mtu.datagram(), best, "limit {limit}: tried {tried:?}");
            assert!(tried.len() <= SIZES.len() * usize::from(MAX_PROBES), "{tried:?}");
            let again = search(&mut mtu, Instant::from_millis(90_000), 1_472);
            assert_eq!(again.is_empty(), best == MAX_DATAGRAM);
        }
    }

    #[test]
    fn large_datagrams_that_vanish_in_a_row_bring_the_small_ones_back_and_a_new_search() {
        let mut mtu = Mtu::default();
        search(&mut mtu, Instant::ZERO, 1_472);
        let now = Instant::from_millis(20_000);
        (0..MAX_LARGE_LOST - 1).for_each(|_| assert!(!mtu.on_large_lost(now)));
        mtu.on_large_arrived();
        (0..MAX_LARGE_LOST - 1).for_each(|_| assert!(!mtu.on_large_lost(now)));
        assert_eq!(mtu.datagram(), MAX_DATAGRAM, "not in a row");
        assert!(mtu.on_large_lost(now));
        assert_eq!(mtu.datagram(), MIN_DATAGRAM);
        search(&mut mtu, now, 1_300);
        assert_eq!(mtu.datagram(), 1_232);
    }
}
