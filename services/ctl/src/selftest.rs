//! Everything that can be tried without harm, one line each: ports, modems, lights, keys, gauge, camera, storage.
//!
//! On the air nothing is touched: what is running is looked at, and lights and keys are left to whoever needs them. Off the air
//! each light is lit in turn. With `--interactive` somebody at the panel is asked whether it is, and to press each key.

mod camera;
mod panel;
mod ports;
mod storage;

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::ask::{All, Ask, Said};
use crate::show;

/// How thoroughly.
#[derive(Args)]
pub(crate) struct Selftest {
    /// Ask somebody at the panel to look at its lights and to press its keys.
    #[arg(long)]
    interactive: bool,
}

/// What came of one thing that was tried.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Check {
    what: String,
    result: Result,
    said: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Result {
    Works,
    /// Not there, which may be meant.
    Absent,
    /// Not tried, since that would do harm now.
    Skipped,
    Fails,
}

impl Check {
    fn new(what: impl Into<String>, result: Result, said: impl Into<String>) -> Self {
        Self { what: what.into(), result, said: said.into() }
    }
}

impl Selftest {
    /// Fails when something fails; what is absent or was not tried is only said.
    pub(crate) async fn run(&self, ask: &Ask, json: bool) -> ExitCode {
        let all = ask.all().await;
        let mut checks = silent(&all);
        checks.extend(ports::look(&all));
        checks.extend(panel::walk(ask, &all, self.interactive).await);
        checks.extend(camera::look(ask, &all).await);
        checks.extend(storage::look());
        show::print(json, &checks, |checks| {
            checks.iter().map(|check| format!("{:8}{:18}{}\n", word(check.result), check.what, check.said)).collect()
        });
        if checks.iter().any(|check| check.result == Result::Fails) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

fn word(result: Result) -> &'static str {
    match result {
        Result::Works => "works",
        Result::Absent => "absent",
        Result::Skipped => "skipped",
        Result::Fails => "FAILS",
    }
}

/// Services that say nothing.
fn silent(all: &All) -> Vec<Check> {
    fn why<S>(said: &Said<S>) -> Option<&String> {
        match said {
            Said::State(_) => None,
            Said::Failure(why) => Some(why),
        }
    }
    let services = [
        ("capture", why(&all.capture)),
        ("uplink", why(&all.uplink)),
        ("modems", why(&all.modems)),
        ("panel", why(&all.panel)),
    ];
    services.into_iter().filter_map(|(name, why)| Some(Check::new(name, Result::Fails, why?))).collect()
}
