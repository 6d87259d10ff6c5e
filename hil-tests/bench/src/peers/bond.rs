//! The bond: `bondbox-uplink` on the unit's side, `bondbox-gateway` on the other.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use bondbox_linksim::emulator::GATEWAY_ADDRESS;

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
    sender.args(["--gateway", &format!("{GATEWAY_ADDRESS}:{PORT}"), "--gateway-key", &gateway_public]);
    sender.arg("--identity").arg(unit_key);
    sender.args(["--latency-ms", &latency_ms, "--ingest", &format!("udp://127.0.0.1:{INGEST_PORT}")]);
    for link in &task.links {
        sender.args(["--link", &link.name]);
    }

    let mut receiver = Command::new(gateway);
    receiver.arg("--run-dir").arg(task.folder.join("gateway"));
    receiver.args(["--listen", &format!("0.0.0.0:{PORT}"), "--unit", &unit_public]).arg("--identity").arg(gateway_key);
    receiver.args(["--latency-ms", &latency_ms, "--deliver", &format!("udp://127.0.0.1:{DELIVER_PORT}")]);

    Ok(Ends {
        unit: vec![Program { command: sender, port: INGEST_PORT }],
        gateway: vec![Program { command: receiver, port: PORT }],
    })
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
