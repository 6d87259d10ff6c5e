//! Follows PAT and PMT to the streams of the first programme.

use super::packet::Packet;
use super::programme::{Programme, parse_pat, parse_pmt};
use super::section::Sections;

/// What the tables said last.
#[derive(Debug, Default)]
pub(super) struct Tables {
    association: Sections,
    map: Option<(u16, Sections)>,
    programme: Option<Programme>,
}

impl Tables {
    /// Whether the packets of `pid` are tables that we follow.
    pub(super) fn owns(&self, pid: u16) -> bool {
        pid == PAT_PID || self.map.as_ref().is_some_and(|&(map, _)| map == pid)
    }

    /// Takes a packet that is [owned](Self::owns); the programme, when this packet changed it.
    pub(super) fn handle(&mut self, packet: &Packet<'_>) -> Option<&Programme> {
        let mut changed = false;
        if packet.pid == PAT_PID {
            let mut first = None;
            self.association.handle(packet, |section| first = parse_pat(section).and_then(|mut all| all.next()));
            if let Some((_, pid)) = first.filter(|&(_, pid)| pid != PAT_PID && !self.owns(pid)) {
                self.map = Some((pid, Sections::default()));
            }
        } else if let Some((_, sections)) = &mut self.map {
            let programme = &mut self.programme;
            sections.handle(packet, |section| {
                let Some(found) = parse_pmt(section) else { return };
                if programme.as_ref() != Some(&found) {
                    *programme = Some(found);
                    changed = true;
                }
            });
        }
        self.programme.as_ref().filter(|_| changed)
    }

    /// The programme, once its map was seen.
    pub(super) const fn programme(&self) -> Option<&Programme> {
        self.programme.as_ref()
    }

    /// Sections whose checksum was wrong, since the last time of asking.
    pub(super) fn take_damaged(&mut self) -> u64 {
        self.association.take_damaged() + self.map.as_mut().map_or(0, |(_, sections)| sections.take_damaged())
    }
}

pub(super) const PAT_PID: u16 = 0;
