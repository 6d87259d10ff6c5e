//! What is compiled for tests and what is compiled to run are the same dependencies, with the same features.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Of each package of the workspace's tree along these edges, the sets of features that it is built with.
fn features(edges: &str) -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--workspace", "--prefix", "none", "--no-dedupe"])
        .args(["--edges", edges, "--format", "{p}|{f}"])
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let mut all = BTreeMap::<_, BTreeSet<_>>::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        if let Some((package, features)) = line.split_once('|') {
            all.entry(package.to_owned()).or_default().insert(features.to_owned());
        }
    }
    all
}

#[test]
fn a_dependency_is_not_compiled_again_for_having_other_features_in_tests() {
    let tests = features("normal,build,dev");
    let apart: Vec<_> = features("normal,build")
        .into_iter()
        .filter(|(package, to_run)| !to_run.is_subset(&tests[package]))
        .map(|(package, to_run)| format!("{package}: {to_run:?} to run, {:?} in tests", tests[&package]))
        .collect();
    assert!(apart.is_empty(), "have {} ask for what tests ask for: {apart:#?}", env!("CARGO_MANIFEST_PATH"));
}
