//! One byte at a time: what every processor can do, and what the others are held against.

use crate::tables::Halves;

pub(crate) fn mul_add(to: &mut [u8], from: &[u8], halves: &Halves) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to ^= product(halves, *from));
}

pub(crate) fn scale(bytes: &mut [u8], halves: &Halves) {
    bytes.iter_mut().for_each(|byte| *byte = product(halves, *byte));
}

fn product(halves: &Halves, byte: u8) -> u8 {
    halves.low[usize::from(byte & 15)] ^ halves.high[usize::from(byte >> 4)]
}
