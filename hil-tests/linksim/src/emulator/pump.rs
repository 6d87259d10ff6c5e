//! The loop: wait for a packet, a command or the model's next deadline; then move everything that is due.

use std::io;
use std::ops::Range;
use std::os::fd::{AsFd as _, BorrowedFd};

use anyhow::{Context as _, ensure};
use bondbox_units::{Bitrate, Instant};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::time::TimeSpec;

use super::lateness::Histogram;
use super::nat::Nat;
use super::netns::Netns;
use super::server::Server;
use super::tun::Tun;
use super::{Settings, addresses};
use crate::control::{Carried, LinkStatus, Reply, Request, Status, WayStatus};
use crate::model::{Delivery, Direction, Event, Family, Loss, State};
use crate::{Link, Network, Way, realtime};

/// Everything an emulation holds. Dropping it takes all of it down, devices before namespaces.
pub(crate) struct Emulator {
    scenario: String,
    start: std::time::Instant,
    realtime: bool,
    network: Network<Box<[u8]>>,
    links: Vec<Ends>,
    control: Option<Server>,
    stop: SignalFd,
    until_stdin_closes: bool,
    lateness: Histogram,
    /// For one packet on its way in.
    buffer: Box<[u8]>,
    _namespaces: [Netns; 2],
}

/// Why the loop goes round.
#[derive(Default)]
struct Wake {
    /// Those with packets: twice the link's index for the unit's end, one more for the gateway's.
    devices: Vec<usize>,
    stop: bool,
    control: bool,
}

/// Both ends of one link.
struct Ends {
    name: String,
    unit: Tun,
    gateway: Tun,
    nat: Nat,
    nat_stale: u64,
    swallowed: u64,
    carried: Carried,
    has_carrier: bool,
    unwritable_up: u64,
    unwritable_down: u64,
}

impl Emulator {
    /// Makes namespaces, devices, addresses and routes. Time starts at its end.
    pub(crate) fn build(settings: &Settings) -> anyhow::Result<Self> {
        ensure!(
            settings.unit_netns != settings.gateway_netns,
            "the unit and the gateway are both in namespace {}, must be in different ones",
            settings.unit_netns
        );
        // Before anything exists, so that no signal finds half of it.
        let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
        signals.thread_block().context("block signals")?;
        let stop =
            SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).context("signalfd")?;

        let names = || settings.scenario.links.iter().map(|link| link.name.as_str());
        let unit = Netns::create(&settings.unit_netns)?;
        let gateway = Netns::create(&settings.gateway_netns)?;
        let open = || names().map(Tun::open).collect::<anyhow::Result<Vec<_>>>();
        let mut ends = Vec::new();
        for namespace in [&unit, &gateway] {
            namespace.quieten()?;
            ends.push(namespace.inside(open)?);
        }
        for link in settings.scenario.links.iter().filter(|link| link.families.contains(&Family::Ipv6)) {
            unit.allow_ipv6(&link.name)?;
            gateway.allow_ipv6(&link.name)?;
        }
        let links = &settings.scenario.links[..];
        for namespace in [&unit, &gateway] {
            namespace.configure(Family::Ipv4, &addresses::up(links))?;
        }
        for family in [Family::Ipv4, Family::Ipv6] {
            unit.configure(family, &addresses::unit_side(links, family))?;
            gateway.configure(family, &addresses::gateway_side(links, family))?;
        }

