//! A transport packet taken apart (§2.4.3).

use super::PACKET_LEN;

/// The parts of a packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    pub(super) pid: u16,
    /// `payload_unit_start_indicator`
    pub(super) start: bool,
    pub(super) scrambled: bool,
    pub(super) counter: u8,
    pub(super) adaptation: Adaptation,
    /// Empty when the packet has none.
    pub(super) payload: &'a [u8],
}

/// What the adaptation field says, as far as we care.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Adaptation {
    pub(super) discontinuity: bool,
    pub(super) random_access: bool,
    /// On the 27 MHz clock.
    pub(super) pcr: Option<u64>,
}

impl<'a> Packet<'a> {
    /// `None` for what is no packet, is marked as damaged, or contradicts itself.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let &[SYNC, high, low, control, ref body @ ..] = bytes else { return None };
        if bytes.len() != PACKET_LEN || high & TRANSPORT_ERROR != 0 {
            return None;
        }
        let (adaptation, payload) = match control >> 4 & 3 {
            1 => (Adaptation::default(), body),
            2 if body[0] != MAX_ADAPTATION => return None,
            2 | 3 => {
                let (field, payload) = body[1..].split_at_checked(usize::from(body[0]))?;
                (Adaptation::parse(field)?, payload)
            }
            _ => return None,
        };
        Some(Self {
            pid: u16::from(high & 0x1f) << 8 | u16::from(low),
            start: high & 0x40 != 0,
            scrambled: control & 0xc0 != 0,
            counter: control & 0xf,
            adaptation,
            payload,
        })
    }
}

impl Adaptation {
    fn parse(field: &[u8]) -> Option<Self> {
        let Some((&flags, rest)) = field.split_first() else { return Some(Self::default()) };
        let pcr = if flags & 0x10 != 0 {
            let &[a, b, c, d, e, f] = rest.first_chunk::<6>()?;
            let base = u64::from(u32::from_be_bytes([a, b, c, d])) << 1 | u64::from(e >> 7);
            Some(base * 300 + (u64::from(e & 1) << 8 | u64::from(f)))
        } else {
            None
        };
        Some(Self { discontinuity: flags & 0x80 != 0, random_access: flags & 0x40 != 0, pcr })
    }
}

pub(super) const SYNC: u8 = 0x47;

/// The PID of packets that only fill time.
pub(super) const NULL_PID: u16 = 0x1fff;

const TRANSPORT_ERROR: u8 = 0x80;

/// Bytes of adaptation field in a packet without payload.
const MAX_ADAPTATION: u8 = 183;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_reference_is_read() {
        let mut bytes = [0xff; PACKET_LEN];
        bytes[..12].copy_from_slice(&[0x47, 0x41, 0x00, 0x37, 7, 0x50, 0, 0, 0, 1, 0xff, 5]);
        let packet = Packet::parse(&bytes).unwrap();
        let adaptation = Adaptation { discontinuity: false, random_access: true, pcr: Some(3 * 300 + 261) };
        assert_eq!((packet.pid, packet.start, packet.counter), (256, true, 7));
        assert_eq!((packet.adaptation, packet.payload.len()), (adaptation, 176));
    }

    #[test]
    fn contradictions_are_no_packet() {
        let packet = |head: &[u8]| {
            let mut bytes = [0xff; PACKET_LEN];
            bytes[..head.len()].copy_from_slice(head);
            Packet::parse(&bytes).is_some()
        };
        assert!(packet(&[0x47, 0, 0, 0x10]));
        assert!(!packet(&[0x48, 0, 0, 0x10]), "sync byte");
        assert!(!packet(&[0x47, 0x80, 0, 0x10]), "transport error");
        assert!(!packet(&[0x47, 0, 0, 0x00]), "neither adaptation field nor payload");
        assert!(!packet(&[0x47, 0, 0, 0x30, 184]), "adaptation field past the end");
        assert!(!packet(&[0x47, 0, 0, 0x20, 10]), "adaptation field alone and not filling");
        assert!(!packet(&[0x47, 0, 0, 0x30, 3, 0x10]), "clock reference past the field");
    }
}
