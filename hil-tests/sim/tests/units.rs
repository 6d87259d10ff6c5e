//! Units of every size come out byte for byte, boundary for boundary.

use std::path::Path;
use std::time::Duration;

use bondbox_bond::gateway::GatewayEvent;
use bondbox_bond::sender::Unit;
use bondbox_linksim::Scenario;
use bondbox_sim::{Clocks, Config, World, payload};
use bondbox_units::{Instant, LinkId, Priority, TrackId};

#[test]
fn units_of_every_size_come_out_as_they_went_in() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/clean.toml");
    let config = Config { latency: Duration::from_millis(1_000), ..Config::default() };
    let (sender, gateway) = config.ends();
    let mut world = World::new(&Scenario::load(&path).unwrap(), 3, sender, gateway, Clocks::default());
    // Around what fills a packet of 972 and one of 1,472 bytes to the last byte, and a keyframe of 4K.
    let sizes: Vec<_> = [0, 1, 2, 600_000, 0].into_iter().chain(900..950).chain(1_400..1_450).chain([0, 1]).collect();
    let mut sizes_in = sizes.iter().zip(0..);
    let mut out = vec![];
    let mut at = Instant::from_millis(3_000);
    while world.now() < Instant::from_millis(12_000) {
        let (_, events) = world.step(at);
        for event in events {
            if let GatewayEvent::Unit { unit, .. } = event {
                out.push(unit);
            }
        }
        if world.now() >= at {
            at += Duration::from_millis(20);
            let Some((size, number)) = sizes_in.next() else { continue };
            world.push(Unit::datagram(TrackId(0), Priority::Reference, payload(number, *size)));
        }
    }
    assert_eq!(out.iter().map(|unit| unit.payload.len()).collect::<Vec<_>>(), sizes);
    for (unit, number) in out.iter().zip(0..) {
        assert_eq!((unit.unit, &unit.payload), (number, &payload(number, unit.payload.len())));
    }
    assert!(world.sender.status(world.now()).links.iter().all(|link| link.link <= LinkId(1)));
}

#[test]
fn a_stream_of_many_datagrams_survives_half_a_minute_of_darkness() {
    let config = Config { latency: Duration::from_millis(600), ..Config::default() };
    let scenario = "[[link]]\nname = \"l0\"\nrate_kbps = 20000\ndelay_ms = 20\nbuffer_ms = 300\n\
        [[event]]\nat_s = 4\nlink = \"l0\"\ndo = \"blackhole\"\nfor_s = 30\n";
    let scenario = Scenario::parse("dark", scenario, Path::new(".")).unwrap();
    let (sender, gateway) = config.ends();
    let mut world = World::new(&scenario, 3, sender, gateway, Clocks::default());
    let (mut number, mut last) = (0, None);
    while world.now() < Instant::from_millis(38_000) {
        let (_, events) = world.step(Instant::from_millis(number));
        for event in events {
            if let GatewayEvent::Unit { unit, .. } = event {
                last = Some((world.now(), unit.unit));
            }
        }
        // Thirty thousand small datagrams are given up in the dark.
        if world.now() >= Instant::from_millis(number) {
            world.push(Unit::datagram(TrackId(0), Priority::Standard, payload(number as u32, 100)));
            number += 1;
        }
    }
    let (at, unit) = last.expect("something came out");
    assert!(at > Instant::from_millis(37_900) && unit > 37_000, "the last was unit {unit} at {at}");
}
