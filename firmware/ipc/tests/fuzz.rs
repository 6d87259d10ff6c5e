//! Whatever a client or a service sends is a message or an error.

use bondbox_ipc::{Hello, Request, Response, capture, media, modems, panel, uplink};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde::de::DeserializeOwned;

/// So many cases from one seed; with `PROPTEST_CASES` so many from another each time.
fn cases(cases: u32) -> ProptestConfig {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    let fixed = ProptestConfig { cases, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() };
    if asked { ProptestConfig::default() } else { fixed }
}

/// Bytes of which many are small: discriminants, lengths, flags.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![2 => 0..8_u8, 1 => any::<u8>()], 0..400)
}

fn read<T: DeserializeOwned>(bytes: &[u8]) {
    if let Ok((_, rest)) = postcard::take_from_bytes::<T>(bytes) {
        assert!(rest.len() <= bytes.len());
    }
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in bytes()) {
        read::<Hello>(&bytes);
        read::<media::Piece>(&bytes);
        read::<Request<capture::Command>>(&bytes);
        read::<Response<capture::State, capture::Done>>(&bytes);
        read::<Request<modems::Command>>(&bytes);
        read::<Response<modems::State, modems::Done>>(&bytes);
        read::<Request<panel::Command>>(&bytes);
        read::<Response<panel::State, panel::Done>>(&bytes);
        read::<Request<uplink::Command>>(&bytes);
        read::<Response<uplink::State, uplink::Done>>(&bytes);
    }
}
