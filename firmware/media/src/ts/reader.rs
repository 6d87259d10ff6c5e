//! A transport stream taken apart into access units.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::Bytes;

use super::PACKET_LEN;
use super::clock::{Ticks, Unwrapper};
use super::elementary::{Elementary, Shared};
use super::packet::{NULL_PID, Packet};
use super::programme::Programme;
use super::sync::{self, Step};
use super::tables::Tables;
use crate::{Codec, Contents};

/// Takes a transport stream apart: its first programme, and in it the streams that we read.
///
/// Bytes come in pieces of any size. A packet counts once the next one is seen in place, a unit once its announced
/// length is there or the next one begins; [`flush`](Self::flush) ends the waiting. What is lost or damaged is never
/// patched over: the unit is dropped, and the next one of its stream carries [`Unit::discontinuity`]. Transport streams
/// have no checksum over media: a changed byte inside a unit passes, and so does a gap of exactly 16 packets of a stream.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: Vec<u8>,
    in_sync: bool,
    /// Bytes skipped since the last packet.
    skipping: usize,
    /// The PID of the last packet.
    last_pid: Option<u16>,
    tables: Tables,
    streams: Vec<Elementary>,
    held: usize,
    clock: Unwrapper,
    counters: Counters,
    events: VecDeque<Event>,
}

/// What a reader finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The programme, at first and whenever its map changes.
    Programme(Programme),
    /// A whole access unit.
    Unit(Unit),
}

/// An access unit of a transport stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// The PID it came on.
    pub pid: u16,
    /// How it is encoded.
    pub codec: Codec,
    /// When to show it, when the stream says.
    pub pts: Option<Ticks>,
    /// When to decode it; `pts` where the stream does not tell them apart.
    pub dts: Option<Ticks>,
    /// What it holds.
    pub contents: Contents,
    /// Something of this stream is missing before it, or its clock was set anew.
    pub discontinuity: bool,
    /// Annex B, ADTS or an Opus packet.
    pub data: Bytes,
}

/// What was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets in place, damaged ones included.
    pub packets: u64,
    /// Packets that contradict themselves or are marked as damaged.
    pub damaged_packets: u64,
    /// Bytes between packets.
    pub skipped_bytes: u64,
    /// Jumps of a continuity counter, tables left out.
    pub gaps: u64,
    /// Sections of tables with a wrong checksum.
    pub damaged_sections: u64,
    /// Units given out.
    pub units: u64,
    /// Units begun and dropped; those lost without a trace are not in it.
    pub lost_units: u64,
}

impl Reader {
    /// A reader that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes. Poll afterwards until nothing comes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        self.advance(false);
    }

    /// The stream has ended: what is in hand and whole comes out.
    pub fn flush(&mut self) {
        self.advance(true);
        self.buffer.clear();
        self.in_sync = false;
        self.each_stream(Elementary::finish);
    }

    /// The next thing found.
    pub fn poll(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// What was seen so far.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    fn advance(&mut self, ended: bool) {
        let buffer = core::mem::take(&mut self.buffer);
        let mut at = 0;
        loop {
            match sync::next(&buffer[at..], self.in_sync, ended) {
                Step::Packet => {
                    self.in_sync = true;
                    self.skipping = 0;
                    self.on_packet(&buffer[at..at + PACKET_LEN]);
                    at += PACKET_LEN;
                }
                Step::Damaged => {
                    self.counters.packets += 1;
                    self.counters.damaged_packets += 1;
                    at += PACKET_LEN;
                }
                Step::Skip(count) => {
                    self.on_skipped(count);
                    at += count;
                }
                Step::Wait => break,
            }
        }
        self.buffer = buffer;
        self.buffer.drain(..at);
    }

    fn on_packet(&mut self, bytes: &[u8]) {
        self.counters.packets += 1;
        let Some(packet) = Packet::parse(bytes) else {
            self.counters.damaged_packets += 1;
            return;
        };
        self.last_pid = Some(packet.pid);
        if packet.pid == NULL_PID {
            return;
        }
        if self.tables.owns(packet.pid) {
            let found = self.tables.handle(&packet).cloned();
            self.counters.damaged_sections += self.tables.take_damaged();
            if let Some(programme) = found {
                self.on_programme(programme);
            }
            return;
        }
        self.each_stream(|stream, shared| {
            if stream.stream.pid == packet.pid {
                stream.handle(&packet, shared);
            }
        });
    }

    /// Streams that go on keep their state; of one that leaves, the last unit comes out.
    fn on_programme(&mut self, programme: Programme) {
        self.each_stream(|stream, shared| {
            if !programme.streams.contains(&stream.stream) {
                stream.finish(shared);
            }
        });
        self.streams.retain(|known| programme.streams.contains(&known.stream));
        for &stream in &programme.streams {
            let known = self.streams.iter().any(|known| known.stream.pid == stream.pid);
            if let Some(codec) = stream.kind.codec().filter(|_| !known) {
                self.streams.push(Elementary::new(stream, codec));
            }
        }
        self.events.push_back(Event::Programme(programme));
    }

    fn on_skipped(&mut self, count: usize) {
        let lost_sync = core::mem::take(&mut self.in_sync);
        self.counters.skipped_bytes += count as u64;
        let before = self.skipping;
        self.skipping += count;
        // The continuity counter tells of fewer packets than this; beyond, no stream can be trusted.
        let blind = before < COUNTER_SPAN && self.skipping >= COUNTER_SPAN;
        // The last packet was cut short if what followed it was not in place.
        let cut_short = self.last_pid.filter(|_| lost_sync);
        self.each_stream(|stream, shared| {
            if blind || cut_short == Some(stream.stream.pid) {
                stream.lose(shared);
            }
        });
    }

    fn each_stream(&mut self, mut act: impl FnMut(&mut Elementary, &mut Shared<'_>)) {
        let Self { streams, clock, counters, held, events, .. } = self;
        let emit = &mut |unit| events.push_back(Event::Unit(unit));
        let mut shared = Shared { clock, counters, held, emit };
        for stream in streams {
            act(stream, &mut shared);
        }
    }
}

/// Bytes of the packets that a continuity counter can count.
const COUNTER_SPAN: usize = 15 * PACKET_LEN;
