//! Sections of tables, put together from packets (§2.4.4).

use alloc::vec::Vec;

use super::continuity::{Continuity, Order};
use super::crc::crc32;
use super::packet::Packet;

/// Puts the sections of one PID together.
#[derive(Debug, Default)]
pub(super) struct Sections {
    continuity: Continuity,
    /// The section being read, when its start was seen.
    partial: Option<Vec<u8>>,
    /// Sections whose checksum was wrong.
    damaged: u64,
}

impl Sections {
    /// Takes a packet and hands each section with a right checksum to `found`, checksum included.
    pub(super) fn handle(&mut self, packet: &Packet<'_>, mut found: impl FnMut(&[u8])) {
        if packet.payload.is_empty() {
            return;
        }
        match self.continuity.check(packet) {
            Order::Repeat => return,
            Order::Gap => self.partial = None,
            Order::Next => {}
        }
        if packet.scrambled {
            self.partial = None;
            return;
        }
        if !packet.start {
            self.append(packet.payload, &mut found);
            return;
        }
        let pointer = usize::from(packet.payload[0]);
        let Some((before, after)) = packet.payload[1..].split_at_checked(pointer) else {
            self.partial = None;
            return;
        };
        self.append(before, &mut found);
        self.partial = Some(Vec::new());
        self.append(after, &mut found);
    }

    /// Sections whose checksum was wrong, since the last time of asking.
    pub(super) fn take_damaged(&mut self) -> u64 {
        core::mem::take(&mut self.damaged)
    }

    fn append(&mut self, mut bytes: &[u8], found: &mut impl FnMut(&[u8])) {
        let Some(mut partial) = self.partial.take() else { return };
        loop {
            // Stuffing after the last section of a packet.
            if partial.is_empty() && bytes.first().is_none_or(|&table| table == STUFFING) {
                self.partial = bytes.is_empty().then_some(partial);
                return;
            }
            let have = partial.len();
            let wanted = if have < HEADER_LEN { HEADER_LEN } else { section_len(&partial) };
            let (taken, rest) = bytes.split_at((wanted - have).min(bytes.len()));
            partial.extend_from_slice(taken);
            bytes = rest;
            if partial.len() < wanted {
                self.partial = Some(partial);
                return;
            }
            if partial.len() >= HEADER_LEN && partial.len() == section_len(&partial) {
                if crc32(&partial) == 0 {
                    found(&partial)
                } else {
                    self.damaged += 1
                }
                partial.clear();
            }
        }
    }
}

/// The whole length that the first three bytes announce, at most 4,098.
fn section_len(header: &[u8]) -> usize {
    HEADER_LEN + (usize::from(header[1] & 0x0f) << 8 | usize::from(header[2]))
}

const HEADER_LEN: usize = 3;
const STUFFING: u8 = 0xff;
