//! How the operator wants links to be used is how they are used.

use std::path::Path;
use std::time::Duration;

use bondbox_bond::sender::{LinkUse, Policy, RadioReport};
use bondbox_linksim::Scenario;
use bondbox_sim::{Config, Outcome, Told, run};
use bondbox_units::{Bitrate, Instant, LinkId};

fn scenario(name: &str) -> Scenario {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(name).with_extension("toml");
    Scenario::load(&path).unwrap()
}

/// Megabits that a link carried while measured, headers included.
fn megabits(outcome: &Outcome, link: usize) -> f64 {
    outcome.links[link].wire.up_bytes as f64 * 8.0 / 1e6
}

fn config(kbps: u64) -> Config {
    Config { rate: Bitrate::from_kbps(kbps), duration: Duration::from_secs(45), ..Config::default() }
}

#[test]
fn redundant_loses_nothing_at_a_latency_that_allows_no_repair() {
    let base = Config { latency: Duration::from_millis(150), ..config(2_000) };
    let single = run(&scenario("three_lte_blackhole"), &base);
    let double = run(&scenario("three_lte_blackhole"), &Config { policy: Policy::Redundant, ..base });
    assert!(single.on_time < single.units, "the harness: {single:?}");
    assert!(double.units - double.on_time <= (single.units - single.on_time) / 3, "{double:?} of {single:?}");
    assert!((1.9..2.3).contains(&double.cost()), "{double:?}");
    assert_eq!(double.wrong, 0);
}

#[test]
fn the_main_link_carries_all_until_it_dies() {
    let base = Config { policy: Policy::MainBackup, ..config(3_000) };
    let calm = run(&scenario("three_lte"), &base);
    assert!(megabits(&calm, 0) > 0.93 * (0..3).map(|link| megabits(&calm, link)).sum::<f64>(), "{calm:?}");
    let dies = run(&scenario("three_lte_blackhole"), &base);
    assert!(dies.on_time_percent() > 99.8, "{dies:?}");
    assert!(megabits(&dies, 1) > 20.0, "15 s of 3 Mbit/s went elsewhere: {dies:?}");
}

#[test]
fn a_capped_link_never_carries_more() {
    let cap = Bitrate::from_kbps(500);
    let uses = vec![LinkUse { cap: Some(cap), ..LinkUse::default() }];
    let outcome = run(&scenario("three_lte"), &Config { uses, ..config(4_000) });
    assert!(megabits(&outcome, 0) <= 0.5 * 40.0 * 1.02, "{outcome:?}");
    assert!(outcome.on_time_percent() > 99.9, "{outcome:?}");
}

#[test]
fn a_backup_link_waits_until_it_is_needed() {
    let backup = vec![LinkUse { backup: true, ..LinkUse::default() }];
    let calm = run(&scenario("three_lte"), &Config { uses: backup.clone(), ..config(3_000) });
    assert!(megabits(&calm, 0) < 5.0, "of 120: {calm:?}");
    assert_eq!(calm.on_time, calm.units);
    let needed = run(&scenario("two_of_four_die"), &Config { uses: backup, ..config(3_000) });
    assert!(needed.on_time_percent() > 99.8, "{needed:?}");
}

#[test]
fn a_dear_link_carries_less_than_a_cheap_one() {
    let outcome = |cost| {
        let uses = vec![LinkUse { cost, ..LinkUse::default() }];
        run(&scenario("three_lte"), &Config { uses, ..config(3_000) })
    };
    let [free, dear] = [outcome(0), outcome(4)];
    assert!(megabits(&dear, 0) < megabits(&free, 0) / 4.0, "{dear:?} against {free:?}");
    assert_eq!((dear.on_time, dear.wrong), (dear.units, 0));
}

#[test]
fn taking_turns_wastes_what_earliest_arrival_keeps() {
    let of = |policy| run(&scenario("two_good_one_awful"), &Config { policy, ..config(6_000) }).on_time_percent();
    let ours = of(Policy::EarliestArrival);
    assert!(ours > 99.99, "{ours}");
    for baseline in [Policy::RoundRobin, Policy::WeightedRtt] {
        assert!(of(baseline) < ours - 0.1, "{baseline:?}: {}", of(baseline));
    }
}

/// Of three links, from the start to the end.
fn told(ceiling_kbps: Option<u64>, watermark_kbps: Option<u64>) -> Vec<Told> {
    let [ceiling, watermark] = [ceiling_kbps, watermark_kbps].map(|kbps| kbps.map(Bitrate::from_kbps));
    let report = RadioReport { ceiling, watermark, stale_after: Duration::from_secs(60) };
    (0..3).map(|link| Told { at: Instant::ZERO, link: LinkId(link), report }).collect()
}

#[test]
fn below_its_watermark_a_link_carries_redundancy_only() {
    let with = |kbps: Option<u64>| run(&scenario("three_lte"), &Config { told: told(None, kbps), ..config(10_000) });
    let (free, spared) = (with(None), with(Some(3_500)));
    assert!(megabits(&free, 2) > 15.0, "the link of 3 Mbit/s is used: {free:?}");
    // What proves it anew every now and then, keeps it alive and repairs others.
    assert!(megabits(&spared, 2) < 0.25 * megabits(&free, 2), "{spared:?}");
    let all = with(Some(100_000));
    assert_eq!(all.on_time, all.units, "where all are below it, none is: {all:?}");
}

#[test]
fn a_link_never_carries_more_than_its_modem_says_it_can() {
    let outcome = run(&scenario("three_lte"), &Config { told: told(Some(1_500), None), ..config(3_500) });
    for link in 0..3 {
        assert!(megabits(&outcome, link) < 1.55 * 40.0, "{outcome:?}");
    }
    assert_eq!(outcome.on_time, outcome.units, "{outcome:?}");
}
