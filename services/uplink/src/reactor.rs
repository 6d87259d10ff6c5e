//! The loop: waits for one thing, tells the engine all that has happened, then does everything it asks for.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bondbox_bond::Sender;
use bondbox_bond::channel::{Channel, ChannelEvent};
use bondbox_bond::sender::{NoSession, SenderConfig, SenderEvent, SenderStatus, SessionState};
use bondbox_daemon::bond::beat::Beat;
use bondbox_daemon::bond::keys;
use bondbox_daemon::bond::timer::Timer;
use bondbox_daemon::bond::udp::Outbox;
use bondbox_daemon::bond::watch::Watch;
use bondbox_daemon::ipc::{Commands, Peers, Responder, Server};
use bondbox_daemon::{Context, Shutdown, clock};
use bondbox_ipc::Refusal;
use bondbox_ipc::uplink::{self as protocol, Command, Done};
use bondbox_resolver::Resolved;
use bondbox_units::{Instant, LinkId};
use bondbox_wire::MAX_DATAGRAM;
use bondbox_wire::frame::LinkState;
use tokio::time::{Interval, MissedTickBehavior};

use crate::command::Orders;
use crate::gateway::Gateway;
use crate::links::{Change, Links, number_of, places};
use crate::modems::{self, Modems};
use crate::pairing::{Pairing, Target};
use crate::panel::Panel;
use crate::settings::{LinkSetting, Settings};
use crate::show::{self, Gone};
use crate::source::Source;
use crate::talkback::Talkback;
use crate::telemetry::{self, Telemetry};
use crate::trace;

/// Runs the service until the daemon ends.
///
/// # Errors
/// When a key or a socket is missing.
pub async fn serve(settings: Settings, daemon: Context) -> anyhow::Result<()> {
    let mut uplink = Uplink::open(&settings, &daemon.run_dir)?;
    let whom = if uplink.pairing.is_paired() { uplink.pairing.address() } else { "nobody: the unit is not paired" };
    daemon.ready(&format!("sending {} to {whom}", settings.stream));
    uplink.run(&daemon.shutdown).await
}

/// The running service.
pub struct Uplink {
    pairing: Pairing,
    gateway: Gateway<Resolved>,
    /// Since when no session is open, or the gateway's address was last doubted for that.
    without_session: Option<Instant>,
    sender: Sender,
    links: Links,
    modems: Modems,
    panel: Panel,
    /// What the gateway asks for.
    orders: Orders,
    source: Source,
    /// Over the sockets of both.
    watch: Watch,
    beat: Beat,
    timer: Timer,
    server: Server<protocol::Uplink>,
    commands: Commands<protocol::Uplink>,
    joining: Vec<Joining>,
    /// As last asked for.
    trace: Vec<u8>,
    telemetry: Telemetry,
    /// Where return tracks go, if anywhere.
    talkback: Option<Talkback>,
    gone: Gone,
    /// Why there is no session, as last told: it is tried again every second.
    complaint: Option<NoSession>,
    outbox: Outbox,
}

/// A link that somebody waits for.
struct Joining {
    link: LinkId,
    name: String,
    until: Instant,
    responder: Responder<Done>,
}

