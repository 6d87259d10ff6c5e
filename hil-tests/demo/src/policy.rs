//! How systemd would treat a service: what its unit file says about starting, living and ending.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// The part of a unit file that supervision needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    /// `Restart=`.
    pub(crate) restart: Restart,
    /// `RestartPreventExitStatus=`.
    pub(crate) final_exit_codes: Vec<i32>,
    /// `RestartSec=`.
    pub(crate) restart_pause: Duration,
    /// `TimeoutStartSec=`: from start to ready.
    pub(crate) start_timeout: Duration,
    /// `TimeoutStopSec=`: from the polite signal to the last one.
    pub(crate) stop_timeout: Duration,
    /// `WatchdogSec=`; none where the unit has no watchdog.
    pub(crate) watchdog: Option<Duration>,
}

/// When a service that ended by itself is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restart {
    /// Never.
    No,
    /// When it failed.
    OnFailure,
    /// However it ended.
    Always,
}

/// Why a unit file cannot be followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It says something that the demonstration does not do as systemd does.
    #[error("{}:{line}: {key} is {value}, must be {must_be}", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// From 1; 0 where the key is missing.
        line: usize,
        /// The key.
        key: String,
        /// What it is set to.
        value: String,
        /// What is known here.
        must_be: &'static str,
    },
}

impl Policy {
    /// Reads a unit file.
    ///
    /// # Errors
    /// [`Error`]; what is not about supervision is skipped.
    pub(crate) fn load(path: &Path) -> Result<Self, Error> {
        let text =
            std::fs::read_to_string(path).map_err(|source| Error::Unreadable { path: path.to_path_buf(), source })?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        // What systemd assumes where the file is silent (systemd.service(5), systemd-system.conf(5)).
        let mut policy = Self {
            restart: Restart::No,
            final_exit_codes: Vec::new(),
            restart_pause: Duration::from_millis(100),
            start_timeout: Duration::from_secs(90),
            stop_timeout: Duration::from_secs(90),
            watchdog: None,
        };
        let mut kind = "simple";
        for (line, key, value) in entries(text) {
            let known = match key {
                "Type" => {
                    kind = value;
                    Ok(())
                }
                "Restart" => set(&mut policy.restart, restart(value)),
                "RestartPreventExitStatus" => set(&mut policy.final_exit_codes, exit_codes(value)),
                "RestartSec" => set(&mut policy.restart_pause, time(value)),
                "TimeoutStartSec" => set(&mut policy.start_timeout, time(value)),
                "TimeoutStopSec" => set(&mut policy.stop_timeout, time(value)),
                "WatchdogSec" => set(&mut policy.watchdog, time(value).map(Some)),
                _ => Ok(()),
            };
            known.map_err(|must_be| Error::Unknown {
                path: path.to_path_buf(),
                line,
                key: key.into(),
                value: value.into(),
                must_be,
            })?;
        }
        if kind == "notify" {
            return Ok(policy);
        }
        let (path, key, value) = (path.to_path_buf(), "Type".into(), kind.into());
        Err(Error::Unknown { path, line: 0, key, value, must_be: "notify" })
    }
}

/// `key=value` lines with their numbers.
fn entries(text: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    text.lines().enumerate().filter_map(|(index, line)| {
        let line = line.trim();
        let (key, value) = line.split_once('=').filter(|_| !line.starts_with(['#', ';', '[']))?;
        Some((index + 1, key.trim(), value.trim()))
    })
}

fn set<T>(place: &mut T, value: Result<T, &'static str>) -> Result<(), &'static str> {
    value.map(|value| *place = value)
}

fn restart(value: &str) -> Result<Restart, &'static str> {
    match value {
        "no" => Ok(Restart::No),
        "on-failure" => Ok(Restart::OnFailure),
        "always" => Ok(Restart::Always),
        _ => Err("no, on-failure or always"),
    }
}

fn exit_codes(value: &str) -> Result<Vec<i32>, &'static str> {
    value.split_whitespace().map(|code| code.parse().map_err(|_| "exit codes as numbers")).collect()
}

/// A time span of systemd.time(7): numbers with units, added up; a bare number is in seconds.
fn time(value: &str) -> Result<Duration, &'static str> {
    const MUST_BE: &str = "a time such as 200ms, 10s or 1min 30s";
    if value.is_empty() {
        return Err(MUST_BE);
    }
    value.split_whitespace().try_fold(Duration::ZERO, |sum, part| {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        let number: u32 = part[..digits].parse().map_err(|_| MUST_BE)?;
        let unit = match &part[digits..] {
            "us" => Duration::from_micros(1),
            "ms" => Duration::from_millis(1),
            "" | "s" | "sec" => Duration::from_secs(1),
            "m" | "min" => Duration::from_secs(60),
            _ => return Err(MUST_BE),
        };
        Ok(sum + unit * number)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Policy, String> {
        Policy::parse(Path::new("x.service"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn the_keys_of_supervision_are_read_and_others_skipped() {
        let text = "[Unit]\nDescription=A=b\n[Service]\nType=notify\n# Restart=no\nRestart=always\n\
                    RestartPreventExitStatus=78 2\nRestartSec=200ms\nWatchdogSec=1min 30s\nTimeoutStopSec=5\nUser=x\n";
        let policy = parse(text).unwrap();
        assert_eq!((policy.restart, policy.final_exit_codes), (Restart::Always, vec![78, 2]));
        assert_eq!(policy.restart_pause, Duration::from_millis(200));
        assert_eq!((policy.watchdog, policy.stop_timeout), (Some(Duration::from_secs(90)), Duration::from_secs(5)));
        assert_eq!(policy.start_timeout, Duration::from_secs(90), "systemd's own");
    }

    #[test]
    fn what_cannot_be_followed_is_named_with_its_line() {
        let error = parse("Type=notify\nRestart=on-abort\n").unwrap_err();
        assert_eq!(error, "x.service:2: Restart is on-abort, must be no, on-failure or always");
        let error = parse("Type=notify\nWatchdogSec=10 parsecs\n").unwrap_err();
        assert!(error.starts_with("x.service:2: WatchdogSec is 10 parsecs, must be "), "{error}");
        assert_eq!(parse("Restart=always\n").unwrap_err(), "x.service:0: Type is simple, must be notify");
    }

    #[test]
    fn the_units_of_the_box_restart_in_time_and_have_a_watchdog() {
        for name in ["capture", "uplink", "modems", "panel", "gateway"] {
            let policy = Policy::load(&crate::places::unit_file(name)).unwrap();
            assert_eq!(policy.restart, Restart::Always, "{name}");
            assert!(policy.restart_pause <= Duration::from_millis(500), "{name}");
            assert!(policy.watchdog >= Some(Duration::from_secs(10)), "{name}");
        }
    }
}
