//! Many sessions on one gateway: a real gateway process, and this one as all of its units, over loopback.
//!
//! Half of the bar is what it takes: processor and memory. The other half is what the gateway adds to the agreed latency by
//! itself, measured on the one stream that it delivers, beside 49 others, and once more beside a paired unit that behaves
//! as badly as keys let it: it floods tiny units, repeats each of its datagrams, and garbles copies of them.

use std::net::UdpSocket;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use bondbox_bond::sender::{Features, Headroom, Policy, SenderConfig, SenderEvent, TrackInfo, Trust, Unit};
use bondbox_bond::{Identity, PublicKey, Sender};
use bondbox_linksim::realtime;
use bondbox_units::{Bitrate, Instant, LinkId, Priority, TrackId};
use bondbox_wire::MAX_DATAGRAM;
use bondbox_wire::frame::TrackKind;
use bytes::Bytes;

use crate::clock::now_us;
use crate::payload::{self, Stamp};
use crate::peers::bond;
use crate::process::Process;
use crate::sink::Sink;
use crate::stop::Stop;

/// What to load a gateway with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) sessions: usize,
    pub(crate) links: u8,
    pub(crate) rate_kbps: u64,
    pub(crate) latency: Duration,
    pub(crate) counted: Duration,
    /// Whether one more unit does its worst.
    pub(crate) hostile: bool,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) struct Scaled {
    /// Of the gateway, in cores.
    pub(crate) cores: f64,
    pub(crate) kib_a_session: f64,
    /// Beyond the latency, of the delivered stream: median, one in a hundred, worst.
    pub(crate) own_delay_ms: [f64; 3],
    pub(crate) lost: u64,
    /// Sessions that were open at the end.
    pub(crate) open: usize,
    /// Datagrams a second that the hostile unit sent.
    pub(crate) hostile_rate: f64,
    /// The longest that this process was away from its units.
    pub(crate) away_ms: f64,
}

/// Loads a gateway.
pub(crate) fn run(load: &Load, folder: &Path, stop: &Stop) -> anyhow::Result<Scaled> {
    let units: Vec<_> = (0..=load.sessions).map(|_| Identity::generate()).collect();
    let keys: Vec<_> = units.iter().map(Identity::public).collect();
    let (program, key) = bond::gateway(folder, &keys, PORT, load.latency)?;
    let mut gateway = Process::start(program, None, folder.join("gateway.log"))?;
    while !gateway.is_ready()? {
        stop.wait(Duration::from_millis(10))?;
    }
    let before_kib = gateway.peak_rss_kib()?;
    let sink = Sink::start(None, crate::peers::DELIVER_PORT)?;
    let (flags, load) = (Arc::new(Flags::default()), *load);
    let shared = Arc::clone(&flags);
    let thread = std::thread::spawn(move || drive(units, key, load, &shared));
    while !flags.all_open.load(Ordering::Relaxed) && !thread.is_finished() {
        stop.wait(Duration::from_millis(100))?;
    }
    stop.wait(SETTLE)?;
    let (from_us, processor_before) = (now_us()?, gateway.processor_time()?);
    stop.wait(load.counted)?;
    let (to_us, processor_after) = (now_us()?, gateway.processor_time()?);
    stop.wait(load.latency + Duration::from_secs(1))?;
    flags.ended.store(true, Ordering::Relaxed);
    let driven = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    gateway.assert_running()?;
    let after_kib = gateway.peak_rss_kib()?;
    let arrivals = sink.finish()?;

    let counted = |sent_us: &u64| (from_us..to_us).contains(sent_us);
    let mut own: Vec<_> = arrivals
        .intact
        .iter()
        .filter_map(|arrival| {
            let sent_us = *driven.sent_us.get(arrival.number as usize).filter(|at| counted(at))?;
            Some((arrival.received_us as i64 - sent_us as i64 - load.latency.as_micros() as i64) as f64 / 1e3)
        })
        .collect();
    own.sort_by(f64::total_cmp);
    anyhow::ensure!(!own.is_empty(), "nothing of the first stream came out");
    let at = |share: f64| own[((own.len() - 1) as f64 * share).round() as usize];
    Ok(Scaled {
        cores: (processor_after - processor_before).as_secs_f64() / ((to_us - from_us) as f64 / 1e6),
        kib_a_session: after_kib.saturating_sub(before_kib) as f64 / load.sessions as f64,
        own_delay_ms: [at(0.5), at(0.99), at(1.0)],
        lost: driven.sent_us.iter().filter(|at| counted(at)).count() as u64 - own.len() as u64,
        open: driven.open,
        hostile_rate: driven.hostile as f64 / driven.seconds,
        away_ms: driven.away_us as f64 / 1e3,
    })
}

