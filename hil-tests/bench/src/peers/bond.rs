//! The bond: `bondbox-uplink` on the unit's side, `bondbox-gateway` on the other.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use bondbox_bond::PublicKey;
use bondbox_linksim::emulator::{GATEWAY_ADDRESS, GATEWAY_ADDRESS_V6};
use bondbox_linksim::model::Family;

use super::{DELIVER_PORT, Ends, INGEST_PORT, Task};
use crate::process::Program;

pub(super) fn version() -> anyhow::Result<String> {
    let output = Command::new(program("bondbox-uplink")?).arg("--version").output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

pub(super) fn ends(task: &Task) -> anyhow::Result<Ends> {
    let (uplink, gateway) = (program("bondbox-uplink")?, program("bondbox-gateway")?);
    let (unit_key, gateway_key) = (task.folder.join("unit.key"), task.folder.join("gateway.key"));
    let unit_public = make_key(&uplink, &unit_key)?;
    let gateway_public = make_key(&gateway, &gateway_key)?;
    let latency_ms = task.budget.as_millis().to_string();

    let mut sender = Command::new(uplink);
    sender.arg("--run-dir").arg(task.folder.join("unit"));
    let mixed = task.links.iter().any(|link| link.families.contains(&Family::Ipv6));
    let (at, listen) = if mixed {
        // Where a link has both, the first is preferred.
        (format!("[{GATEWAY_ADDRESS_V6}]:{PORT}, {GATEWAY_ADDRESS}:{PORT}"), "[::]")
    } else {
        (format!("{GATEWAY_ADDRESS}:{PORT}"), EVERYWHERE)
    };
    sender.args(["--gateway", &at, "--gateway-key", &gateway_public]);
    sender.arg("--identity").arg(unit_key);
    sender.args(["--latency-ms", &latency_ms, "--ingest", &format!("udp://127.0.0.1:{INGEST_PORT}")]);
    for link in &task.links {
        sender.args(["--link", &link.name]);
    }

    let mut receiver = receiver(&gateway, &task.folder, &gateway_key, (listen, PORT), task.budget);
    receiver.command.args(["--unit", &unit_public]);
    Ok(Ends { unit: vec![Program { command: sender, port: INGEST_PORT }], gateway: vec![receiver] })
}

/// A gateway for these units, and its key.
pub(crate) fn gateway(
    folder: &Path,
    units: &[PublicKey],
    port: u16,
    latency: Duration,
) -> anyhow::Result<(Program, PublicKey)> {
    let program = program("bondbox-gateway")?;
    let own = folder.join("gateway.key");
    let _ = std::fs::remove_file(&own);
    let public = make_key(&program, &own)?.parse().ok().context("the gateway's key is none")?;
    let mut receiver = receiver(&program, folder, &own, (EVERYWHERE, port), latency);
    for unit in units {
        receiver.command.args(["--unit", &unit.to_string()]);
    }
    // In the machine's own namespace other ports may be taken.
    receiver.command.args(["--http", "127.0.0.1:0"]);
    Ok((receiver, public))
}

fn receiver(program: &Path, folder: &Path, key: &Path, (host, port): (&str, u16), latency: Duration) -> Program {
    let mut command = Command::new(program);
    command.arg("--run-dir").arg(folder.join("gateway")).arg("--identity").arg(key);
    command.args(["--listen", &format!("{host}:{port}"), "--latency-ms", &latency.as_millis().to_string()]);
    command.args(["--deliver", &format!("udp://127.0.0.1:{DELIVER_PORT}")]);
    Program { command, port }
}

/// What is measured was built together with what measures.
fn program(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    anyhow::ensure!(path.exists(), "{}: not built", path.display());
    Ok(path)
}

/// Has `program` make a key at `path`; gives the public half.
fn make_key(program: &Path, path: &Path) -> anyhow::Result<String> {
    let output = Command::new(program).args(["keygen", "--out"]).arg(path).output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{} made no key: {}", program.display(), complaint.trim());
    let public = String::from_utf8(output.stdout).with_context(|| format!("key of {}", program.display()))?;
    Ok(public.trim().to_owned())
}

const PORT: u16 = 7_000;
const EVERYWHERE: &str = "0.0.0.0";
