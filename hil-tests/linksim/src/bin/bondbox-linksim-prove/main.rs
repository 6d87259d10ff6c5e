//! Proves the emulator with tools that know nothing of it: what `ping`, `iperf3` and time-stamped probes see must be
//! what the scenario says. Prints a table, and fails when a figure is out of bounds.

mod events;
mod families;
mod iperf;
mod ping;
mod probe;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use bondbox_linksim::child::{Options, RunningEmulator};
use bondbox_linksim::control::assert_all_carried;
use bondbox_linksim::scenario::Scenario;
use clap::Parser;
use table::Table;

/// Measures the emulator against its own scenario. Takes more than a minute and needs root, ping and iperf3.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The scenario `linksim_proof.toml`, or one like it: steady links, and a last one with loss and an MTU.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/linksim_proof.toml"))]
    scenario: PathBuf,
}

fn main() -> ExitCode {
    match prove(&Arguments::parse().scenario) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bondbox-linksim-prove: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn prove(path: &Path) -> anyhow::Result<bool> {
    anyhow::ensure!(nix::unistd::Uid::effective().is_root(), "namespaces and TUN devices need root");
    let scenario = Scenario::load(path)?;
    let control = std::env::temp_dir().join(format!("bondbox-linksim-prove-{}.sock", std::process::id()));
    let emulator = RunningEmulator::start(&Options {
        program: Options::beside_this_program()?,
        scenario: path.to_owned(),
        seed: SEED,
        unit_netns: UNIT.to_owned(),
        gateway_netns: GATEWAY.to_owned(),
        control,
        json_stats: None,
    })
    .context("start the emulator")?;
    let mut client = emulator.client()?;

    let mut table = Table::default();
    let (poor, steady) = scenario.links.split_last().context("the scenario has no links")?;
    families::quiet(&mut table, &mut client)?;
    ping::idle(&mut table, steady)?;
    probe::idle(&mut table, steady)?;
    probe::loaded(&mut table, steady)?;
    probe::lossy(&mut table, steady.len(), poor)?;
    iperf::udp_up(&mut table, steady)?;
    iperf::udp_down(&mut table, steady)?;
    iperf::tcp_up(&mut table, steady)?;
    let status = client.status()?;
    events::all(&mut table, &mut client, steady, poor)?;
    families::both(&mut table, &mut client, steady)?;

    let carried = assert_all_carried(&status, 1_000);
    table.verdict("every link carried 1,000 packets or more", carried.is_ok(), carried.err().unwrap_or_default());
    let late = status.lateness;
    println!("emulator's own count: p50 {} µs, p99 {} µs, max {} µs late", late.p50_us, late.p99_us, late.max_us);
    emulator.stop()?;
    let gone = !Path::new("/run/netns").join(UNIT).exists() && !Path::new("/run/netns").join(GATEWAY).exists();
    table.verdict("nothing is left behind", gone, String::new());
    Ok(table.all_good())
}

const SEED: u64 = 1;
const UNIT: &str = "bb-prove-unit";
const GATEWAY: &str = "bb-prove-gw";
