//! Keeps what was sent and gives sums over it.

use std::collections::VecDeque;

use bondbox_units::{Instant, LinkId, Priority};
use bondbox_wire::frame::{MAX_RUNS, MAX_SOURCES, Repair, Run, coefficient};
use bondbox_wire::{MAX_DATAGRAM, Writer};

use super::LENGTH;
use super::receiver::add_plain;
use super::rule::Plan;

/// A packet as it was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    pub(crate) link: LinkId,
    pub(crate) path: u32,
    pub(crate) pn: u64,
    /// Of the most important unit in it.
    pub(crate) priority: Priority,
    /// When it is too late to work it out, on the sender's clock.
    pub(crate) deadline: Instant,
    pub(crate) plain: &'a [u8],
}

/// The packets that the next symbol stands for.
#[derive(Debug, Default)]
pub(crate) struct CodingSender {
    window: VecDeque<Kept>,
    /// Symbols that the sources so far have called for.
    owed: f64,
    next_id: u32,
    sum: Vec<u8>,
    /// Buffers for the next packets.
    spare: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct Kept {
    link: LinkId,
    path: u32,
    pn: u64,
    deadline: Instant,
    plain: Vec<u8>,
}

impl CodingSender {
    /// Takes note of a packet that leaves, and of what `plan` gives for it.
    pub(crate) fn on_sent(&mut self, plan: &Plan, source: Source<'_>) {
        while self.window.len() >= plan.window.clamp(1, MAX_SOURCES) {
            self.drop_oldest();
        }
        let mut plain = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(MAX_DATAGRAM));
        plain.extend_from_slice(source.plain);
        let Source { link, path, pn, deadline, .. } = source;
        self.window.push_back(Kept { link, path, pn, deadline, plain });
        // A symbol that found no room in time is not made up for by many at once.
        self.owed = (self.owed + plan.share(source.priority)).min(MAX_OWED);
    }

    /// Whether a symbol waits to be sent.
    pub(crate) fn is_owed(&self) -> bool {
        self.owed >= 1.0 && !self.window.is_empty()
    }

    /// Whether more than one waits, so that the next must not wait for media to leave room.
    pub(crate) const fn is_urgent(&self) -> bool {
        self.owed >= 2.0
    }

    /// When it is too late for half of the window.
    pub(crate) fn middle_deadline(&self) -> Option<Instant> {
        Some(self.window.get(self.window.len() / 2)?.deadline)
    }

    /// Whether a symbol is to be sent now, which would arrive at `arrival`: packets that are due before are not worth one.
    pub(crate) fn wants_repair(&mut self, arrival: Instant) -> bool {
        while self.window.front().is_some_and(|oldest| oldest.deadline < arrival) {
            self.drop_oldest();
        }
        self.is_owed()
    }

    /// Bytes of plaintext that the next symbol takes at least, when it stands for nothing but the newest packet.
    pub(crate) fn least_size(&self) -> usize {
        self.window.back().map_or(0, |newest| {
            let run = Run { path: newest.path, first: newest.pn, packets: 1 };
            Repair::overhead(self.next_id, &[run]) + LENGTH + newest.plain.len()
        })
    }

    /// Share of the window that went over `link`.
    pub(crate) fn share_of(&self, link: LinkId) -> f64 {
        let over = self.window.iter().filter(|kept| kept.link == link).count();
        over as f64 / self.window.len().max(1) as f64
    }

    /// Writes a symbol; `false` when there is no room for it.
    pub(crate) fn write_repair(&mut self, writer: &mut Writer<'_>) -> bool {
        let (runs, skipped) = self.runs(writer.room());
        let id = self.next_id;
        self.sum.clear();
        for kept in self.window.iter().skip(skipped) {
            add_plain(&mut self.sum, &kept.plain, coefficient(id, kept.path, kept.pn));
        }
        if Repair::encode(id, &runs, &self.sum, writer).is_err() {
            return false;
        }
        self.next_id = self.next_id.wrapping_add(1);
        self.owed -= 1.0;
        true
    }

    /// As much of the window as a frame of `room` bytes can stand for, the newest first, and how many of the oldest it cannot.
    fn runs(&self, room: usize) -> (heapless::Vec<Run, MAX_RUNS>, usize) {
        let mut runs = heapless::Vec::<Run, MAX_RUNS>::new();
        let mut longest = 0;
        for (taken, kept) in self.window.iter().rev().enumerate() {
            let rest = (runs.clone(), self.window.len() - taken);
            longest = longest.max(kept.plain.len());
            let before = runs.iter_mut().find(|run| run.path == kept.path && run.first == kept.pn + 1);
            let fits = match before {
                Some(run) => {
                    run.first -= 1;
                    run.packets += 1;
                    true
                }
                None => runs.push(Run { path: kept.path, first: kept.pn, packets: 1 }).is_ok(),
            };
            if !fits || Repair::overhead(self.next_id, &runs) + LENGTH + longest > room {
                return rest;
            }
        }
        (runs, 0)
    }

    fn drop_oldest(&mut self) {
        if let Some(mut oldest) = self.window.pop_front()
            && self.spare.len() < MAX_SPARE
        {
            oldest.plain.clear();
            self.spare.push(oldest.plain);
        }
    }
}

/// Symbols that may be behind: those of a keyframe.
const MAX_OWED: f64 = 16.0;
/// Buffers that wait for use.
const MAX_SPARE: usize = MAX_SOURCES;
