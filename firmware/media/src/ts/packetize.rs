//! Payload cut into transport packets.

use alloc::vec::Vec;

use super::PACKET_LEN;
use super::packet::SYNC;

/// A PID that is written to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    pub(super) pid: u16,
    /// The continuity counter of the next packet with payload.
    counter: u8,
}

/// What the adaptation field of the first packet says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks {
    pub(super) discontinuity: bool,
    pub(super) random_access: bool,
    /// On the 27 MHz clock, in 42 bits.
    pub(super) pcr: Option<u64>,
}

impl Output {
    pub(super) const fn new(pid: u16) -> Self {
        Self { pid, counter: 0 }
    }

    /// As it was before the last packet, so that a copy of that packet can be written.
    pub(super) const fn stepped_back(self) -> Self {
        Self { pid: self.pid, counter: self.counter.wrapping_sub(1) & 0xf }
    }

    /// Appends a PES packet: `head`, then `data`.
    pub(super) fn write_pes(&mut self, head: &[u8], data: &[u8], mut marks: Marks, out: &mut Vec<u8>) {
        let (mut head, mut data) = (head, data);
        let mut start = true;
        while start || head.len() + data.len() > 0 {
            let room = BODY - marks.field_len();
            let count = room.min(head.len() + data.len());
            self.write_start(start, out);
            marks.write(BODY - count, out);
            let (from_head, rest) = head.split_at(count.min(head.len()));
            head = rest;
            let (from_data, rest) = data.split_at(count - from_head.len());
            data = rest;
            out.extend_from_slice(from_head);
            out.extend_from_slice(from_data);
            start = false;
            marks = Marks::default();
        }
    }

    /// Appends a section of a table, stuffed behind its end.
    pub(super) fn write_section(&mut self, section: &[u8], discontinuity: bool, out: &mut Vec<u8>) {
        let mut marks = Marks { discontinuity, ..Marks::default() };
        // The section begins right behind the pointer.
        let mut rest = &[&[0], section].concat()[..];
        let mut start = true;
        while !rest.is_empty() {
            self.write_start(start, out);
            let field = marks.field_len();
            marks.write(field, out);
            let (now, later) = rest.split_at((BODY - field).min(rest.len()));
            out.extend_from_slice(now);
            out.extend(core::iter::repeat_n(STUFFING, BODY - field - now.len()));
            rest = later;
            start = false;
            marks = Marks::default();
        }
    }

    /// Appends a packet that carries only `marks`; it does not count.
    pub(super) fn write_marks(&self, marks: Marks, out: &mut Vec<u8>) {
        let [high, low] = self.pid.to_be_bytes();
        out.extend_from_slice(&[SYNC, high, low, 0x20 | self.stepped_back().counter]);
        marks.write(BODY, out);
    }

    fn write_start(&mut self, start: bool, out: &mut Vec<u8>) {
        let [high, low] = self.pid.to_be_bytes();
        out.extend_from_slice(&[SYNC, high | if start { 0x40 } else { 0 }, low, 0x10 | self.counter]);
        self.counter = (self.counter + 1) & 0xf;
    }
}

impl Marks {
    /// Bytes of an adaptation field that says this, its length byte included.
    const fn field_len(&self) -> usize {
        match (self.pcr, self.discontinuity || self.random_access) {
            (Some(_), _) => 8,
            (None, true) => 2,
            (None, false) => 0,
        }
    }

    /// Appends a field of exactly `len` bytes, at least [`field_len`](Self::field_len), and marks the packet header
    /// just written as having one.
    fn write(&self, len: usize, out: &mut Vec<u8>) {
        if len == 0 {
            return;
        }
        let control = out.len() - 1;
        out[control] |= 0x20;
        let begin = out.len();
        out.push((len - 1) as u8);
        if len > 1 {
            let flag = |set, bit| if set { bit } else { 0 };
            out.push(flag(self.discontinuity, 0x80) | flag(self.random_access, 0x40) | flag(self.pcr.is_some(), 0x10));
        }
        if let Some(pcr) = self.pcr {
            let (base, extension) = (pcr / 300, pcr % 300);
            // 33 bits of base, 6 reserved, 9 of extension.
            out.extend_from_slice(&(base << 15 | 0x3f << 9 | extension).to_be_bytes()[2..]);
        }
        out.resize(begin + len, STUFFING);
    }
}

/// Bytes of a packet behind its header.
const BODY: usize = PACKET_LEN - 4;
const STUFFING: u8 = 0xff;

#[cfg(test)]
mod tests {
    use super::super::packet::Packet;
    use super::*;

    #[test]
    fn every_length_fills_whole_packets_and_comes_back() {
        for len in 1..600 {
            let marks = Marks { random_access: true, pcr: Some(len as u64 * 299), ..Marks::default() };
            let data: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let mut out = Vec::new();
            Output::new(0x100).write_pes(&data[..len.min(20)], &data[len.min(20)..], marks, &mut out);
            let packets: Vec<Packet<'_>> = out.chunks(PACKET_LEN).map(|bytes| Packet::parse(bytes).unwrap()).collect();
            let payload: Vec<u8> = packets.iter().flat_map(|packet| packet.payload).copied().collect();
            assert_eq!(payload, data);
            assert_eq!(packets[0].adaptation.pcr, Some(len as u64 * 299));
            assert!(packets.iter().enumerate().all(|(at, packet)| usize::from(packet.counter) == at % 16));
        }
    }
}