impl Uplink {
    /// Opens everything, on the current reactor.
    ///
    /// # Errors
    /// When the key, the ingest socket or the service's own socket cannot be had. Interfaces are waited for.
    pub fn open(settings: &Settings, run_dir: &Path) -> anyhow::Result<Self> {
        let pairing = Pairing::open(settings)?;
        let Target { endpoints, trust } = pairing.target()?;
        let gateway = Gateway::find(endpoints, Resolved::default());
        let identity = keys::read(&settings.identity).context("private key (bondbox-uplink keygen makes one)")?;
        let config = SenderConfig {
            identity: Arc::new(identity),
            gateway: trust,
            stream: settings.stream.clone(),
            latency: settings.latency(),
            return_latency: settings.talkback_latency(),
            headroom: settings.headroom(),
            encoder_range: settings.encoder_range(),
            encoder_start: bondbox_units::Bitrate::from_kbps(settings.start_bitrate_kbps),
            policy: settings.policy(),
            features: bondbox_bond::sender::Features::ALL,
        };
        let mut sender = Sender::new(clock::now(), config, seed());
        let mut links = Links::new();
        for link in settings.links() {
            if let Some(id) = links.add(&link.name, link.dscp) {
                sender.set_link_use(id, link.usage);
            }
        }
        std::fs::create_dir_all(run_dir).with_context(|| run_dir.display().to_string())?;
        let watch = Watch::new()?;
        let talkback = settings.talkback().map(Talkback::open);
        let (server, commands) = Server::bind(run_dir, Peers::with(&settings.clients))?;
        Ok(Self {
            pairing,
            gateway,
            without_session: None,
            source: Source::open(settings, run_dir, &mut sender, &watch)?,
            sender,
            links,
            modems: Modems::connect(settings.modems, run_dir, settings.links().map(|link| link.name)),
            panel: Panel::connect(run_dir),
            orders: Orders::default(),
            watch,
            beat: Beat::default(),
            timer: Timer::new()?,
            server,
            commands,
            joining: Vec::new(),
            trace: Vec::new(),
            telemetry: Telemetry::new(clock::now()),
            talkback: talkback.transpose().context("talkback")?,
            gone: Gone::default(),
            complaint: None,
            outbox: Outbox::new(OUT_TOGETHER, MAX_DATAGRAM),
        })
    }

    /// Where datagrams come in, when they do: the port is the system's choice where the settings leave it open.
    pub fn ingest_address(&self) -> Option<SocketAddr> {
        self.source.local_address()
    }

    /// The engine now.
    pub fn status(&self) -> SenderStatus {
        self.sender.status(clock::now())
    }

    /// Sends until told to end, and says goodbye then: the gateway need not wonder what became of the unit.
    ///
    /// # Errors
    /// When the system fails us: no timer, no list of interfaces, no ingest socket.
    pub async fn run(&mut self, shutdown: &Shutdown) -> anyhow::Result<()> {
        // Links first: an engine that says hello without one waits before it says it again.
        self.look_around()?;
        let mut look = every(LOOK);
        let mut show = every(SHOW);
        loop {
            tokio::select! {
                () = shutdown.wait() => {
                    self.say_goodbye();
                    return Ok(());
                }
                fired = self.timer.fired() => fired.context("timer")?,
                readable = self.watch.readable(), if !self.beat.is_busy() => readable.context("sockets")?,
                event = self.source.event() => self.source.handle(clock::now(), event, &mut self.sender),
                event = self.modems.event() => self.modems_said(event)?,
                () = self.panel.follow() => {}
                () = self.orders.follow() => {}
                (command, responder) = self.commands.next() => self.command(command, responder)?,
                () = self.gateway.moved() => self.look_around()?,
                _ = look.tick() => {
                    self.doubt_gateway();
                    self.give_up_pairing()?;
                    self.look_around()?;
                }
                _ = show.tick() => self.show(),
            }
            self.turn()?;
        }
    }

    /// All that came goes in, all that the engine says goes out.
    fn turn(&mut self) -> anyhow::Result<()> {
        let more = self.receive()?;
        let now = clock::now();
        self.sender.handle_timeout(now);
        self.send(now);
        while let Some(event) = self.sender.poll_event() {
            self.event(now, event);
        }
        self.orders.answer(now, &mut self.panel, &mut self.sender);
        self.beat.on_time(now);
        if self.beat.is_busy() {
            self.watch.rest();
        }
        let next = if more { now } else { self.beat.next(now, self.sender.deadline(now)) };
        self.timer.set(next).context("timer")
    }

    /// Whether more may wait.
    fn receive(&mut self) -> anyhow::Result<bool> {
        let now = clock::now();
        let mut any_more = false;
        for number in self.watch.look().context("sockets")? {
            let sender = &mut self.sender;
            let mut count = 0;
            let more = if number == Source::NUMBER {
                let (fed, more) = self.source.feed(sender).context("ingest")?;
                count = fed;
                more
            } else {
                let link = LinkId(number as u8);
                self.links.receive(now, link, |came, datagram| {
                    count += 1;
                    sender.handle_datagram(came, link, datagram);
                })
            };
            self.beat.count(count);
            any_more |= more;
        }
        Ok(any_more)
    }

