//! Plays scenarios in virtual time and prints what became of the stream.

mod say;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use bondbox_bond::CodingCounters;
use bondbox_bond::sender::{self, Feature, Features, Policy};
use bondbox_bond::trace::Recording;
use bondbox_linksim::Scenario;
use bondbox_sim::random::{self, Compared, Family, Headroom};
use bondbox_sim::rides::forecast;
use bondbox_sim::suite::{self, Row, Setup};
use bondbox_sim::{Config, Outcome, Shape, World, in_order, invariants, run_watched};
use bondbox_units::Bitrate;
use clap::{Args, Parser, ValueEnum};
use say::say;

/// The bond in virtual time.
#[derive(Parser)]
enum Command {
    Play(Play),
    Suite(Suite),
    Random(Random),
    Ablate(Ablate),
    Radio(RadioRides),
    Endure(Endure),
    Replay(Replay),
    /// Prints a trace as JSON lines.
    Trace {
        /// As the uplink or the gateway gave it.
        file: PathBuf,
    },
}

/// Makes a scenario of the traces of a unit and its gateway, and plays it.
#[derive(Args)]
struct Replay {
    /// The unit's, from `bondbox-uplink trace`.
    unit: PathBuf,
    /// The gateway's, from `/api/streams/NAME/trace`. Without it, packets whose acknowledgements were lost seem lost.
    gateway: Option<PathBuf>,
    /// Write the scenario there.
    #[arg(long)]
    toml: Option<PathBuf>,
    /// Runs.
    #[arg(long, default_value_t = 3)]
    seeds: u64,
}

/// Plays scenarios and prints what became of the stream.
#[derive(Args)]
struct Play {
    /// Scenario files.
    #[arg(required = true)]
    scenarios: Vec<PathBuf>,
    /// Rate of the stream.
    #[arg(long, default_value_t = 8_000)]
    rate_kbps: u64,
    /// Let the stream follow the encoder target, up to this rate.
    #[arg(long)]
    follow_kbps: Option<u64>,
    /// From in to out.
    #[arg(long, default_value_t = 600)]
    latency_ms: u64,
    /// How long each run lasts, in virtual time.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// What comes before is not measured.
    #[arg(long, default_value_t = 5)]
    warm_up_seconds: u64,
    /// Runs of each scenario.
    #[arg(long, default_value_t = 3)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// 25 frames a second in place of datagrams at even distances.
    #[arg(long)]
    frames: bool,
    /// Keep what the best link carries free.
    #[arg(long)]
    survive_one: bool,
    /// Which link takes a packet.
    #[arg(long, value_enum, default_value_t = PolicyName::EarliestArrival)]
    policy: PolicyName,
    /// Print every link twice a second.
    #[arg(long)]
    watch: bool,
    /// Write the traces of both ends into this folder, as SCENARIO-SEED-unit.trace and SCENARIO-SEED-gateway.trace.
    #[arg(long)]
    traces: Option<PathBuf>,
    /// Parts of the engine that are off, with commas between.
    #[arg(long, value_delimiter = ',', value_parser = feature)]
    without: Vec<Feature>,
}

/// Which link takes a packet.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum PolicyName {
    EarliestArrival,
    Redundant,
    MainBackup,
    RoundRobin,
    WeightedRtt,
}

impl From<PolicyName> for Policy {
    fn from(name: PolicyName) -> Self {
        match name {
            PolicyName::EarliestArrival => Self::EarliestArrival,
            PolicyName::Redundant => Self::Redundant,
            PolicyName::MainBackup => Self::MainBackup,
            PolicyName::RoundRobin => Self::RoundRobin,
            PolicyName::WeightedRtt => Self::WeightedRtt,
        }
    }
}

/// Plays every case that the bond is judged by, and says whether its bar holds.
///
/// A row has percent on time of the median and of the worst seed; of the worst seed also units that cannot be shown
/// (references followed), the longest damage and the 99th percentile of the delay in ms, the cost in parts of the least
/// possible, and bytes back per byte forth.
///
/// Bars are judged on seeds 7000..7005, the default. Tune on others, such as 1..6.
#[derive(Args)]
struct Suite {
    /// Cases whose name contains this; may be given several times.
    #[arg(long)]
    only: Vec<String>,
    /// Print what the oracle, and a sender that knows the links as they were a round trip and 60 ms ago, get through with the
    /// worst seed of each; of a stream that follows the encoder target, as it was in the run.
    #[arg(long)]
    bounds: bool,
    /// Draw the rows into this file, as SVG.
    #[arg(long)]
    svg: Option<PathBuf>,
    #[command(flatten)]
    runs: Runs,
}

