//! Time-stamped probes, held against what the model says of exactly these packets.
//!
//! The error is that of emulator, kernel and observer together: from the moment before the send call to the kernel's
//! own stamp on the packet at the far end, less the time that the model gives it.

use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Context as _;
use bondbox_linksim::emulator::{GATEWAY_ADDRESS, enter_netns, unit_address};
use bondbox_linksim::model::{Direction, LinkConfig, Rate};
use bondbox_linksim::realtime;
use bondbox_units::Instant;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use nix::time::{ClockId, clock_gettime};

use crate::table::Table;
use crate::{GATEWAY, UNIT};

/// A trickle over all links.
pub(crate) fn idle(table: &mut Table, links: &[LinkConfig]) -> anyhow::Result<()> {
    let flows = (0..links.len()).map(|link| Flow { link, bytes: 200, burst: 1, every: Duration::from_millis(7) });
    let probes = exchange(&flows.collect::<Vec<_>>(), Duration::from_secs(3))?;
    report(table, "idle", links, &probes);
    Ok(())
}

/// Fifteen sixteenths of what each link carries, in bursts, so that queues come and go: 60 of 64 Mbit/s.
pub(crate) fn loaded(table: &mut Table, links: &[LinkConfig]) -> anyhow::Result<()> {
    let mut flows = Vec::new();
    for (link, config) in links.iter().enumerate() {
        let Rate::Fixed(rate) = config.up.rate else { anyhow::bail!("{}: the rate must be fixed", config.name) };
        let (bytes, burst) = (1_228, 6);
        flows.push(Flow { link, bytes, burst, every: rate.time_for((bytes * burst) as u64).mul_f64(16.0 / 15.0) });
    }
    let length = Duration::from_secs(8);
    let probes = exchange(&flows, length)?;
    let sent: usize = probes.iter().map(|probe| probe.bytes).sum();
    let total = sent as f64 * 8.0 / length.as_secs_f64() / 1e6;
    table.near("all links: load", "Mbit/s", 60.0, total, 3.0);
    report(table, "loaded", links, &probes);
    Ok(())
}

/// Small packets over the poor link: share lost, and length of runs.
pub(crate) fn lossy(table: &mut Table, link: usize, config: &LinkConfig) -> anyhow::Result<()> {
    let flow = Flow { link, bytes: 100, burst: 4, every: Duration::from_micros(500) };
    let probes = exchange(&[flow], Duration::from_secs(8))?;
    let lost = probes.iter().filter(|probe| probe.received_us.is_none()).count();
    let runs = probes.chunk_by(|a, b| a.received_us.is_some() == b.received_us.is_some());
    let runs = runs.filter(|run| run[0].received_us.is_none()).count();
    let run = config.up.loss.mean_run();
    let (share, mean) = (lost as f64 / probes.len() as f64, config.up.loss.mean());
    let bound = 4.0 * config.up.loss.deviation(probes.len() as u64);
    table.near(&format!("{}: loss", config.name), "%", mean * 100.0, share * 100.0, bound * 100.0);
    table.near(&format!("{}: mean run of losses", config.name), "packets", run, lost as f64 / runs as f64, run / 8.0);
    Ok(())
}

/// How well the probes of each link kept to the model.
fn report(table: &mut Table, what: &str, links: &[LinkConfig], probes: &[Probe]) {
    for (index, link) in links.iter().enumerate() {
        let mine: Vec<&Probe> = probes.iter().filter(|probe| probe.link == index).collect();
        let mut errors: Vec<f64> = Vec::new();
        let mut direction = Direction::new(&link.up, 0);
        let mut differ = 0;
        // In order and without loss, so the nth to arrive is the nth that was taken.
        let taken: Vec<&Probe> = mine
            .iter()
            .copied()
            .filter(|probe| direction.enqueue(Instant::from_micros(probe.sent_us), (), probe.bytes).is_ok())
            .collect();
        let arrivals = std::iter::from_fn(|| direction.deadline().map(|at| direction.poll_timed(at)));
        for (probe, (at, ())) in taken.iter().zip(arrivals.flatten()) {
            match probe.received_us {
                Some(received_us) => errors.push((received_us as f64 - at.as_micros() as f64) / 1_000.0),
                None => differ += 1,
            }
        }
        errors.sort_by(f64::total_cmp);
        let quantile = |q: f64| errors.get((errors.len() as f64 * q) as usize).copied().unwrap_or(f64::NAN);
        let worst = errors.last().copied().unwrap_or(f64::NAN);
        let place = format!("{}: {what}, error of {} probes", link.name, mine.len());
        table.below(&format!("{place}, p50"), "ms", quantile(0.5), 1.0);
        table.below(&format!("{place}, p99"), "ms", quantile(0.99), 1.0);
        let fate =
            format!("{} taken by the model, {differ} of them not received, worst error {worst:.3} ms", taken.len());
        table.verdict(&format!("{}: {what}, fate as modelled", link.name), differ == 0 && !taken.is_empty(), fate);
    }
}