    fn send(&mut self, now: Instant) {
        loop {
            let Some(slot) = self.outbox.slot() else {
                self.flush(now);
                continue;
            };
            let Some(transmit) = self.sender.poll_transmit(now, slot) else { break };
            self.outbox.push(number_of(transmit.link), transmit.len);
        }
        self.flush(now);
    }

    fn flush(&mut self, now: Instant) {
        if !self.outbox.is_empty() {
            self.links.send(now, &self.outbox);
            self.outbox.clear();
        }
    }

    fn say_goodbye(&mut self) {
        self.sender.close();
        self.send(clock::now());
    }

    fn event(&mut self, now: Instant, event: SenderEvent) {
        match event {
            SenderEvent::SessionOpened { latency } => {
                tracing::info!(latency_ms = latency.as_millis() as u64, "session open");
                self.complaint = None;
            }
            SenderEvent::LatencyChanged { latency } => {
                tracing::info!(latency_ms = latency.as_millis() as u64, "latency changes");
            }
            SenderEvent::Paired { gateway } => self.pairing.found(gateway),
            SenderEvent::SessionDark => tracing::warn!("nothing is acknowledged on any link"),
            SenderEvent::SessionBack => {
                tracing::info!("acknowledged again");
                self.complaint = None;
            }
            SenderEvent::HandshakeFailed(why) => {
                self.pairing.refused(&why.to_string());
                if self.complaint.as_ref() != Some(&why) {
                    tracing::warn!(gateway = self.pairing.address(), %why, "no session; tried again");
                    self.complaint = Some(why);
                }
            }
            SenderEvent::TargetBitrate(target) => {
                tracing::debug!(%target, "target");
                self.source.set_target(target);
            }
            SenderEvent::KeyframeWanted(track) => self.source.force_keyframe(track),
            SenderEvent::LinkChanged { link, state } => self.link_changed(link, state),
            // Told to whoever asked when it was removed.
            SenderEvent::LinkLeft(_) => {}
            SenderEvent::Channel(ChannelEvent::Message { channel: Channel::Command, body, .. }) => {
                self.orders.on_message(now, &body, &mut self.panel, &self.source);
            }
            SenderEvent::Channel(event) => telemetry::event(&event),
            SenderEvent::Unit(unit) => {
                if let Some(talkback) = &mut self.talkback {
                    talkback.put_out(&unit);
                }
            }
        }
    }

    fn link_changed(&mut self, id: LinkId, state: LinkState) {
        if let Some(link) = self.links.all().iter().find(|link| link.id == id) {
            tracing::info!(link = link.name, ?state, "link");
        }
        if state == LinkState::Up {
            for joined in self.joining.extract_if(.., |joining| joining.link == id) {
                joined.responder.done(Done::Joined(id));
            }
        }
    }

    fn look_around(&mut self) -> anyhow::Result<()> {
        let now = clock::now();
        let places = places().context("list of interfaces")?;
        self.gateway.ask_through(self.links.there(&places));
        for change in self.links.look(now, &places, |link| self.gateway.addresses(link), &self.watch) {
            match change {
                Change::Doubts(link) => self.gateway.doubt_through(&link),
                Change::Came(link, name) => self.sender.add_link(now, link, &name),
                Change::Went(link) => self.leave(now, link),
            }
        }
        Ok(())
    }

    fn modems_said(&mut self, event: modems::Event) -> anyhow::Result<()> {
        let now = clock::now();
        for change in self.modems.handle(event) {
            let id = |name: &str| self.links.all().iter().find(|link| link.name == name).map(|link| link.id);
            match change {
                modems::Change::Add(link) => match self.links.add(&link.name, link.dscp) {
                    Some(id) => self.sender.set_link_use(id, link.usage),
                    None => tracing::warn!(link = link.name, "not used: it is already, or there are too many links"),
                },
                modems::Change::Use(name, usage) => {
                    if let Some(id) = id(&name) {
                        self.sender.set_link_use(id, usage);
                    }
                }
                modems::Change::Remove(name) => {
                    if let Some(link) = self.links.remove(&name) {
                        self.leave(now, link);
                        self.joining.retain(|joining| joining.link != link);
                    }
                }
            }
        }
        // An address that has just come is used at once.
        self.look_around()
    }

