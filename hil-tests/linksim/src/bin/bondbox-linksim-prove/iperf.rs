//! Rates, seen by `iperf3` over all steady links at once.

use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bondbox_linksim::emulator::{GATEWAY_ADDRESS, unit_address};
use bondbox_linksim::model::{DirectionConfig, LinkConfig, Rate};
use serde_json::Value;

use crate::table::Table;
use crate::{GATEWAY, UNIT};

/// A fifth more than each link carries, from the unit.
pub(crate) fn udp_up(table: &mut Table, links: &[LinkConfig]) -> anyhow::Result<()> {
    measure(table, "UDP up", links, |link| &link.up, &["-u", "-l", UDP_PAYLOAD, "-t", "4"], UDP_OVERHEAD)
}

/// A fifth more than each link carries, to the unit.
pub(crate) fn udp_down(table: &mut Table, links: &[LinkConfig]) -> anyhow::Result<()> {
    measure(table, "UDP down", links, |link| &link.down, &["-u", "-R", "-l", UDP_PAYLOAD, "-t", "4"], UDP_OVERHEAD)
}

/// As much as TCP finds. The first seconds are its own affair.
pub(crate) fn tcp_up(table: &mut Table, links: &[LinkConfig]) -> anyhow::Result<()> {
    measure(table, "TCP up", links, |link| &link.up, &["-t", "9"], TCP_OVERHEAD)
}

fn measure(
    table: &mut Table,
    what: &str,
    links: &[LinkConfig],
    way: impl Fn(&LinkConfig) -> &DirectionConfig,
    arguments: &[&str],
    overhead: f64,
) -> anyhow::Result<()> {
    let servers = links.iter().enumerate().map(|(index, _)| Server::start(index)).collect::<Result<Vec<_>, _>>()?;
    let mut clients = Vec::new();
    for (index, link) in links.iter().enumerate() {
        let kbps = rate_kbps(way(link))?;
        let offer = format!("{}K", kbps * 6 / 5);
        let mut command = in_netns(UNIT);
        command.args(["iperf3", "-J", "--get-server-output", "--connect-timeout", "5000"]).args(arguments);
        command.args(["-c", &GATEWAY_ADDRESS.to_string(), "-p", &port(index), "-B", &unit_address(index).to_string()]);
        if arguments.contains(&"-u") {
            command.args(["-b", &offer]);
        }
        clients.push(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("run iperf3")?);
    }
    let outputs = clients.into_iter().map(Child::wait_with_output).collect::<Result<Vec<_>, _>>()?;
    drop(servers);
    for (link, output) in links.iter().zip(outputs) {
        let expected = rate_kbps(way(link))? as f64 / 1_000.0;
        let seen =
            received_mbps(&output, arguments.contains(&"-R")).with_context(|| format!("{what}, {}", link.name))?;
        table.near(&format!("{}: iperf3 {what}", link.name), "Mbit/s", expected, seen * overhead, 0.02 * expected);
    }
    Ok(())
}

/// What the receiving end got: the mean of its whole seconds but for the first two and the last.
fn received_mbps(output: &Output, reverse: bool) -> anyhow::Result<f64> {
    let report: Value = serde_json::from_slice(&output.stdout).context("iperf3 gave no report")?;
    ensure!(output.status.success(), "{}", report["error"]);
    let receiver = if reverse { &report } else { &report["server_output_json"] };
    let intervals = receiver["intervals"].as_array().context("iperf3 gave no intervals")?;
    let full = intervals.iter().map(|interval| &interval["sum"]).filter(|sum| sum["seconds"].as_f64() > Some(0.9));
    let rates: Vec<f64> = full.filter_map(|sum| sum["bits_per_second"].as_f64()).collect();
    let steady = rates.get(SETTLING_S..rates.len().saturating_sub(1)).filter(|steady| !steady.is_empty());
    let steady = steady.with_context(|| format!("iperf3 gave only {} seconds", rates.len()))?;
    Ok(steady.iter().sum::<f64>() / steady.len() as f64 / 1e6)
}

fn rate_kbps(config: &DirectionConfig) -> anyhow::Result<u64> {
    match config.rate {
        Rate::Fixed(rate) => Ok(rate.as_bps() / 1_000),
        _ => anyhow::bail!("the rate of a link to be measured must be fixed"),
    }
}

/// One server for one link, as long as it is held.
struct Server(Child);

impl Server {
    fn start(index: usize) -> anyhow::Result<Self> {
        let mut command = in_netns(GATEWAY);
        // Only a server that speaks JSON hands its intervals to the client.
        command.args(["iperf3", "-s", "-J", "-p", &port(index), "-B", &GATEWAY_ADDRESS.to_string()]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let server = Self(child.context("run iperf3 (Debian package iperf3)")?);
        for _ in 0..250 {
            if server.listens(index)? {
                return Ok(server);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        anyhow::bail!("iperf3 does not listen at port {} after 5 s", port(index))
    }

    /// Whether the kernel's table of its namespace has the port, in state 0A: that of listening.
    fn listens(&self, index: usize) -> anyhow::Result<bool> {
        let path = format!("/proc/{}/net/tcp", self.0.id());
        let sockets = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        let local = format!(":{:04X}", FIRST_PORT + index);
        Ok(sockets.lines().any(|line| {
            let mut columns = line.split_whitespace().skip(1);
            columns.next().is_some_and(|address| address.ends_with(&local)) && columns.nth(1) == Some("0A")
        }))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has nothing to lose, and may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn in_netns(name: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", name]);
    command
}

fn port(index: usize) -> String {
    (FIRST_PORT + index).to_string()
}

const FIRST_PORT: usize = 5_201;
const UDP_PAYLOAD: &str = "1200";
/// UDP and IP around each datagram.
const UDP_OVERHEAD: f64 = 1_228.0 / 1_200.0;
/// TCP with time stamps and IP around each segment.
const TCP_OVERHEAD: f64 = 1_500.0 / 1_448.0;
const SETTLING_S: usize = 2;