/// Plays every case with and without each part of the engine, and prints what each part is worth, as Markdown.
///
/// A difference is with less without, of runs on the same network; bold where its interval of 95 % confidence leaves zero out.
#[derive(Args)]
struct Ablate {
    /// Cases whose name contains this; may be given several times.
    #[arg(long)]
    only: Vec<String>,
    /// Parts, with commas between; absent: all of them.
    #[arg(long, value_delimiter = ',', value_parser = feature)]
    features: Vec<Feature>,
    #[command(flatten)]
    runs: Runs,
}

/// Checks what must hold in every network, over networks drawn from seeds, and names each seed where something does not.
#[derive(Args)]
struct Endure {
    /// From the first to the one after the last.
    #[arg(long, value_parser = range, default_value = "0..100000")]
    seeds: Range<u64>,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
}

/// Plays networks that are drawn from seeds, beside the oracle, and tells by how many points it is better, by headroom: how
/// much more than the stream the oracle could get through in full. Rows are beside the oracle, beside the informed sender, what
/// lies between these two, and beside the oracle at latencies from 600 ms and below. Judged on 0..1000.
#[derive(Args)]
struct Random {
    /// From the first to the one after the last.
    #[arg(long, value_parser = range, default_value = "0..1000")]
    seeds: Range<u64>,
    /// Networks in which links share cells, in place of such whose links have nothing to do with each other.
    #[arg(long)]
    cells: bool,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Print a line for each network: its headroom, how far it lies below the oracle and the informed sender, and in which
    /// seconds how many units were missed.
    #[arg(long)]
    each: bool,
    /// Parts of the engine that are off, with commas between.
    #[arg(long, value_delimiter = ',', value_parser = feature)]
    without: Vec<Feature>,
    /// Print this network and its stream, and play nothing.
    #[arg(long)]
    show: Option<u64>,
}

/// Plays rides with and without what a service could tell the bond of radio, and prints what that is worth, as Markdown.
///
/// Bold where the interval of 95 % confidence leaves zero out. Judged on 9000..9040, the default.
#[derive(Args)]
struct RadioRides {
    /// From the first to the one after the last.
    #[arg(long, value_parser = range, default_value = "9000..9040")]
    seeds: Range<u64>,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
}

/// What all that compare many runs take.
#[derive(Args)]
struct Runs {
    /// From the first to the one after the last; absent: those that bars are judged on.
    #[arg(long, value_parser = range)]
    seeds: Option<Range<u64>>,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Where the scenarios are.
    #[arg(long, default_value = "hil-tests/scenarios")]
    folder: PathBuf,
    /// Parts of the engine that are off, with commas between.
    #[arg(long, value_delimiter = ',', value_parser = feature)]
    without: Vec<Feature>,
}

impl Runs {
    fn setup(&self, bounds: bool) -> Setup {
        let features = without(&self.without);
        Setup {
            seeds: self.seeds.clone().unwrap_or(suite::JUDGED),
            folder: self.folder.clone(),
            jobs: self.jobs,
            bounds,
            features,
        }
    }
}

fn feature(name: &str) -> Result<Feature, String> {
    let names = || Feature::ALL.map(|(name, _)| name).join(", ");
    Feature::named(name).ok_or_else(|| format!("is {name:?}, must be one of {}", names()))
}

fn without(parts: &[Feature]) -> Features {
    parts.iter().fold(Features::ALL, |features, part| features.without(*part))
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let parse = || {
        let (from, to) = text.split_once("..")?;
        Some(from.parse().ok()?..to.parse().ok()?)
    };
    parse().filter(|range: &Range<u64>| !range.is_empty()).ok_or_else(|| format!("{text} is not as 1..6"))
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Play(args) => play(&args),
        Command::Suite(args) => judge(&args),
        Command::Random(args) => random(&args),
        Command::Ablate(args) => ablate(&args),
        Command::Radio(args) => {
            radio(&args);
            Ok(())
        }
        Command::Endure(args) => endure(&args),
        Command::Replay(args) => replay(&args),
        Command::Trace { file } => {
            let mut text = String::new();
            recording(&file)?.write_json_lines(&mut text)?;
            say!("{}", text.trim_end());
            Ok(())
        }
    }
}

fn replay(args: &Replay) -> anyhow::Result<()> {
    let gateway = args.gateway.as_deref().map(recording).transpose()?;
    let replay = bondbox_sim::replay::recover("replay", &recording(&args.unit)?, gateway.as_ref())?;
    if let Some(path) = &args.toml {
        std::fs::write(path, &replay.toml).with_context(|| path.display().to_string())?;
    }
    head();
    for seed in 1..=args.seeds {
        let config = Config { seed, ..replay.config.clone() };
        print("replay", seed, &run_watched(&replay.scenario, &config, |_| {}));
    }
    Ok(())
}

