//! Where packets begin in a stream of bytes.

use super::PACKET_LEN;
use super::packet::SYNC;

/// What to do with the bytes at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A packet begins here.
    Packet,
    /// A packet begins here whose sync byte is wrong; those after it are in place.
    Damaged,
    /// No packet begins in this many bytes: alignment was lost.
    Skip(usize),
    /// More bytes are needed to tell.
    Wait,
}

/// Looks at `bytes`. A packet that was cut short has the head of the next one in its tail, so a packet counts only when
/// another follows where it ends, or at least one packet later. `ended`: no more bytes will come.
pub(super) fn next(bytes: &[u8], in_sync: bool, ended: bool) -> Step {
    if bytes.is_empty() || bytes.len() < PACKET_LEN && !ended {
        return Step::Wait;
    }
    if bytes.len() < PACKET_LEN {
        return Step::Skip(bytes.len());
    }
    let aligned = |packets: usize| bytes.get(packets * PACKET_LEN).map(|&byte| byte == SYNC);
    let here = bytes[0] == SYNC;
    match (here, aligned(1), aligned(2)) {
        (true, Some(true), _) if in_sync => Step::Packet,
        (true, Some(true), Some(true)) => Step::Packet,
        (true, Some(false), Some(true)) if in_sync => Step::Packet,
        (false, Some(true), Some(true)) if in_sync => Step::Damaged,
        // At the end, what is there must do.
        (true, None | Some(true), None) if ended => Step::Packet,
        (true, None | Some(true), None) => Step::Wait,
        (_, _, None) if in_sync && !ended => Step::Wait,
        _ => Step::Skip(1 + memchr::memchr(SYNC, &bytes[1..]).unwrap_or(bytes.len() - 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_sync_byte_costs_one_packet() {
        let mut stream = [0; 4 * PACKET_LEN];
        for at in [0, 2, 3] {
            stream[at * PACKET_LEN] = SYNC;
        }
        assert_eq!(next(&stream, true, false), Step::Packet);
        assert_eq!(next(&stream[PACKET_LEN..], true, false), Step::Damaged);
        assert_eq!(next(&stream[2 * PACKET_LEN..], true, false), Step::Packet);
        assert_eq!(next(&stream[3 * PACKET_LEN..], true, false), Step::Wait);
        assert_eq!(next(&stream[3 * PACKET_LEN..], true, true), Step::Packet);
    }

    #[test]
    fn a_packet_cut_short_is_skipped_to_the_next() {
        let mut stream = [0; 5 * PACKET_LEN];
        stream[0] = SYNC;
        for at in 0..4 {
            stream[100 + at * PACKET_LEN] = SYNC;
        }
        assert_eq!(next(&stream, true, false), Step::Skip(100));
        assert_eq!(next(&stream[100..], false, false), Step::Packet);
    }
}
