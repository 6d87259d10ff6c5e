//! The loop of the packet path: waits for one thing, tells the engine all that has happened, then does everything it
//! asks for.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bondbox_bond::channel::Refused;
use bondbox_bond::gateway::{GatewayConfig, GatewayEvent, Route};
use bondbox_bond::receiver::OutputId;
use bondbox_bond::trace::Trace;
use bondbox_daemon::bond::beat::{self, Beat};
use bondbox_daemon::bond::keys;
use bondbox_daemon::bond::timer::Timer;
use bondbox_daemon::bond::udp::{Inbox, Peer, Port};
use bondbox_daemon::bond::watch::Watch;
use bondbox_daemon::watchdog::Heartbeat;
use bondbox_daemon::{Context, Shutdown, clock};
use bondbox_units::Instant;
use bondbox_wire::MAX_DATAGRAM;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use crate::commands::{Commands, Told};
use crate::http::{Request, WebServer};
use crate::members::Members;
use crate::output::Directory;
use crate::report::Report;
use crate::report::status::{self, About, Status};
use crate::settings::Settings;
use crate::streams::Streams;
use crate::talkback::Talkback;

/// Runs the service until the daemon ends.
///
/// # Errors
/// When a key or a socket is missing.
pub async fn serve(settings: Settings, daemon: Context) -> anyhow::Result<()> {
    let mut gateway = Gateway::open(&settings, Some(daemon.watchdog.worker("http")))?;
    daemon.ready(&format!("listening at {}, page at http://{}", gateway.address(), gateway.http_address()));
    gateway.run(&daemon.shutdown).await
}

/// The running service.
pub struct Gateway {
    settings: Settings,
    engine: bondbox_bond::Gateway,
    port: Port,
    address: SocketAddr,
    inbox: Inbox,
    talkback: Vec<Talkback>,
    watch: Watch,
    beat: Beat,
    timer: Timer,
    streams: Streams,
    commands: Commands,
    members: Members,
    web: WebServer,
    reports: watch::Sender<Option<Arc<Report>>>,
    requests: mpsc::Receiver<Request>,
    /// Has the units read again.
    hangup: Signal,
    started: Instant,
    reported: Instant,
    unsent: u64,
    buffer: Box<[u8; MAX_DATAGRAM]>,
}

impl Gateway {
    /// Opens everything, on the current reactor; the web server runs from here on.
    ///
    /// # Errors
    /// When the key, the units file or a socket cannot be had.
    pub fn open(settings: &Settings, web_beats: Option<Heartbeat>) -> anyhow::Result<Self> {
        let started = clock::now();
        // Before anybody can see that it is there: the signal ends a process that does not listen for it.
        let hangup = signal(SignalKind::hangup()).context("SIGHUP")?;
        let identity = keys::read(&settings.identity).context("private key (bondbox-gateway keygen makes one)")?;
        let config = GatewayConfig {
            identity: Arc::new(identity),
            units: settings.allowed()?,
            latency: settings.latency(),
            outputs: settings.outputs(),
        };
        let engine = bondbox_bond::Gateway::new(started, config, RandomState::new().hash_one(0));
        let listen = settings.listen().context("listen is no address")?;
        let port = open_port(listen).with_context(|| format!("listen {listen}"))?;
        let watch = Watch::new()?;
        watch.add(&port, 0)?;
        let talkback = settings.talkback().zip(1..).map(|(setting, number)| {
            let place = format!("talkback {}", setting.address);
            Talkback::open(setting, &watch, number).context(place)
        });
        let talkback = talkback.collect::<anyhow::Result<Vec<_>>>()?;
        let directory = Arc::<Directory>::default();
        let reports = watch::Sender::new(None);
        let http = settings.http().context("http is no address")?;
        let demo = settings.demo().map(Into::into);
        let (wanted, requests) = mpsc::channel(MAX_REQUESTS);
        let web = WebServer::start(http, directory.clone(), reports.subscribe(), wanted, demo, web_beats)
            .with_context(|| format!("http {http}"))?;
        Ok(Self {
            address: port.local_addr()?,
            streams: Streams::new(settings.deliver(), settings.record().map(Into::into), directory),
            commands: Commands::new(),
            members: Members::new(settings.clone()),
            settings: settings.clone(),
            engine,
            port,
            inbox: Inbox::new(LARGEST),
            talkback,
            watch,
            beat: Beat::default(),
            timer: Timer::new()?,
            web,
            reports,
            requests,
            hangup,
            started,
            reported: Instant::ZERO,
            unsent: 0,
            buffer: Box::new([0; MAX_DATAGRAM]),
        })
    }

    /// Where units send to.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the page is.
    pub const fn http_address(&self) -> SocketAddr {
        self.web.address()
    }

