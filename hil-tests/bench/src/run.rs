//! One run: links, processes, a source and a sink, and what was counted between two moments.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use bondbox_linksim::child::{Options, RunningEmulator};
use bondbox_linksim::control::{LinkStatus, Status, assert_all_carried};
use serde::Serialize;

use crate::clock::now_us;
use crate::meter::{self, Outcome, Window};
use crate::payload;
use crate::peers::{self, DELIVER_PORT, INGEST_PORT, Task};
use crate::plan::{Case, Subject};
use crate::process::{Process, Program};
use crate::sink::Sink;
use crate::source::Source;
use crate::stop::Stop;

/// How a run is made.
pub(crate) struct Run<'a> {
    pub(crate) case: &'a Case,
    pub(crate) subject: &'a Subject,
    pub(crate) seed: u64,
    /// How long is counted.
    pub(crate) counted: Duration,
    /// Of this run; made anew.
    pub(crate) folder: &'a Path,
}

/// What one run gave.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) seed: u64,
    pub(crate) outcome: Outcome,
    /// Payload that came out while counted.
    pub(crate) media_bytes: u64,
    pub(crate) unit: EndUse,
    pub(crate) gateway: EndUse,
    pub(crate) links: Vec<LinkUse>,
    pub(crate) harness: Harness,
}

/// How late the harness was itself, since its start. It runs before all that is measured: when it was late, the machine
/// stood still, and what is late beside it proves nothing.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Harness {
    /// Worst of the source.
    pub(crate) source_worst_us: u64,
    /// Worst of the emulated links.
    pub(crate) emulator_worst_us: u64,
    /// One in a hundred packets was later on the emulated links.
    pub(crate) emulator_p99_us: u64,
}

impl Harness {
    /// Worst of all.
    pub(crate) fn worst_ms(self) -> f64 {
        self.source_worst_us.max(self.emulator_worst_us) as f64 / 1e3
    }
}

/// What one end took.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct EndUse {
    /// User and system, while counted.
    pub(crate) processor_s: f64,
    /// The peak since the start.
    pub(crate) peak_rss_kib: u64,
}

/// What went into a link while counted, in IP bytes.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LinkUse {
    pub(crate) name: String,
    pub(crate) up_bytes: u64,
    pub(crate) down_bytes: u64,
}

impl Measured {
    /// IP bytes from the unit for each byte that came out.
    pub(crate) fn cost(&self) -> f64 {
        self.up_bytes() as f64 / self.media_bytes as f64
    }

    /// IP bytes to the unit for each from it.
    pub(crate) fn return_share(&self) -> f64 {
        self.links.iter().map(|link| link.down_bytes).sum::<u64>() as f64 / self.up_bytes() as f64
    }

    /// Each link's share of the bytes from the unit.
    pub(crate) fn shares(&self) -> Vec<f64> {
        self.links.iter().map(|link| link.up_bytes as f64 / self.up_bytes() as f64).collect()
    }

    /// Processor seconds of an end for 10⁹ bytes that came out.
    pub(crate) fn processor_per_gb(&self, end: EndUse) -> f64 {
        end.processor_s * 1e9 / self.media_bytes as f64
    }

    fn up_bytes(&self) -> u64 {
        self.links.iter().map(|link| link.up_bytes).sum()
    }
}

