//! The processes that are measured.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use bondbox_linksim::emulator::enter_netns;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// How to start one.
pub(crate) struct Program {
    pub(crate) command: Command,
    /// The UDP port that it has opened when it is ready.
    pub(crate) port: u16,
}

/// A running process. Dropping it ends it.
pub(crate) struct Process {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Process {
    /// Starts a program, inside `netns` where one is named; what it says goes to `log`.
    pub(crate) fn start(program: Program, netns: Option<&str>, log: PathBuf) -> anyhow::Result<Self> {
        let output = File::create(&log).with_context(|| log.display().to_string())?;
        // Whatever else this machine does is not what is measured.
        let mut command = Command::new("nice");
        command.args(["-n", NICENESS]).arg(program.command.get_program()).args(program.command.get_args());
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        // Ctrl-C is for us, who end it when the rest is done.
        command.process_group(0);
        // A child is born into namespace and signal mask of the thread that starts it; this one is for nothing else.
        let spawn = || -> anyhow::Result<Child> {
            netns.map_or(Ok(()), enter_netns)?;
            SigSet::empty().thread_set_mask()?;
            command.spawn().context("run nice")
        };
        let born = std::thread::scope(|scope| scope.spawn(spawn).join());
        let child = born.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(Self { child, port: program.port, log })
    }

    /// Whether it has opened its port.
    ///
    /// # Errors
    /// When it has ended instead.
    pub(crate) fn is_ready(&mut self) -> anyhow::Result<bool> {
        self.assert_running()?;
        // The list is that of the namespace the process is in.
        let table = |name: &str| {
            let path = format!("/proc/{}/net/{name}", self.child.id());
            std::fs::read_to_string(&path).with_context(|| path.clone())
        };
        // A kernel without IPv6 has no list of its sockets.
        Ok(has_port(&table("udp")?, self.port) || table("udp6").is_ok_and(|table| has_port(&table, self.port)))
    }

    /// # Errors
    /// When it has ended.
    pub(crate) fn assert_running(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => anyhow::bail!("ended with {status}: {}: {}", self.log.display(), last_line(&self.log)),
        }
    }

    /// Processor time of all its threads, user and system, exact to the scheduler's clock.
    pub(crate) fn processor_time(&self) -> anyhow::Result<Duration> {
        let clock = clock_getcpuclockid(self.pid())?;
        Ok(Duration::from(clock_gettime(clock)?))
    }

    /// The most memory it ever had resident, in KiB.
    pub(crate) fn peak_rss_kib(&self) -> anyhow::Result<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(&path).with_context(|| path.clone())?;
        peak_rss_kib(&status).with_context(|| format!("{path} has no VmHWM"))
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // It has nothing left to tell or to save. What it did not survive, its log says.
            let _ = kill(self.pid(), Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

/// Before ordinary processes, behind source, sink and emulator.
const NICENESS: &str = "-10";

/// Whether a table like `/proc/net/udp` lists a socket with this local port.
fn has_port(table: &str, port: u16) -> bool {
    let ending = format!(":{port:04X}");
    table.lines().any(|line| line.split_whitespace().nth(1).is_some_and(|address| address.ends_with(&ending)))
}

fn peak_rss_kib(status: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
}

fn last_line(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().last().unwrap_or("it said nothing").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_found_among_local_addresses_only() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue\n\
                     19: 0100007F:2328 00000000:1B58 07 00000000:00000000 00:00000000\n";
        assert!(has_port(table, 9_000));
        assert!(!has_port(table, 7_000));
    }

    #[test]
    fn the_peak_is_read_and_not_the_present() {
        assert_eq!(peak_rss_kib("Name:\tx\nVmHWM:\t    5120 kB\nVmRSS:\t    1024 kB\n"), Some(5_120));
        assert_eq!(peak_rss_kib("Name:\tx\n"), None);
    }
}
