//! The suite of cases plays, whatever its bars say.

use std::path::Path;

use bondbox_bond::sender::Features;
use bondbox_linksim::Scenario;
use bondbox_sim::run;
use bondbox_sim::suite::{CASES, Setup, chosen, play, svg};

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")
}

#[test]
fn every_case_plays_and_every_link_carries_something() {
    for case in CASES {
        let scenario: Scenario = case.scenario(&folder()).unwrap();
        let mut config = case.config(1);
        config.duration = config.duration.min(std::time::Duration::from_secs(3));
        let outcome = run(&scenario, &config);
        assert_eq!(outcome.wrong, 0, "{}", case.name);
        assert!(outcome.links.iter().all(|link| link.wire.up_arrived > 0), "{}: {outcome:?}", case.name);
    }
}

#[test]
fn a_case_that_is_held_against_another_brings_it_along() {
    let names: Vec<_> = chosen(&["awful".into()]).iter().map(|case| case.name).collect();
    assert_eq!(names, ["two_good_frames", "awful_frames"]);
}

#[test]
fn rows_do_not_depend_on_the_number_of_threads() {
    let mut cases = chosen(&["tunnel".into()]);
    cases.truncate(1);
    let rows = |jobs| {
        let setup = Setup { seeds: 1..3, folder: folder(), jobs, bounds: false, features: Features::ALL };
        let mut lines = vec![];
        let rows = play(&cases, &setup, |row| lines.push(row.to_string())).unwrap();
        assert_eq!(svg(&rows).matches("<circle").count(), 2);
        lines
    };
    assert_eq!(rows(1), rows(3));
}
