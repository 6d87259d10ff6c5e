//! What parts of the engine are for: a network for each that goes wrong without it, and not with it.
//!
//! `bondbox-sim ablate` measures what each is worth over the suite; coded repair has tests of its own (`coding.rs`).

use std::path::Path;
use std::time::Duration;

use bondbox_bond::sender::{Feature, Features, Headroom};
use bondbox_linksim::Scenario;
use bondbox_sim::{Clocks, Config, Outcome, Shape, run};
use bondbox_units::Bitrate;

fn shipped(name: &str) -> Scenario {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(name).with_extension("toml");
    Scenario::load(&path).unwrap()
}

fn inline(text: &str) -> Scenario {
    Scenario::parse("inline", text, Path::new(".")).unwrap()
}

/// With a part and without it.
fn both(part: Feature, scenario: &Scenario, config: &Config) -> [Outcome; 2] {
    [Features::ALL, Features::ALL.without(part)].map(|features| {
        let outcome = run(scenario, &Config { features, ..config.clone() });
        assert_eq!(outcome.wrong, 0, "a unit came out twice, out of order or changed");
        outcome
    })
}

const fn missed(outcome: &Outcome) -> u64 {
    outcome.units - outcome.on_time
}

fn constant(kbps: u64, seconds: u64) -> Config {
    Config { rate: Bitrate::from_kbps(kbps), duration: Duration::from_secs(seconds), ..Config::default() }
}

/// Frames that begin at `kbps` and follow the encoder target up to 8 Mbit/s.
fn following(kbps: u64, seconds: u64) -> Config {
    Config { shape: Shape::Frames, follow: Some(Bitrate::from_kbps(8_000)), ..constant(kbps, seconds) }
}

#[test]
fn an_encoder_that_is_not_told_makes_more_than_links_carry_that_fell() {
    let fall =
        |link| format!("[[event]]\nat_s = 15\nlink = \"{link}\"\ndo = \"rate\"\nrate_kbps = 750\nway = \"up\"\n");
    let link =
        |name, rate| format!("[[link]]\nname = \"{name}\"\nrate_kbps = {rate}\ndelay_ms = 25\nbuffer_ms = 500\n");
    let scenario = inline(&format!("{}{}{}{}", link("a", 5_000), link("b", 4_000), fall("a"), fall("b")));
    let config = Config { latency: Duration::from_secs(1), ..following(4_000, 30) };
    let [told, untold] = both(Feature::Encoder, &scenario, &config);
    assert!(missed(&told) * 5 < missed(&untold), "{told:?} and {untold:?}");
}

#[test]
fn frames_that_fill_all_links_are_lost_when_one_dies_and_there_is_little_time() {
    let link = |name| format!("[[link]]\nname = \"{name}\"\nrate_kbps = 3000\ndelay_ms = 30\nbuffer_ms = 500\n");
    let dies = "[[event]]\nat_s = 15\nlink = \"c\"\ndo = \"blackhole\"\n";
    let scenario = inline(&format!("{}{}{}{dies}", link("a"), link("b"), link("c")));
    let latency = Duration::from_millis(250);
    let config = Config { headroom: Headroom::SurviveOne, latency, ..following(5_000, 25) };
    let [free, filled] = both(Feature::Headroom, &scenario, &config);
    assert_eq!(missed(&free), 0, "{free:?}");
    assert!(missed(&filled) >= 10, "{filled:?}");
}

#[test]
fn a_line_that_does_not_follow_slow_clocks_has_units_come_out_late() {
    let config = Config { clocks: Clocks { offset_us: 1_000, drift_ppm: -500 }, ..constant(3_000, 60) };
    let [followed, left] = both(Feature::ClockLine, &shipped("clean"), &config);
    assert_eq!(missed(&followed), 0, "{followed:?}");
    assert!(left.late * 5 > left.units, "{left:?}");
}

#[test]
fn datagrams_as_small_as_every_path_takes_cost_more() {
    let [large, small] = both(Feature::MtuSearch, &shipped("clean"), &constant(3_000, 15));
    assert!(small.cost() > large.cost() + 0.03, "{large:?} and {small:?}");
    assert_eq!((missed(&large), missed(&small)), (0, 0));
}

#[test]
fn a_link_whose_way_back_dies_carries_on_by_what_other_links_say_of_it() {
    let link = |name| format!("[[link]]\nname = \"{name}\"\nrate_kbps = 4000\ndelay_ms = 30\nbuffer_ms = 500\n");
    let dies = "[[event]]\nat_s = 10\nlink = \"a\"\ndo = \"blackhole\"\nway = \"down\"\n";
    let scenario = inline(&format!("{}{}{dies}", link("a"), link("b")));
    let [said, unsaid] = both(Feature::OtherWays, &scenario, &constant(5_500, 25));
    assert!(missed(&said) <= 10, "{said:?}");
    assert!(missed(&unsaid) * 10 > unsaid.units, "{unsaid:?}");
}

#[test]
fn what_a_tunnel_takes_from_the_live_output_is_recorded_by_late_repair_alone() {
    let config = Config { recording: Some(Duration::from_secs(5)), ..constant(3_000, 32) };
    let [repaired, left] = both(Feature::LateRepair, &shipped("tunnel"), &config);
    assert!(missed(&repaired) > 0 && repaired.not_recorded == 0, "{repaired:?}");
    assert!(left.not_recorded > 100, "{left:?}");
}