        let links = ends.pop().into_iter().flatten().zip(ends.pop().into_iter().flatten()).zip(names());
        let links = links.map(|((gateway, unit), name)| Ends::new(name, unit, gateway)).collect();
        let control = settings.control.as_deref().map(Server::listen).transpose()?;
        let realtime = realtime::claim(PRIORITY);
        if let Err(error) = &realtime {
            eprintln!("bondbox-linksim: no real-time priority, so packets may be late on a busy machine: {error}");
        }
        Ok(Self {
            scenario: settings.scenario.name.clone(),
            start: std::time::Instant::now(),
            realtime: realtime.is_ok(),
            network: Network::new(&settings.scenario, settings.seed),
            links,
            control,
            stop,
            until_stdin_closes: settings.until_stdin_closes,
            lateness: Histogram::new(),
            buffer: vec![0; MAX_PACKET_BYTES].into(),
            _namespaces: [unit, gateway],
        })
    }

    /// Until a signal, or the end of standard input where that was asked for.
    pub(crate) fn run(&mut self) -> anyhow::Result<()> {
        loop {
            let wake = self.wait()?;
            if wake.stop {
                break;
            }
            for device in wake.devices {
                self.take_packets(device / 2, if device % 2 == 0 { Way::Up } else { Way::Down })?;
            }
            if wake.control {
                self.serve_control();
            }
            self.deliver();
            self.follow_links()?;
        }
        self.deliver();
        Ok(())
    }

    /// How everything does.
    pub(crate) fn status(&self) -> Status {
        let links = self.links.iter().zip(self.network.links()).map(|(ends, link)| LinkStatus {
            name: ends.name.clone(),
            state: link.state(),
            nat_rebinds: link.nat_rebinds(),
            nat_stale: ends.nat_stale,
            swallowed: ends.swallowed,
            carried: ends.carried,
            up: way_status(&link.up, ends.unwritable_up),
            down: way_status(&link.down, ends.unwritable_down),
        });
        Status {
            scenario: self.scenario.clone(),
            elapsed_s: self.start.elapsed().as_secs_f64(),
            realtime: self.realtime,
            lateness: self.lateness.summary(),
            links: links.collect(),
        }
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.start.elapsed()
    }

    /// Until something is to be done.
    fn wait(&self) -> anyhow::Result<Wake> {
        let time = self.network.deadline().map(|deadline| TimeSpec::from_duration(deadline - self.now()));
        let stdin = io::stdin();
        let mut descriptors: Vec<PollFd<'_>> =
            self.links.iter().flat_map(|ends| [readable(ends.unit.as_fd()), readable(ends.gateway.as_fd())]).collect();
        let devices = descriptors.len();
        descriptors.push(readable(self.stop.as_fd()));
        if self.until_stdin_closes {
            descriptors.push(PollFd::new(stdin.as_fd(), PollFlags::empty()));
        }
        let stops = descriptors.len();
        descriptors.extend(self.control.iter().flat_map(Server::descriptors).map(readable));
        match ppoll(&mut descriptors, time, None) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(Wake::default()),
            Err(error) => return Err(error).context("ppoll"),
        }
        let fired = |range: Range<usize>| descriptors[range].iter().map(|one| one.any().unwrap_or(false));
        Ok(Wake {
            devices: fired(0..devices).enumerate().filter(|(_, fired)| *fired).map(|(device, _)| device).collect(),
            stop: fired(devices..stops).any(|fired| fired),
            control: fired(stops..descriptors.len()).any(|fired| fired),
        })
    }

    /// Gives the model what the kernel wants to send.
    fn take_packets(&mut self, link: usize, way: Way) -> anyhow::Result<()> {
        for _ in 0..BATCH {
            let ends = &mut self.links[link];
            let tun = if way == Way::Down { &ends.gateway } else { &ends.unit };
            let read = tun.read(&mut self.buffer).with_context(|| format!("read from {}", ends.name))?;
            let Some(packet) = read.and_then(|len| self.buffer.get_mut(..len)) else { break };
            if swallows(&self.network.links()[link], packet) {
                ends.swallowed += 1;
                continue;
            }
            if way == Way::Down && !ends.nat.inward(packet) {
                ends.nat_stale += 1;
                continue;
            }
            let (now, size_bytes) = (Instant::ZERO + self.start.elapsed(), packet.len());
            // What it drops it has counted.
            let _ = self.network.enqueue(now, link, way, Box::from(&*packet), size_bytes);
        }
        Ok(())
    }

    /// Gives the kernel what has arrived.
    fn deliver(&mut self) {
        while let Some(Delivery { at, link, way, mut packet }) = self.network.poll(self.now()) {
            let model = &self.network.links()[link];
            let ends = &mut self.links[link];
            if swallows(model, &packet) {
                ends.swallowed += 1;
                continue;
            }
            let written = if way == Way::Down {
                ends.unit.write(&packet)
            } else {
                ends.nat.follow(model.nat_rebinds());
                ends.nat.outward(&mut packet);
                match Family::of(&packet) {
                    Some(Family::Ipv4) => ends.carried.ipv4 += 1,
                    Some(Family::Ipv6) => ends.carried.ipv6 += 1,
                    None => {}
                }
                ends.gateway.write(&packet)
            };
            if written.is_err() {
                // Somebody took the interface down: the packet is gone as on any machine.
                *(if way == Way::Down { &mut ends.unwritable_down } else { &mut ends.unwritable_up }) += 1;
            }
            self.lateness.add(self.now() - at);
        }
    }

    /// Lets devices and ports follow what events did to the links.
    fn follow_links(&mut self) -> anyhow::Result<()> {
        for (ends, link) in self.links.iter_mut().zip(self.network.links()) {
            ends.nat.follow(link.nat_rebinds());
            let has_carrier = link.state() != State::Cut;
            if has_carrier != ends.has_carrier {
                ends.unit.set_carrier(has_carrier).with_context(|| format!("set the carrier of {}", ends.name))?;
                ends.has_carrier = has_carrier;
            }
        }
        Ok(())
    }

    fn serve_control(&mut self) {
        let Some(mut control) = self.control.take() else { return };
        control.serve(|request| self.answer(request).unwrap_or_else(|error| Reply::Error { error }));
        self.control = Some(control);
    }

    fn answer(&mut self, request: Request) -> Result<Reply, String> {
        let (link, way, event) = match request {
            Request::Status => return Ok(Reply::Status(self.status())),
            Request::Cut { link } => (link, None, Event::Cut),
            Request::Restore { link } => (link, None, Event::Restore),
            Request::NatRebind { link } => (link, None, Event::NatRebind),
            Request::Blackhole { link, way } => (link, way, Event::Blackhole),
            Request::BlackholeFamily { link, family } => (link, None, Event::BlackholeFamily(family)),
            Request::Rate { link, kbps, way } => (link, way, Event::Rate(Bitrate::from_kbps(kbps))),
            Request::Delay { link, ms, way } => (link, way, Event::Delay(std::time::Duration::from_millis(ms))),
            Request::Loss { link, percent, burst_packets, way } => {
                (link, way, Event::Loss(loss(percent, burst_packets)?))
            }
        };
        let index = self.links.iter().position(|ends| ends.name == link).ok_or_else(|| {
            let names: Vec<&str> = self.links.iter().map(|ends| ends.name.as_str()).collect();
            format!("link is {link:?}, must be one of {}", names.join(", "))
        })?;
        let now = self.now();
        self.network.apply(now, index, way.unwrap_or(Way::Both), event);
        self.follow_links().map_err(|error| format!("{error:#}"))?;
        Ok(Reply::Done { done: true })
    }
}

