//! What coded repair is worth where requests are too late, and what it costs where they are not.

use std::path::Path;
use std::time::Duration;

use bondbox_bond::sender::{Feature, Features};
use bondbox_linksim::Scenario;
use bondbox_sim::{Config, Outcome, run};
use bondbox_units::Bitrate;

/// With coded repair and without.
fn both(scenario: &str, latency_ms: u64, kbps: u64) -> [Outcome; 2] {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(scenario).with_extension("toml");
    let scenario = Scenario::load(&path).unwrap();
    [Features::ALL, Features::ALL.without(Feature::Coding)].map(|features| {
        let config = Config {
            latency: Duration::from_millis(latency_ms),
            rate: Bitrate::from_kbps(kbps),
            duration: Duration::from_secs(25),
            features,
            ..Config::default()
        };
        let outcome = run(&scenario, &config);
        assert_eq!(outcome.wrong, 0, "a unit came out twice, out of order or changed");
        outcome
    })
}

#[test]
fn most_of_what_requests_are_too_late_for_comes_back() {
    for (scenario, latency_ms) in [("far_pair", 250), ("slow_lte", 200)] {
        let [coded, plain] = both(scenario, latency_ms, 6_000);
        let missing = |outcome: &Outcome| outcome.units - outcome.on_time;
        assert!(missing(&plain) > 50, "{scenario}: too easy to tell: {plain:?}");
        assert!(missing(&coded) * 2 < missing(&plain), "{scenario}: {coded:?} and {plain:?}");
        assert!(coded.cost() < 1.3, "{scenario}: {coded:?}");
    }
}

#[test]
fn where_requests_are_in_time_not_a_byte_is_coded() {
    let cases = [("three_lte", 600), ("lossy_link", 300), ("far_pair", 600), ("two_of_four_blackholed", 600)];
    for (scenario, latency_ms) in cases {
        let [coded, plain] = both(scenario, latency_ms, 5_000);
        let bytes = |outcome: &Outcome| outcome.links.iter().map(|link| link.wire).collect::<Vec<_>>();
        assert_eq!(bytes(&coded), bytes(&plain), "{scenario}");
        assert_eq!((coded.on_time, coded.delay), (plain.on_time, plain.delay), "{scenario}");
    }
}
