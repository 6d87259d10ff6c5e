//! The loop: waits for one thing, looks at the network, does what the cores ask for, and shows what is.

mod bands;
mod commands;
mod ladders;
mod lease;
mod ledger;
mod recover;
mod show;
mod switch;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use bondbox_daemon::ipc::{Client, Event, Peers, Server, Want};
use bondbox_daemon::{Context, Shutdown, clock};
use bondbox_ipc::modems::{Counters, Modems, Step};
use bondbox_ipc::uplink::Uplink;
use bondbox_modem::{Action, Hand as _, Manager, ModemError, ModemManager, News};
use bondbox_netlink::{Kernel, Network, Snapshot};
use bondbox_system::{Leases, Systemd};
use bondbox_udev::{Devices, Plugs, Port, Sysfs};
use bondbox_units::Instant;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use crate::book::Book;
use crate::inventory::{Event as Plugged, Inventory, Link, Selection};
use crate::ladders::Ladders;
use crate::proof::Proof;
use crate::routes::{self, Bearer, Way};
use crate::settings::Settings;

use bands::Underway;
use commands::Waiting;
use ladders::LadderFiles;
use lease::Leasing;
use ledger::Ledger;
use switch::Switches;

/// Runs until the daemon ends. Links stay as they are then: whoever starts next finds them so.
///
/// # Errors
/// When there is no netlink, or no socket of the service's own.
pub async fn serve(settings: Settings, daemon: Context) -> anyhow::Result<()> {
    let network = Kernel::open().context("netlink")?;
    std::fs::create_dir_all(&daemon.run_dir).with_context(|| daemon.run_dir.display().to_string())?;
    let (server, mut commands) = Server::<Modems>::bind(&daemon.run_dir, Peers::with(&settings.clients))?;
    let machine = Machine {
        network,
        devices: Sysfs::default(),
        power: Sysfs::default().with_switching_hubs(settings.switching_hubs()),
        manager: ModemManager::at((!settings.bus.is_empty()).then(|| settings.bus.clone())),
        leases: Arc::<Systemd>::default(),
        now: clock::now,
        date: SystemTime::now,
    };
    let mut service = Service::new(&settings, &daemon.run_dir, machine, server);
    service.look().await?;
    daemon.ready(&format!("{} links", service.inventory.present().count()));
    service.run(&mut commands, &daemon.shutdown).await
}

/// What the service looks at and works on.
struct Machine<N, D, M, L> {
    network: N,
    devices: D,
    power: Sysfs,
    manager: M,
    leases: Arc<L>,
    /// Reads the host's monotonic clock.
    now: fn() -> Instant,
    /// Reads its calendar.
    date: fn() -> SystemTime,
}

/// The running service.
struct Service<N, D, M, L> {
    network: N,
    devices: D,
    manager: M,
    leases: Arc<L>,
    leasing: Leasing,
    now: fn() -> Instant,
    date: fn() -> SystemTime,
    /// ModemManager's, while it answers.
    version: Option<String>,
    /// Since when it does.
    answers: Instant,
    book: Book,
    /// What was begun with a modem ends here.
    results: mpsc::Sender<Ended>,
    ended: mpsc::Receiver<Ended>,
    waiting: Vec<Waiting>,
    underway: Option<Underway>,
    ladders: Ladders,
    ladder_files: LadderFiles,
    switches: Switches,
    plugs: Plugs,
    uplink: Client<Uplink>,
    server: Server<Modems>,
    selection: Selection,
    inventory: Inventory,
    proof: Proof,
    ledger: Ledger,
    snapshot: Snapshot,
    counters: Counters,
    /// What the kernel refused, so that each refusal is told once.
    complaints: BTreeSet<String>,
}

/// Something that was begun with a modem, and how it ended.
struct Ended {
    port: Port,
    /// The modem's object.
    path: String,
    action: Action,
    /// The step of recovery that it was, where it was one.
    step: Option<Step>,
    result: Result<(), ModemError>,
}

