//! `srt-live-transmit` (Debian package srt-tools) on both sides, caller and listener, over one link: it knows no more.

use std::process::Command;

use anyhow::Context as _;
use bondbox_linksim::emulator::GATEWAY_ADDRESS;

use super::{DELIVER_PORT, Ends, INGEST_PORT, Task};
use crate::payload;
use crate::process::Program;

pub(super) fn version() -> anyhow::Result<String> {
    let output = Command::new(PROGRAM).arg("-version").output().context(MISSING)?;
    // Which stream it says this on differs between versions.
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    let line = text.lines().find(|line| line.contains("SRT Library version"));
    Ok(line.unwrap_or("srt-live-transmit of an unknown version").trim().to_owned())
}

pub(super) fn ends(task: &Task) -> anyhow::Result<Ends> {
    let link = task.links.first().context("no link to use")?;
    // SRT delivers its latency after the packet could have been there: half a round trip comes on top.
    let latency_ms = task.budget.saturating_sub(link.round_trip / 2).as_millis();
    let caller = format!("srt://{GATEWAY_ADDRESS}:{PORT}?mode=caller&adapter={}", link.address);
    let (unit, gateway) = pair(&caller, &format!("srt://:{PORT}?mode=listener"), latency_ms);
    Ok(Ends { unit: vec![unit], gateway: vec![Program { port: PORT, ..gateway }] })
}

/// The two ends of a connection, of which the gateway's opens the port that its address names.
pub(super) fn pair(caller: &str, listener: &str, latency_ms: u128) -> (Program, Program) {
    let (ingest, deliver) =
        (format!("udp://127.0.0.1:{INGEST_PORT}?rcvbuf={BUFFER}"), format!("udp://127.0.0.1:{DELIVER_PORT}"));
    let unit = transmit(&ingest, &format!("{caller}&{SECRET}&latency={latency_ms}"));
    let gateway = transmit(&format!("{listener}&{SECRET}&latency={latency_ms}"), &deliver);
    (Program { command: unit, port: INGEST_PORT }, Program { command: gateway, port: PORT })
}

pub(super) const NOTE: &str = "srt knows one link, is encrypted as the bond is, and gets a latency that makes the budget with half a round trip on top";

fn transmit(from: &str, to: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["-chunk", &payload::LEN.to_string(), from, to]);
    command
}

const PROGRAM: &str = "srt-live-transmit";
const MISSING: &str = "srt-live-transmit (Debian package srt-tools)";
const PORT: u16 = 7_001;
/// AES-128, as the bond uses where the processor has instructions for it.
const SECRET: &str = "passphrase=measured-beside-bond&pbkeylen=16";
/// What the system grants; the bond asks for more than the default, too.
const BUFFER: usize = 4 << 20;
