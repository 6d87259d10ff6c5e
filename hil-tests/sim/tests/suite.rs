//! The suite of cases plays, whatever its bars say.

use std::path::Path;

use bondbox_linksim::Scenario;
use bondbox_sim::run;
use bondbox_sim::suite::{CASES, chosen, play};

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
        let mut lines = vec![];
        play(&cases, 1..3, &folder(), jobs, false, |row| lines.push(row.to_string())).unwrap();
        lines
    };
    assert_eq!(rows(1), rows(3));
}
