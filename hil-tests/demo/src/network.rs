//! The emulated links: `bondbox-linksim` as a child.

use std::io::{self, BufRead, BufReader};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::Context;
use bondbox_linksim::child::READY;
use nix::sys::signal::Signal;

use crate::child::{Log, Running};
use crate::places;
use crate::plan::Plan;

/// The running emulator. It removes its namespaces and devices when it ends, and it ends when we do.
pub(crate) struct Network {
    emulator: Running,
}

impl Network {
    /// Starts it, and returns when every link carries packets.
    ///
    /// # Errors
    /// When it does not come up; what it said is in its log and on the console.
    pub(crate) fn start(plan: &Plan) -> anyhow::Result<Self> {
        let log = Log::create(&plan.logs, "linksim")?;
        let mut command = Command::new(places::program("bondbox-linksim")?);
        command.arg("--scenario").arg(&plan.scenario).arg("--control").arg(&plan.linksim_control);
        command.args(["--unit-netns", &plan.unit_netns, "--gateway-netns", &plan.gateway_netns]);
        command.stdin(Stdio::null());
        // It has to take things down, so it is asked to end and not killed.
        let mut emulator = Running::start(command, None, Signal::SIGTERM, &log)?;
        let mut line = String::new();
        if let Some(output) = emulator.output() {
            BufReader::new(output).read_line(&mut line).context("bondbox-linksim")?;
        }
        anyhow::ensure!(
            line.trim() == READY,
            "bondbox-linksim did not get ready, see {}/linksim.log",
            plan.logs.display()
        );
        Ok(Self { emulator })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.emulator.pid()
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// When the system refuses to say.
    pub(crate) fn is_running(&mut self) -> io::Result<bool> {
        Ok(self.emulator.try_wait()?.is_none())
    }

    /// Ends it, and returns when namespaces and devices are gone.
    ///
    /// # Errors
    /// When it failed to take them down.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        let status = self.end()?;
        anyhow::ensure!(status.success(), "bondbox-linksim ended with {status}");
        Ok(())
    }

    fn end(&mut self) -> io::Result<ExitStatus> {
        self.emulator.signal(Signal::SIGTERM);
        self.emulator.wait()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // After `stop` there is nothing left to end; else the error that led here is the one to tell.
        let _ = self.end();
    }
}
