//! The life of a service, from its settings to its exit code.

use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;

use sd_notify::NotifyState;
use serde::Serialize;

use crate::settings::{self, Base, Settings};
use crate::shutdown::Shutdown;
use crate::watchdog::Watchdog;

/// Exit code of a service whose settings are refused: starting it again cannot help (`EX_CONFIG` of sysexits.h).
pub const EXIT_SETTINGS: u8 = 78;

/// What a running service is given.
pub struct Context {
    /// Where the sockets of the services live.
    pub run_dir: PathBuf,
    /// Set when the service has to end.
    pub shutdown: Shutdown,
    /// Proves to systemd that the service works; already running.
    pub watchdog: Watchdog,
}

impl Context {
    /// Tells systemd that the service does its work now, and shows `status` in `systemctl status`.
    pub fn ready(&self, status: &str) {
        tell(&[NotifyState::Ready, NotifyState::Status(status)]);
        tracing::info!(status, "ready");
    }

    /// Shows `status` in `systemctl status`.
    pub fn status(&self, status: &str) {
        tell(&[NotifyState::Status(status)]);
    }
}

/// Runs the service called `name` and gives the exit code of its process.
///
/// Loads and checks the settings (`--check` ends there), starts the log, takes the signals, and calls `serve` on a
/// single-threaded reactor. An error is logged once, with what each layer knew.
pub fn run<S, F>(name: &str, base: &Base, flags: &impl Serialize, serve: impl FnOnce(S, Context) -> F) -> ExitCode
where
    S: Settings,
    F: Future<Output = anyhow::Result<()>>,
{
    let settings = match settings::load::<S>(base.config.as_deref(), flags) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("{name}: {error}");
            return ExitCode::from(EXIT_SETTINGS);
        }
    };
    if let Err(error) = crate::log::start(&base.log) {
        eprintln!("{name}: {error}");
        return ExitCode::from(EXIT_SETTINGS);
    }
    if base.check {
        println!("{name}: settings are valid");
        return ExitCode::SUCCESS;
    }
    match serve_until_done(base, settings, serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve_until_done<S, F>(base: &Base, settings: S, serve: impl FnOnce(S, Context) -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let shutdown = Shutdown::on_signals()?;
    let reactor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = reactor.block_on(async {
        let watchdog = Watchdog::start(sd_notify::watchdog_enabled());
        serve(settings, Context { run_dir: base.run_dir.clone(), shutdown, watchdog }).await
    });
    tell(&[NotifyState::Stopping]);
    // A blocking task that hangs must not keep the process alive.
    reactor.shutdown_background();
    result
}

/// Notifies systemd; without `NOTIFY_SOCKET` this does nothing.
pub(crate) fn tell(states: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd was not notified");
    }
}
