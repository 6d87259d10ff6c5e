//! Sixteen bytes at a time on aarch64: `tbl` looks up as many halves of bytes at once.
#![allow(unsafe_code, reason = "vectors are loaded and stored through pointers; ends when core has safe ones")]

use core::arch::aarch64::{uint8x16_t, vandq_u8, vdupq_n_u8, veorq_u8, vld1q_u8, vqtbl1q_u8, vshrq_n_u8, vst1q_u8};

use crate::tables::Halves;

/// As [`crate::Kernel::mul_add`], or in place without `from`, over whole vectors; gives how many bytes that was.
///
/// # Safety
///
/// The processor has NEON.
#[target_feature(enable = "neon")]
pub(crate) fn neon(to: &mut [u8], from: Option<&[u8]>, halves: &Halves) -> usize {
    const WIDTH: usize = size_of::<uint8x16_t>();
    let (low, high, mask) = (load(&halves.low), load(&halves.high), vdupq_n_u8(0x0f));
    let vectors = to.len().min(from.map_or(usize::MAX, <[u8]>::len)) / WIDTH;
    for i in 0..vectors {
        let to: &mut [u8; WIDTH] = (&mut to[i * WIDTH..(i + 1) * WIDTH]).try_into().expect("sliced to this width");
        let (factor, sum) = match from {
            Some(from) => (load(from[i * WIDTH..(i + 1) * WIDTH].try_into().expect("sliced to this width")), load(to)),
            None => (load(to), vdupq_n_u8(0)),
        };
        let product = veorq_u8(vqtbl1q_u8(low, vandq_u8(factor, mask)), vqtbl1q_u8(high, vshrq_n_u8::<4>(factor)));
        // SAFETY: `to` is exactly one vector long, exclusively ours, and the store asks for no alignment.
        unsafe { vst1q_u8(to.as_mut_ptr(), veorq_u8(sum, product)) };
    }
    vectors * WIDTH
}

#[target_feature(enable = "neon")]
fn load(bytes: &[u8; size_of::<uint8x16_t>()]) -> uint8x16_t {
    // SAFETY: the array is exactly one vector long, and the load asks for no alignment.
    unsafe { vld1q_u8(bytes.as_ptr()) }
}