#[derive(Default)]
struct Flags {
    all_open: AtomicBool,
    ended: AtomicBool,
}

#[derive(Debug, Default)]
struct Driven {
    /// When each datagram of the first stream went in.
    sent_us: Vec<u64>,
    open: usize,
    hostile: u64,
    seconds: f64,
    away_us: u64,
}

struct Driver {
    sender: Sender,
    links: Vec<UdpSocket>,
    open: bool,
    pushed: u64,
    since_us: u64,
}

fn drive(units: Vec<Identity>, gateway: PublicKey, load: Load, flags: &Flags) -> anyhow::Result<Driven> {
    // Units do not wait for a gateway that is busy, nor for whatever else this machine does.
    realtime::claim(PRIORITY).context("real-time priority")?;
    let mut driven = Driven::default();
    let mut drivers = Vec::new();
    let begun_us = now_us()?;
    let mut last_us = begun_us;
    let mut turn = 0_u64;
    let mut units = units.into_iter();
    while !flags.ended.load(Ordering::Relaxed) {
        // One after the other: the first stream to open is the one that is delivered, and handshakes have few places.
        let first_is_open = drivers.first().is_none_or(|driver: &Driver| driver.open);
        let wanted = load.sessions + usize::from(load.hostile);
        if drivers.len() < wanted && first_is_open && turn.is_multiple_of(OPEN_EVERY) {
            let identity = units.next().context("more sessions than keys")?;
            drivers.push(Driver::open(identity, gateway, &load)?);
        }
        for (number, driver) in drivers.iter_mut().enumerate() {
            if number < load.sessions {
                let sent_us = (number == 0).then_some(&mut driven.sent_us);
                driver.feed(load.rate_kbps, sent_us)?;
                driver.turn(turn, None)?;
            } else {
                driver.flood()?;
                driver.turn(turn, Some(&mut driven.hostile))?;
            }
        }
        turn += 1;
        std::thread::sleep(TURN);
        let now = now_us()?;
        if drivers.len() == wanted && drivers.iter().all(|driver| driver.open) {
            flags.all_open.store(true, Ordering::Relaxed);
            driven.away_us = driven.away_us.max(now - last_us);
        }
        last_us = now;
    }
    driven.open = drivers.iter().take(load.sessions).filter(|driver| driver.open).count();
    driven.seconds = (now_us()? - begun_us) as f64 / 1e6;
    Ok(driven)
}

impl Driver {
    fn open(identity: Identity, gateway: PublicKey, load: &Load) -> anyhow::Result<Self> {
        let (now_us, rate) = (now_us()?, Bitrate::from_kbps(load.rate_kbps));
        let now = Instant::from_micros(now_us);
        let config = SenderConfig {
            identity: Arc::new(identity),
            gateway: Trust::Pinned(gateway),
            stream: "scale".to_owned(),
            latency: load.latency,
            return_latency: Duration::from_millis(300),
            headroom: Headroom::None,
            encoder_range: (rate.scaled(0.1), rate),
            encoder_start: rate,
            policy: Policy::default(),
            features: Features::ALL,
        };
        let mut sender = Sender::new(now, config, now_us);
        sender.set_track(TrackInfo {
            track: TRACK,
            kind: TrackKind::Opaque,
            width: 0,
            height: 0,
            rate: 0,
            channels: 0,
            label: String::new(),
        });
        let mut links = Vec::new();
        for link in 0..load.links {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            socket.connect(("127.0.0.1", PORT))?;
            socket.set_nonblocking(true)?;
            links.push(socket);
            sender.add_link(now, LinkId(link), &format!("link{link}"));
        }
        Ok(Self { sender, links, open: false, pushed: 0, since_us: now_us })
    }

