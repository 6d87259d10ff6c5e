//! Measures the bond, and its peers, with real processes over emulated links.
//!
//! Each subject (a peer, over all links or the best) brings the same stream over the same links with the same budget,
//! in turn. Links are those of `bondbox-linksim`; source and sink are threads of this program inside its namespaces.
//! [`plan`] says what is measured, [`peers`] with which command lines, [`run`] how. What came out is counted by
//! [`meter`]; processor time is that of the peers' processes alone.

mod calls;
mod check;
mod clock;
mod machine;
mod measured;
mod meter;
mod payload;
mod peers;
mod plan;
mod plot;
mod process;
mod results;
mod run;
mod scale;
mod sink;
mod source;
mod stop;
mod summary;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;

use machine::Machine;
use measured::Measured;
use peers::Peer;
use peers::srtla::{self, Srtla};
use plan::{CASES, CHECKED, Case, Subject};
use results::{CaseResult, Results, Settings, SubjectResult};
use run::Run;
use stop::Stop;

/// Measures the bond, and its peers, with real processes over emulated links.
///
/// Prints tables, and leaves them in target/bench, with plots and everything as JSON. Needs root, srt-tools and
/// rist-tools; counts system calls where perf is there.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Only see whether the bond keeps its promises: fails when it does not. One run each, without peers.
    #[arg(long)]
    check: bool,
    /// A look in less than ten minutes: a few cases, each run once.
    #[arg(long, conflicts_with = "check")]
    quick: bool,
    /// How long each run is counted at most; it begins five seconds earlier.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: Option<u64>,
    /// How often each is measured.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100))]
    runs: Option<u64>,
    /// Only cases whose name contains this, such as clean or three_lte-8000.
    #[arg(long, default_value = "")]
    only: String,
    /// Only these peers, of bond, srt, rist and srtla.
    #[arg(long, value_delimiter = ',')]
    peers: Vec<Peer>,
    /// Instead of all that: one gateway with many sessions, over loopback.
    #[arg(long, conflicts_with_all = ["check", "quick", "publish"])]
    scale: bool,
    /// Of --scale: how many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    sessions: u16,
    /// The sending half of srtla, which is measured when both are given.
    #[arg(long, value_name = "PATH")]
    srtla_send: Option<PathBuf>,
    /// The receiving half of srtla.
    #[arg(long, value_name = "PATH")]
    srtla_rec: Option<PathBuf>,
    /// The first run's seed; each further run has the next. Figures are published from 1 on: tune with others.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Replace the table and the plot of the README with what comes out.
    #[arg(long, conflicts_with = "check")]
    publish: bool,
}

