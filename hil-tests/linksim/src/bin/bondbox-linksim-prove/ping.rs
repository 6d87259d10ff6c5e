//! Base round trips, seen by `ping`.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bondbox_linksim::emulator::GATEWAY_ADDRESS;
use bondbox_linksim::model::{Direction, DirectionConfig, LinkConfig};
use bondbox_units::Instant;

use crate::UNIT;
use crate::table::Table;

/// Each link alone, without other traffic.
pub(crate) fn idle(table: &mut Table, links: &[LinkConfig]) -> anyhow::Result<()> {
    for link in links {
        let expected = (unloaded(&link.up) + unloaded(&link.down)).as_secs_f64() * 1_000.0;
        let [least, mean] = round_trips_ms(&link.name)?;
        table.below(&format!("{}: ping, least above {expected:.2} ms", link.name), "ms", least - expected, 1.0);
        table.below(&format!("{}: ping, mean above {expected:.2} ms", link.name), "ms", mean - expected, 1.0);
    }
    Ok(())
}

/// How long the model says one ping takes one way.
fn unloaded(config: &DirectionConfig) -> Duration {
    let mut direction = Direction::new(config, 0);
    let taken = direction.enqueue(Instant::ZERO, (), PING_BYTES).is_ok();
    while let Some(deadline) = direction.deadline().filter(|_| taken) {
        if let Some((at, ())) = direction.poll_timed(deadline) {
            return at - Instant::ZERO;
        }
    }
    Duration::ZERO
}

/// Least and mean of 200 round trips. The summary line has microseconds, the lines per packet have not.
fn round_trips_ms(link: &str) -> anyhow::Result<[f64; 2]> {
    let gateway = GATEWAY_ADDRESS.to_string();
    let output = Command::new("ip")
        .args(["netns", "exec", UNIT, "ping", "-n", "-q", "-c", "200", "-i", "0.005", "-I", link, &gateway])
        .output()
        .context("run ping")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success() && text.contains(" 0% packet loss"), "ping over {link}: {text}");
    let values = text.lines().find_map(|line| line.strip_prefix("rtt min/avg/max/mdev = "));
    let mut values = values.unwrap_or_default().split('/').map(str::parse);
    match (values.next(), values.next()) {
        (Some(Ok(least)), Some(Ok(mean))) => Ok([least, mean]),
        _ => anyhow::bail!("ping over {link} gave no round trips: {text}"),
    }
}

/// 56 bytes of payload, as `ping` sends, with ICMP and IP around them.
const PING_BYTES: usize = 84;