    /// Where datagrams come in that go back to a unit, in the order of the settings.
    pub fn talkback_addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.talkback.iter().map(Talkback::address)
    }

    /// Receives until told to end.
    ///
    /// # Errors
    /// When the system fails us: no timer, no socket.
    pub async fn run(&mut self, shutdown: &Shutdown) -> anyhow::Result<()> {
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.wait() => {
                    self.finish_recordings();
                    return Ok(());
                }
                fired = self.timer.fired() => fired.context("timer")?,
                readable = self.watch.readable(), if !self.beat.is_busy() => readable.context("listen")?,
                _ = self.hangup.recv() => self.members.read_again(&mut self.engine),
                _ = ticks.tick() => {
                    self.commands.on_time(clock::now());
                    self.members.on_time(&self.engine);
                    self.report();
                }
                Some(wanted) = self.requests.recv() => self.answer(wanted),
            }
            self.turn().context("listen")?;
        }
    }

    /// All that came goes in, all that the engine says goes out.
    fn turn(&mut self) -> io::Result<()> {
        let (engine, mut count) = (&mut self.engine, 0);
        let more = self.inbox.drain(&self.port, |came, peer, datagram| {
            count += 1;
            engine.handle_datagram(came, Route { remote: peer.remote, local: peer.local }, datagram);
        })?;
        for talkback in &mut self.talkback {
            // Who talks back is not asked for often: a broken socket of theirs ends no stream.
            let _ = talkback.feed(engine, &self.streams).inspect_err(|error| tracing::debug!(%error, "talkback"));
        }
        let now = clock::now();
        self.engine.handle_timeout(now);
        while let Some((route, len)) = self.engine.poll_transmit(now, &mut self.buffer[..]) {
            // A unit that cannot be reached now is like a datagram that was lost.
            let peer = Peer { remote: route.remote, local: route.local };
            self.unsent += u64::from(self.port.send_to(peer, &self.buffer[..len]).is_err());
        }
        while let Some(event) = self.engine.poll_event() {
            // What comes and what goes would each wake us.
            count += u32::from(matches!(event, GatewayEvent::Unit { .. }));
            match self.commands.handle(event) {
                Some(GatewayEvent::Paired { unit, code }) => self.members.paired(unit, &code),
                Some(event) => self.streams.handle(now, event),
                None => {}
            }
        }
        self.streams.flush();
        self.beat.count(count);
        self.beat.on_time(now);
        if self.beat.is_busy() {
            self.watch.rest();
        }
        // Units that are due this close to each other go out together, and still within 2 ms of the input's spacing.
        let deadline = self.engine.deadline(now).max(now + beat::PERIOD);
        self.timer.set(if more { now } else { self.beat.next(now, deadline) })
    }

    /// What recordings still wait for does not come any more: they end with what is there.
    fn finish_recordings(&mut self) {
        let now = clock::now();
        self.engine.finish(now);
        while let Some(event) = self.engine.poll_event() {
            if !matches!(event, GatewayEvent::Unit { output: OutputId::LIVE, .. }) {
                self.streams.handle(now, event);
            }
        }
    }

    fn answer(&mut self, wanted: Request) {
        // Whoever asked may have gone.
        match wanted {
            Request::Trace { stream, answer } => {
                let key = self.streams.key_of(&stream);
                let _ = answer.send(key.and_then(|key| self.engine.trace(key)).map(Trace::save));
            }
            Request::SetLatency { stream, latency, answer } => {
                let set = self.streams.key_of(&stream).is_some_and(|key| self.engine.set_latency(key, latency));
                if set {
                    tracing::info!(stream, latency_ms = latency.as_millis() as u64, "latency set");
                }
                let _ = answer.send(set);
            }
            Request::Ask { stream, verb, answer } => match self.streams.key_of(&stream).cloned() {
                Some(key) => self.commands.ask(clock::now(), &mut self.engine, &key, verb, answer),
                None => {
                    let _ = answer.send(Told::NotAsked(Refused::NoStream));
                }
            },
            Request::Units { answer } => {
                let _ = answer.send(self.members.list(clock::now()).map_err(in_words));
            }
            Request::Pair { name, code, answer } => {
                let waited = self.members.wait_for(clock::now(), &mut self.engine, &name, &code);
                let _ = answer.send(waited.map_err(in_words));
            }
            Request::GiveUp { name, answer } => {
                let _ = answer.send(self.members.give_up(&mut self.engine, &name));
            }
            Request::Revoke { key, answer } => {
                let _ = answer.send(self.members.revoke(&mut self.engine, key).map_err(in_words));
            }
        }
    }

    /// Tells those who look, often enough for their plots, and at once when a session or a link has changed.
    fn report(&mut self) {
        let now = clock::now();
        let sessions = self.engine.status(now);
        let changed = self.streams.have_changed(now, &sessions);
        if !changed && now.since(self.reported) < REPORT {
            return;
        }
        self.reported = now;
        self.streams.tidy(now);
        let (mut streams, outputs): (Vec<status::Stream>, _) = self.streams.status(now, sessions).into_iter().unzip();
        for stream in &mut streams {
            let own = self.talkback.iter().filter(|talkback| talkback.stream() == stream.name);
            stream.talkback.refused = own.map(Talkback::refused).sum();
        }
        let telemetry = streams.iter().map(|stream| self.streams.telemetry(&stream.name)).collect();
        let status = Status {
            demo: self.settings.demo().is_some(),
            gateway: About {
                version: env!("CARGO_PKG_VERSION").into(),
                uptime_s: now.since(self.started).as_secs_f64(),
            },
            streams,
        };
        let rejected = self.engine.rejected().by_name().collect();
        let commands = self.commands.counts().collect();
        let pairings = self.members.counts().collect();
        let report = Report { at: now, status, telemetry, outputs, rejected, commands, pairings, unsent: self.unsent };
        self.reports.send_replace(Some(Arc::new(report)));
    }
}

fn in_words(error: anyhow::Error) -> String {
    format!("{error:#}")
}

/// Listens at `address`; the unspecified IPv6 address is IPv4's too.
fn open_port(address: SocketAddr) -> io::Result<Port> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.bind(&address.into())?;
    Port::new(socket)
}

/// Requests that wait at a time: a trace takes a millisecond.
const MAX_REQUESTS: usize = 2;
/// How often the page is told when nothing changes.
const REPORT: Duration = Duration::from_millis(250);
/// How soon it is told of a change.
const LOOK: Duration = Duration::from_millis(50);
/// Larger than any datagram of a unit, so that one that is cut fails its tag.
const LARGEST: usize = 2_048;
