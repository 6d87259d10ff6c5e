//! How many system calls a process makes, by `perf stat` (Debian package linux-perf), where that is there and may count.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::process::Process;

/// A count under way.
pub(crate) struct CallCount(Child);

impl CallCount {
    /// Counts the calls of all threads of these processes for so long.
    pub(crate) fn start(processes: &[Process], time: Duration) -> Option<Self> {
        let pids: Vec<_> = processes.iter().map(|process| process.pid().to_string()).collect();
        let mut perf = Command::new("perf");
        perf.args(["stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-p", &pids.join(",")]);
        perf.args(["--", "sleep", &time.as_secs_f64().to_string()]);
        // Counting is not worth a failed measurement.
        perf.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().ok().map(Self)
    }

    /// The count, when it was possible.
    pub(crate) fn finish(self) -> Option<u64> {
        let output = self.0.wait_with_output().ok()?;
        count_in(&String::from_utf8_lossy(&output.stderr))
    }
}

/// Of a line such as `4711,,raw_syscalls:sys_enter,2000000,100.00,,`.
fn count_in(text: &str) -> Option<u64> {
    text.lines().find(|line| line.contains("raw_syscalls"))?.split(',').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_read_and_what_is_none_is_not() {
        assert_eq!(count_in("4711,,raw_syscalls:sys_enter,2000000,100.00,,\n"), Some(4_711));
        assert_eq!(count_in("<not counted>,,raw_syscalls:sys_enter,0,100.00,,\n"), None);
        assert_eq!(count_in("event syntax error: 'raw_syscalls:sys_enter'\n"), None);
        assert_eq!(count_in(""), None);
    }
}
