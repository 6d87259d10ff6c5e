//! srtla (BELABOX): `srtla_send` and `srtla_rec` spread the datagrams of one SRT connection over all links. Debian has no
//! package of it: both are used when their paths are given.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use bondbox_linksim::emulator::GATEWAY_ADDRESS;

use super::{Ends, Task, srt};
use crate::process::Program;

/// Where its two programs are.
#[derive(Clone, Debug)]
pub(crate) struct Srtla {
    pub(crate) send: PathBuf,
    pub(crate) rec: PathBuf,
}

pub(super) fn version(programs: &Srtla) -> anyhow::Result<String> {
    for program in [&programs.send, &programs.rec] {
        anyhow::ensure!(program.is_file(), "{}: no such program", program.display());
    }
    let output =
        Command::new(&programs.send).arg("-v").output().with_context(|| programs.send.display().to_string())?;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned();
    Ok(format!("srtla {}, {}", text.lines().next().unwrap_or_default(), srt::version()?))
}

pub(super) fn ends(task: &Task) -> anyhow::Result<Ends> {
    let programs = task.srtla.as_ref().context("no paths of srtla")?;
    let slowest = task.links.iter().map(|link| link.round_trip / 2).max().context("no link to use")?;
    let latency_ms = task.budget.saturating_sub(slowest).as_millis();
    let addresses = task.folder.join("links");
    let lines: Vec<_> = task.links.iter().map(|link| format!("{}\n", link.address)).collect();
    std::fs::write(&addresses, lines.concat()).with_context(|| addresses.display().to_string())?;

    let mut send = Command::new(&programs.send);
    send.args([&SEND_PORT.to_string(), &GATEWAY_ADDRESS.to_string(), &REC_PORT.to_string()]).arg(&addresses);
    let mut rec = Command::new(&programs.rec);
    rec.args([&REC_PORT.to_string(), "127.0.0.1", &SRT_PORT.to_string()]);
    let caller = format!("srt://127.0.0.1:{SEND_PORT}?mode=caller");
    // Links that overtake each other are the rule here: a gap is no loss before so many packets came after it.
    let listener = format!("srt://:{SRT_PORT}?mode=listener&lossmaxttl={REORDERED}");
    let (unit, gateway) = srt::pair(&caller, &listener, latency_ms);
    Ok(Ends {
        unit: vec![Program { command: send, port: SEND_PORT }, unit],
        gateway: vec![Program { port: SRT_PORT, ..gateway }, Program { command: rec, port: REC_PORT }],
    })
}

pub(super) const NOTE: &str = "srtla carries an SRT connection as the one beside it, with lossmaxttl=40 and half the longest round trip taken \
     off its latency";

const SEND_PORT: u16 = 7_003;
const REC_PORT: u16 = 7_004;
const SRT_PORT: u16 = 7_005;
/// As its authors advise.
const REORDERED: u32 = 40;

/// Both paths, or none.
pub(crate) fn programs(send: Option<&Path>, rec: Option<&Path>) -> anyhow::Result<Option<Srtla>> {
    match (send, rec) {
        (Some(send), Some(rec)) => Ok(Some(Srtla { send: send.into(), rec: rec.into() })),
        (None, None) => Ok(None),
        _ => anyhow::bail!("--srtla-send and --srtla-rec come together"),
    }
}
