//! What runs, where, and with which command lines.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use bondbox_linksim::Scenario;
use bondbox_linksim::emulator::GATEWAY_ADDRESS;

use crate::Arguments;
use crate::places;

/// Everything that is decided before anything starts.
pub(crate) struct Plan {
    /// Names of the links, in the scenario's order.
    pub(crate) links: Vec<String>,
    /// The scenario file.
    pub(crate) scenario: PathBuf,
    /// Where sockets and keys are.
    pub(crate) run_dir: PathBuf,
    /// Where logs are.
    pub(crate) logs: PathBuf,
    /// The unit's network namespace.
    pub(crate) unit_netns: String,
    /// The gateway's.
    pub(crate) gateway_netns: String,
    /// The emulator's control socket.
    pub(crate) linksim_control: PathBuf,
    /// Made devices of the panel.
    pub(crate) devices: PathBuf,
    /// Where its page is.
    pub(crate) panel_port: u16,
    /// Whether links have emulated modems.
    pub(crate) modems: bool,
}

/// One service to supervise.
pub(crate) struct ServicePlan {
    /// `capture`, `uplink`, `modems`, `panel` or `gateway`.
    pub(crate) name: &'static str,
    /// Its binary.
    pub(crate) program: PathBuf,
    /// Its flags.
    pub(crate) arguments: Vec<OsString>,
    /// Its network namespace.
    pub(crate) netns: String,
    /// Whether it goes off with the unit.
    pub(crate) of_unit: bool,
    /// The address of its system's message bus.
    pub(crate) bus: String,
}

impl Plan {
    /// # Errors
    /// When the scenario is not one.
    pub(crate) fn new(arguments: &Arguments) -> anyhow::Result<Self> {
        let scenario = arguments.scenario.clone().unwrap_or_else(places::default_scenario);
        let links = Scenario::load(&scenario)?.links.into_iter().map(|link| link.name).collect();
        let run_dir = PathBuf::from(format!("/run/bondbox-{}", arguments.name));
        Ok(Self {
            links,
            scenario,
            logs: arguments.logs.clone().map_or_else(places::default_logs, Ok)?,
            unit_netns: format!("bb-{}-unit", arguments.name),
            gateway_netns: format!("bb-{}-gw", arguments.name),
            linksim_control: run_dir.join("linksim.sock"),
            devices: run_dir.join("devices"),
            panel_port: arguments.panel_port.unwrap_or(arguments.port.saturating_add(1)),
            modems: !arguments.no_modems,
            run_dir,
        })
    }

    /// Makes both keys and says how each service is started.
    ///
    /// # Errors
    /// When a binary is missing or makes no key.
    pub(crate) fn services(&self, arguments: &Arguments) -> anyhow::Result<Vec<ServicePlan>> {
        let (uplink, gateway) = (places::program("bondbox-uplink")?, places::program("bondbox-gateway")?);
        let (unit_key, gateway_key) = (self.run_dir.join("unit.key"), self.run_dir.join("gateway.key"));
        let unit_public = make_key(&uplink, &unit_key)?;
        let gateway_public = make_key(&gateway, &gateway_key)?;

        let mut capture = self.flags();
        capture
            .pair("--state-dir", &self.run_dir)
            .pair("--source", &arguments.source)
            .pair("--size", &arguments.size)
            .pair("--rate", arguments.rate.to_string());

        let mut sender = self.flags();
        sender.pair("--gateway", format!("{GATEWAY_ADDRESS}:{BOND_PORT}"));
        sender.pair("--identity", &unit_key).pair("--gateway-key", gateway_public).pair("--stream", STREAM);
        sender.pair("--latency-ms", arguments.latency_ms.to_string()).pair("--headroom", &arguments.headroom);
        for link in &self.links {
            sender.pair("--link", link);
        }

        let mut receiver = self.flags();
        receiver.pair("--listen", SocketAddr::from((Ipv4Addr::UNSPECIFIED, BOND_PORT)).to_string());
        receiver.pair("--identity", &gateway_key).pair("--unit", unit_public);
        receiver.pair("--latency-ms", arguments.latency_ms.to_string());
        receiver.pair("--http", PAGE.to_string()).pair("--demo", &self.linksim_control);

        if let Some(folder) = &arguments.record {
            receiver.pair("--record", std::path::absolute(folder)?);
        }

        let unit = |name, program, flags: Flags| ServicePlan {
            name,
            program,
            arguments: flags.0,
            netns: self.unit_netns.clone(),
            of_unit: true,
            bus: self.bus(),
        };
        let gateway_netns = self.gateway_netns.clone();
        let mut services = vec![
            ServicePlan { netns: gateway_netns, of_unit: false, ..unit("gateway", gateway, receiver) },
            unit("uplink", uplink, sender),
            unit("capture", places::program("bondbox-capture")?, capture),
            unit("panel", places::program("bondbox-panel")?, self.panel()),
        ];
        if self.modems {
            services.push(unit("modems", PathBuf::from("ip"), self.modem_service()?));
        }
        Ok(services)
    }

    fn panel(&self) -> Flags {
        let mut panel = self.flags();
        panel.pair("--sys", self.devices.join("sys")).pair("--dev", self.devices.join("dev"));
        // Whoever moves the slider looks at the lights.
        panel.pair("--gauge-every-ms", "500");
        panel
    }

    /// Through `ip netns exec`, which mounts the sysfs that has the namespace's interfaces.
    fn modem_service(&self) -> anyhow::Result<Flags> {
        let mut modems = Flags(vec!["netns".into(), "exec".into()]);
        modems.pair(&self.unit_netns, places::program("bondbox-modems")?).pair("--run-dir", &self.run_dir);
        modems.pair("--bus", self.bus()).pair("--state", self.run_dir.join("modems"));
        for link in &self.links {
            modems.pair("--also", link);
        }
        Ok(modems)
    }

    /// The address of the demonstration's own message bus.
    pub(crate) fn bus(&self) -> String {
        format!("unix:path={}", self.run_dir.join("bus.sock").display())
    }

    fn flags(&self) -> Flags {
        let mut flags = Flags(Vec::new());
        flags.pair("--run-dir", &self.run_dir);
        flags
    }
}

/// Where the gateway's page is, inside its namespace.
pub(crate) const PAGE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// The unit's stream is called so at the gateway.
pub(crate) const STREAM: &str = "demo";

const BOND_PORT: u16 = 7000;

struct Flags(Vec<OsString>);

impl Flags {
    fn pair(&mut self, flag: impl Into<OsString>, value: impl Into<OsString>) -> &mut Self {
        self.0.extend([flag.into(), value.into()]);
        self
    }
}

/// Has `program` make a key at `path`; gives the public half, to pin at the other end.
fn make_key(program: &Path, path: &Path) -> anyhow::Result<String> {
    let output = Command::new(program).arg("keygen").arg("--out").arg(path).output()?;
    let public = String::from_utf8(output.stdout).unwrap_or_default().trim().to_string();
    if output.status.success() && !public.is_empty() {
        return Ok(public);
    }
    let complaint = String::from_utf8_lossy(&output.stderr).trim().to_string();
    anyhow::bail!("{} made no key at {}: {complaint}", program.display(), path.display())
}

/// Folders made anew, so that nothing of an earlier run is taken for today's.
///
/// # Errors
/// When one cannot be made.
pub(crate) fn prepare(plan: &Plan) -> anyhow::Result<()> {
    let _ = std::fs::remove_dir_all(&plan.run_dir);
    for folder in [&plan.run_dir, &plan.logs, &plan.run_dir.join("modems")] {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    Ok(())
}
