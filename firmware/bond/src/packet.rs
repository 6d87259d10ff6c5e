//! Sealing frames into a datagram.

use bondbox_units::Instant;
use bondbox_wire::envelope::{Address, TAG_LEN, encode_header};
use bondbox_wire::frame::Frame;
use bondbox_wire::{PAD_TO, Writer};

use crate::crypto::SessionKeys;

/// Where a packet goes and how it is numbered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heading {
    /// The path's id.
    pub(crate) path: u32,
    /// How the peer finds the path.
    pub(crate) to: Address,
    /// The packet's number on the path.
    pub(crate) pn: u64,
    /// The largest number that the peer has acknowledged.
    pub(crate) acknowledged: Option<u64>,
}

/// Bytes of IPv4 and UDP around a datagram.
pub(crate) const IP_UDP: usize = 28;

/// Most that a header and a tag take of a datagram.
pub(crate) const ENVELOPE: usize = 1 + 4 + 4 + TAG_LEN;

/// Writes a datagram with what `fill` puts into it, at the front of `buffer`, and gives its length.
pub(crate) fn seal(
    now: Instant,
    keys: &mut SessionKeys,
    heading: Heading,
    buffer: &mut [u8],
    fill: impl FnOnce(&mut Writer<'_>),
) -> usize {
    keys.rotate_if_due(now);
    let mut writer = Writer::new(buffer);
    encode_header(heading.to, keys.phase(), heading.pn, heading.acknowledged, &mut writer)
        .expect("the buffer holds the smallest datagram that every path carries");
    let header_len = writer.len();
    let (header, rest) = buffer.split_at_mut(header_len);
    let room = rest.len() - TAG_LEN;
    let mut writer = Writer::new(&mut rest[..room]);
    fill(&mut writer);
    let filled = writer.len();
    let len = filled.max(PAD_TO.saturating_sub(header_len + TAG_LEN));
    if filled < len {
        let mut padding = Writer::new(&mut rest[filled..len]);
        Frame::Padding.encode(&mut padding).expect("at least one byte is left");
    }
    let tag = keys.seal(heading.path, heading.pn, header, &mut rest[..len]);
    rest[len..len + TAG_LEN].copy_from_slice(&tag);
    header_len + len + TAG_LEN
}
