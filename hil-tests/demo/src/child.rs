//! A child process that cannot outlive us, and its log.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use nix::sched::{CloneFlags, setns};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::unistd::{Pid, getppid};

use crate::console::say;

/// A running child, the leader of its own process group.
pub(crate) struct Running {
    child: Child,
    /// How it ended; from then on its number may be somebody else's.
    ended: Option<ExitStatus>,
}

impl Running {
    /// Starts `command`, in the network namespace `netns` if one is given. What it says goes to `log`.
    ///
    /// Its process group is its own, so that Ctrl-C reaches only us and the order of stopping is ours; when the thread
    /// that calls this dies, it gets `last_signal`.
    ///
    /// # Errors
    /// When the namespace or the program is not there.
    pub(crate) fn start(mut command: Command, netns: Option<&str>, last_signal: Signal, log: &Log) -> io::Result<Self> {
        let netns = netns.map(|name| File::open(netns_path(name))).transpose()?;
        command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
        at_start(&mut command, netns, last_signal);
        let mut child = command.spawn()?;
        if let Some(stderr) = child.stderr.take() {
            log.follow(stderr);
        }
        Ok(Self { child, ended: None })
    }

    /// What it writes to standard output, once.
    pub(crate) fn output(&mut self) -> Option<impl Read + Send + use<>> {
        self.child.stdout.take()
    }

    /// Its standard input, once, where its command has one.
    pub(crate) fn input(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Signals its whole group, unless it has ended.
    pub(crate) fn signal(&self, signal: Signal) {
        if self.ended.is_none() {
            // Its own end and this signal may cross.
            let _ = killpg(self.group(), signal);
        }
    }

    /// How it ended, if it has. Whatever it left behind in its group is killed.
    ///
    /// # Errors
    /// When the system refuses to say.
    pub(crate) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            let status = self.child.try_wait()?;
            self.note_end(status);
        }
        Ok(self.ended)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When the system refuses to wait.
    pub(crate) fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait()?;
        self.note_end(Some(status));
        Ok(status)
    }

    fn note_end(&mut self, status: Option<ExitStatus>) {
        if status.is_some() && self.ended.is_none() {
            let _ = killpg(self.group(), Signal::SIGKILL);
            self.ended = status;
        }
    }

    fn group(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.try_wait() {
            self.signal(Signal::SIGKILL);
            let _ = self.wait();
        }
    }
}

/// Where `ip netns` keeps a namespace.
pub(crate) fn netns_path(name: &str) -> String {
    format!("/run/netns/{name}")
}

#[allow(unsafe_code, reason = "only the child itself can enter a namespace and tie its life to ours")]
fn at_start(command: &mut Command, netns: Option<File>, last_signal: Signal) {
    let parent = Pid::this();
    let prepare = move || {
        // We hold our signals blocked, and a mask is inherited.
        SigSet::empty().thread_set_mask()?;
        prctl::set_pdeathsig(last_signal)?;
        if getppid() != parent {
            // We died before the line above could help.
            return Err(io::Error::from(io::ErrorKind::BrokenPipe));
        }
        if let Some(netns) = &netns {
            setns(netns, CloneFlags::CLONE_NEWNET)?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec only system calls are made: no allocation, no lock.
    unsafe { command.pre_exec(prepare) };
}

/// A child's log file. Warnings and errors appear on the console too.
#[derive(Clone)]
pub(crate) struct Log {
    name: Arc<str>,
    file: Arc<Mutex<File>>,
}

impl Log {
    /// `FOLDER/NAME.log`, begun anew.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn create(folder: &Path, name: &str) -> io::Result<Self> {
        let path = folder.join(format!("{name}.log"));
        let file = File::create(&path)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        Ok(Self { name: name.into(), file: Arc::new(Mutex::new(file)) })
    }

    /// Takes lines from `output` until it ends.
    pub(crate) fn follow(&self, output: impl Read + Send + 'static) {
        let log = self.clone();
        std::thread::spawn(move || {
            let mut lines = BufReader::new(output);
            let mut line = Vec::new();
            // Bounded, so that a child that writes no line ends cannot fill our memory.
            while lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                log.line(&line);
                line.clear();
            }
        });
    }

    fn line(&self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end();
        if is_urgent(text) {
            say(format_args!("{}: {text}", self.name));
        }
        // A full disk must not end the demonstration.
        let _ = writeln!(self.file.lock().unwrap_or_else(PoisonError::into_inner), "{text}");
    }
}

fn is_urgent(line: &str) -> bool {
    [" WARN ", " ERROR ", "panicked at"].iter().any(|mark| line.contains(mark))
        || ["bondbox-", "error:"].iter().any(|start| line.starts_with(start))
}

const MAX_LINE: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null());
        command
    }

    fn log() -> (tempfile::TempDir, Log) {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::create(folder.path(), "child").unwrap();
        (folder, log)
    }

    #[test]
    fn a_child_dies_with_the_thread_that_started_it() {
        let (_folder, log) = log();
        let starter = std::thread::spawn(move || Running::start(shell("exec sleep 1000"), None, Signal::SIGKILL, &log));
        let mut child = starter.join().unwrap().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(Signal::SIGKILL as i32));
    }

    #[test]
    fn what_a_child_leaves_behind_dies_with_it() {
        let (_folder, log) = log();
        let mut child = Running::start(shell("sleep 1000 & echo $!"), None, Signal::SIGKILL, &log).unwrap();
        let mut output = child.output().unwrap();
        assert!(child.wait().unwrap().success());
        // The pipe ends when the last process that holds it is gone.
        let mut text = String::new();
        output.read_to_string(&mut text).unwrap();
        assert!(text.trim().parse::<u32>().is_ok(), "{text}");
    }

    #[test]
    fn a_signal_reaches_the_child_whatever_we_block() {
        let (_folder, log) = log();
        let mut blocked = SigSet::empty();
        blocked.add(Signal::SIGTERM);
        blocked.thread_block().unwrap();
        let mut child = Running::start(shell("exec sleep 1000"), None, Signal::SIGKILL, &log).unwrap();
        child.signal(Signal::SIGTERM);
        assert_eq!(child.wait().unwrap().signal(), Some(Signal::SIGTERM as i32));
    }

    #[test]
    fn a_namespace_that_is_not_there_is_an_error() {
        let (_folder, log) = log();
        assert!(Running::start(shell("true"), Some("bb-of-no-name"), Signal::SIGKILL, &log).is_err());
    }
}
