//! Instructions that the packet path takes, by step, counted by valgrind: what a datagram costs, the same on a busy machine.
//!
//! It starts itself again under callgrind, prints thousands of instructions per datagram beside those that are written in
//! `instructions.txt`, and fails when a step takes a tenth more. `--write` writes them.

#[path = "../tests/steady/mod.rs"]
mod steady;

use std::collections::BTreeMap;
use std::process::{Command, ExitCode};
use std::time::Duration;

use named::STEPS;
use steady::{Counter, Outcome, Step};

/// Each step under a name that callgrind finds.
mod named {
    macro_rules! steps {
        ($($name:ident)*) => {
            pub(crate) const STEPS: &[&str] = &[$(stringify!($name)),*];

            $(#[inline(never)]
            pub(crate) fn $name<T>(act: impl FnOnce() -> T) -> T {
                // Equal functions would be made one.
                std::hint::black_box(stringify!($name));
                std::hint::black_box(act())
            })*
        };
    }
    steps! { unit_push unit_timeout unit_transmit unit_receive gateway_receive gateway_timeout gateway_transmit }
}

struct Named;

impl Counter for Named {
    fn around<T>(&mut self, step: Step, counts: bool, act: impl FnOnce() -> T) -> T {
        if !counts {
            return act();
        }
        match step {
            Step::UnitPush => named::unit_push(act),
            Step::UnitTimeout => named::unit_timeout(act),
            Step::UnitTransmit => named::unit_transmit(act),
            Step::UnitReceive => named::unit_receive(act),
            Step::GatewayReceive => named::gateway_receive(act),
            Step::GatewayTimeout => named::gateway_timeout(act),
            Step::GatewayTransmit => named::gateway_transmit(act),
        }
    }
}

fn main() -> ExitCode {
    if std::env::var_os(UNDER_VALGRIND).is_some() {
        let outcome = play();
        println!("{} {} {}", outcome.sent, outcome.returned, outcome.delivered);
        return ExitCode::SUCCESS;
    }
    match count().and_then(|counted| judge(&counted, std::env::args().any(|argument| argument == "--write"))) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(reason) => {
            eprintln!("instructions: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// Nine seconds of 18 Mbit/s, of which the last three count.
fn play() -> Outcome {
    steady::play(&mut Named, Duration::from_secs(9), Duration::from_millis(300), Duration::ZERO, None)
}

/// Thousands of instructions per datagram, by step.
fn count() -> Result<BTreeMap<String, f64>, String> {
    let this = std::env::current_exe().map_err(|error| format!("where am I: {error}"))?;
    let profile = this.with_extension("callgrind");
    let run = |command: &mut Command| {
        let output = command.output().map_err(|error| format!("{:?}: {error}", command.get_program()))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let failed =
            || format!("{:?}: {}: {}", command.get_program(), output.status, String::from_utf8_lossy(&output.stderr));
        output.status.success().then_some(text).ok_or_else(failed)
    };
    let counted = run(Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(&this)
        .env(UNDER_VALGRIND, "1"))?;
    let numbers: Vec<f64> = counted.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [sent, returned, delivered] = numbers[..] else { return Err(format!("no numbers in '{counted}'")) };
    if delivered < 900.0 {
        return Err(format!("only {delivered} units came out"));
    }
    let profile = std::fs::read_to_string(&profile).map_err(|error| format!("{}: {error}", profile.display()))?;
    println!("{sent} datagrams from the unit, {returned} from the gateway");
    let taken = calls(&profile);
    Ok(taken.into_iter().map(|(step, taken)| (step, taken as f64 / 1_000.0 / (sent + returned))).collect())
}

/// Instructions of all calls of each step, of callgrind's file ("Callgrind Format Specification" in valgrind's manual): a
/// called function is named once and has a number from then on; the cost of a call stands in the second line after.
fn calls(profile: &str) -> BTreeMap<String, u64> {
    let (mut names, mut taken) = (BTreeMap::<&str, &str>::new(), BTreeMap::new());
    let (mut called, mut is_call) = ("", false);
    for line in profile.lines() {
        if let Some((kind, function)) = line.split_once('=') {
            is_call = kind == "calls";
            if let ("fn" | "cfn", Some((number, name))) = (kind, function.split_once(')')) {
                let known = names.entry(number).or_default();
                if !name.is_empty() {
                    *known = name.trim();
                }
                if kind == "cfn" {
                    called = known;
                }
            }
        } else if std::mem::take(&mut is_call)
            && let Some(step) = STEPS.iter().find(|step| called.contains(&format!("named::{step}")))
        {
            let cost: u64 = line.split(' ').nth(1).and_then(|cost| cost.parse().ok()).unwrap_or_default();
            *taken.entry((*step).to_owned()).or_default() += cost;
        }
    }
    taken
}

/// Holds what was counted against what is written; tells whether it is no more.
fn judge(counted: &BTreeMap<String, f64>, write: bool) -> Result<bool, String> {
    let kept = std::fs::read_to_string(KEPT).unwrap_or_default();
    let kept: BTreeMap<&str, f64> = kept
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(step, k)| Some((step, k.trim().parse().ok()?)))
        .collect();
    println!("{:<18} {:>8} {:>8}", "thousands", "now", "written");
    let mut holds = true;
    for &step in STEPS {
        let now = counted.get(step).copied().unwrap_or_default();
        let (before, more) = match kept.get(step) {
            Some(before) => (format!("{before:.2}"), now > before * 1.1 + GRAIN),
            None => ("-".to_owned(), !write),
        };
        println!("{step:<18} {now:>8.2} {before:>8}{}", if more { "  MORE" } else { "" });
        holds &= !more && now > 0.0;
    }
    println!("{:<18} {:>8.2}", "together", counted.values().sum::<f64>());
    if write {
        let lines: String = STEPS.iter().map(|step| format!("{step} {:.2}\n", counted[*step])).collect();
        std::fs::write(KEPT, lines).map_err(|error| format!("{KEPT}: {error}"))?;
        return Ok(true);
    }
    Ok(holds)
}

/// Set for the process that is counted.
const UNDER_VALGRIND: &str = "INSTRUCTIONS_UNDER_VALGRIND";
/// Thousands of instructions that say nothing.
const GRAIN: f64 = 0.02;
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.txt");