    /// What is due of a steady stream, once the session is open.
    fn feed(&mut self, rate_kbps: u64, mut sent_us: Option<&mut Vec<u64>>) -> anyhow::Result<()> {
        while self.open {
            let now_us = now_us()?;
            if now_us < self.since_us + self.pushed * payload::LEN as u64 * 8_000 / rate_kbps {
                break;
            }
            let bytes = payload::write(Stamp { number: self.pushed, sent_us: now_us });
            self.push(now_us, Bytes::copy_from_slice(&bytes));
            if let Some(sent_us) = &mut sent_us {
                sent_us.push(now_us);
            }
        }
        Ok(())
    }

    /// As many tiny units as a turn may bring.
    fn flood(&mut self) -> anyhow::Result<()> {
        let now_us = now_us()?;
        (0..TINY_UNITS).for_each(|_| self.push(now_us, Bytes::from_static(b"x")));
        Ok(())
    }

    fn push(&mut self, now_us: u64, payload: Bytes) {
        self.pushed += 1;
        let unit = Unit::datagram(TRACK, Priority::Standard, payload);
        self.sender.push(Instant::from_micros(now_us), unit);
    }

    /// Takes in what came, now and then, and sends what is due; a hostile one sends all of it several times, and garbled.
    fn turn(&mut self, turn: u64, mut hostile: Option<&mut u64>) -> anyhow::Result<()> {
        let now = Instant::from_micros(now_us()?);
        let mut buffer = [0; 2 * MAX_DATAGRAM];
        for (link, socket) in self.links.iter().enumerate().filter(|_| turn.is_multiple_of(READ_EVERY)) {
            while let Ok(len) = socket.recv(&mut buffer) {
                self.sender.handle_datagram(now, LinkId(link as u8), &mut buffer[..len]);
            }
        }
        self.sender.handle_timeout(now);
        while let Some(transmit) = self.sender.poll_transmit(now, &mut buffer) {
            let Some(socket) = self.links.get(usize::from(transmit.link.0)) else { continue };
            // Loopback loses what its buffers do not hold, as any link.
            let _ = socket.send(&buffer[..transmit.len]);
            if let Some(sent) = hostile.as_deref_mut() {
                *sent += 1 + REPEATS;
                for place in 0..REPEATS as usize {
                    let _ = socket.send(&buffer[..transmit.len]);
                    buffer[9 + place] ^= 0x55;
                }
            }
        }
        while let Some(event) = self.sender.poll_event() {
            if matches!(event, SenderEvent::SessionOpened { .. }) {
                (self.open, self.since_us) = (true, now_us()?);
            }
        }
        Ok(())
    }
}

/// What came of it, for people.
pub(crate) fn render(load: &Load, scaled: &Scaled) -> String {
    let [p50, p99, worst] = scaled.own_delay_ms;
    format!(
        "{} sessions × {} Mbit/s × {} links{}: {} open; gateway {:.2} cores, {:.0} KiB a session; own delay p50 {p50:.2}, \
         p99 {p99:.2}, max {worst:.1} ms; {} datagrams lost of the first stream; this process was away {:.1} ms at most",
        load.sessions,
        load.rate_kbps as f64 / 1_000.0,
        load.links,
        if load.hostile {
            format!(", one hostile unit of {:.0} datagrams/s", scaled.hostile_rate)
        } else {
            String::new()
        },
        scaled.open,
        scaled.cores,
        scaled.kib_a_session,
        scaled.lost,
        scaled.away_ms,
    )
}

const TRACK: TrackId = TrackId(0);
const PORT: u16 = 7_000;
const TURN: Duration = Duration::from_millis(1);
/// Turns between two sessions that open, and between two looks for acknowledgements.
const OPEN_EVERY: u64 = 20;
const READ_EVERY: u64 = 4;
/// Until all sessions know their links.
const SETTLE: Duration = Duration::from_secs(5);
/// Behind the sink.
const PRIORITY: i32 = 4;
/// In a millisecond, of a hostile unit.
const TINY_UNITS: usize = 2;
const REPEATS: u64 = 4;
