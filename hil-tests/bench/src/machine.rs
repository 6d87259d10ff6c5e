//! What a figure depends on besides the code: where, and with which build, it was measured.

use std::path::Path;
use std::process::Command;

use serde::Serialize;

/// This machine and this build.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    /// With `-dirty` where the tree had changes.
    pub(crate) commit: String,
    /// Of everything that was built here.
    pub(crate) profile: &'static str,
    pub(crate) kernel: String,
    pub(crate) processor: String,
    pub(crate) cores: usize,
    /// Before the first run: above nothing, somebody else worked here.
    pub(crate) load_average: f64,
}

impl Machine {
    pub(crate) fn look() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        Self {
            commit: commit().unwrap_or_else(|| UNKNOWN.to_owned()),
            profile: if cfg!(debug_assertions) { "debug" } else { "release" },
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            processor: processor(&read("/proc/cpuinfo")).unwrap_or(UNKNOWN).to_owned(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            load_average: load(&read("/proc/loadavg")).unwrap_or(f64::NAN),
        }
    }
}

fn commit() -> Option<String> {
    let mut git = Command::new("git");
    // Under sudo the tree belongs to somebody else, which git takes for an attack unless told.
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
    git.arg("-c").arg(format!("safe.directory={}", tree.display())).arg("-C").arg(tree);
    let output = git.args(["describe", "--always", "--dirty", "--exclude=*", "--abbrev=12"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}

fn processor(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim())
}

fn load(loadavg: &str) -> Option<f64> {
    loadavg.split_whitespace().next()?.parse().ok()
}

const UNKNOWN: &str = "unknown";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_found_by_its_model() {
        assert_eq!(processor("processor\t: 0\nmodel name\t: Fast One\nstepping\t: 1\n"), Some("Fast One"));
        assert_eq!(processor("processor\t: 0\n"), None);
    }

    #[test]
    fn the_load_is_that_of_the_last_minute() {
        assert_eq!(load("0.25 0.50 1.00 2/300 4711\n"), Some(0.25));
        assert_eq!(load(""), None);
    }
}
