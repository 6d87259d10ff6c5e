//! The emulator as a child process, for whoever runs tests and demonstrations over it.

use std::io::{self, BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::control::Client;

/// How to start an emulator.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program; [`Options::beside_this_program`] finds it.
    pub program: PathBuf,
    /// The scenario file.
    pub scenario: PathBuf,
    /// Everything random comes from this.
    pub seed: u64,
    /// Namespace of the unit's side.
    pub unit_netns: String,
    /// Namespace of the gateway's side.
    pub gateway_netns: String,
    /// Where it listens for commands.
    pub control: PathBuf,
    /// Where it leaves its last status.
    pub json_stats: Option<PathBuf>,
}

impl Options {
    /// The emulator that was built together with the running program.
    pub fn beside_this_program() -> io::Result<PathBuf> {
        let program = std::env::current_exe()?.with_file_name(PROGRAM);
        if program.exists() {
            return Ok(program);
        }
        Err(io::Error::new(io::ErrorKind::NotFound, format!("{}: not built", program.display())))
    }
}

/// A running emulator. Dropping it ends it, and every process that is still in its namespaces; it also ends by itself
/// when this process dies.
#[derive(Debug)]
pub struct RunningEmulator {
    child: Child,
    control: PathBuf,
}

impl RunningEmulator {
    /// Starts it, and returns when every link carries packets. What it has to complain about goes to standard error.
    pub fn start(options: &Options) -> io::Result<Self> {
        let mut command = Command::new(&options.program);
        command.arg("--until-stdin-closes").arg("--scenario").arg(&options.scenario);
        command.arg("--seed").arg(options.seed.to_string()).arg("--control").arg(&options.control);
        command.arg("--unit-netns").arg(&options.unit_netns).arg("--gateway-netns").arg(&options.gateway_netns);
        if let Some(path) = &options.json_stats {
            command.arg("--json-stats").arg(path);
        }
        // Ctrl-C is for the parent, which ends this one after those that use the links.
        command.process_group(0);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take();
        // From here on a failure takes the child with it.
        let running = Self { child, control: options.control.clone() };
        let mut line = String::new();
        if let Some(output) = output {
            BufReader::new(output).read_line(&mut line)?;
        }
        if line.trim() != READY {
            return Err(io::Error::other(format!("{} did not get ready", options.program.display())));
        }
        Ok(running)
    }

    /// A connection to its control socket.
    pub fn client(&self) -> io::Result<Client> {
        Client::connect(&self.control)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it and waits until namespaces and devices are gone.
    pub fn stop(mut self) -> io::Result<()> {
        self.end()
    }

    fn end(&mut self) -> io::Result<()> {
        drop(self.child.stdin.take());
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("{PROGRAM} ended with {status}"))) }
    }
}

impl Drop for RunningEmulator {
    fn drop(&mut self) {
        // After `stop` this finds nothing left to do; it said itself what went wrong.
        let _ = self.end();
    }
}

/// What it prints when every link carries packets.
pub const READY: &str = "ready";
const PROGRAM: &str = "bondbox-linksim";
