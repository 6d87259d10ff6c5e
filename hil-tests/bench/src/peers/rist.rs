//! `ristsender` and `ristreceiver` (Debian package rist-tools) over all links: a peer each, weighted by what the link can
//! carry when nothing happens to it, which somebody has to know.

use std::process::Command;

use anyhow::Context as _;
use bondbox_linksim::emulator::GATEWAY_ADDRESS;

use super::{DELIVER_PORT, Ends, INGEST_PORT, Task, UnitLink};
use crate::process::Program;

pub(super) fn version() -> anyhow::Result<String> {
    let output = Command::new(SENDER).arg("--help").output().context(MISSING)?;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let (_, version) = text.split_once("version: ").unwrap_or(("", "of an unknown version"));
    Ok(format!("ristsender {}", version.split_whitespace().next().unwrap_or_default()))
}

pub(super) fn ends(task: &Task) -> anyhow::Result<Ends> {
    // As SRT, it holds what came for its buffer: what the slowest link takes comes on top.
    let slowest = task.links.iter().map(|link| link.round_trip / 2).max().context("no link to use")?;
    let buffer_ms = task.budget.saturating_sub(slowest).as_millis();
    // One link is reached at the gateway's own address, several each at the far end of the link.
    let address = |link: &UnitLink| if task.links.len() == 1 { GATEWAY_ADDRESS } else { link.far_address };
    let urls = |at: &str, weighted: bool| {
        let url = |link: &UnitLink| {
            let weight =
                if weighted { format!("&weight={}", link.rate_kbps.div_ceil(WEIGHT_KBPS)) } else { String::new() };
            format!("rist://{at}{}:{PORT}?buffer={buffer_ms}&{SECRET}{weight}", address(link))
        };
        task.links.iter().map(url).collect::<Vec<_>>().join(",")
    };

    let mut sender = Command::new(SENDER);
    sender.args(["-p", "1", "-S", "0", "-v", "4", "-b", &buffer_ms.to_string()]);
    sender.args(["-i", &format!("udp://127.0.0.1:{INGEST_PORT}"), "-o", &urls("", task.links.len() > 1)]);
    let mut receiver = Command::new("ristreceiver");
    receiver.args(["-p", "1", "-S", "0", "-v", "4", "-b", &buffer_ms.to_string()]);
    receiver.args(["-i", &urls("@", false), "-o", &format!("udp://127.0.0.1:{DELIVER_PORT}")]);
    Ok(Ends {
        unit: vec![Program { command: sender, port: INGEST_PORT }],
        gateway: vec![Program { command: receiver, port: PORT }],
    })
}

pub(super) const NOTE: &str = "rist is encrypted as the bond is, told by hand what each link carries when nothing happens to it, and gets a \
     buffer that makes the budget with half the longest round trip on top";

const SENDER: &str = "ristsender";
const MISSING: &str = "ristsender (Debian package rist-tools)";
/// Even, as its main profile likes it.
const PORT: u16 = 7_002;
const SECRET: &str = "aes-type=128&secret=measured-beside-bond";
/// Weights are small numbers.
const WEIGHT_KBPS: u64 = 500;