fn main() -> ExitCode {
    match bench(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bondbox-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn bench(arguments: &Arguments) -> anyhow::Result<bool> {
    anyhow::ensure!(
        nix::unistd::Uid::effective().is_root(),
        "namespaces and TUN devices need root: run this as root or with sudo"
    );
    let stop = Stop::install()?;
    if arguments.scale {
        return scale(arguments, &stop);
    }
    let srtla = srtla::programs(arguments.srtla_send.as_deref(), arguments.srtla_rec.as_deref())?;
    let chosen = Chosen { arguments, srtla };
    let cases = chosen.cases();
    let folder = results_folder()?;
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;

    let machine = Machine::look();
    let versions = chosen.versions(&cases)?;
    let mut results = Vec::new();
    for case in cases {
        let subjects = measure(&case, &chosen, &folder, &stop)?;
        if subjects.is_empty() {
            continue;
        }
        let result = CaseResult { case, subjects };
        let table = table::render(&result);
        println!("{table}");
        let place = folder.join(result.case.name());
        save(&place.with_extension("txt"), &table)?;
        save(&place.with_extension("svg"), &plot::case(&result))?;
        results.push(result);
    }
    anyhow::ensure!(!results.is_empty(), "no case is called {:?} and has {:?}", arguments.only, arguments.peers);
    let overview = plot::overview(&results);
    save(&folder.join("in-a-second.svg"), &overview)?;

    let broken = if arguments.check { check::broken(&results) } else { Vec::new() };
    let settings =
        Settings { warm_up_s: run::WARM_UP.as_secs(), runs: chosen.runs(), datagram_bytes: payload::LEN, versions };
    let path = folder.join(if arguments.check { "check.json" } else { "results.json" });
    let results = Results { machine, settings, cases: results };
    results.save(&path)?;
    println!("{}", path.display());
    if arguments.publish {
        let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
        std::fs::create_dir_all(&published).with_context(|| published.display().to_string())?;
        save(&published.join("in-a-second.svg"), &overview)?;
        save(&published.join("README.md"), &table::publish(&results))?;
        println!("{}", published.display());
    }
    for line in &broken {
        eprintln!("bondbox-bench: {line}");
    }
    Ok(broken.is_empty())
}

/// A gateway under load, without and with a hostile unit beside.
fn scale(arguments: &Arguments, stop: &Stop) -> anyhow::Result<bool> {
    let folder = results_folder()?.join("scale");
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    for hostile in [false, true] {
        let load = scale::Load {
            sessions: arguments.sessions.into(),
            links: 3,
            rate_kbps: 6_000,
            latency: Duration::from_millis(600),
            counted: Duration::from_secs(arguments.seconds.unwrap_or(10)),
            hostile,
        };
        println!("{}", scale::render(&load, &scale::run(&load, &folder, stop)?));
    }
    Ok(true)
}

/// Up to some seconds behind what happens in the scenarios that are measured in a hurry.
const QUICK_S: u64 = 16;

/// What is measured, as the arguments say.
struct Chosen<'a> {
    arguments: &'a Arguments,
    srtla: Option<Srtla>,
}

impl Chosen<'_> {
    fn cases(&self) -> Vec<Case> {
        let all = if self.arguments.check { &CHECKED[..] } else { &CASES[..] };
        let chosen = |case: &&Case| case.name().contains(&self.arguments.only) && (case.quick || !self.arguments.quick);
        all.iter().filter(chosen).cloned().collect()
    }

    fn runs(&self) -> u64 {
        self.arguments.runs.unwrap_or(if self.arguments.check || self.arguments.quick { 1 } else { 3 })
    }

    fn counted(&self, case: &Case) -> Duration {
        let most = if self.arguments.check {
            10
        } else if self.arguments.quick {
            QUICK_S
        } else {
            3_600
        };
        Duration::from_secs(case.counted_s.min(self.arguments.seconds.unwrap_or(most)))
    }

    fn subjects(&self, case: &Case) -> impl Iterator<Item = &'static Subject> {
        case.subjects.iter().filter(|subject| {
            let asked = self.arguments.peers.is_empty() || self.arguments.peers.contains(&subject.peer);
            asked && (subject.peer != Peer::Srtla || self.srtla.is_some())
        })
    }

    /// The builds of all peers; one that is missing ends this before an hour is lost.
    fn versions(&self, cases: &[Case]) -> anyhow::Result<BTreeMap<&'static str, String>> {
        let subjects = cases.iter().flat_map(|case| self.subjects(case));
        subjects.map(|subject| Ok((subject.peer.name(), subject.peer.version(self.srtla.as_ref())?))).collect()
    }
}

/// All runs of a case, one of each subject in turn: what disturbs the machine for a while disturbs all alike.
fn measure(case: &Case, chosen: &Chosen<'_>, folder: &Path, stop: &Stop) -> anyhow::Result<Vec<SubjectResult>> {
    let subjects: Vec<_> = chosen.subjects(case).collect();
    let mut measured: Vec<Vec<Measured>> = vec![Vec::new(); subjects.len()];
    for seed in chosen.arguments.seed..chosen.arguments.seed + chosen.runs() {
        for (subject, measured) in subjects.iter().zip(&mut measured) {
            let name = format!("{}: {}, seed {seed}", case.name(), subject.name());
            eprintln!("{name}");
            let logs = folder.join(case.name()).join(subject.folder());
            let (counted, srtla) = (chosen.counted(case), chosen.srtla.as_ref());
            let run = Run { case, subject, seed, counted, srtla, logs: &logs };
            measured.push(run.measure(stop).context(name)?);
        }
    }
    Ok(subjects.iter().zip(measured).map(|(subject, runs)| SubjectResult::new(subject, runs)).collect())
}

fn save(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| path.display().to_string())
}

/// `target/bench`, beside the folder of this program.
fn results_folder() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?;
    Ok(program.parent().and_then(Path::parent).unwrap_or(Path::new(".")).join("bench"))
}