/// Packets that leave together, again and again.
#[derive(Clone, Copy)]
struct Flow {
    link: usize,
    bytes: usize,
    burst: usize,
    every: Duration,
}

/// One packet, with the times of this machine's monotonic clock.
#[derive(Clone, Debug)]
struct Probe {
    link: usize,
    bytes: usize,
    sent_us: u64,
    received_us: Option<u64>,
}

/// Sends the flows for this long; gives every packet in the order sent.
fn exchange(flows: &[Flow], length: Duration) -> anyhow::Result<Vec<Probe>> {
    let (ready, is_ready) = mpsc::channel();
    std::thread::scope(|scope| {
        let receiver = scope.spawn(move || receive(ready));
        // Nothing comes when it failed; its error then is the one to show.
        let sent = is_ready.recv().map_err(anyhow::Error::from).and_then(|()| {
            scope.spawn(move || send(flows, length)).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        let received = receiver.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        let mut probes = sent?;
        for (number, received_us) in received {
            if let Some(probe) = probes.get_mut(number as usize) {
                probe.received_us = Some(received_us);
            }
        }
        Ok(probes)
    })
}

fn send(flows: &[Flow], length: Duration) -> anyhow::Result<Vec<Probe>> {
    enter_netns(UNIT)?;
    realtime::claim(PRIORITY).context("real-time priority")?;
    let sockets =
        flows.iter().map(|flow| UdpSocket::bind((unit_address(flow.link), 0))).collect::<Result<Vec<_>, _>>()?;
    let start = now_us()?;
    let (mut due, mut probes) = (vec![start; flows.len()], Vec::new());
    while let Some((index, &next)) = due.iter().enumerate().min_by_key(|(_, next)| **next)
        && next < start + length.as_micros() as u64
    {
        std::thread::sleep(Duration::from_micros(next.saturating_sub(now_us()?)));
        let flow = flows[index];
        for _ in 0..flow.burst {
            let mut payload = vec![0; flow.bytes - UDP_HEADERS];
            payload[..4].copy_from_slice(&(probes.len() as u32).to_be_bytes());
            let sent_us = now_us()?;
            sockets[index].send_to(&payload, receiver_address())?;
            probes.push(Probe { link: flow.link, bytes: flow.bytes, sent_us, received_us: None });
        }
        due[index] += flow.every.as_micros() as u64;
    }
    Ok(probes)
}

/// Number and arrival of every probe, until none has come for a second.
fn receive(ready: mpsc::Sender<()>) -> anyhow::Result<Vec<(u32, u64)>> {
    enter_netns(GATEWAY)?;
    let socket = UdpSocket::bind(receiver_address())?;
    setsockopt(&socket, sockopt::RcvBufForce, &(8 << 20))?;
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    // The kernel stamps in wall-clock time.
    let wall_us = clock_us(ClockId::CLOCK_REALTIME)?.wrapping_sub(now_us()?);
    ready.send(()).context("the sender has gone")?;
    let mut received = Vec::new();
    loop {
        let (mut number, mut control) = ([0; 4], nix::cmsg_space!(nix::sys::time::TimeSpec));
        let mut into = [IoSliceMut::new(&mut number)];
        let message = match recvmsg::<()>(socket.as_raw_fd(), &mut into, Some(&mut control), MsgFlags::empty()) {
            Ok(message) => message,
            Err(nix::errno::Errno::EAGAIN) => return Ok(received),
            Err(error) => return Err(error).context("receive probes"),
        };
        let stamp = message.cmsgs()?.find_map(|message| match message {
            ControlMessageOwned::ScmTimestampns(at) => {
                Some(at.tv_sec() as u64 * 1_000_000 + at.tv_nsec() as u64 / 1_000)
            }
            _ => None,
        });
        let stamp = stamp.context("the kernel gave no time stamp")?;
        received.push((u32::from_be_bytes(number), stamp.wrapping_sub(wall_us)));
    }
}

fn now_us() -> anyhow::Result<u64> {
    clock_us(ClockId::CLOCK_MONOTONIC)
}

fn clock_us(clock: ClockId) -> anyhow::Result<u64> {
    let now = clock_gettime(clock)?;
    Ok(now.tv_sec() as u64 * 1_000_000 + now.tv_nsec() as u64 / 1_000)
}

fn receiver_address() -> SocketAddr {
    SocketAddr::from((GATEWAY_ADDRESS, 7_100))
}

/// Below the emulator's.
const PRIORITY: i32 = 5;
const UDP_HEADERS: usize = 28;