fn recording(path: &Path) -> anyhow::Result<Recording> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    Recording::read(&bytes).with_context(|| path.display().to_string())
}

fn head() {
    say!(
        "{:<24} {:>5} {:>9} {:>6} {:>6} {:>7} {:>7} {:>7}  share by link",
        "scenario",
        "seed",
        "on time %",
        "late",
        "lost",
        "cost",
        "return",
        "p99 ms"
    );
}

fn judge(args: &Suite) -> anyhow::Result<()> {
    let cases = suite::chosen(&args.only);
    anyhow::ensure!(!cases.is_empty(), "no case is called like that");
    say!("{}{}", Row::HEAD, if args.bounds { "   oracle informed" } else { "" });
    let rows = suite::play(&cases, &args.runs.setup(args.bounds), |row| say!("{row}"))?;
    let held = rows.iter().filter(|row| row.missed.is_empty()).count();
    say!("{held} of {} bars hold", rows.len());
    if let Some(path) = &args.svg {
        std::fs::write(path, suite::svg(&rows)).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

fn ablate(args: &Ablate) -> anyhow::Result<()> {
    let cases = suite::chosen(&args.only);
    anyhow::ensure!(!cases.is_empty(), "no case is called like that");
    let all = || Feature::ALL.map(|(_, feature)| feature).to_vec();
    let features = if args.features.is_empty() { all() } else { args.features.clone() };
    say!("{}", suite::ablate(&cases, &features, &args.runs.setup(false))?.trim_end());
    Ok(())
}

fn radio(args: &RadioRides) {
    let all = 2 * args.seeds.clone().count();
    let lines = forecast::judge(args.seeds.clone(), args.jobs, |ridden| eprint!("\r{ridden} of {all} rides"));
    eprintln!();
    say!("{}", forecast::table(&lines).trim_end());
}

fn endure(args: &Endure) -> anyhow::Result<()> {
    // What panics is told with its seed below.
    std::panic::set_hook(Box::new(|_| {}));
    let seeds: Vec<u64> = args.seeds.clone().collect();
    let (mut done, mut failed) = (0, vec![]);
    in_order(
        &seeds,
        args.jobs,
        |seed| invariants::check(*seed, None),
        |seed, checked| {
            done += 1;
            if let Err(reason) = checked {
                say!("seed {seed}: {reason}\n{}", invariants::network(*seed));
                say!("again: bondbox-sim endure --seeds {seed}..{}", seed + 1);
                failed.push(*seed);
            }
            if done % 1_000 == 0 {
                say!("{done} of {} networks, {} failed", seeds.len(), failed.len());
            }
        },
    );
    anyhow::ensure!(failed.is_empty(), "{} of {} networks failed: {failed:?}", failed.len(), seeds.len());
    say!("all {} networks held", seeds.len());
    Ok(())
}

fn random(args: &Random) -> anyhow::Result<()> {
    let family = if args.cells { Family::Cells } else { Family::Links };
    if let Some(seed) = args.show {
        let drawn = family.draw(seed);
        say!("{}\n# {:?}", drawn.text, drawn.config);
        return Ok(());
    }
    let seeds: Vec<u64> = args.seeds.clone().collect();
    let mut all: Vec<Compared> = vec![];
    in_order(
        &seeds,
        args.jobs,
        |seed| random::compare(family, *seed, without(&args.without)),
        |_, compared| {
            if args.each {
                say!("{}", line(&compared));
            }
            all.push(compared);
        },
    );
    say!("headroom      beside    networks   median      p90    worst  seeds of the five worst");
    for class in [Headroom::Ample, Headroom::Fair, Headroom::Little] {
        let of_class: Vec<_> = all.iter().filter(|compared| compared.headroom == class).collect();
        row(&of_class, class, "oracle", class.bar(), |compared| compared.gap);
        row(&of_class, class, "informed", None, |compared| compared.behind);
        row(&of_class, class, "(between)", None, |compared| compared.gap - compared.behind);
        // Below that most losses come too late for a request.
        let (long, short): (Vec<_>, Vec<_>) = of_class.iter().partition(|compared| compared.latency >= LONG);
        row(&long, class, ">= 600 ms", class.bar(), |compared| compared.gap);
        row(&short, class, "< 600 ms", class.bar(), |compared| compared.gap);
    }
    Ok(())
}

/// What a unit is set to where nobody says otherwise.
const LONG: Duration = Duration::from_millis(600);

/// One network.
fn line(compared: &Compared) -> String {
    let Compared { seed, headroom, gap, behind, missed, .. } = compared;
    let mut seconds = std::collections::BTreeMap::<u64, usize>::new();
    missed.iter().for_each(|at| *seconds.entry(at.as_micros() / 1_000_000).or_default() += 1);
    let seconds: Vec<_> = seconds.iter().map(|(second, units)| format!("{second}:{units}")).collect();
    format!("{seed:>6} {:<13} {gap:>8.3} {behind:>8.3}  {}", headroom.name(), seconds.join(" "))
}

/// How far networks of one class lie below a bound, and whether that holds a bar.
fn row(networks: &[&Compared], class: Headroom, beside: &str, bar: Option<(f64, f64)>, gap: fn(&Compared) -> f64) {
    let mut sorted = networks.to_vec();
    sorted.sort_by(|a, b| gap(a).total_cmp(&gap(b)));
    let Some(worst) = sorted.last() else { return };
    let at = |share: f64| gap(sorted[((sorted.len() - 1) as f64 * share) as usize]);
    let seeds: Vec<_> = sorted.iter().rev().take(5).map(|compared| compared.seed.to_string()).collect();
    let holds = bar.map(|(median, most)| at(0.5) <= median && at(0.9) <= most);
    say!(
        "{:<13} {beside:<9} {:>8} {:>8.3} {:>8.3} {:>8.3}  {:<28} {}",
        class.name(),
        sorted.len(),
        at(0.5),
        at(0.9),
        gap(worst),
        seeds.join(" "),
        holds.map_or("", |holds| if holds { "holds" } else { "MISSED" }),
    );
}

fn play(args: &Play) -> anyhow::Result<()> {
    if let Some(folder) = &args.traces {
        std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    }
    head();
    for path in &args.scenarios {
        let scenario = Scenario::load(path).with_context(|| format!("scenario {}", path.display()))?;
        for seed in args.seed..args.seed + args.seeds {
            let config = Config {
                seed,
                duration: Duration::from_secs(args.seconds),
                latency: Duration::from_millis(args.latency_ms),
                warm_up: Duration::from_secs(args.warm_up_seconds),
                shape: if args.frames { Shape::Frames } else { Shape::Constant },
                rate: Bitrate::from_kbps(args.rate_kbps),
                follow: args.follow_kbps.map(Bitrate::from_kbps),
                policy: args.policy.into(),
                headroom: if args.survive_one { sender::Headroom::SurviveOne } else { sender::Headroom::None },
                features: without(&args.without),
                ..Config::default()
            };
            let end = bondbox_units::Instant::ZERO + config.duration;
            let mut traces = vec![];
            let outcome = run_watched(&scenario, &config, |world| {
                if args.watch {
                    watch(world)
                }
                if args.traces.is_some() && traces.is_empty() && world.now() >= end {
                    traces = world.traces();
                }
            });
            print(&scenario.name, seed, &outcome);
            for (folder, (side, bytes)) in args.traces.iter().flat_map(|folder| traces.iter().map(move |t| (folder, t)))
            {
                let file = folder.join(format!("{}-{seed}-{side}.trace", scenario.name));
                std::fs::write(&file, bytes).with_context(|| file.display().to_string())?;
            }
        }
    }
    Ok(())
}

fn watch(world: &World) {
    let status = world.sender.status(world.now());
    say!(
        "{} {:?}: target {}, actual {}, backlog {} B, expired {}",
        world.now(),
        status.session,
        status.target,
        status.actual,
        status.backlog,
        status.units_expired
    );
    for (link, model) in status.links.iter().zip(world.network.links()) {
        say!(
            "    {:<8} {:?}: rate {} of {} ({} in truth), delay {:.1?}, queue {:.1?} ({:.1?} in truth), loss {:.1} %",
            link.name,
            link.state,
            link.rate,
            link.capacity,
            model.up.rate(),
            link.delay,
            link.queue,
            model.up.queue_delay(),
            100.0 * link.loss
        );
    }
    for session in world.gateway.status(world.gateway_now()) {
        let CodingCounters { symbols, idle, recovered, refused } = session.coding;
        if symbols > 0 {
            say!("    symbols {symbols}, of these not needed {idle} and refused {refused}; recovered {recovered}");
        }
    }
}

fn print(name: &str, seed: u64, outcome: &Outcome) {
    let total: u64 = outcome.links.iter().map(|link| link.wire.up_bytes).sum();
    let share = |bytes: u64| format!("{:.0}", 100.0 * bytes as f64 / total.max(1) as f64);
    let shares: Vec<_> = outcome.links.iter().map(|link| share(link.wire.up_bytes)).collect();
    say!(
        "{name:<24} {seed:>5} {:>9.3} {:>6} {:>6} {:>7.3} {:>7.4} {:>7}  {}{}",
        outcome.on_time_percent(),
        outcome.late,
        outcome.lost,
        outcome.cost(),
        outcome.return_share(),
        outcome.delay[1].as_millis(),
        shares.join(" / "),
        if outcome.wrong > 0 { format!("  WRONG: {}", outcome.wrong) } else { String::new() },
    );
}