impl Run<'_> {
    /// Builds everything, measures, and takes everything down again, however it ends.
    pub(crate) fn measure(&self, stop: &Stop) -> anyhow::Result<Measured> {
        let _ = std::fs::remove_dir_all(self.folder);
        std::fs::create_dir_all(self.folder).with_context(|| self.folder.display().to_string())?;
        let emulator = RunningEmulator::start(&Options {
            program: Options::beside_this_program()?,
            scenario: self.case.scenario_file(),
            seed: self.seed,
            unit_netns: UNIT.to_owned(),
            gateway_netns: GATEWAY.to_owned(),
            control: self.folder.join("linksim.sock"),
            json_stats: None,
        })
        .context("start the emulator")?;
        let mut client = emulator.client()?;
        let sink = Sink::start(GATEWAY, DELIVER_PORT)?;

        let task =
            Task { folder: self.folder.to_owned(), links: self.subject.links(self.case)?, budget: self.case.budget() };
        let ends = self.subject.peer.ends(&task)?;
        let mut gateway = self.start(ends.gateway, GATEWAY, "gateway", stop)?;
        let mut unit = self.start(ends.unit, UNIT, "unit", stop)?;
        let source = Source::start(UNIT, INGEST_PORT, self.case.rate_kbps);
        self.await_stream(&sink, stop)?;
        stop.wait(WARM_UP)?;

        let (links_before, unit_before, gateway_before) =
            (client.status()?, processor_s(&unit)?, processor_s(&gateway)?);
        let from_us = now_us()?;
        stop.wait(self.counted)?;
        let window = Window { from_us, to_us: now_us()? };
        let (links_after, unit_after, gateway_after) = (client.status()?, processor_s(&unit)?, processor_s(&gateway)?);
        // The stream goes on past the window, so that its last datagrams are treated as all others.
        stop.wait(self.case.budget())?;
        let sent = source.finish()?;
        stop.wait(self.case.budget() + STRAGGLERS)?;
        for process in unit.iter_mut().chain(&mut gateway) {
            process.assert_running()?;
        }
        let arrivals = sink.finish()?;

        let outcome = meter::outcome(&sent.at_us, &arrivals, window, self.case.budget());
        assert_carried(client.status()?, &task.links)?;
        let measured = Measured {
            seed: self.seed,
            media_bytes: outcome.delivered * payload::LEN as u64,
            outcome,
            unit: EndUse { processor_s: unit_after - unit_before, peak_rss_kib: peak_rss_kib(&unit)? },
            gateway: EndUse { processor_s: gateway_after - gateway_before, peak_rss_kib: peak_rss_kib(&gateway)? },
            links: links_before.links.iter().zip(&links_after.links).map(link_use).collect(),
            harness: Harness {
                source_worst_us: sent.worst_us,
                emulator_worst_us: links_after.lateness.max_us,
                emulator_p99_us: links_after.lateness.p99_us,
            },
        };
        drop((unit, gateway));
        emulator.stop()?;
        Ok(measured)
    }

    /// Starts the processes of one end, each when the one before is ready.
    fn start(&self, programs: Vec<Program>, netns: &str, end: &str, stop: &Stop) -> anyhow::Result<Vec<Process>> {
        let mut running = Vec::new();
        for (place, program) in programs.into_iter().enumerate() {
            let log = self.folder.join(format!("{end}-{place}.log"));
            let mut process = Process::start(program, netns, log)?;
            for _ in 0..ATTEMPTS {
                if process.is_ready()? {
                    break;
                }
                stop.wait(LOOK)?;
            }
            anyhow::ensure!(process.is_ready()?, "{} of the {end} is not ready after {START:?}", self.subject.name());
            running.push(process);
        }
        Ok(running)
    }

    fn await_stream(&self, sink: &Sink, stop: &Stop) -> anyhow::Result<()> {
        for _ in 0..ATTEMPTS {
            if sink.has_heard() {
                return Ok(());
            }
            stop.wait(LOOK)?;
        }
        anyhow::bail!("{}: nothing came out in {START:?}; logs are in {}", self.subject.name(), self.folder.display())
    }
}

/// A measurement over several links that ran over one is none.
fn assert_carried(mut status: Status, used: &[peers::LinkUse]) -> anyhow::Result<()> {
    status.links.retain(|link| used.iter().any(|used| used.name == link.name));
    anyhow::ensure!(!used.is_empty() && status.links.len() == used.len(), "links are missing: {:?}", status.links);
    assert_all_carried(&status, LEAST_PACKETS).map_err(anyhow::Error::msg)
}

fn link_use((before, after): (&LinkStatus, &LinkStatus)) -> LinkUse {
    LinkUse {
        name: after.name.clone(),
        up_bytes: after.up.offered.bytes - before.up.offered.bytes,
        down_bytes: after.down.offered.bytes - before.down.offered.bytes,
    }
}

fn processor_s(end: &[Process]) -> anyhow::Result<f64> {
    end.iter().map(|process| Ok(process.processor_time()?.as_secs_f64())).sum()
}

fn peak_rss_kib(end: &[Process]) -> anyhow::Result<u64> {
    end.iter().map(Process::peak_rss_kib).sum()
}

const UNIT: &str = "bb-bench-unit";
const GATEWAY: &str = "bb-bench-gw";
/// Finding out what links carry is a matter of seconds, and measured elsewhere.
pub(crate) const WARM_UP: Duration = Duration::from_secs(5);
/// How much later than its budget a datagram may still come and be called late, not lost.
const STRAGGLERS: Duration = Duration::from_secs(2);
/// How long a peer may take to start, and then to bring the first datagram.
const START: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(10);
const ATTEMPTS: u32 = 1_000;
/// Less than this in a whole run, and a link was not used.
const LEAST_PACKETS: u64 = 50;
