//! One elementary stream: PES packets put together, and access units taken out of them.
//!
//! A unit that lacks a packet is dropped whole, and the next one says so: no unit is ever made of two.

use alloc::vec::Vec;

use bytes::Bytes;

use super::clock::{Ticks, Unwrapper};
use super::continuity::{Continuity, Order};
use super::packet::Packet;
use super::pes::{self, PesHeader};
use super::programme::Stream;
use super::reader::{Counters, Unit};
use crate::aac::{self, AdtsError, AdtsHeader};
use crate::{Codec, Contents, MAX_UNIT, annexb, opus};

/// What the streams of one programme share.
pub(super) struct Shared<'a> {
    pub(super) clock: &'a mut Unwrapper,
    pub(super) counters: &'a mut Counters,
    /// Bytes in unfinished units of all streams.
    pub(super) held: &'a mut usize,
    pub(super) emit: &'a mut dyn FnMut(Unit),
}

/// A stream of a codec that we read.
#[derive(Debug)]
pub(super) struct Elementary {
    pub(super) stream: Stream,
    codec: Codec,
    continuity: Continuity,
    /// The PES packet being put together, header included.
    pending: Option<Vec<u8>>,
    /// Something was lost since the last unit.
    broken: bool,
    /// The head of an ADTS frame whose tail is in the next PES packet, and its time.
    carry: (Vec<u8>, Option<Ticks>),
}

impl Elementary {
    pub(super) fn new(stream: Stream, codec: Codec) -> Self {
        let carry = (Vec::new(), None);
        Self { stream, codec, continuity: Continuity::default(), pending: None, broken: false, carry }
    }

    pub(super) fn handle(&mut self, packet: &Packet<'_>, shared: &mut Shared<'_>) {
        if packet.payload.is_empty() {
            self.broken |= packet.adaptation.discontinuity;
            return;
        }
        match self.continuity.check(packet) {
            Order::Repeat => return,
            // An announced jump of the counter loses the unit in hand all the same.
            Order::Gap => {
                shared.counters.gaps += 1;
                self.lose(shared);
            }
            Order::Next => {}
        }
        // What claims to begin a unit must begin with one.
        if packet.scrambled || packet.start && !packet.payload.starts_with(&annexb::START_CODE) {
            return self.lose(shared);
        }
        if packet.start {
            self.finish(shared);
            self.broken |= packet.adaptation.discontinuity;
            self.pending = Some(Vec::new());
        }
        self.append(packet.payload, shared);
    }

    /// The stream has ended or changed: a unit without a length is whole.
    pub(super) fn finish(&mut self, shared: &mut Shared<'_>) {
        let Some(pes) = self.pending.take() else { return };
        *shared.held -= pes.len();
        // One with a length would have come out when it was full.
        if pes::total_len(&pes) == Some(None) { self.take_apart(pes, shared) } else { self.miss(shared) }
    }

    /// Something of this stream is missing: what is in hand is no unit.
    pub(super) fn lose(&mut self, shared: &mut Shared<'_>) {
        self.broken = true;
        self.carry = (Vec::new(), None);
        if let Some(pes) = self.pending.take() {
            *shared.held -= pes.len();
            shared.counters.lost_units += 1;
        }
    }

    fn miss(&mut self, shared: &mut Shared<'_>) {
        self.lose(shared);
        shared.counters.lost_units += 1;
    }

    fn append(&mut self, payload: &[u8], shared: &mut Shared<'_>) {
        let Some(pes) = &mut self.pending else {
            // The start of this unit was lost, or we joined in its middle.
            self.broken = true;
            return;
        };
        pes.extend_from_slice(payload);
        *shared.held += payload.len();
        let total = pes::total_len(pes);
        let fits = match total {
            None => true,
            Some(None) => pes.len() <= MAX_UNIT,
            Some(Some(total)) => pes.len() <= total,
        };
        if !fits || *shared.held > MAX_HELD {
            return self.lose(shared);
        }
        if total == Some(Some(pes.len())) {
            let pes = core::mem::take(pes);
            self.pending = None;
            *shared.held -= pes.len();
            self.take_apart(pes, shared);
        }
    }

