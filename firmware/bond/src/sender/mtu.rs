//! How large datagrams may be on a path: [`MIN_DATAGRAM`] everywhere, [`MAX_DATAGRAM`] where one was seen to pass.

use std::time::Duration;

use bondbox_units::Instant;
use bondbox_wire::{MAX_DATAGRAM, MIN_DATAGRAM};

/// The largest datagram that passes.
#[derive(Debug, Default)]
pub(crate) struct Mtu {
    large: bool,
    large_lost: u8,
    probes: u8,
    probe_at: Instant,
}

impl Mtu {
    /// Largest datagram to send, in bytes.
    pub(crate) const fn datagram(&self) -> usize {
        if self.large { MAX_DATAGRAM } else { MIN_DATAGRAM }
    }

    /// Whether to send a probe now.
    pub(crate) fn wants_probe(&mut self, now: Instant) -> bool {
        if self.large || self.probes >= MAX_PROBES || now < self.probe_at {
            return false;
        }
        self.probes += 1;
        self.probe_at = now + PROBE_INTERVAL;
        true
    }

    pub(crate) const fn on_probe_arrived(&mut self) {
        self.large = true;
        self.large_lost = 0;
    }

    pub(crate) const fn on_large_arrived(&mut self) {
        self.large_lost = 0;
    }

    /// Large datagrams that vanish while small ones pass mean that a path has changed.
    pub(crate) const fn on_large_lost(&mut self) {
        self.large_lost = self.large_lost.saturating_add(1);
        if self.large && self.large_lost >= MAX_LARGE_LOST {
            self.large = false;
            self.probes = 0;
        }
    }
}

/// A bearer that loses half of all packets lets one of eight through but for a few in a thousand.
const MAX_PROBES: u8 = 8;
const PROBE_INTERVAL: Duration = Duration::from_millis(500);
/// In a row, no large one between them having arrived. Drop-tail bursts take fewer.
const MAX_LARGE_LOST: u8 = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_datagrams_are_sent_once_one_passed_and_no_more_when_they_vanish() {
        let mut mtu = Mtu::default();
        assert_eq!(mtu.datagram(), MIN_DATAGRAM);
        mtu.on_probe_arrived();
        assert_eq!(mtu.datagram(), MAX_DATAGRAM);
        (0..MAX_LARGE_LOST - 1).for_each(|_| mtu.on_large_lost());
        mtu.on_large_arrived();
        (0..MAX_LARGE_LOST - 1).for_each(|_| mtu.on_large_lost());
        assert_eq!(mtu.datagram(), MAX_DATAGRAM, "not in a row");
        mtu.on_large_lost();
        assert_eq!(mtu.datagram(), MIN_DATAGRAM);
        assert!(mtu.wants_probe(Instant::from_millis(60_000)), "the path may have changed back");
    }

    #[test]
    fn probes_end() {
        let mut mtu = Mtu::default();
        let probes = (0..1_000_000).step_by(100).filter(|ms| mtu.wants_probe(Instant::from_millis(*ms))).count();
        assert_eq!(probes, usize::from(MAX_PROBES));
    }
}
