//! What all Bondbox services share: settings, logs, readiness, watchdog, a clean end, and the sockets between them. With the
//! feature `bond`, also what the two ends of the bond share.
//!
//! A service is a [`clap`] command line that flattens [`settings::Base`], a [`settings::Settings`] type, and one async
//! function that [`run`] calls on a single-threaded reactor:
//!
//! ```no_run
//! # use bondbox_daemon::{Context, settings::{Base, Rules, Settings}};
//! # use clap::Parser;
//! # use serde::{Deserialize, Serialize};
//! #[derive(Parser)]
//! #[command(version)]
//! struct Command {
//!     #[command(flatten)]
//!     base: Base,
//!     #[command(flatten)]
//!     flags: Flags,
//! }
//!
//! /// The same names as in the file; what is given here wins.
//! #[derive(clap::Args, Serialize)]
//! struct Flags {
//!     #[arg(long)]
//!     latency_ms: Option<u32>,
//! }
//!
//! #[derive(Deserialize)]
//! #[serde(deny_unknown_fields, default)]
//! struct Uplink {
//!     latency_ms: u32,
//! }
//! # impl Default for Uplink { fn default() -> Self { Self { latency_ms: 600 } } }
//!
//! impl Settings for Uplink {
//!     fn check(&self, rules: &mut Rules) {
//!         rules.range("latency_ms", self.latency_ms, 100..=10_000);
//!     }
//! }
//!
//! async fn serve(settings: Uplink, daemon: Context) -> anyhow::Result<()> {
//!     // Open sockets, then:
//!     daemon.ready("on the air");
//!     daemon.shutdown.wait().await;
//!     Ok(())
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     let command = Command::parse();
//!     bondbox_daemon::run("bondbox-uplink", &command.base, &command.flags, serve)
//! }
//! ```

#[cfg(feature = "bond")]
pub mod bond;
pub mod clock;
pub mod disk;
pub mod ipc;
mod log;
mod run;
pub mod settings;
mod shutdown;
pub mod watchdog;

pub use run::{Context, EXIT_SETTINGS, run};
pub use shutdown::Shutdown;
