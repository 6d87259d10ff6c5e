//! `demo.json`: what runs, for tests that want to break it.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::Serialize;

use crate::life::State;
use crate::service::Service;

/// The file's content; made anew at each change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Report<'a> {
    /// The gateway's page.
    pub(crate) page: &'a str,
    /// The live stream.
    pub(crate) stream: &'a str,
    /// Where logs are.
    pub(crate) logs: &'a Path,
    /// Where the sockets of the services are.
    pub(crate) run_dir: &'a Path,
    /// The unit's network namespace.
    pub(crate) unit_netns: &'a str,
    /// The gateway's.
    pub(crate) gateway_netns: &'a str,
    /// The emulator's control socket.
    pub(crate) linksim_control: &'a Path,
    /// The emulator's process.
    pub(crate) linksim_pid: u32,
    /// The links by name.
    pub(crate) links: &'a [String],
    /// The panel's page.
    pub(crate) panel: &'a str,
    /// What else runs: bus, ModemManager, emulated modems.
    pub(crate) helpers: BTreeMap<String, u32>,
    /// By name: capture, gateway, modems, panel, uplink.
    pub(crate) services: BTreeMap<&'static str, ServiceReport>,
}

/// One service now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ServiceReport {
    /// While it runs.
    pid: Option<u32>,
    /// waiting, starting, ready, stopping or over.
    state: &'static str,
    /// How often it was started.
    starts: u32,
}

impl From<&Service> for ServiceReport {
    fn from(service: &Service) -> Self {
        let state = match service.state() {
            State::Waiting { .. } => "waiting",
            State::Starting { .. } => "starting",
            State::Ready { .. } => "ready",
            State::Stopping { .. } | State::Killed { .. } => "stopping",
            State::Over => "over",
        };
        Self { pid: service.pid(), state, starts: service.starts() }
    }
}

impl Report<'_> {
    /// Replaces the file in one step, so that a reader never sees half of it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn write(&self, run_dir: &Path) -> io::Result<()> {
        let beside = run_dir.join("demo.json.new");
        std::fs::write(&beside, serde_json::to_string_pretty(self)? + "\n")?;
        std::fs::rename(beside, run_dir.join("demo.json"))
    }
}
