//! ModemManager as Debian has it, with an emulated modem for each link, whose signal follows its link.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use bondbox_linksim::control;
use nix::sys::signal::Signal;
use serde_json::json;

use crate::child::{Log, Running};
use crate::console::say;
use crate::places;
use crate::plan::Plan;
use crate::radio::{Radio, Reading};

/// What runs, by name.
pub(crate) struct Modems {
    running: BTreeMap<String, Running>,
}

impl Modems {
    /// Starts modems and ModemManager in the unit's namespace, and has ModemManager know each by its link's name.
    ///
    /// # Errors
    /// When a program is missing or does not come up.
    pub(crate) fn start(plan: &Plan) -> anyhow::Result<Self> {
        let (mut running, mut lines) = (BTreeMap::new(), BTreeMap::new());
        for (number, link) in plan.links.iter().enumerate() {
            let (modem, line) = plug(plan, number, link).with_context(|| format!("the modem of {link}"))?;
            running.insert(format!("modem of {link}"), modem);
            lines.insert(link.clone(), line);
        }
        let log = Log::create(&plan.logs, "ModemManager")?;
        let mut command = Command::new("ModemManager");
        command.args([
            "--test-session",
            "--test-enable",
            "--test-no-udev",
            "--test-no-qrtr",
            "--test-no-suspend-resume",
        ]);
        command.env("DBUS_SESSION_BUS_ADDRESS", plan.bus()).env("DBUS_SYSTEM_BUS_ADDRESS", plan.bus());
        command.stdin(Stdio::null()).current_dir(&plan.run_dir);
        let manager = Running::start(command, Some(&plan.unit_netns), Signal::SIGKILL, &log)
            .context("ModemManager (Debian package modemmanager; --no-modems does without)")?;
        running.insert("ModemManager".into(), manager);
        tell(plan).context("ModemManager")?;
        let mut control = control::Client::connect(&plan.linksim_control)?;
        std::thread::spawn(move || {
            // It ends with the emulator, or with a modem.
            let _ = follow(&mut control, lines);
        });
        Ok(Self { running })
    }

    /// Says what has ended by itself; on a unit systemd would start it again.
    ///
    /// # Errors
    /// When the system refuses to say.
    pub(crate) fn look(&mut self) -> io::Result<()> {
        let mut ended = Vec::new();
        for (name, running) in &mut self.running {
            if let Some(status) = running.try_wait()? {
                say(format_args!("demo: {name} ended ({status}): what it told of is not told any more"));
                ended.push(name.clone());
            }
        }
        self.running.retain(|name, _| !ended.contains(name));
        Ok(())
    }

    /// Process ids by name.
    pub(crate) fn pids(&self) -> BTreeMap<String, u32> {
        self.running.iter().map(|(name, running)| (name.clone(), running.pid())).collect()
    }
}

/// One modem, and the line that says what becomes of it.
fn plug(plan: &Plan, number: usize, link: &str) -> anyhow::Result<(Running, ChildStdin)> {
    let log = Log::create(&plan.logs, &format!("modem-{link}"))?;
    let mut command = Command::new("python3");
    command.arg("-B").arg(places::at_modem()).arg(port(plan, link)).stdin(Stdio::piped());
    let mut modem = Running::start(command, Some(&plan.unit_netns), Signal::SIGKILL, &log).context("python3")?;
    let mut line = modem.input().context("no standard input")?;
    // A SIM and a network of its own each: what they used is counted apart. 001 is the country of test networks.
    let who = json!({
        "imei": format!("4901542032{number:05}"),
        "iccid": format!("894900000000000{number:04}"),
        "imsi": format!("0010{}0123456789", number % 9 + 1),
        "operator": format!("Testnet {}", number + 1),
    });
    writeln!(line, "{who}")?;
    let mut ready = String::new();
    let output = modem.output().context("no standard output")?;
    BufReader::new(output).read_line(&mut ready)?;
    anyhow::ensure!(ready.trim() == "ready", "it did not get ready, see {}/modem-{link}.log", plan.logs.display());
    Ok((modem, line))
}

/// The socket that is the modem's serial line; of the unit's network namespace, like all such names.
fn port(plan: &Plan, link: &str) -> String {
    format!("abstract:{}-{link}", plan.unit_netns)
}

/// Tells ModemManager of every modem, as soon as it is there.
fn tell(plan: &Plan) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let bus = zbus::connection::Builder::address(plan.bus().as_str()).build().await?;
        let until = Instant::now() + PATIENCE;
        for link in &plan.links {
            let profile = (link, "generic", vec![port(plan, link)]);
            let call = || bus.call_method(Some(SERVICE), PATH, Some(TEST), "SetProfile", &profile);
            while let Err(error) = call().await {
                // It takes its name on the bus when it is up.
                anyhow::ensure!(Instant::now() < until, "it takes no modem: {error}");
                tokio::time::sleep(BETWEEN).await;
            }
        }
        Ok(())
    })
}

/// Keeps every modem's radio what its link is.
fn follow(control: &mut control::Client, mut lines: BTreeMap<String, ChildStdin>) -> io::Result<()> {
    let mut radios: BTreeMap<String, (Radio, Option<Reading>)> = BTreeMap::new();
    loop {
        for link in control.status()?.links {
            let (radio, told) = radios.entry(link.name.clone()).or_default();
            let now = Some(radio.reading(&link));
            if *told != now
                && let Some(line) = lines.get_mut(&link.name)
            {
                writeln!(line, "{}", serde_json::to_string(&now)?)?;
                *told = now;
            }
        }
        std::thread::sleep(BETWEEN);
    }
}

const SERVICE: &str = "org.freedesktop.ModemManager1";
const PATH: &str = "/org/freedesktop/ModemManager1";
const TEST: &str = "org.freedesktop.ModemManager1.Test";
/// Its plugins are read from disk.
const PATIENCE: Duration = Duration::from_secs(20);
/// A modem is asked for its radio every second.
const BETWEEN: Duration = Duration::from_millis(250);
