//! Sums and multiples of byte strings over GF(256), the arithmetic of coded repair.
//!
//! The field is that of RFC 5510 and RFC 8681: bytes are polynomials over GF(2) modulo x⁸ + x⁴ + x³ + x² + 1, so a sum is an
//! exclusive or. The engine's coder multiplies whole packets by single coefficients; [`mul_add`] is where its time goes.
//!
//! A product by a fixed factor is linear in the bits of a byte, so it is the sum of one table of 16 for its low half and one
//! for its high half; processors look up 16 or 32 such halves in one instruction (Plank, Greenan, Miller: *Screaming Fast
//! Galois Field Arithmetic Using Intel SIMD Instructions*, FAST 2013). [`Kernel::all`] gives what this processor has of these;
//! all agree with [`Kernel::SCALAR`], byte by byte. The one for NEON has been compiled and never run.
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
