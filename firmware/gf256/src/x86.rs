//! Sixteen or thirty-two bytes at a time on x86-64: `pshufb` looks up as many halves of bytes at once.
#![allow(unsafe_code, reason = "vectors are loaded and stored through pointers; ends when core has safe ones")]

use core::arch::x86_64::{
    __m128i, __m256i, _mm_and_si128, _mm_loadu_si128, _mm_set1_epi8, _mm_setzero_si128, _mm_shuffle_epi8,
    _mm_srli_epi64, _mm_storeu_si128, _mm_xor_si128, _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_loadu_si256,
    _mm256_set1_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi64, _mm256_storeu_si256,
    _mm256_xor_si256,
};

use crate::tables::Halves;

/// As [`crate::Kernel::mul_add`], or in place without `from`, over whole vectors; gives how many bytes that was.
///
/// # Safety
///
/// The processor has SSSE3.
#[target_feature(enable = "ssse3")]
pub(crate) fn ssse3(to: &mut [u8], from: Option<&[u8]>, halves: &Halves) -> usize {
    const WIDTH: usize = size_of::<__m128i>();
    let (low, high, mask) = (load(&halves.low), load(&halves.high), _mm_set1_epi8(0x0f));
    let vectors = to.len().min(from.map_or(usize::MAX, <[u8]>::len)) / WIDTH;
    for i in 0..vectors {
        let to: &mut [u8; WIDTH] = (&mut to[i * WIDTH..(i + 1) * WIDTH]).try_into().expect("sliced to this width");
        let (factor, sum) = match from {
            Some(from) => (load(from[i * WIDTH..(i + 1) * WIDTH].try_into().expect("sliced to this width")), load(to)),
            None => (load(to), _mm_setzero_si128()),
        };
        let product = _mm_xor_si128(
            _mm_shuffle_epi8(low, _mm_and_si128(factor, mask)),
            _mm_shuffle_epi8(high, _mm_and_si128(_mm_srli_epi64::<4>(factor), mask)),
        );
        // SAFETY: `to` is exactly one vector long, exclusively ours, and the store asks for no alignment.
        unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), _mm_xor_si128(sum, product)) };
    }
    vectors * WIDTH
}

/// As [`ssse3`], with vectors twice as wide.
///
/// # Safety
///
/// The processor has AVX2.
#[target_feature(enable = "avx2")]
pub(crate) fn avx2(to: &mut [u8], from: Option<&[u8]>, halves: &Halves) -> usize {
    const WIDTH: usize = size_of::<__m256i>();
    let low = _mm256_broadcastsi128_si256(load(&halves.low));
    let high = _mm256_broadcastsi128_si256(load(&halves.high));
    let mask = _mm256_set1_epi8(0x0f);
    let vectors = to.len().min(from.map_or(usize::MAX, <[u8]>::len)) / WIDTH;
    for i in 0..vectors {
        let to: &mut [u8; WIDTH] = (&mut to[i * WIDTH..(i + 1) * WIDTH]).try_into().expect("sliced to this width");
        let (factor, sum) = match from {
            Some(from) => {
                (load_wide(from[i * WIDTH..(i + 1) * WIDTH].try_into().expect("sliced to this width")), load_wide(to))
            }
            None => (load_wide(to), _mm256_setzero_si256()),
        };
        let product = _mm256_xor_si256(
            _mm256_shuffle_epi8(low, _mm256_and_si256(factor, mask)),
            _mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi64::<4>(factor), mask)),
        );
        // SAFETY: `to` is exactly one vector long, exclusively ours, and the store asks for no alignment.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), _mm256_xor_si256(sum, product)) };
    }
    vectors * WIDTH
}

fn load(bytes: &[u8; size_of::<__m128i>()]) -> __m128i {
    // SAFETY: the array is exactly one vector long, the load asks for no alignment, and SSE2 is part of x86-64.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

#[target_feature(enable = "avx")]
fn load_wide(bytes: &[u8; size_of::<__m256i>()]) -> __m256i {
    // SAFETY: the array is exactly one vector long, and the load asks for no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}
