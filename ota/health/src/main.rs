//! Says after each start whether this slot works, and has the boot loader remember it.
//!
//! A slot that was started counts as failed until this has marked it good (RAUC), which it does on every start, not only after an
//! update. Nothing that it asks for needs a network, a SIM, a gateway or a camera. Where something is missing for too long and
//! the other slot was good, it fails, and its unit file restarts the machine; otherwise it goes on asking, and so it does where the
//! slot works and cannot be marked, or where what is missing is room that both slots share.

mod bond;
mod bus;
mod rauc;
mod trial;

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bondbox_daemon::ipc::{Client, Event, Peers, Want};
use bondbox_ipc::capture::{Capture, Picture};
use bondbox_units::Instant;
use bus::Peer;
use clap::Parser;
use rauc::Rauc;
use trial::{Check, Trial, Verdict};
use zbus::{Connection, OwnedObjectPath};

/// Says after each start whether this slot works, and has the boot loader remember it.
#[derive(Parser)]
#[command(version)]
struct Command {
    /// How long it may take until everything works.
    #[arg(long, default_value_t = 60)]
    patience_s: u64,
    /// Where the initramfs told what it did.
    #[arg(long, default_value = "/run/bondbox-boot")]
    boot: PathBuf,
    /// A folder in `state` that may be written.
    #[arg(long, default_value = "/state/bondbox-ota")]
    state: PathBuf,
    /// Where the sockets of the services live.
    #[arg(long, default_value = "/run/bondbox")]
    run_dir: PathBuf,
    /// Units that have to run. One that was not to be started, by a condition, is no failure.
    #[arg(long, default_values = ["bondbox-capture.service", "bondbox-uplink.service", "bondbox-modems.service", "bondbox-panel.service"])]
    service: Vec<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match watch(&Command::parse()).await {
        Ok(marked) => {
            println!("{marked} works and is marked good");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("this slot does not work: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Until the slot is marked good, or gave way.
async fn watch(command: &Command) -> anyhow::Result<String> {
    let began = std::time::Instant::now();
    let now = || Instant::from_millis(0) + began.elapsed();
    let mut trial = Trial::new(now(), Duration::from_secs(command.patience_s));
    let mut told = String::new();
    let mut tell = |said: String| {
        if said != told {
            eprintln!("{said}");
            told = said;
        }
    };
    loop {
        for check in trial.missing().to_vec() {
            match ask(command, check).await {
                Ok(()) => {
                    println!("{check:?} works");
                    trial.on_passed(check);
                }
                Err(error) => tell(format!("{check:?}: {error:#}")),
            }
        }
        if let Ok(rauc) = Rauc::connect().await {
            trial.on_other_slot(rauc.other_is_good().await.unwrap_or(false));
        }
        match trial.verdict(now()) {
            Some(Verdict::Keep) => match mark().await {
                Ok(marked) => return Ok(marked),
                Err(error) => tell(format!("this slot works, and cannot be marked good: {error:#}")),
            },
            Some(Verdict::GiveWay(missing)) => {
                bail!("{missing:?} after {} s; the other one was good", command.patience_s)
            }
            Some(Verdict::GoOn(_)) | None => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn mark() -> anyhow::Result<String> {
    Rauc::connect().await?.mark_good().await
}

async fn ask(command: &Command, check: Check) -> anyhow::Result<()> {
    match check {
        Check::Slot => {
            let (told, runs) = (read(&command.boot, "slot")?, Rauc::connect().await?.boot_slot().await?);
            ensure!(told == runs, "the initramfs opened {told}, and RAUC says that {runs} runs");
            Ok(())
        }
        Check::State => {
            ensure!(read(&command.boot, "state")? == "mounted", "state is not mounted: what is written is lost");
            keeps(&command.state).or_else(|error| if is_full(&error) { Ok(()) } else { Err(error) })
        }
        Check::Room => keeps(&command.state).or_else(|error| if is_full(&error) { Err(error) } else { Ok(()) }),
        Check::Services => {
            let bus = bus::system().await?;
            for service in &command.service {
                runs(&bus, service).await?;
            }
            Ok(())
        }
        Check::Encoder => encodes(&command.run_dir).await,
        Check::Bond => tokio::task::spawn_blocking(|| bond::loops_back(BOND_PATIENCE)).await?,
    }
}

fn read(folder: &Path, name: &str) -> anyhow::Result<String> {
    let path = folder.join(name);
    Ok(fs::read_to_string(&path).with_context(|| path.display().to_string())?.trim().to_string())
}

/// Whether what is written there is there.
fn keeps(folder: &Path) -> anyhow::Result<()> {
    let path = folder.join("written");
    let words = format!("{}", std::process::id());
    let write = || -> std::io::Result<String> {
        let mut file = File::create(&path)?;
        file.write_all(words.as_bytes())?;
        file.sync_all()?;
        fs::read_to_string(&path)
    };
    let found = write().with_context(|| path.display().to_string())?;
    ensure!(found == words, "{} does not hold what was written", path.display());
    Ok(())
}

/// Whether there was no room, for bytes or for files.
fn is_full(error: &anyhow::Error) -> bool {
    let kinds = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    kinds.into_iter().any(|kind| matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded))
}

async fn runs(bus: &Connection, service: &str) -> anyhow::Result<()> {
    let manager = Peer {
        service: SYSTEMD,
        path: "/org/freedesktop/systemd1".into(),
        interface: "org.freedesktop.systemd1.Manager",
    };
    let path: OwnedObjectPath = manager.call(bus, "LoadUnit", &(service,)).await?;
    let unit = Peer { service: SYSTEMD, path: path.to_string(), interface: "org.freedesktop.systemd1.Unit" };
    let load: String = unit.property(bus, "LoadState").await?;
    let state: String = unit.property(bus, "ActiveState").await?;
    let (asked, to_start): (u64, bool) =
        (unit.property(bus, "ConditionTimestampMonotonic").await?, unit.property(bus, "ConditionResult").await?);
    ensure!(load == "loaded", "{service} is {load}");
    // Looked at, and not to be started here.
    let excused = state == "inactive" && asked > 0 && !to_start;
    ensure!(state == "active" || excused, "{service} is {state}");
    Ok(())
}

/// Whether pictures come out, from whatever source is set.
async fn encodes(run_dir: &Path) -> anyhow::Result<()> {
    let mut client = Client::<Capture>::connect(run_dir, Peers::with(&["bondbox-capture".into()]), Want::State);
    let mut first = None;
    let count = async {
        loop {
            match client.event().await {
                Event::State(state) => {
                    let units = state.counters.video_units;
                    // It was stopped on purpose, and tried its encoder before.
                    if state.picture == Picture::Stopped && units >= PICTURES {
                        return Ok(());
                    }
                    if units >= *first.get_or_insert(units) + PICTURES {
                        return Ok(());
                    }
                }
                Event::Disconnected(why) => bail!("{why}"),
                Event::Connected(_) | Event::Media(_) => {}
            }
        }
    };
    tokio::time::timeout(ENCODER_PATIENCE, count).await.unwrap_or_else(|_| bail!("no pictures come out of the encoder"))
}

const SYSTEMD: &str = "org.freedesktop.systemd1";
const PAUSE: Duration = Duration::from_secs(1);
const PICTURES: u64 = 5;
const ENCODER_PATIENCE: Duration = Duration::from_secs(10);
const BOND_PATIENCE: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_written_keeps_nothing() {
        let folder = tempfile::tempdir().unwrap();
        keeps(folder.path()).unwrap();
        let refused = keeps(&folder.path().join("missing")).unwrap_err();
        assert!(format!("{refused:#}").contains("missing/written"), "{refused:#}");
        assert!(!is_full(&refused));
    }

    #[test]
    fn a_full_file_system_is_told_from_one_that_cannot_be_written() {
        let folder = tempfile::tempdir().unwrap();
        // Takes no byte, ever.
        std::os::unix::fs::symlink("/dev/full", folder.path().join("written")).unwrap();
        assert!(is_full(&keeps(folder.path()).unwrap_err()));
    }
}
