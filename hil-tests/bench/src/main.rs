//! Measures the bond, and its peers, with real processes over emulated links.
//!
//! Each subject (a peer, over all links or the best) brings the same stream over the same links with the same budget,
//! in turn. Links are those of `bondbox-linksim`; source and sink are threads of this program inside its namespaces.
//! [`plan`] says what is measured, [`peers`] with which command lines, [`run`] how. What came out is counted by
//! [`meter`]; processor time is that of the peers' processes alone.

mod check;
mod clock;
mod machine;
mod measured;
mod meter;
mod payload;
mod peers;
mod plan;
mod process;
mod results;
mod run;
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
use plan::{CASES, CHECKED, Case};
use results::{CaseResult, Results, Settings, SubjectResult};
use run::Run;
use stop::Stop;

/// Measures the bond, and its peers, with real processes over emulated links.
///
/// Prints tables, and leaves them as JSON in target/bench. Needs root and srt-tools.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Only see whether the bond keeps its promises: fails when it does not. One run each, without peers.
    #[arg(long)]
    check: bool,
    /// How long each run is counted; it begins five seconds earlier.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: Option<u64>,
    /// How often each is measured.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100))]
    runs: Option<u64>,
    /// Only cases whose name contains this, such as clean or three_lte-8000.
    #[arg(long, default_value = "")]
    only: String,
    /// Only subjects whose name contains this, such as srt or "bond, all".
    #[arg(long, default_value = "")]
    subject: String,
    /// The first run's seed; each further run has the next.
    #[arg(long, default_value_t = 1)]
    seed: u64,
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
    let (all, seconds, runs) = if arguments.check { (&CHECKED[..], 10, 1) } else { (&CASES[..], 30, 3) };
    let cases: Vec<Case> = all.iter().filter(|case| case.name().contains(&arguments.only)).cloned().collect();
    let (counted, runs) = (arguments.seconds.unwrap_or(seconds), arguments.runs.unwrap_or(runs));
    let folder = results_folder()?;
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;

    let machine = Machine::look();
    let versions = versions(&cases)?;
    let mut results = Vec::new();
    for case in cases {
        let subjects = measure(&case, arguments, Duration::from_secs(counted), runs, &folder, &stop)?;
        if subjects.is_empty() {
            continue;
        }
        let result = CaseResult { case, subjects };
        println!("{}", table::render(&result));
        results.push(result);
    }
    anyhow::ensure!(!results.is_empty(), "no case is called {:?} and has {:?}", arguments.only, arguments.subject);

    let broken = if arguments.check { check::broken(&results) } else { Vec::new() };
    let settings = Settings {
        counted_s: counted,
        warm_up_s: run::WARM_UP.as_secs(),
        runs,
        datagram_bytes: payload::LEN,
        versions,
    };
    let path = folder.join(if arguments.check { "check.json" } else { "results.json" });
    Results { machine, settings, cases: results }.save(&path)?;
    println!("{}", path.display());
    for line in &broken {
        eprintln!("bondbox-bench: {line}");
    }
    Ok(broken.is_empty())
}

/// All runs of a case, one of each subject in turn: what disturbs the machine for a while disturbs all alike.
fn measure(
    case: &Case,
    arguments: &Arguments,
    counted: Duration,
    runs: u64,
    folder: &Path,
    stop: &Stop,
) -> anyhow::Result<Vec<SubjectResult>> {
    let subjects: Vec<_> = case.subjects.iter().filter(|one| one.name().contains(&arguments.subject)).collect();
    let mut measured: Vec<Vec<Measured>> = vec![Vec::new(); subjects.len()];
    for seed in arguments.seed..arguments.seed + runs {
        for (subject, measured) in subjects.iter().zip(&mut measured) {
            eprintln!("{}: {}, seed {seed}", case.name(), subject.name());
            let logs = folder.join(case.name()).join(subject.folder());
            let run = Run { case, subject, seed, counted, logs: &logs };
            let context = || format!("{}: {}, seed {seed}", case.name(), subject.name());
            measured.push(run.measure(stop).with_context(context)?);
        }
    }
    Ok(subjects.iter().zip(measured).map(|(subject, runs)| SubjectResult::new(subject.name(), runs)).collect())
}

/// The builds of all peers; one that is missing ends this before an hour is lost.
fn versions(cases: &[Case]) -> anyhow::Result<BTreeMap<&'static str, String>> {
    let mut versions = BTreeMap::new();
    for subject in cases.iter().flat_map(|case| case.subjects) {
        versions.insert(subject.peer.name(), subject.peer.version()?);
    }
    Ok(versions)
}

/// `target/bench`, beside the folder of this program.
fn results_folder() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?;
    Ok(program.parent().and_then(Path::parent).unwrap_or(Path::new(".")).join("bench"))
}
