//! Numbers that travel by their low bits.

use bondbox_units::Instant;

/// Bytes to send of packet number `pn` when the peer has proven to know `acknowledged` (RFC 9000 appendix A.2):
/// enough that twice the distance fits.
pub const fn pn_len(pn: u64, acknowledged: Option<u64>) -> usize {
    let distance = match acknowledged {
        Some(known) => pn.saturating_sub(known),
        None => pn.saturating_add(1),
    };
    match distance {
        0..0x80 => 1,
        0x80..0x8000 => 2,
        0x8000..0x80_0000 => 3,
        _ => 4,
    }
}

/// The number next to `expected` whose low `bits` are `low` (RFC 9000 appendix A.3).
pub const fn expand(low: u64, bits: u32, expected: u64) -> u64 {
    let window = 1u64 << bits;
    let candidate = (expected & !(window - 1)) | low;
    if candidate + window / 2 <= expected && candidate < (1 << 62) - window {
        candidate + window
    } else if candidate > expected + window / 2 && candidate >= window {
        candidate - window
    } else {
        candidate
    }
}

/// The instant next to `near` whose low 32 bits of microseconds are `low`: right within ± 35 minutes.
pub const fn expand_micros(low: u32, near: Instant) -> Instant {
    let near = near.as_micros();
    let difference = low.wrapping_sub(near as u32).cast_signed() as i64;
    Instant::from_micros(near.saturating_add_signed(difference))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_9000_appendix_a_3() {
        assert_eq!(expand(0x9b32, 16, 0xa82f_30eb), 0xa82f_9b32);
    }

    #[test]
    fn a_number_expands_around_a_wrap_both_ways() {
        assert_eq!(expand(0x01, 8, 0xff), 0x101);
        assert_eq!(expand(0xff, 8, 0x101), 0xff);
        let near = Instant::from_micros(0x1_0000_0005);
        assert_eq!(expand_micros(0xffff_fff0, near), Instant::from_micros(0xffff_fff0));
        assert_eq!(expand_micros(7, near), Instant::from_micros(0x1_0000_0007));
    }
}
