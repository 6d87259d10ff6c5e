//! ModemManager's numbers of bands (MMModemBand).

/// A band's kind, `'B'` of LTE and `'n'` of NR, and its number in the standards; `None` for older ones.
pub const fn band_of(number: u32) -> Option<(char, u16)> {
    match number {
        31..=115 => Some(('B', (number - 30) as u16)),
        301..=561 => Some(('n', (number - 300) as u16)),
        _ => None,
    }
}

/// The other way round.
pub const fn number_of(kind: char, band: u16) -> Option<u32> {
    match kind {
        'B' if 1 <= band && band <= 85 => Some(30 + band as u32),
        'n' if 1 <= band && band <= 261 => Some(300 + band as u32),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_are_numbered_both_ways() {
        assert_eq!(
            [band_of(33), band_of(378), band_of(5), band_of(256)],
            [Some(('B', 3)), Some(('n', 78)), None, None]
        );
        for number in 0..1_000 {
            if let Some((kind, band)) = band_of(number) {
                assert_eq!(number_of(kind, band), Some(number));
            }
        }
        assert_eq!([number_of('B', 0), number_of('n', 300), number_of('x', 3)], [None; 3]);
    }
}
