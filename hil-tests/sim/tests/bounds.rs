//! No run does better than the oracle, and the oracle does not ask for less than it could.

use std::path::Path;
use std::time::Duration;

use bondbox_linksim::Scenario;
use bondbox_sim::bounds::{self, informed, oracle};
use bondbox_sim::{Config, Shape, run};
use bondbox_units::Bitrate;

fn scenario(name: &str) -> Scenario {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(name).with_extension("toml");
    Scenario::load(&path).unwrap()
}

fn config(seed: u64, shape: Shape, kbps: u64) -> Config {
    Config { seed, shape, rate: Bitrate::from_kbps(kbps), duration: Duration::from_secs(30), ..Config::default() }
}

#[test]
fn no_run_does_better_than_the_oracle() {
    let (constant, frames) = (Shape::Constant, Shape::Frames);
    let overloads = [
        ("six_driving", frames, 14_000),
        ("tunnel", constant, 12_000),
        ("two_of_four_die", frames, 7_000),
        ("shared_cell", constant, 14_000),
    ];
    for (name, shape, kbps) in overloads {
        let (scenario, config) = (scenario(name), config(1, shape, kbps));
        let (best, run) = (oracle(&scenario, &config, 1.0), run(&scenario, &config));
        assert_eq!(best.units as u64, run.units);
        assert!(run.on_time <= best.on_time as u64, "{name}: {} > {best:?}", run.on_time);
    }
}

#[test]
fn what_went_in_has_the_bounds_of_what_was_to_go_in_and_a_stream_that_follows_has_some_too() {
    let six = scenario("six_driving");
    let constant = config(2, Shape::Frames, 20_000);
    let run_of = |config: &Config| run(&six, config);
    let went_in = bounds::of(&six, &constant, &run_of(&constant).asked.0);
    assert_eq!(went_in, [oracle(&six, &constant, 1.0), informed(&six, &constant)]);
    let follows = Config { follow: Some(Bitrate::from_kbps(14_000)), ..config(2, Shape::Frames, 12_000) };
    let followed = run_of(&follows);
    let [best, _] = bounds::of(&six, &follows, &followed.asked.0);
    assert_eq!(best.units as u64, followed.units);
    assert!(
        followed.on_time <= best.on_time as u64 && best.on_time > best.units / 2,
        "{} > {best:?}",
        followed.on_time
    );
}

#[test]
fn the_oracle_fills_a_link_and_no_more() {
    let link = "[[link]]\nname = \"a\"\nrate_kbps = 8000\ndelay_ms = 20\nloss_percent = 5\n";
    let scenario = Scenario::parse("one", link, Path::new(".")).unwrap();
    let share = |kbps, load| oracle(&scenario, &config(1, Shape::Constant, kbps), load).percent();
    // 8 Mbit/s are 7.657 in datagrams of 1,316 bytes with their headers.
    assert_eq!(share(7_650, 1.0), 100.0);
    assert_eq!(share(5_880, 1.3), 100.0);
    let over = share(10_000, 1.0);
    assert!((76.5..80.0).contains(&over), "{over}");
}

#[test]
fn who_learns_of_changes_late_does_as_well_as_the_oracle_where_nothing_changes_and_worse_where_much_does() {
    let three = scenario("three_lte");
    assert_eq!(informed(&three, &config(1, Shape::Constant, 8_000)).percent(), 100.0);
    let driving = scenario("six_driving");
    let all: Vec<_> = (1..4).map(|seed| config(seed, Shape::Frames, 20_000)).collect();
    let [late, best] = [
        all.iter().map(|config| informed(&driving, config).on_time).sum::<usize>(),
        all.iter().map(|config| oracle(&driving, config, 1.0).on_time).sum::<usize>(),
    ];
    assert!(late < best && late * 2 > best, "{late} and {best} of 1875");
}