impl<N: Network, D: Devices, M: Manager, L: Leases> Service<N, D, M, L> {
    /// One that has looked at nothing yet.
    fn new(settings: &Settings, run_dir: &Path, machine: Machine<N, D, M, L>, server: Server<Modems>) -> Self {
        let Machine { network, devices, power, manager, leases, now, date } = machine;
        let (results, ended) = mpsc::channel(MOST_ENDED);
        let mut unreadable = Vec::new();
        let ledger = Ledger::open(now(), &settings.state, run_dir, &mut unreadable);
        let (ladder_files, ladders) = LadderFiles::open((now(), date()), &settings.state, run_dir, &mut unreadable);
        let switches = Switches::new(now(), power, ladders.off());
        let mut this = Self {
            network,
            devices,
            manager,
            leases,
            leasing: Leasing::default(),
            now,
            date,
            version: None,
            answers: Instant::ZERO,
            book: Book::default(),
            results,
            ended,
            waiting: Vec::new(),
            underway: None,
            ladders,
            ladder_files,
            switches,
            plugs: Plugs::listen(),
            uplink: Client::connect(run_dir, Peers::with(&[UPLINK_USER.into()]), Want::State),
            server,
            selection: Selection { also: settings.also.clone(), inside: settings.inside.clone() },
            inventory: Inventory::default(),
            proof: Proof::default(),
            ledger,
            snapshot: Snapshot::default(),
            counters: Counters { files_unreadable: unreadable.len() as u64, ..Counters::default() },
            complaints: BTreeSet::new(),
        };
        unreadable.into_iter().for_each(|complaint| this.complain(complaint));
        this
    }

    async fn run(
        &mut self,
        commands: &mut bondbox_daemon::ipc::Commands<Modems>,
        shutdown: &Shutdown,
    ) -> anyhow::Result<()> {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // From here on it tells.
        self.ask().await;
        loop {
            let due = until(self.now, self.switches.deadline());
            tokio::select! {
                () = shutdown.wait() => {
                    self.end_switches();
                    self.ledger.save((self.now)());
                    return Ok(());
                }
                () = self.network.changed() => {
                    // One event seldom comes alone.
                    tokio::time::sleep(SETTLE).await;
                    self.look().await?;
                }
                () = self.plugs.changed() => self.look().await?,
                event = self.uplink.event() => self.on_uplink(event),
                news = self.manager.changed() => {
                    tokio::time::sleep(SETTLE).await;
                    self.hear(news).await?;
                }
                Some(ended) = self.ended.recv() => {
                    if let Some(news) = self.end(ended) {
                        self.hear(news).await?;
                    }
                }
                told = self.leasing.told() => self.end_lease(told),
                told = self.switches.told() => self.end_switch(told),
                () = due => {}
                (command, responder) = commands.next() => {
                    self.command(command, responder).await;
                    self.look().await?;
                }
                _ = ticks.tick() => self.look().await?,
            }
            self.go_on().await;
        }
    }

    /// What follows from what is known now.
    async fn go_on(&mut self) {
        self.lease();
        self.begin().await;
        self.confirm().await;
        self.go_on_spreading().await;
        self.recover_what_is_ill().await;
        self.answer((self.now)());
        self.show();
    }

    /// Takes in what ModemManager tells. Of a reading alone nothing follows for the network, which need not be looked at.
    async fn hear(&mut self, news: News) -> anyhow::Result<()> {
        let other_modems = self.ask().await;
        if news == News::Modems || other_modems {
            return self.look().await;
        }
        self.book.listen((self.now)());
        Ok(())
    }

