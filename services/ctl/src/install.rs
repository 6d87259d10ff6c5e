//! Whether an update may be installed now: RAUC asks before each (`pre-install` of its `system.conf`), and goes no further
//! where this fails.

use std::process::ExitCode;

use bondbox_ipc::panel::{BatteryStep, State};
use serde::Serialize;

use crate::show;

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Answer {
    may: bool,
    why: String,
}

/// What the panel said decides. One that cannot be asked forbids nothing: a unit whose panel is broken could not be mended.
pub(crate) fn judge(panel: anyhow::Result<State>) -> Answer {
    let state = match panel {
        Ok(state) => state,
        Err(error) => {
            return Answer { may: true, why: format!("nobody knows the battery, which forbids nothing: {error:#}") };
        }
    };
    let Some(battery) = state.battery else {
        return Answer { may: true, why: "no battery is known, which forbids nothing".into() };
    };
    let charge = format!("the battery is at {}.{} %", battery.charge_permille / 10, battery.charge_permille % 10);
    if state.step >= BatteryStep::Spare {
        let why = format!("{charge} without mains: from 8 % down nothing is installed until it is fed, or above 11 %");
        return Answer { may: false, why };
    }
    Answer { may: true, why: charge }
}

impl Answer {
    pub(crate) fn tell(&self, json: bool) -> ExitCode {
        let said = if self.may { "an update may be installed" } else { "no update is installed now" };
        show::print(json, self, |answer| format!("{said}: {}", answer.why));
        if self.may { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
