//! Sums and multiples of byte strings over GF(256), the arithmetic of coded repair.
//!
//! The field is that of RFC 5510 and RFC 8681: bytes are polynomials over GF(2) modulo x⁸ + x⁴ + x³ + x² + 1, so a sum is an
//! exclusive or. The engine's coder multiplies whole packets by single coefficients; [`mul_add`] is where its time goes.
//!
//! A product by a fixed factor is linear in the bits of a byte, so it is the sum of one table of 16 for its low half and one
//! for its high half; processors look up 16 or 32 such halves in one instruction (Plank, Greenan, Miller: *Screaming Fast
//! Galois Field Arithmetic Using Intel SIMD Instructions*, FAST 2013). [`Kernel::all`] gives what this processor has of these;
//! all agree with [`Kernel::SCALAR`], byte by byte. The one for NEON has run under emulation only (`make check-arm64`).
//!
//! # Beside a block code
//!
//! `reed-solomon-simd` makes and solves blocks in O(n log n). Equal work on symbols of 1,200 bytes, in µs, and in MB/s of sources in
//! brackets; the fastest of 60 samples on a busy two-core x86-64 machine with AVX2, so good for comparing and for nothing else
//! (`cargo bench -p bondbox-gf256`):
//!
//! | K sources + symbols, all lost that can be | scalar | SSSE3 | AVX2 | reed-solomon-simd |
//! |---|---|---|---|---|
//! | encode 8 + 2 | 12.6 (760) | 1.3 (7,310) | 1.5 (6,440) | 1.7 (5,710) |
//! | encode 16 + 4 | 71 (269) | 12.6 (1,530) | 3.1 (6,160) | 2.2 (8,580) |
//! | encode 32 + 2 | 50 (763) | 5.0 (7,740) | 3.4 (11,170) | 3.7 (10,500) |
//! | encode 32 + 8 | 286 (134) | 20.6 (1,870) | 12.3 (3,120) | 5.5 (6,970) |
//! | encode 64 + 16 | 1,173 (65) | 122 (632) | 46.6 (1,650) | 13.2 (5,810) |
//! | decode 8 + 2 | 13.8 (698) | 1.6 (6,210) | 1.1 (8,940) | 255 (38) |
//! | decode 16 + 4 | 51 (379) | 7.1 (2,710) | 3.8 (5,010) | 313 (61) |
//! | decode 32 + 2 | 66 (578) | 6.5 (5,890) | 6.0 (6,450) | 340 (113) |
//! | decode 32 + 8 | 327 (117) | 48 (797) | 23.2 (1,660) | 344 (112) |
//! | decode 64 + 16 | 845 (91) | 170 (451) | 61 (1,250) | 283 (272) |
//!
//! Blocks are made faster from 16 sources on, but the whole gain is 2 µs a symbol in the engine's largest window; solving one costs
//! some 300 µs whatever was lost, four times as much as ours there and fifty times as much where little was. A block also ends,
//! and what is lost at its beginning waits for that. So the engine uses none.
//!
//! This is the only crate below `firmware/` with `unsafe` in it: loads and stores of vectors, and calls that need an
//! instruction set that was found to be there.
#![no_std]

#[cfg(feature = "std")]
extern crate std;

mod kernel;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
mod tables;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use kernel::Kernel;
pub use tables::{inverse, mul};

/// `to += from`, over the bytes of `from`.
///
/// # Panics
///
/// When `to` is the shorter.
pub fn add(to: &mut [u8], from: &[u8]) {
    assert!(to.len() >= from.len(), "a sum does not hold a term of {} bytes in {}", from.len(), to.len());
    // Compilers make vectors of this without being told.
    to.iter_mut().zip(from).for_each(|(to, from)| *to ^= from);
}

/// `to += factor · from`, over the bytes of `from`.
///
/// # Panics
///
/// When `to` is the shorter.
pub fn mul_add(to: &mut [u8], from: &[u8], factor: u8) {
    match factor {
        0 => {}
        1 => add(to, from),
        _ => Kernel::best().mul_add(to, from, factor),
    }
}

/// `bytes *= factor`.
pub fn scale(bytes: &mut [u8], factor: u8) {
    if factor != 1 {
        Kernel::best().scale(bytes, factor);
    }
}
