//! A run that was traced is played again from its traces, and ends alike.

use std::path::Path;
use std::time::Duration;

use bondbox_bond::trace::Recording;
use bondbox_linksim::Scenario;
use bondbox_sim::replay::{Replay, recover};
use bondbox_sim::{Config, Outcome, run, run_watched};
use bondbox_units::{Bitrate, Instant};

fn config(seed: u64, kbps: u64) -> Config {
    Config { seed, rate: Bitrate::from_kbps(kbps), duration: Duration::from_secs(30), ..Config::default() }
}

fn scenario(name: &str) -> Scenario {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(name);
    Scenario::load(&file.with_extension("toml")).unwrap()
}

/// Plays, and gives what both ends wrote down beside the outcome.
fn traced(scenario: &Scenario, config: &Config) -> (Outcome, Recording, Recording) {
    let mut files = vec![];
    let end = Instant::ZERO + config.duration;
    let outcome = run_watched(scenario, config, |world| {
        if world.now() >= end && files.is_empty() {
            files = world.traces();
        }
    });
    let [(_, unit), (_, gateway)] = &files[..] else { panic!("a trace is missing") };
    (outcome, Recording::read(unit).unwrap(), Recording::read(gateway).unwrap())
}

/// Within one point of units on time, and a twentieth of the cost.
fn assert_alike(name: &str, played: &Outcome, replay: &Replay) {
    let again = run(&replay.scenario, &replay.config);
    let on_time = (played.on_time_percent(), again.on_time_percent());
    assert!((on_time.0 - on_time.1).abs() <= 1.0, "{name}: {on_time:?} % on time");
    let cost = (played.cost(), again.cost());
    assert!((cost.0 - cost.1).abs() <= 0.05, "{name}: costs {cost:?}");
    let shares = [played, &again].map(|outcome| {
        let total: u64 = outcome.links.iter().map(|link| link.wire.up_bytes).sum();
        outcome.links.iter().map(|link| link.wire.up_bytes as f64 / total as f64).collect::<Vec<_>>()
    });
    for (before, after) in shares[0].iter().zip(&shares[1]) {
        assert!((before - after).abs() <= 0.15, "{name}: shares {shares:?}");
    }
}

#[test]
fn a_day_of_lossy_links_is_played_again() {
    let (played, unit, gateway) = traced(&scenario("three_lte"), &config(11, 8_000));
    let replay = recover("again", &unit, Some(&gateway)).unwrap();
    assert!(replay.config.rate.as_bps().abs_diff(8_000_000) < 200_000, "{}", replay.config.rate);
    assert_alike("three_lte", &played, &replay);
}

#[test]
fn a_link_that_swallowed_everything_does_so_again() {
    let (played, unit, gateway) = traced(&scenario("three_lte_blackhole"), &config(12, 6_000));
    let replay = recover("again", &unit, Some(&gateway)).unwrap();
    assert!(replay.toml.contains("blackhole"), "{}", replay.toml);
    assert_alike("three_lte_blackhole", &played, &replay);
}