impl Ends {
    fn new(name: &str, unit: Tun, gateway: Tun) -> Self {
        Self {
            name: name.to_owned(),
            unit,
            gateway,
            nat: Nat::default(),
            nat_stale: 0,
            swallowed: 0,
            carried: Carried::default(),
            has_carrier: true,
            unwritable_up: 0,
            unwritable_down: 0,
        }
    }
}

/// Whether the link has this packet vanish for its family.
fn swallows(link: &Link<Box<[u8]>>, packet: &[u8]) -> bool {
    Family::of(packet).is_some_and(|family| link.swallows(family))
}

fn way_status(direction: &Direction<Box<[u8]>>, unwritable: u64) -> WayStatus {
    let counters = direction.counters();
    WayStatus {
        rate_kbps: direction.rate().as_bps() / 1_000,
        queue_ms: direction.queue_delay().as_secs_f64() * 1_000.0,
        offered: counters.offered,
        delivered: counters.delivered,
        dropped: counters.dropped,
        unwritable,
    }
}

fn loss(percent: f64, burst_packets: Option<f64>) -> Result<Loss, String> {
    match burst_packets {
        None => Loss::independent(percent).ok_or_else(|| format!("percent is {percent}, must be 0 to 100")),
        Some(burst) => Loss::bursts(percent, burst).ok_or_else(|| {
            format!("percent is {percent} and burst_packets {burst}, must be 0 to {}", 100.0 * burst / (burst + 1.0))
        }),
    }
}

fn readable(descriptor: BorrowedFd<'_>) -> PollFd<'_> {
    PollFd::new(descriptor, PollFlags::POLLIN)
}

/// What IP can hold.
const MAX_PACKET_BYTES: usize = 65_535;
/// Packets taken from one device before others, and what is due, get their turn.
const BATCH: usize = 32;
/// Above ordinary threads, below what the kernel runs for itself at 50.
const PRIORITY: i32 = 10;
