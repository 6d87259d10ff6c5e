//! Independent generators from one seed.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// Seeds for parts of a whole: neighbouring seeds and indices give unrelated values (the finaliser of SplitMix64,
/// Steele et al. 2014).
pub(super) fn derive(seed: u64, index: u64) -> u64 {
    let mut z = seed.wrapping_add((index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The generator of one random process, so that one drawing more often does not shift another.
pub(super) fn generator(seed: u64, process: Process) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(process as u64);
    rng
}

/// The random processes of one direction.
#[derive(Clone, Copy)]
pub(super) enum Process {
    Loss,
    Jitter,
    Rate,
    Outages,
}
