//! Everything that can be tried without harm, one line each.

use std::path::Path;
use std::process::ExitCode;

use bondbox_ipc::capture::Picture;
use bondbox_ipc::uplink::{LinkState, Session};
use serde::Serialize;

use crate::ask::{All, Ask, Said};
use crate::show;

#[derive(Debug, Serialize)]
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
    Fails,
}

/// Fails when something fails; what is absent is only said.
pub(crate) async fn run(ask: &Ask, json: bool) -> ExitCode {
    let mut checks = of_services(&ask.all().await);
    checks.extend(["/state", "/data"].map(|folder| storage(Path::new(folder))));
    show::print(json, &checks, |checks| {
        checks.iter().map(|check| format!("{:8}{:18}{}\n", word(check.result), check.what, check.said)).collect()
    });
    if checks.iter().any(|check| check.result == Result::Fails) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn word(result: Result) -> &'static str {
    match result {
        Result::Works => "works",
        Result::Absent => "absent",
        Result::Fails => "FAILS",
    }
}

fn of_services(all: &All) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut add = |what: &str, result, said: String| checks.push(Check { what: what.into(), result, said });
    match &all.capture {
        Said::Failure(why) => add("capture", Result::Fails, why.clone()),
        Said::State(state) => match state.picture {
            Picture::Live => add("picture", Result::Works, format!("{} at {}", state.source, state.actual)),
            Picture::Stopped => add("picture", Result::Absent, "off the air".into()),
            Picture::Starting => add("picture", Result::Fails, format!("{} did not start yet", state.encoder)),
            Picture::Slate => add("picture", Result::Fails, format!("{} is lost: a slate goes out", state.source)),
        },
    }
    match &all.uplink {
        Said::Failure(why) => add("uplink", Result::Fails, why.clone()),
        Said::State(state) => {
            let open = state.session == Session::Open;
            let said = format!("{:?} to {}", state.session, state.gateway);
            add("gateway", if open { Result::Works } else { Result::Fails }, said);
            for link in &state.links {
                let result = match link.state {
                    LinkState::Up => Result::Works,
                    LinkState::Absent => Result::Absent,
                    LinkState::Joining | LinkState::Suspect | LinkState::Silent => Result::Fails,
                };
                add(&format!("link {}", link.name), result, format!("{:?}, {}", link.state, link.rate));
            }
        }
    }
    match &all.modems {
        Said::Failure(why) => add("modems", Result::Fails, why.clone()),
        Said::State(state) => {
            let manager = if state.manager.is_some() { Result::Works } else { Result::Absent };
            add("ModemManager", manager, state.manager.clone().unwrap_or_default());
            for modem in &state.modems {
                let result = if modem.reason.is_none() { Result::Works } else { Result::Fails };
                let why = modem.reason.clone().unwrap_or_default();
                add(&format!("modem {}", modem.port), result, format!("{:?} {} {why}", modem.state, modem.model));
            }
        }
    }
    match &all.panel {
        Said::Failure(why) => add("panel", Result::Fails, why.clone()),
        Said::State(state) => {
            for device in &state.devices {
                let result = if device.failure.is_some() { Result::Fails } else { Result::Works };
                let said = device.failure.clone().unwrap_or_else(|| device.name.clone());
                add(&device.kind, result, said);
            }
        }
    }
    checks
}

/// Whether what is written there is there.
fn storage(folder: &Path) -> Check {
    let what = folder.display().to_string();
    if !folder.is_dir() {
        return Check { what, result: Result::Absent, said: "no such folder".into() };
    }
    let tried = tempfile::NamedTempFile::new_in(folder).and_then(|file| {
        std::fs::write(file.path(), "written")?;
        Ok(std::fs::read_to_string(file.path())? == "written")
    });
    let free = nix::sys::statvfs::statvfs(folder).map(|fs| fs.blocks_available() * fs.fragment_size() / 1_000_000);
    match (tried, free) {
        (Ok(true), Ok(free)) => Check { what, result: Result::Works, said: format!("{free} MB free") },
        (Ok(_), _) => Check { what, result: Result::Fails, said: "does not hold what was written".into() },
        (Err(error), _) => Check { what, result: Result::Fails, said: error.to_string() },
    }
}