    /// A gateway that does not answer may have moved.
    fn doubt_gateway(&mut self) {
        let now = clock::now();
        if self.sender.status(now).session == SessionState::Open {
            self.without_session = None;
        } else if now.since(*self.without_session.get_or_insert(now)) >= DOUBT {
            self.without_session = Some(now);
            self.gateway.doubt();
        }
    }

    fn leave(&mut self, now: Instant, link: LinkId) {
        self.gone.keep(&self.sender.status(now), link);
        self.sender.remove_link(now, link);
    }

    fn command(&mut self, command: Command, responder: Responder<Done>) -> anyhow::Result<()> {
        let now = clock::now();
        match command {
            Command::AddLink(name) => {
                let set = name.parse::<LinkSetting>().ok();
                let added = set.and_then(|set| Some((self.links.add(&set.name, set.dscp)?, set)));
                let Some((link, set)) = added else {
                    let why = format!("link is {name:?}, must be an interface that is not in use, one of few");
                    responder.refuse(Refusal::Invalid(why));
                    return Ok(());
                };
                self.sender.set_link_use(link, set.usage);
                self.joining.push(Joining { link, name: set.name, until: now + JOIN, responder });
                self.look_around()?;
            }
            Command::RemoveLink(name) => match self.links.remove(&name) {
                None => responder.refuse(Refusal::Invalid(format!("link is {name:?}, must be one in use"))),
                Some(link) => {
                    // In the same turn the engine sends elsewhere what was in flight on it.
                    self.leave(now, link);
                    self.joining.retain(|joining| joining.link != link);
                    responder.done(Done::Left);
                }
            },
            Command::Pair { gateway, code } => {
                if let Some(target) = self.pairing.begin(now, &gateway, &code, responder) {
                    self.turn_to(now, target)?;
                }
            }
            Command::Unpair => {
                if self.pairing.forget(responder) {
                    self.say_goodbye();
                    self.turn_to(now, self.pairing.target()?)?;
                }
            }
            Command::Trace { from } => {
                if from == 0 {
                    self.trace = self.sender.trace().save();
                }
                responder.done(trace::piece(&self.trace, from));
            }
        }
        Ok(())
    }

    /// Nobody who knows the code was found in time.
    fn give_up_pairing(&mut self) -> anyhow::Result<()> {
        let now = clock::now();
        if self.pairing.gives_up(now) {
            self.turn_to(now, self.pairing.target()?)?;
        }
        Ok(())
    }

    /// Looks for another gateway, or for none.
    fn turn_to(&mut self, now: Instant, Target { endpoints, trust }: Target) -> anyhow::Result<()> {
        self.gateway = Gateway::find(endpoints, Resolved::default());
        self.complaint = None;
        self.sender.set_gateway(now, trust);
        self.look_around()
    }

    fn show(&mut self) {
        let now = clock::now();
        for late in self.joining.extract_if(.., |joining| joining.until <= now) {
            let there = self.links.all().iter().any(|link| link.id == late.link && link.is_bound());
            let why = if there { "the gateway does not answer on it" } else { "no such interface with an address" };
            late.responder.refuse(Refusal::NoEffect(format!("link {}: {why}; it is waited for", late.name)));
        }
        let status = self.sender.status(now);
        let unit = telemetry::Unit {
            capture: self.source.capture_state(),
            modems: self.modems.state(),
            panel: self.panel.state(),
        };
        self.telemetry.tell(now, unit, &mut self.sender);
        let state = show::state(
            &self.pairing,
            &status,
            self.links.all(),
            &self.gone,
            self.sender.rejected(),
            self.orders.counters(),
            self.complaint.as_ref(),
        );
        self.server.set_state(state);
    }
}

/// Another number in each run.
fn seed() -> u64 {
    RandomState::new().hash_one(0)
}

fn every(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// How often interfaces are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// After so long without a session its name is resolved again.
const DOUBT: Duration = Duration::from_secs(5);
/// How often watchers are told.
const SHOW: Duration = Duration::from_millis(100);
/// As many as links bring to each other in a millisecond or two; more take another round.
const OUT_TOGETHER: usize = 64;
/// How long a new link may take to be answered.
const JOIN: Duration = Duration::from_secs(5);
