//! What happened lately, from the running service into a file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bondbox_daemon::ipc::{Client, CommandError, Event, Peers, Want};
use bondbox_ipc::uplink::{Command, Done, Uplink};

/// Writes what happened to the bond lately into a file, which `bondbox-sim replay` and `bondbox-sim trace` read.
#[derive(Debug, clap::Args)]
pub struct TraceCommand {
    /// Write there.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Where the service's socket is.
    #[arg(long, value_name = "DIR", default_value = "/run/bondbox")]
    run_dir: PathBuf,
}

impl TraceCommand {
    /// Does it.
    pub fn run(&self) -> ExitCode {
        match self.save() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("bondbox-uplink: {error:#}");
                ExitCode::FAILURE
            }
        }
    }

    fn save(&self) -> anyhow::Result<()> {
        let reactor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let trace = reactor.block_on(fetch(&self.run_dir))?;
        std::fs::write(&self.out, trace).with_context(|| self.out.display().to_string())
    }
}

/// Asks the service at this socket for its trace.
///
/// # Errors
/// When it is not there, or does not answer.
pub async fn fetch(run_dir: &Path) -> anyhow::Result<Vec<u8>> {
    let mut client = Client::<Uplink>::connect(run_dir, Peers::with(&[SERVICE_USER.into()]), Want::State);
    match client.event().await {
        Event::Disconnected(reason) => bail!("the uplink service is not there: {reason}"),
        Event::Connected(_) | Event::State(_) | Event::Media(_) => {}
    }
    let mut trace = Vec::new();
    loop {
        let from = u32::try_from(trace.len())?;
        let piece = client.command(Command::Trace { from }, PATIENCE).await.map_err(|error| match error {
            CommandError::Refused(refusal) => anyhow::Error::msg(refusal.to_string()),
            other => other.into(),
        })?;
        let Done::Trace { total, bytes } = piece else { bail!("the uplink service gave another answer") };
        trace.extend_from_slice(&bytes);
        if bytes.is_empty() || trace.len() >= total as usize {
            return Ok(trace);
        }
    }
}

/// What of a trace finds room in one answer.
pub(crate) fn piece(trace: &[u8], from: u32) -> Done {
    let rest = trace.get(from as usize..).unwrap_or_default();
    Done::Trace { total: trace.len() as u32, bytes: rest[..rest.len().min(MAX_PIECE)].to_vec() }
}

/// The user that the service runs as on a box.
const SERVICE_USER: &str = "bondbox-uplink";
/// A packet takes this and its header.
const MAX_PIECE: usize = bondbox_ipc::MAX_PACKET - 64;
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_given_in_pieces_that_find_room() {
        let trace: Vec<u8> = (0..150_000_u32).map(|i| i as u8).collect();
        let mut read = vec![];
        loop {
            let Done::Trace { total, bytes } = piece(&trace, read.len() as u32) else { panic!("another answer") };
            assert_eq!(total as usize, trace.len());
            assert!(bytes.len() + 32 < bondbox_ipc::MAX_PACKET);
            if bytes.is_empty() {
                break;
            }
            read.extend(bytes);
        }
        assert_eq!(read, trace);
    }
}
