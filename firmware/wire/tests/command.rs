//! Messages of the COMMAND channel: byte for byte as the first build wrote them, and total whatever comes.

use bondbox_wire::Writer;
use bondbox_wire::command::{BadBody, Body, MAX_BODY, MAX_WHY, Outcome, Verb};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn bodies() -> Vec<(&'static [u8], Body<'static>)> {
    let ask = |verb| Body::Ask { number: 70_000, verb };
    let answer = |outcome, why| Body::Answer { number: 70_000, outcome, why };
    vec![
        (include_bytes!("golden/ask_identify"), ask(Verb::Identify)),
        (include_bytes!("golden/ask_start"), ask(Verb::Start)),
        (include_bytes!("golden/ask_stop"), ask(Verb::Stop)),
        (include_bytes!("golden/answer_done"), answer(Outcome::Done, "")),
        (include_bytes!("golden/answer_unknown"), answer(Outcome::Unknown, "")),
        (include_bytes!("golden/answer_absent"), answer(Outcome::Absent, "the panel service is not there")),
        (include_bytes!("golden/answer_refused"), answer(Outcome::Refused, "näher")),
        (include_bytes!("golden/answer_no_effect"), answer(Outcome::NoEffect, "")),
    ]
}

fn written(body: &Body<'_>) -> Vec<u8> {
    let mut buffer = [0; MAX_BODY];
    let mut writer = Writer::new(&mut buffer);
    body.encode(&mut writer).unwrap();
    writer.written().to_vec()
}

#[test]
fn what_the_first_build_wrote_is_read_and_written_the_same() {
    for (golden, body) in bodies() {
        assert_eq!(written(&body), golden, "{body:?}");
        assert_eq!(Body::decode(golden), Ok(body));
    }
}

#[test]
fn what_a_newer_build_adds_is_read_as_far_as_this_one_knows_it() {
    assert_eq!(Body::decode(b"\x01\x00\x05\x00more"), Ok(Body::Ask { number: 5, verb: Verb::Identify }));
    assert_eq!(Body::decode(b"\x01\x00\x05\x3f"), Ok(Body::Ask { number: 5, verb: Verb::Other(63) }));
    let answer = Body::Answer { number: 5, outcome: Outcome::Other(9), why: "?" };
    assert_eq!(Body::decode(b"\x01\x01\x05\x09?"), Ok(answer));
}

#[test]
fn what_is_no_body_is_refused_by_name() {
    assert_eq!(Body::decode(b""), Err(BadBody::Truncated));
    assert_eq!(Body::decode(b"\x01\x00\x05"), Err(BadBody::Truncated));
    assert_eq!(Body::decode(b"\x02\x00\x05\x00"), Err(BadBody::Version(2)));
    assert_eq!(Body::decode(b"\x01\x02\x05\x00"), Err(BadBody::Kind(2)));
    assert_eq!(Body::decode(b"\x01\x01\x05\x03\xff"), Err(BadBody::Why));
    let long = [&b"\x01\x01\x05\x03"[..], &[b'x'; MAX_WHY + 1]].concat();
    assert_eq!(Body::decode(&long), Err(BadBody::Why));
}

#[test]
fn of_a_reason_that_is_too_long_the_beginning_is_said() {
    let why = "ä".repeat(MAX_WHY);
    let bytes = written(&Body::Answer { number: u64::MAX >> 2, outcome: Outcome::Other(u64::MAX >> 2), why: &why });
    let Ok(Body::Answer { why: said, .. }) = Body::decode(&bytes) else { panic!() };
    assert_eq!(said, "ä".repeat(MAX_WHY / 2));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_a_body_that_is_written_so_that_it_reads_back_or_a_refusal(bytes in vec(any::<u8>(), 0..300), valid: bool) {
        let mut bytes = bytes;
        if valid && bytes.len() > 1 {
            bytes[0] = 1;
            bytes[1] &= 1;
        }
        if let Ok(body) = Body::decode(&bytes) {
            let again = written(&body);
            prop_assert_eq!(Body::decode(&again), Ok(body));
        }
    }
}