    /// Takes in what ModemManager has told, or asks it where that is not known. That it does not answer is told once, and again
    /// when it does. Says whether modems came or went.
    async fn ask(&mut self) -> bool {
        let now = (self.now)();
        let (came, went) = match self.manager.look().await {
            Ok((version, modems)) => {
                if self.version.as_ref() != Some(&version) {
                    tracing::info!(version, "ModemManager is there");
                    self.counters.manager_restarts += 1;
                    (self.version, self.answers) = (Some(version), now);
                }
                self.book.look(now, modems)
            }
            Err(error) => {
                if self.version.take().is_some() {
                    tracing::warn!(%error, "no word of modems; links stay as they are");
                } else {
                    self.complain(error.to_string());
                }
                (Vec::new(), self.book.lose(now))
            }
        };
        self.counters.manager_unheard = self.manager.unheard();
        let others = !came.is_empty() || !went.is_empty();
        for port in came {
            let modem = &self.book.entries()[&port].modem;
            tracing::info!(%port, maker = modem.manufacturer, model = modem.model, state = ?modem.state, "modem");
        }
        for port in went {
            tracing::warn!(%port, "the modem is gone");
        }
        others
    }

    /// Has ModemManager confirm what it has not told of for long.
    async fn confirm(&mut self) {
        for (port, path) in self.book.unconfirmed((self.now)()) {
            self.act(port, path, Action::Confirm, None).await;
        }
    }

    /// Begins what modems are to do next.
    async fn begin(&mut self) {
        let now = (self.now)();
        let kept = self.ledger.kept();
        let links = self.inventory.links();
        let next = self.book.next(
            now,
            |port| links.get(port).is_some_and(Link::routes_by_itself),
            |port, modem| {
                let iccid = modem.sim.as_ref().map(|sim| sim.iccid.as_str()).filter(|iccid| !iccid.is_empty());
                kept.place(port.as_str(), iccid)
            },
        );
        for (port, path, action) in next {
            self.act(port, path, action, None).await;
        }
    }

    /// Has a task do it, for however long it takes.
    async fn act(&mut self, port: Port, path: String, action: Action, step: Option<Step>) {
        let results = self.results.clone();
        let hand = self.manager.hand().await;
        tracing::debug!(%port, action = name_of(&action), "begun");
        tokio::spawn(async move {
            let result = match hand {
                Ok(hand) => hand.act(&path, &action).await,
                Err(error) => Err(error),
            };
            // Nobody waits for it any more when the service ends.
            let _ = results.send(Ended { port, path, action, step, result }).await;
        });
    }

    /// Takes in how something ended. Gives what there is to look at for it.
    fn end(&mut self, ended: Ended) -> Option<News> {
        let Ended { port, path, action, step, result } = ended;
        if action == Action::Confirm {
            self.book.confirm((self.now)(), &port, &path, result.is_ok());
            let error = result.err()?;
            tracing::warn!(%port, %error, "what was told of its radio is not confirmed");
            self.manager.doubt();
            return Some(News::Modems);
        }
        match &result {
            Ok(()) => tracing::info!(%port, action = name_of(&action), "done"),
            Err(error) => tracing::warn!(%port, action = name_of(&action), %error, "not done"),
        }
        let goes_on = self.book.done((self.now)(), &port, &path, &action, result.as_ref().err());
        if let (Some(step), Err(error)) = (step, &result) {
            self.refused(&port, step, &error.to_string());
        }
        if let (Err(error), false) = (&result, goes_on) {
            self.failed(&port, &action, error);
        }
        if let Action::Bands(bands) = &action {
            self.bands_answered(&port, bands, &result);
        }
        Some(News::Modems)
    }

    /// What its bearer was given, by the port of the link that carries it; and the one that ended where there is none.
    fn bearers(&self, port: &Port, interface: &str) -> (Option<Bearer>, Option<Bearer>) {
        let Some((_, entry)) = self.book.behind(port, interface) else { return (None, None) };
        // It was seen without its bearer, and not yet with the next one.
        let ended = entry.ended.as_ref().filter(|_| entry.modem.state != bondbox_modem::State::Connected);
        (entry.modem.bearer.as_ref().and_then(routes::given), ended.and_then(routes::given))
    }

    /// The SIM behind an interface, as far as its modem tells.
    fn iccid(&self, port: &Port, interface: &str) -> Option<&str> {
        let sim = self.book.behind(port, interface)?.1.modem.sim.as_ref()?;
        (!sim.iccid.is_empty()).then_some(sim.iccid.as_str())
    }

