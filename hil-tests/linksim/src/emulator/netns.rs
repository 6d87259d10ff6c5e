//! The two network namespaces: made, entered, and removed with whatever a crashed run left.

use std::fs::File;
use std::io::Write as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::model::Family;

/// Moves this thread into the namespace of this name, for good.
pub fn enter(name: &str) -> anyhow::Result<()> {
    let there = File::open(path_of(name)).with_context(|| format!("open namespace {name}"))?;
    setns(there, CloneFlags::CLONE_NEWNET).with_context(|| format!("enter namespace {name}"))
}

/// A namespace that exists as long as this does. Processes that are still in it then are ended.
#[derive(Debug)]
pub(super) struct Netns {
    name: String,
    /// Released by the kernel when this process ends, however it ends.
    _lock: UnixListener,
}

impl Netns {
    /// Makes the namespace, after removing what a crashed run left of it.
    pub(super) fn create(name: &str) -> anyhow::Result<Self> {
        ensure!(
            !name.is_empty()
                && name.len() <= 64
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)),
            "namespace {name:?}: must be 1 to 64 of A-Z a-z 0-9 - _"
        );
        let address = SocketAddr::from_abstract_name(format!("bondbox-linksim/{name}"))?;
        let lock = UnixListener::bind_addr(&address)
            .with_context(|| format!("namespace {name}: another bondbox-linksim has it"))?;
        remove(name)?;
        ip(&["netns", "add", name], "")?;
        Ok(Self { name: name.to_owned(), _lock: lock })
    }

    /// Does something inside; this thread is back outside afterwards.
    pub(super) fn inside<R>(&self, act: impl FnOnce() -> anyhow::Result<R>) -> anyhow::Result<R> {
        let home = File::open("/proc/thread-self/ns/net").context("open this thread's namespace")?;
        enter(&self.name)?;
        let result = act();
        setns(home, CloneFlags::CLONE_NEWNET).context("leave the namespace")?;
        result
    }

    /// Runs lines of `ip -batch` inside, for what is of this family.
    pub(super) fn configure(&self, family: Family, lines: &str) -> anyhow::Result<()> {
        let family = if family == Family::Ipv4 { "-4" } else { "-6" };
        ip(&[family, "-n", &self.name, "-batch", "-"], lines).map(drop)
    }

    /// Sets what every later interface starts with. IPv6 would send packets of its own into the links.
    pub(super) fn quieten(&self) -> anyhow::Result<()> {
        self.inside(|| {
            for (key, value) in [
                ("ipv4/conf/all/rp_filter", "0"),
                ("ipv4/conf/default/rp_filter", "0"),
                ("ipv6/conf/default/disable_ipv6", "1"),
            ] {
                // A kernel without IPv6 has nothing to silence.
                if Path::new(SETTINGS).join(key).exists() {
                    set(key, value)?;
                }
            }
            Ok(())
        })
    }

    /// Lets an interface have addresses of IPv6, and no more than those it is given: it looks for no routers, neighbours
    /// or duplicates, all of which it would do by packets of its own.
    pub(super) fn allow_ipv6(&self, interface: &str) -> anyhow::Result<()> {
        self.inside(|| {
            for (key, value) in [
                ("accept_ra", "0"),
                ("autoconf", "0"),
                ("router_solicitations", "0"),
                ("accept_dad", "0"),
                // No link-local address: none is needed on a link of two.
                ("addr_gen_mode", "1"),
                ("disable_ipv6", "0"),
            ] {
                set(&format!("ipv6/conf/{interface}/{key}"), value)?;
            }
            Ok(())
        })
    }
}

/// A setting of the namespace that this thread is in.
fn set(key: &str, value: &str) -> anyhow::Result<()> {
    let path = Path::new(SETTINGS).join(key);
    std::fs::write(&path, value).with_context(|| format!("write {value} to {}", path.display()))
}

impl Drop for Netns {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.name) {
            eprintln!("bondbox-linksim: {error:#}");
        }
    }
}

/// Removes a namespace after the processes in it: once it has no name, nobody finds them again.
fn remove(name: &str) -> anyhow::Result<()> {
    if !path_of(name).exists() {
        return Ok(());
    }
    signal_all(name, Signal::SIGTERM)?;
    let deadline = std::time::Instant::now() + GRACE;
    while !pids(name)?.is_empty() && std::time::Instant::now() < deadline {
        std::thread::sleep(GRACE / 100);
    }
    signal_all(name, Signal::SIGKILL)?;
    ip(&["netns", "del", name], "").map(drop)
}

fn signal_all(name: &str, signal: Signal) -> anyhow::Result<()> {
    for pid in pids(name)? {
        // It may have ended by itself since.
        let _ = kill(pid, signal);
    }
    Ok(())
}

/// Who lives in a namespace.
fn pids(name: &str) -> anyhow::Result<Vec<Pid>> {
    let listed = ip(&["netns", "pids", name], "")?;
    Ok(listed.split_whitespace().filter_map(|pid| pid.parse().ok()).map(Pid::from_raw).collect())
}

fn path_of(name: &str) -> PathBuf {
    Path::new("/run/netns").join(name)
}

/// Runs `ip`; gives what it prints.
fn ip(arguments: &[&str], input: &str) -> anyhow::Result<String> {
    let mut child = Command::new("ip")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("run ip (Debian package iproute2)")?;
    if let Some(mut stdin) = child.stdin.take() {
        // When it refuses to read on, its message below says why.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().context("wait for ip")?;
    if !output.status.success() {
        bail!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

const SETTINGS: &str = "/proc/sys/net";
/// Between asking a process to end and making it.
const GRACE: Duration = Duration::from_secs(2);
