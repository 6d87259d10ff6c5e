//! What is too late for the live output, for those that wait longer: a recording is to be complete, and must cost the live
//! output nothing.
//!
//! So it goes out only while nothing else waits, over links without a queue that have the most to spare, and takes no more than
//! a share of what the links have proven beyond all else that goes over them: the next live unit finds the links as it would have
//! found them. Where a link is asked to prove what it can do, it goes in the place of padding.

use std::time::Duration;

use bondbox_units::{Bitrate, Instant};

use super::super::path::{Content, Path};
use super::super::{Sender, Transmit};
use super::transmit::put_late;
use crate::window::WindowSum;

/// What may be sent for outputs that wait longer.
#[derive(Debug)]
pub(super) struct Spare {
    bytes: f64,
    at: Instant,
    /// All that goes out.
    sent: WindowSum<10>,
    /// Of that, what is late.
    late: WindowSum<10>,
}

impl Spare {
    pub(super) fn new(now: Instant) -> Self {
        Self { bytes: 0.0, at: now, sent: WindowSum::default(), late: WindowSum::default() }
    }

    /// A datagram went out.
    pub(super) fn on_sent(&mut self, now: Instant, len: usize) {
        self.sent.add(now, len as u64);
    }
}

impl Sender {
    /// Reckons what may be sent now for outputs that wait longer than the live one.
    pub(super) fn reckon_spare(&mut self, now: Instant) {
        let Some(session) = &mut self.session else { return };
        if !session.latency_told && now - session.opened >= TOLD_WITHIN {
            // What the gateway before had is nothing to this one.
            self.store.set_longer(Duration::ZERO);
        }
        let span = now - std::mem::replace(&mut session.spare.at, now);
        if !self.store.has_late() {
            session.spare.bytes = 0.0;
            return;
        }
        let usable = session.paths.values().filter(|path| path.is_usable() && !path.usage.backup);
        let proven: Bitrate = usable.map(|path| path.capacity.estimate(now)).sum();
        let others = session.spare.sent.rate(now).saturating_sub(session.spare.late.rate(now));
        let spare = proven.scaled(USABLE).saturating_sub(others).scaled(SHARE).as_bps() as f64 / 8.0;
        session.spare.bytes = (session.spare.bytes + spare * span.as_secs_f64()).min(BURST);
    }

    /// Writes a datagram of bytes that are of use to a longer output alone.
    pub(super) fn transmit_late(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        if !self.store.is_idle() || self.store.next_late().is_none() {
            return None;
        }
        let session = self.session.as_mut().filter(|session| session.spare.bytes > 0.0)?;
        let free = session.paths.iter().filter(|(_, path)| {
            let calm = path.delay.standing() < NO_QUEUE && !path.is_probing();
            path.is_usable() && !path.usage.backup && calm && path.ready_at(now) <= now
        });
        let spare = |path: &Path| path.capacity.estimate(now).saturating_sub(path.outgoing_rate(now));
        let (link, _) = free.max_by_key(|(_, path)| spare(path))?;
        let link = *link;
        let store = &mut self.store;
        let mut again = 0;
        let sent = session.transmit(now, link, &mut self.links, buffer, |_, writer| {
            let mut content = Content::default();
            again = put_late(store, writer, &mut content);
            Some(content)
        })?;
        session.spare.bytes -= sent.len as f64;
        session.spare.late.add(now, sent.len as u64);
        if let Some(link) = self.links.get_mut(&link) {
            link.bytes_repaired += again;
        }
        Some(sent)
    }
}

/// A gateway with such outputs says so ten times a second.
const TOLD_WITHIN: Duration = Duration::from_secs(2);
/// Of what was proven, what may be filled without making a queue.
const USABLE: f64 = 0.95;
/// Of what the links have to spare.
const SHARE: f64 = 0.75;
/// Bytes that may leave at once: what the timer's grain holds up at 8 Mbit/s.
const BURST: f64 = 5_000.0;
/// Jitter leaves as much standing; the queue that live packets would meet is not worth mentioning.
const NO_QUEUE: Duration = Duration::from_millis(20);
