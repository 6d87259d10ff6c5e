//! One run: links, processes, a source and a sink, and what was counted between two moments.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use bondbox_linksim::Scenario;
use bondbox_linksim::child::{Options, RunningEmulator};
use bondbox_linksim::control::{LinkStatus, Status, assert_all_carried};
use bondbox_linksim::model::Event;

use crate::calls::CallCount;
use crate::clock::now_us;
use crate::measured::{EndUse, Harness, LinkLoad, Measured};
use crate::meter::{self, Window};
use crate::payload;
use crate::peers::srtla::Srtla;
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
    /// Where srtla is, when it is there.
    pub(crate) srtla: Option<&'a Srtla>,
    /// Where what the processes say is left.
    pub(crate) logs: &'a Path,
}

impl Run<'_> {
    /// Builds everything, measures, and takes everything down again, however it ends.
    pub(crate) fn measure(&self, stop: &Stop) -> anyhow::Result<Measured> {
        std::fs::create_dir_all(self.logs).with_context(|| self.logs.display().to_string())?;
        let folder = Folder::create()?;
        let emulator = RunningEmulator::start(&Options {
            program: Options::beside_this_program()?,
            scenario: self.case.scenario_file(),
            seed: self.seed,
            unit_netns: UNIT.to_owned(),
            gateway_netns: GATEWAY.to_owned(),
            control: folder.0.join("linksim.sock"),
            json_stats: None,
        })
        .context("start the emulator")?;
        let mut client = emulator.client()?;
        let sink = Sink::start(Some(GATEWAY), DELIVER_PORT)?;

        let task = Task {
            folder: folder.0.clone(),
            links: self.subject.links(self.case)?,
            budget: self.case.budget(),
            srtla: self.srtla.cloned(),
        };
        let ends = self.subject.peer.ends(&task)?;
        let mut gateway = self.start(ends.gateway, GATEWAY, "gateway", stop)?;
        let mut unit = self.start(ends.unit, UNIT, "unit", stop)?;
        let source = Source::start(UNIT, INGEST_PORT, self.case.shape, self.case.rate_kbps);
        self.await_stream(&sink, stop)?;
        stop.wait(WARM_UP)?;

        let (links_before, unit_before, gateway_before) =
            (client.status()?, processor_s(&unit)?, processor_s(&gateway)?);
        let from_us = now_us()?;
        stop.wait(self.counted)?;
        let window = Window { from_us, to_us: now_us()? };
        let (links_after, unit_after, gateway_after) = (client.status()?, processor_s(&unit)?, processor_s(&gateway)?);
        // The stream goes on past the window, so that its last datagrams are treated as all others. System calls are
        // counted then, for counting them takes time.
        let (calls, calls_window) = self.count_calls([&unit, &gateway], stop)?;
        stop.wait(self.case.budget())?;
        let sent = source.finish()?;
        stop.wait(self.case.budget() + STRAGGLERS)?;
        for process in unit.iter_mut().chain(&mut gateway) {
            process.assert_running()?;
        }
        let arrivals = sink.finish()?;

        let outcome = meter::outcome(&sent, &arrivals, window, self.case.budget());
        let status = client.status()?;
        let scenario = self.case.scenario()?;
        assert_lost(&status, &scenario)?;
        assert_went_on(&status, &scenario)?;
        assert_carried(status, &task.links)?;
        let in_calls_window = sent.at_us.iter().filter(|at| calls_window.contains(at)).count() as f64;
        let [unit_calls, gateway_calls] = calls.map(|calls| calls.map(|calls| calls as f64 / in_calls_window));
        let measured = Measured {
            seed: self.seed,
            media_bytes: outcome.delivered * payload::LEN as u64,
            outcome,
            unit: EndUse {
                processor_s: unit_after - unit_before,
                peak_rss_kib: peak_rss_kib(&unit)?,
                calls_per_datagram: unit_calls,
            },
            gateway: EndUse {
                processor_s: gateway_after - gateway_before,
                peak_rss_kib: peak_rss_kib(&gateway)?,
                calls_per_datagram: gateway_calls,
            },
            links: links_before.links.iter().zip(&links_after.links).map(link_load).collect(),
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
            let log = self.logs.join(format!("{end}-{place}.log"));
            let mut process = Process::start(program, Some(netns), log)?;
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

    /// The system calls of both ends over a while, where they can be counted.
    fn count_calls(
        &self,
        ends: [&[Process]; 2],
        stop: &Stop,
    ) -> anyhow::Result<([Option<u64>; 2], std::ops::Range<u64>)> {
        let counts = ends.map(|end| CallCount::start(end, CALLS));
        let from_us = now_us()?;
        stop.wait(CALLS)?;
        let range = from_us..now_us()?;
        Ok((counts.map(|count| count.and_then(CallCount::finish)), range))
    }

    fn await_stream(&self, sink: &Sink, stop: &Stop) -> anyhow::Result<()> {
        for _ in 0..ATTEMPTS {
            if sink.has_heard() {
                return Ok(());
            }
            stop.wait(LOOK)?;
        }
        anyhow::bail!("{}: nothing came out in {START:?}; logs are in {}", self.subject.name(), self.logs.display())
    }
}

/// Where nothing else changes what a link loses, it lost what was asked for, within five standard deviations.
fn assert_lost(status: &Status, scenario: &Scenario) -> anyhow::Result<()> {
    let changes = |name: &str| {
        scenario
            .events
            .iter()
            .any(|event| scenario.links[event.link].name == name && matches!(event.event, Event::Loss(_)))
    };
    for (link, asked) in status.links.iter().zip(&scenario.links).filter(|(link, _)| !changes(&link.name)) {
        for (way, loss) in [(&link.up, asked.up.loss), (&link.down, asked.down.loss)] {
            let dropped = way.dropped;
            // Whether a packet is lost is drawn before the buffer is looked at.
            let before = dropped.total().packets - dropped.loss.packets - dropped.buffer_full.packets;
            let drawn = way.offered.packets - before;
            let lost = dropped.loss.packets as f64 / drawn.max(1) as f64;
            let off = (lost - loss.mean()).abs();
            anyhow::ensure!(
                drawn == 0 || off <= 5.0 * loss.deviation(drawn) + 2.0 / drawn as f64,
                "link {}: lost {:.2} % of {drawn} packets, must be {:.2} %",
                link.name,
                100.0 * lost,
                100.0 * loss.mean()
            );
        }
    }
    Ok(())
}

/// A link that lost one family has gone on with the other.
fn assert_went_on(status: &Status, scenario: &Scenario) -> anyhow::Result<()> {
    for event in &scenario.events {
        let Event::BlackholeFamily(family) = event.event else { continue };
        let LinkStatus { name, carried, swallowed, .. } = &status.links[event.link];
        let went_on = *swallowed > 0 && carried.ipv4.min(carried.ipv6) >= LEAST_PACKETS;
        anyhow::ensure!(
            went_on,
            "link {name} lost {family:?}: {swallowed} packets for that, {} of IPv4 and {} of IPv6 carried, must be \
             {LEAST_PACKETS} of each",
            carried.ipv4,
            carried.ipv6
        );
    }
    Ok(())
}

/// A measurement over several links that ran over one is none.
fn assert_carried(mut status: Status, used: &[peers::UnitLink]) -> anyhow::Result<()> {
    status.links.retain(|link| used.iter().any(|used| used.name == link.name));
    anyhow::ensure!(!used.is_empty() && status.links.len() == used.len(), "links are missing: {:?}", status.links);
    assert_all_carried(&status, LEAST_PACKETS).map_err(anyhow::Error::msg)
}

/// Keys and sockets of a run. It goes with it.
struct Folder(PathBuf);

impl Folder {
    fn create() -> anyhow::Result<Self> {
        let folder = Self(RUN_DIR.into());
        let _ = std::fs::remove_dir_all(&folder.0);
        std::fs::create_dir_all(&folder.0).with_context(|| RUN_DIR)?;
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // The next run removes what stays.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn link_load((before, after): (&LinkStatus, &LinkStatus)) -> LinkLoad {
    LinkLoad {
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

/// Short, because the path of a socket has to be.
const RUN_DIR: &str = "/run/bondbox-bench";
const UNIT: &str = "bb-bench-unit";
const GATEWAY: &str = "bb-bench-gw";
/// Finding out what links carry is a matter of seconds, and measured elsewhere.
pub(crate) const WARM_UP: Duration = Duration::from_secs(5);
/// How much later than its budget a datagram may still come and be called late, not lost.
const STRAGGLERS: Duration = Duration::from_secs(2);
/// How long system calls are counted.
const CALLS: Duration = Duration::from_secs(2);
/// How long a peer may take to start, and then to bring the first datagram.
const START: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(10);
const ATTEMPTS: u32 = 1_000;
/// Less than this in a whole run, and a link was not used.
const LEAST_PACKETS: u64 = 50;
