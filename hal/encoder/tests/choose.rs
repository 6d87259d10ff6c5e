//! The choice among what this machine has.

use bondbox_encoder::{CARDS, Format, Kind, OpenError, choose};

const FORMAT: Format = Format { width: 320, height: 180, rate: 25 };

#[test]
fn something_encodes_on_every_machine_and_what_was_passed_over_says_why() {
    gstreamer::init().unwrap();
    let choice = choose(None, &FORMAT).unwrap();
    let place = CARDS.iter().position(|card| card.factory == choice.card.factory).unwrap();
    assert_eq!(choice.refused.len(), place, "each card before the chosen one has its reason");
}

#[test]
fn an_encoder_that_does_not_exist_is_refused_by_name() {
    gstreamer::init().unwrap();
    let refused = choose(Some("h264fairy"), &FORMAT).unwrap_err();
    assert_eq!(refused.0, [OpenError::Missing("h264fairy".into())]);
}

#[test]
fn an_encoder_that_cannot_take_the_picture_is_refused_with_its_reason() {
    gstreamer::init().unwrap();
    let software = CARDS.iter().find(|card| card.kind == Kind::Software).unwrap();
    let refused = choose(Some(software.factory), &Format { width: 0, height: 0, rate: 25 }).unwrap_err();
    assert!(matches!(refused.0.as_slice(), [OpenError::Dead { .. }]), "{refused}");
}
