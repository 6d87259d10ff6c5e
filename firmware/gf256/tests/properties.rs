//! All ways to multiply agree, and keep the laws of a field.

use bondbox_gf256::{Kernel, add, inverse, mul, mul_add, scale};
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    /// Lengths and places that leave something before and after whole vectors.
    #[test]
    fn every_kernel_agrees_with_the_scalar(
        to in vec(any::<u8>(), 0..300),
        from in vec(any::<u8>(), 0..300),
        factor in any::<u8>(),
        skip in 0..40_usize,
    ) {
        let len = to.len().min(from.len());
        let (to, from) = (&to[skip.min(to.len())..], &from[skip.min(len)..len]);
        let (mut sum, mut product) = (to.to_vec(), to.to_vec());
        Kernel::SCALAR.mul_add(&mut sum, from, factor);
        Kernel::SCALAR.scale(&mut product, factor);
        for (i, byte) in product.iter().enumerate() {
            prop_assert_eq!(*byte, mul(to[i], factor));
            prop_assert_eq!(sum[i], to[i] ^ from.get(i).map_or(0, |from| mul(*from, factor)));
        }
        for kernel in Kernel::all() {
            let (mut a, mut b) = (to.to_vec(), to.to_vec());
            kernel.mul_add(&mut a, from, factor);
            kernel.scale(&mut b, factor);
            prop_assert_eq!(&a, &sum, "{}", kernel.name());
            prop_assert_eq!(&b, &product, "{}", kernel.name());
        }
        let (mut a, mut b) = (to.to_vec(), to.to_vec());
        mul_add(&mut a, from, factor);
        scale(&mut b, factor);
        prop_assert_eq!((a, b), (sum, product));
    }

    #[test]
    fn what_was_added_or_scaled_can_be_taken_back(bytes in vec(any::<u8>(), 0..200), factor in 1..=255_u8) {
        let mut changed = vec![0; bytes.len()];
        mul_add(&mut changed, &bytes, factor);
        scale(&mut changed, inverse(factor).unwrap());
        prop_assert_eq!(&changed, &bytes);
        add(&mut changed, &bytes);
        prop_assert!(changed.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn the_field_is_one(a in any::<u8>(), b in any::<u8>(), c in any::<u8>()) {
        prop_assert_eq!(mul(a, b), mul(b, a));
        prop_assert_eq!(mul(mul(a, b), c), mul(a, mul(b, c)));
        prop_assert_eq!(mul(a, b ^ c), mul(a, b) ^ mul(a, c));
        prop_assert_eq!(mul(a, 1), a);
    }
}
