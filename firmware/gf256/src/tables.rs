//! Products and inverses of single elements, made when the crate is compiled.

/// The product of two elements.
pub const fn mul(a: u8, b: u8) -> u8 {
    if a == 0 || b == 0 {
        return 0;
    }
    EXP[LOG[a as usize] as usize + LOG[b as usize] as usize]
}

/// What times `a` is one; `None` for zero.
pub const fn inverse(a: u8) -> Option<u8> {
    match a {
        0 => None,
        _ => Some(EXP[ORDER - LOG[a as usize] as usize]),
    }
}

/// Products by one factor of each value of a byte's low and high half.
#[derive(Debug)]
pub(crate) struct Halves {
    pub(crate) low: [u8; 16],
    pub(crate) high: [u8; 16],
}

/// The halves' products by each factor: 8 KiB, of which the few factors in use stay in the cache.
pub(crate) static HALVES: [Halves; 256] = {
    let mut all = [const { Halves { low: [0; 16], high: [0; 16] } }; 256];
    let mut factor = 0;
    while factor < 256 {
        let mut half = 0;
        while half < 16 {
            all[factor].low[half] = mul(factor as u8, half as u8);
            all[factor].high[half] = mul(factor as u8, (half as u8) << 4);
            half += 1;
        }
        factor += 1;
    }
    all
};

/// Elements but zero, all of them powers of 2.
const ORDER: usize = 255;
/// x⁸ + x⁴ + x³ + x² + 1.
const POLYNOMIAL: u16 = 0x11d;

/// Powers of 2, twice over, so that a sum of two logarithms needs no remainder.
const EXP: [u8; 2 * ORDER + 1] = {
    let mut exp = [0; 2 * ORDER + 1];
    let (mut i, mut value) = (0, 1_u16);
    while i < exp.len() {
        exp[i] = value as u8;
        value <<= 1;
        if value & 0x100 != 0 {
            value ^= POLYNOMIAL;
        }
        i += 1;
    }
    exp
};

const LOG: [u8; 256] = {
    let mut log = [0; 256];
    let mut i = 0;
    while i < ORDER {
        log[EXP[i] as usize] = i as u8;
        i += 1;
    }
    log
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Long multiplication of polynomials, bit by bit.
    fn slow(a: u8, b: u8) -> u8 {
        let mut product = 0_u16;
        for bit in (0..8).rev() {
            product <<= 1;
            if product & 0x100 != 0 {
                product ^= POLYNOMIAL;
            }
            if b >> bit & 1 != 0 {
                product ^= u16::from(a);
            }
        }
        product as u8
    }

    #[test]
    fn every_product_agrees_with_long_multiplication() {
        for a in 0..=255 {
            for b in 0..=255 {
                let halves = &HALVES[usize::from(a)];
                assert_eq!(mul(a, b), slow(a, b), "{a} · {b}");
                assert_eq!(halves.low[usize::from(b & 15)] ^ halves.high[usize::from(b >> 4)], slow(a, b), "{a} · {b}");
            }
        }
    }

    #[test]
    fn every_element_but_zero_has_an_inverse() {
        assert_eq!(inverse(0), None);
        assert!((1..=255).all(|a| inverse(a).map(|b| mul(a, b)) == Some(1)));
    }
}