    /// Takes in what is there, and sees to its routes.
    async fn look(&mut self) -> anyhow::Result<()> {
        let now = (self.now)();
        self.snapshot = self.network.look().await?;
        let devices = &self.devices;
        let events = self.inventory.look(now, &self.snapshot, &self.selection, |name| devices.behind(name));
        for event in events {
            match event {
                Plugged::Came(port) => {
                    self.counters.plugged += 1;
                    let link = &self.inventory.links()[&port];
                    tracing::info!(%port, link = link.interface.name, kind = ?link.kind, model = link.model, "plugged in");
                }
                Plugged::Went(port) => {
                    self.counters.unplugged += 1;
                    tracing::warn!(%port, link = self.inventory.links()[&port].interface.name, "pulled out");
                }
                Plugged::Full(port) => self.complain(format!("{port}: there are as many links as the bond takes")),
            }
        }
        if self.version.is_some() {
            self.book.listen(now);
        }
        let sims: Vec<(Port, Option<String>)> = self
            .inventory
            .present()
            .map(|(port, link)| (port.clone(), self.iccid(port, &link.interface.name).map(str::to_owned)))
            .collect();
        self.ledger.count((now, (self.date)()), &self.inventory, &sims);
        self.route(now).await;
        Ok(())
    }

    async fn route(&mut self, now: Instant) {
        let bearers: Vec<(Option<Bearer>, Option<Bearer>)> =
            self.inventory.present().map(|(port, link)| self.bearers(port, &link.interface.name)).collect();
        let ways: Vec<Way<'_>> = self
            .inventory
            .present()
            .zip(&bearers)
            .map(|((port, link), (bearer, ended))| Way {
                interface: &link.interface,
                slot: link.slot,
                cost: self.ledger.usage(port.as_str(), self.iccid(port, &link.interface.name)).cost,
                dead: self.proof.is_dead(now, &link.interface.name),
                bearer: bearer.as_ref(),
                ended: ended.as_ref(),
            })
            .collect();
        for change in routes::plan(&self.snapshot, &ways) {
            match self.network.apply(&change).await {
                Ok(()) => tracing::debug!(%change, "done"),
                // Between the look and this it may have gone.
                Err(bondbox_netlink::NetlinkError::NoInterface(_)) => {}
                Err(error) => self.complain(error.to_string()),
            }
        }
    }

    fn on_uplink(&mut self, event: Event<Uplink>) {
        match event {
            Event::State(state) => self.proof.on_uplink((self.now)(), &state),
            Event::Connected(_) | Event::Media(_) => {}
            Event::Disconnected(reason) => {
                tracing::info!(reason, "the uplink is not there: nothing is known of what links carry");
                self.proof.forget();
            }
        }
    }

    fn complain(&mut self, complaint: String) {
        if self.complaints.len() < MOST_COMPLAINTS && self.complaints.insert(complaint.clone()) {
            tracing::warn!(complaint, "not done");
        }
    }
}

/// Returns at that time; never where there is none.
async fn until(now: fn() -> Instant, deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep(deadline.since(now())).await,
        None => std::future::pending().await,
    }
}

/// For logs, without the PIN or password in it.
const fn name_of(action: &Action) -> &'static str {
    match action {
        Action::Enable => "enable",
        Action::Unlock { .. } => "unlock",
        Action::Listen(_) => "listen to its radio",
        Action::Confirm => "confirm what was told of its radio",
        Action::Connect { .. } => "connect",
        Action::Disconnect => "disconnect",
        Action::Bands(_) => "bands",
        Action::Reset => "reset",
    }
}

/// The user that the uplink runs as on a box.
const UPLINK_USER: &str = "bondbox-uplink";
/// How often bytes are counted and the kernel is asked whether all is as we think.
const TICK: Duration = Duration::from_secs(5);
/// Longer than a burst of events takes, shorter than anybody waits.
const SETTLE: Duration = Duration::from_millis(20);
/// One for each modem, and some.
const MOST_ENDED: usize = 32;
const MOST_COMPLAINTS: usize = 100;