    /// Takes the access units out of a whole PES packet.
    fn take_apart(&mut self, pes: Vec<u8>, shared: &mut Shared<'_>) {
        // A packet of another stream can get here by one wrong bit of its PID.
        let header = PesHeader::parse(&pes).filter(|header| pes::may_carry(header.stream_id, self.codec));
        let Some(header) = header else { return self.miss(shared) };
        let payload = Bytes::from(pes).slice(header.len..);
        let pts = header.pts.map(|pts| shared.clock.unwrap(pts));
        let dts = header.dts.map(|dts| shared.clock.unwrap(dts)).or(pts);
        if let Some(dts) = dts {
            shared.clock.advance(dts);
        }
        let whole = match self.codec {
            Codec::H264 | Codec::H265 => self.video(payload, (pts, dts), shared),
            Codec::Aac => self.aac(payload, pts, shared),
            Codec::Opus => self.opus(payload, pts, shared),
        };
        if !whole {
            self.miss(shared);
        }
    }

    /// The whole payload is one unit (or the two fields of a frame).
    fn video(&mut self, payload: Bytes, (pts, dts): (Option<Ticks>, Option<Ticks>), shared: &mut Shared<'_>) -> bool {
        // `forbidden_zero_bit`: the start code of another PES packet, taken for this one's payload, has it set.
        let foreign = annexb::nal_units(&payload).any(|nal| nal[0] & 0x80 != 0);
        if foreign || payload.is_empty() {
            return false;
        }
        let contents = self.codec.inspect(&payload);
        self.emit(payload, (pts, dts), contents, shared);
        true
    }

    fn aac(&mut self, payload: Bytes, mut pts: Option<Ticks>, shared: &mut Shared<'_>) -> bool {
        let (carried, carried_pts) = core::mem::take(&mut self.carry);
        let begins = carried.len();
        let payload = if begins == 0 { payload } else { Bytes::from([&carried[..], &payload].concat()) };
        // Samples since the first frame that begins in this PES packet.
        let (mut at, mut samples) = (0, 0_i64);
        while at < payload.len() {
            let rest = &payload[at..];
            let header = match AdtsHeader::parse(rest) {
                Ok(header) => Some(header).filter(|header| header.frame_len <= rest.len()),
                Err(AdtsError::Truncated { .. }) => None,
                // Behind a loss, a frame may begin anywhere.
                Err(_) => {
                    let Some(skipped) = aac::find_frame(rest) else { return false };
                    self.broken = true;
                    at += skipped;
                    continue;
                }
            };
            // `now` is the time of this frame.
            let now = if at < begins { carried_pts } else { pts };
            let Some(header) = header else {
                self.carry = (rest.to_vec(), now);
                return true;
            };
            self.emit(payload.slice(at..at + header.frame_len), (now, now), Contents::SOUND, shared);
            if at >= begins {
                let before = ticks(samples, header.config.sample_rate());
                samples += i64::from(header.samples);
                pts = pts.map(|pts| pts.offset(ticks(samples, header.config.sample_rate()) - before));
            } else if pts.is_none() {
                let length = ticks(i64::from(header.samples), header.config.sample_rate());
                pts = carried_pts.map(|pts| pts.offset(length));
            }
            at += header.frame_len;
        }
        true
    }

    fn opus(&mut self, payload: Bytes, mut pts: Option<Ticks>, shared: &mut Shared<'_>) -> bool {
        let mut rest = &payload[..];
        while !rest.is_empty() {
            let Some((packet, after)) = opus::split_control_header(rest) else { return false };
            let Ok(head) = opus::Packet::parse(packet) else { return false };
            self.emit(payload.slice_ref(packet), (pts, pts), Contents::SOUND, shared);
            pts = pts.map(|pts| pts.offset(ticks(i64::from(head.samples), 48_000)));
            rest = after;
        }
        true
    }

    fn emit(
        &mut self,
        data: Bytes,
        (pts, dts): (Option<Ticks>, Option<Ticks>),
        contents: Contents,
        shared: &mut Shared<'_>,
    ) {
        let discontinuity = core::mem::take(&mut self.broken);
        shared.counters.units += 1;
        (shared.emit)(Unit { pid: self.stream.pid, codec: self.codec, pts, dts, contents, discontinuity, data });
    }
}

fn ticks(samples: i64, rate: u32) -> i64 {
    (samples * 90_000).checked_div(i64::from(rate)).unwrap_or(0)
}

/// Bytes in unfinished units of all streams together.
const MAX_HELD: usize = 2 * MAX_UNIT;
