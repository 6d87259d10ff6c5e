//! The choice among what this machine has.

use bondbox_encoder::{
    BitrateProperty, CARDS, Change, Format, Keyframe, Kind, OpenError, TraitCard, choose, choose_of,
};
use bondbox_units::Bitrate;

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

#[test]
fn a_plugin_is_loaded_before_what_it_has_is_looked_for() {
    static CARDS: &[TraitCard] = &[TraitCard {
        factory: "v4l2fairyenc",
        // Which nobody else here needs.
        plugin: "wavparse",
        kind: Kind::Hardware,
        change: Change::Live,
        keyframe: Keyframe::Event,
        floor: Bitrate::from_kbps(100),
        ceiling: Bitrate::from_kbps(1_000),
        bitrate: BitrateProperty::ExtraControls,
        output: "video/x-h264",
        settings: |_| Vec::new(),
    }];
    gstreamer::init().unwrap();
    choose_of(CARDS, None, &FORMAT).unwrap_err();
    let plugin = gstreamer::Registry::get().find_plugin("wavparse").unwrap();
    assert!(plugin.is_loaded());
}
