//! The datagrams that are streamed: numbered, stamped with their time of sending, and filled so that a changed byte shows.

/// As seven packets of a transport stream, the usual size of live video over UDP.
pub(crate) const LEN: usize = 1_316;

/// What a datagram says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// From zero, one by one.
    pub(crate) number: u64,
    /// On the machine's monotonic clock.
    pub(crate) sent_us: u64,
}

/// The datagram with this stamp. Its first byte is zero, so that nothing takes it for a transport stream.
pub(crate) fn write(stamp: Stamp) -> [u8; LEN] {
    let mut datagram = [0; LEN];
    datagram[..8].copy_from_slice(&stamp.number.to_be_bytes());
    datagram[8..HEAD].copy_from_slice(&stamp.sent_us.to_be_bytes());
    // A linear congruential generator; its upper half depends on every bit of the stamp.
    let mut state = stamp.number ^ stamp.sent_us.rotate_left(32);
    for word in datagram[HEAD..].chunks_exact_mut(4) {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        word.copy_from_slice(&((state >> 32) as u32).to_be_bytes());
    }
    datagram
}

/// The stamp of a datagram, unless any of its bytes is not as [`write`] made it.
pub(crate) fn read(datagram: &[u8]) -> Option<Stamp> {
    let (number, rest) = datagram.split_first_chunk()?;
    let stamp = Stamp { number: u64::from_be_bytes(*number), sent_us: u64::from_be_bytes(*rest.first_chunk()?) };
    (write(stamp) == datagram).then_some(stamp)
}

const HEAD: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp { number: 70_000, sent_us: 5_000_000_123 };

    #[test]
    fn what_was_written_is_read() {
        assert_eq!(read(&write(STAMP)), Some(STAMP));
    }

    #[test]
    fn any_changed_byte_shows() {
        for place in 0..LEN {
            let mut datagram = write(STAMP);
            datagram[place] ^= 0x10;
            assert_eq!(read(&datagram), None, "byte {place}");
        }
    }

    #[test]
    fn another_length_is_another_datagram() {
        let datagram = write(STAMP);
        assert_eq!(read(&datagram[..LEN - 1]), None);
        assert_eq!(read(&[&datagram[..], &[0]].concat()), None);
        assert_eq!(read(&[]), None);
    }
}
