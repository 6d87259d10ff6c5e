//! What losing a datagram of transport packets means, found by looking and without changing a byte.

use alloc::vec::Vec;

use bondbox_units::Priority;
use memchr::memmem;

use super::PACKET_LEN;
use super::continuity::{Continuity, Order};
use super::packet::{NULL_PID, Packet};
use super::tables::Tables;
use crate::annexb::START_CODE;
use crate::{Codec, h264, h265};

/// Reads the datagrams of an opaque track in the order in which they came.
///
/// Tables and parameter sets are critical; keyframes and sound are references; pictures that nothing refers to, and
/// packets that only fill time, are disposable; all else is standard, as is anything that is no transport stream.
#[derive(Debug, Default)]
pub struct Classifier {
    tables: Tables,
    videos: Vec<Video>,
}

impl Classifier {
    /// A classifier that has seen nothing: until the tables came, only they are known.
    pub fn new() -> Self {
        Self::default()
    }

    /// What losing `datagram` means: as much as losing the most important of its packets.
    pub fn classify(&mut self, datagram: &[u8]) -> Priority {
        if !datagram.len().is_multiple_of(PACKET_LEN) {
            return Priority::Standard;
        }
        let packets = datagram.chunks_exact(PACKET_LEN);
        packets.map(|packet| self.packet(packet)).min().unwrap_or(Priority::Standard)
    }

    fn packet(&mut self, bytes: &[u8]) -> Priority {
        let Some(packet) = Packet::parse(bytes) else { return Priority::Standard };
        if packet.pid == NULL_PID {
            return Priority::Disposable;
        }
        if self.tables.owns(packet.pid) {
            if let Some(programme) = self.tables.handle(&packet) {
                let videos = programme.streams.iter().filter_map(|stream| {
                    let codec = stream.kind.codec().filter(|codec| codec.is_video())?;
                    Some(Video::new(stream.pid, codec))
                });
                self.videos = videos.collect();
            }
            return Priority::Critical;
        }
        if let Some(video) = self.videos.iter_mut().find(|video| video.pid == packet.pid) {
            return video.packet(&packet);
        }
        let sound = self.tables.programme().is_some_and(|programme| {
            programme.streams.iter().any(|stream| stream.pid == packet.pid && stream.kind.is_audio())
        });
        if sound { Priority::Reference } else { Priority::Standard }
    }
}

/// Where we are in one video stream.
#[derive(Debug)]
struct Video {
    pid: u16,
    codec: Codec,
    continuity: Continuity,
    /// The unit is marked as one where decoding can start.
    random_access: bool,
    /// What the NAL unit being read means; `None` when it says nothing by itself.
    open: Option<Priority>,
    /// The last bytes of the packet before: a start code may lie across.
    tail: Vec<u8>,
}

impl Video {
    fn new(pid: u16, codec: Codec) -> Self {
        let tail = Vec::with_capacity(START_CODE.len() + PACKET_LEN);
        Self { pid, codec, continuity: Continuity::default(), random_access: false, open: None, tail }
    }

    fn packet(&mut self, packet: &Packet<'_>) -> Priority {
        // It carries a clock reference, and other packets do too.
        if packet.payload.is_empty() {
            return Priority::Standard;
        }
        if self.continuity.check(packet) == Order::Gap {
            self.forget();
            self.random_access = false;
        }
        if packet.start {
            self.forget();
            self.random_access = packet.adaptation.random_access;
        }
        let other = if self.random_access { Priority::Reference } else { Priority::Standard };
        if packet.scrambled {
            return other;
        }
        let mut means = self.open;
        self.tail.extend_from_slice(packet.payload);
        for start in memmem::find_iter(&self.tail, &START_CODE) {
            let Some(&header) = self.tail.get(start + START_CODE.len()) else { break };
            self.open = meaning(self.codec, header, self.random_access);
            // Lower is more important; a NAL unit that says nothing changes nothing.
            means = [means, self.open].into_iter().flatten().min();
        }
        let keep = self.tail.len().saturating_sub(START_CODE.len());
        self.tail.drain(..keep);
        means.unwrap_or(other)
    }

    fn forget(&mut self) {
        self.open = None;
        self.tail.clear();
    }
}

fn meaning(codec: Codec, header: u8, random_access: bool) -> Option<Priority> {
    // The start code of a PES packet looks like one of a NAL unit, but for this bit.
    if header & 0x80 != 0 {
        return None;
    }
    let slice = |disposable| match (random_access, disposable) {
        (true, _) => Priority::Reference,
        (false, true) => Priority::Disposable,
        (false, false) => Priority::Standard,
    };
    if codec == Codec::H265 {
        return match h265::NalKind::of(header) {
            h265::NalKind::ParameterSet => Some(Priority::Critical),
            h265::NalKind::IrapSlice => Some(Priority::Reference),
            h265::NalKind::NonReferenceSlice => Some(slice(true)),
            h265::NalKind::Slice => Some(slice(false)),
            h265::NalKind::Delimiter | h265::NalKind::Other(_) => None,
        };
    }
    match h264::NalKind::of(header) {
        h264::NalKind::Sps | h264::NalKind::Pps => Some(Priority::Critical),
        h264::NalKind::IdrSlice => Some(Priority::Reference),
        h264::NalKind::Slice => Some(slice(header & 0x60 == 0)),
        h264::NalKind::Sei | h264::NalKind::Delimiter | h264::NalKind::Other(_) => None,
    }
}
