//! The ways to multiply that this processor has.

#[cfg(target_arch = "aarch64")]
use crate::neon;
use crate::scalar;
use crate::tables::{HALVES, Halves};
#[cfg(target_arch = "x86_64")]
use crate::x86;

/// A way to multiply. One that exists is one that this processor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel(Way);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Ssse3,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

#[cfg(target_arch = "x86_64")]
const FASTEST_FIRST: [Way; 3] = [Way::Avx2, Way::Ssse3, Way::Scalar];
#[cfg(target_arch = "aarch64")]
const FASTEST_FIRST: [Way; 2] = [Way::Neon, Way::Scalar];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const FASTEST_FIRST: [Way; 1] = [Way::Scalar];

impl Kernel {
    /// One byte at a time.
    pub const SCALAR: Self = Self(Way::Scalar);

    /// The fastest that is there.
    pub fn best() -> Self {
        Self::all().next().unwrap_or(Self::SCALAR)
    }

    /// All that are there, the fastest first.
    pub fn all() -> impl Iterator<Item = Self> {
        FASTEST_FIRST.into_iter().filter(|way| way.is_there()).map(Self)
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self.0 {
            Way::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Way::Ssse3 => "SSSE3",
            #[cfg(target_arch = "x86_64")]
            Way::Avx2 => "AVX2",
            #[cfg(target_arch = "aarch64")]
            Way::Neon => "NEON",
        }
    }

    /// `to += factor · from`, over the bytes of `from`.
    ///
    /// # Panics
    ///
    /// When `to` is the shorter.
    pub fn mul_add(self, to: &mut [u8], from: &[u8], factor: u8) {
        assert!(to.len() >= from.len(), "a sum does not hold a term of {} bytes in {}", from.len(), to.len());
        self.run(&mut to[..from.len()], Some(from), &HALVES[usize::from(factor)]);
    }

    /// `bytes *= factor`.
    pub fn scale(self, bytes: &mut [u8], factor: u8) {
        self.run(bytes, None, &HALVES[usize::from(factor)]);
    }

    /// Vectors as far as they go, single bytes for the rest. Without `from`, `to` is its own factor.
    #[allow(unsafe_code, reason = "calling what needs an instruction set; ends when there are safe portable vectors")]
    fn run(self, to: &mut [u8], from: Option<&[u8]>, halves: &Halves) {
        let done = match self.0 {
            Way::Scalar => 0,
            // SAFETY: a kernel of this way exists only where `is_there` found SSSE3.
            #[cfg(target_arch = "x86_64")]
            Way::Ssse3 => unsafe { x86::ssse3(to, from, halves) },
            // SAFETY: a kernel of this way exists only where `is_there` found AVX2.
            #[cfg(target_arch = "x86_64")]
            Way::Avx2 => unsafe { x86::avx2(to, from, halves) },
            // SAFETY: NEON belongs to every processor of this architecture that the compiler builds for by default, and
            // `is_there` refuses the others.
            #[cfg(target_arch = "aarch64")]
            Way::Neon => unsafe { neon::neon(to, from, halves) },
        };
        match from {
            Some(from) => scalar::mul_add(&mut to[done..], &from[done..], halves),
            None => scalar::scale(&mut to[done..], halves),
        }
    }
}

impl Way {
    fn is_there(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(all(target_arch = "x86_64", feature = "std"))]
            Self::Ssse3 => std::is_x86_feature_detected!("ssse3"),
            #[cfg(all(target_arch = "x86_64", feature = "std"))]
            Self::Avx2 => std::is_x86_feature_detected!("avx2"),
            #[cfg(all(target_arch = "x86_64", not(feature = "std")))]
            Self::Ssse3 => cfg!(target_feature = "ssse3"),
            #[cfg(all(target_arch = "x86_64", not(feature = "std")))]
            Self::Avx2 => cfg!(target_feature = "avx2"),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => cfg!(target_feature = "neon"),
        }
    }
}
