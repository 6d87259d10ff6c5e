//! A `dbus-daemon` of a test's own.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Runs until it is dropped.
pub(crate) struct Bus {
    daemon: Child,
    pub(crate) address: String,
    folder: Option<TempDir>,
}

impl Bus {
    pub(crate) fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap())
    }

    /// In a folder where an earlier one may have been: at the same address.
    pub(crate) fn start_in(folder: TempDir) -> Self {
        let config = folder.path().join("bus.conf");
        let listen = folder.path().join("bus").display().to_string();
        let _ = std::fs::remove_file(&listen);
        std::fs::write(&config, CONFIG.replace("LISTEN", &format!("unix:path={listen}"))).unwrap();
        let mut daemon = Command::new("dbus-daemon")
            .args(["--nofork", "--print-address"])
            .arg(format!("--config-file={}", config.display()))
            .stdout(Stdio::piped())
            .spawn()
            .expect("dbus-daemon (Debian package dbus-daemon)");
        // It says where it listens when it does.
        let mut ready = String::new();
        BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        assert!(ready.contains(&listen), "{ready}");
        Self { daemon, address: format!("unix:path={listen}"), folder: Some(folder) }
    }

    pub(crate) fn stop(mut self) -> TempDir {
        self.end();
        self.folder.take().unwrap()
    }

    fn end(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.end();
    }
}

const CONFIG: &str = include_str!("bus.conf");
