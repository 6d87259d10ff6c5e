//! A message bus of the demonstration's own, on which nothing of this machine is.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::Context;
use nix::sys::signal::Signal;

use crate::child::{Log, Running};
use crate::plan::Plan;

/// The running `dbus-daemon`.
pub(crate) struct Bus {
    daemon: Running,
}

impl Bus {
    /// Starts it at the plan's address, and returns when it listens.
    ///
    /// # Errors
    /// When there is no `dbus-daemon`, or it does not come up.
    pub(crate) fn start(plan: &Plan) -> anyhow::Result<Self> {
        let log = Log::create(&plan.logs, "bus")?;
        let settings = plan.run_dir.join("bus.conf");
        std::fs::write(&settings, SETTINGS.replace("LISTEN", &plan.bus()))?;
        let mut command = Command::new("dbus-daemon");
        command.args(["--nofork", "--print-address"]).arg("--config-file").arg(&settings).stdin(Stdio::null());
        let mut daemon = Running::start(command, None, Signal::SIGKILL, &log).context("dbus-daemon")?;
        let mut ready = String::new();
        if let Some(output) = daemon.output() {
            BufReader::new(output).read_line(&mut ready).context("dbus-daemon")?;
        }
        anyhow::ensure!(!ready.is_empty(), "dbus-daemon did not get ready, see {}/bus.log", plan.logs.display());
        Ok(Self { daemon })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.daemon.pid()
    }
}

/// Of any bus that is ours alone; LISTEN stands for its address.
const SETTINGS: &str = include_str!("../../../hal/resolver/tests/bus/bus.conf");
