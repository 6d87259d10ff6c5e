//! What arrived on one path, and when to say so.

use std::collections::VecDeque;
use std::time::Duration;

use bondbox_units::Instant;
use bondbox_wire::frame::{AckBuilder, Acked};
use bondbox_wire::{Full, Writer};

/// Packets of one path that the sender may not know to have arrived.
#[derive(Debug, Default)]
pub(crate) struct AckState {
    /// Newest number first.
    arrived: VecDeque<Acked>,
    /// Packets since the last acknowledgement.
    unsaid: u32,
    /// Acknowledgements written.
    said: u32,
    /// When the last one went over another path, and how many did.
    carried: Option<Instant>,
    detours: u32,
    /// An acknowledgement is due then.
    due: Option<Instant>,
    said_at: Instant,
    last_arrival: Instant,
    /// A copy over another path is due when this one stays quiet.
    copy_due: Option<Instant>,
}

impl AckState {
    /// Takes note of a packet.
    pub(crate) fn on_packet(&mut self, now: Instant, pn: u64) {
        let next = self.arrived.front().map_or(0, |newest| newest.pn + 1);
        let at = self.arrived.partition_point(|packet| packet.pn > pn);
        self.arrived.insert(at, Acked { pn, received: now });
        while self.arrived.len() > MAX_KEPT
            || self.arrived.len() > 1 && self.arrived.back().is_some_and(|oldest| now - oldest.received > KEEP)
        {
            self.arrived.pop_back();
        }
        self.unsaid += 1;
        self.last_arrival = now;
        let gap = pn != next;
        let wait = if gap {
            self.at_once(now) - now
        } else if self.unsaid >= BUSY {
            FAST
        } else {
            SLOW
        };
        self.due = Some(self.due.map_or(now + wait, |due| due.min(now + wait)));
        self.copy_due = Some(now + QUIET);
    }

    /// The sender is in doubt about the path: it is answered at once, and over another path too.
    pub(crate) fn on_ping(&mut self, now: Instant) {
        (self.due, self.copy_due) = (Some(self.at_once(now)), Some(self.at_once(now)));
    }

    /// At once, but a peer with nothing but gaps and pings must not be answered with many times the bytes it sends.
    fn at_once(&self, now: Instant) -> Instant {
        if self.said == 0 { now } else { now.max(self.said_at + APART) }
    }

    /// When the next acknowledgement is due on its own path.
    pub(crate) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// When a copy is due on another path.
    pub(crate) const fn copy_due(&self) -> Option<Instant> {
        self.copy_due
    }

    /// Says nothing until another packet arrives.
    pub(crate) const fn forget_due(&mut self) {
        (self.due, self.copy_due) = (None, None);
    }

    /// When the last packet arrived.
    pub(crate) const fn last_arrival(&self) -> Instant {
        self.last_arrival
    }

    /// The how manieth detour is next, if one is due: now and then what arrived is told over another path too, so that
    /// losses of this one's way back alone do not make it look dead.
    pub(crate) fn detour(&self, now: Instant) -> Option<u32> {
        self.carried.is_some_and(|carried| now - carried >= DETOUR).then_some(self.detours)
    }

    /// Something that another path need not be told of twice went over it.
    pub(crate) fn on_carried(&mut self, now: Instant) {
        self.carried = Some(now);
        self.detours = self.detours.wrapping_add(1);
    }

    /// Whether anything arrived of late.
    pub(crate) fn has_news(&self, now: Instant) -> bool {
        self.arrived.front().is_some_and(|newest| now - newest.received <= NEWS)
    }

    /// Writes what arrived of late beside another path's acknowledgement.
    pub(crate) fn encode_news(&mut self, now: Instant, path: u32, out: &mut Writer<'_>) -> Result<(), Full> {
        let delay = self.arrived.front().map_or(Duration::ZERO, |newest| now - newest.received);
        let late = self.arrived.iter().take_while(|packet| now - packet.received <= NEWS).copied();
        AckBuilder::new(path, delay.as_micros() as u64).encode(late, out)?;
        self.on_carried(now);
        Ok(())
    }

    /// Writes the acknowledgement for `path`.
    pub(crate) fn encode(&mut self, now: Instant, path: u32, out: &mut Writer<'_>) -> Result<(), Full> {
        self.said = self.said.saturating_add(1);
        self.carried.get_or_insert(now);
        self.said_at = now;
        self.unsaid = 0;
        if self.due.take().is_none() {
            self.copy_due = None;
        }
        let delay = self.arrived.front().map_or(Duration::ZERO, |newest| now - newest.received);
        AckBuilder::new(path, delay.as_micros() as u64).encode(self.arrived.iter().copied(), out)
    }
}

/// Least time between two acknowledgements of one path.
const APART: Duration = Duration::from_millis(2);
/// As long as acknowledgements may all be lost without harm.
const KEEP: Duration = Duration::from_millis(120);
/// Three acknowledgements of a quiet path.
const DETOUR: Duration = Duration::from_millis(70);
/// What is told over another path: that may be lost once, too.
const NEWS: Duration = Duration::from_millis(60);
/// What one acknowledgement can name; at 50 Mbit/s a path brings 640 in the time above.
const MAX_KEPT: usize = 1_024;
/// While nothing is missing: forty a second cost 1 % of 1 Mbit/s.
const SLOW: Duration = Duration::from_millis(25);
/// Where much arrives, a queue grows fast.
const FAST: Duration = Duration::from_millis(10);
/// Packets within one slow interval that make a path busy.
const BUSY: u32 = 16;
/// A path that brought nothing for longer than its acknowledgements are apart may have lost the last of them.
const QUIET: Duration = Duration::from_millis(40);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_told_at_once_and_order_at_leisure() {
        let mut ack = AckState::default();
        ack.on_packet(Instant::from_millis(10), 0);
        assert_eq!(ack.due(), Some(Instant::from_millis(35)));
        ack.on_packet(Instant::from_millis(12), 1);
        assert_eq!(ack.due(), Some(Instant::from_millis(35)));
        ack.on_packet(Instant::from_millis(14), 3);
        assert_eq!(ack.due(), Some(Instant::from_millis(14)));
    }

    #[test]
    fn a_storm_of_gaps_is_answered_once_in_two_milliseconds() {
        let mut ack = AckState::default();
        let mut buffer = [0; 972];
        let mut written = 0;
        for micros in (0..100_000).step_by(50) {
            let now = Instant::from_micros(micros);
            ack.on_packet(now, micros);
            ack.on_ping(now);
            if ack.due().is_some_and(|due| due <= now) {
                ack.encode(now, 1, &mut Writer::new(&mut buffer)).unwrap();
                written += 1;
            }
        }
        assert!((40..=51).contains(&written), "{written}");
    }

    #[test]
    fn packets_out_of_order_are_kept_in_order_and_the_old_go() {
        let mut ack = AckState::default();
        for (ms, pn) in [(0, 5), (1, 4), (2, 9), (3, 7)] {
            ack.on_packet(Instant::from_millis(ms), pn);
        }
        let order: Vec<_> = ack.arrived.iter().map(|packet| packet.pn).collect();
        assert_eq!(order, [9, 7, 5, 4]);
        ack.on_packet(Instant::from_millis(10_000), 10);
        assert_eq!(ack.arrived.len(), 1);
    }
}
