//! The loop: waits for one thing, looks at the network, does what the cores ask for, and shows what is.

mod commands;
mod ledger;
mod show;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;
use bondbox_daemon::ipc::{Client, Event, Peers, Server, Want};
use bondbox_daemon::{Context, Shutdown, clock};
use bondbox_ipc::modems::{Counters, Modems};
use bondbox_ipc::uplink::Uplink;
use bondbox_netlink::{Kernel, Network, Snapshot};
use bondbox_udev::{Devices, Plugs, Sysfs};
use bondbox_units::Instant;
use tokio::time::MissedTickBehavior;

use crate::inventory::{Event as Plugged, Inventory, Selection};
use crate::proof::Proof;
use crate::routes::{self, Way};
use crate::settings::Settings;

use ledger::Ledger;

/// Runs until the daemon ends. Links stay as they are then: whoever starts next finds them so.
///
/// # Errors
/// When there is no netlink, or no socket of the service's own.
pub async fn serve(settings: Settings, daemon: Context) -> anyhow::Result<()> {
    let network = Kernel::open().context("netlink")?;
    std::fs::create_dir_all(&daemon.run_dir).with_context(|| daemon.run_dir.display().to_string())?;
    let (server, mut commands) = Server::<Modems>::bind(&daemon.run_dir, Peers::with(&settings.clients))?;
    let uplink = Client::<Uplink>::connect(&daemon.run_dir, Peers::with(&[UPLINK_USER.into()]), Want::State);
    let mut service = Service {
        network,
        devices: Sysfs::default(),
        plugs: Plugs::listen(),
        uplink,
        server,
        selection: Selection { also: settings.also.clone(), inside: settings.inside.clone() },
        inventory: Inventory::default(),
        proof: Proof::default(),
        ledger: Ledger::open(&settings.state, &daemon.run_dir),
        snapshot: Snapshot::default(),
        counters: Counters::default(),
        complaints: BTreeSet::new(),
    };
    service.look().await?;
    daemon.ready(&format!("{} links", service.inventory.present().count()));
    service.run(&mut commands, &daemon.shutdown).await
}

/// The running service.
struct Service<N, D> {
    network: N,
    devices: D,
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

impl<N: Network, D: Devices> Service<N, D> {
    async fn run(
        &mut self,
        commands: &mut bondbox_daemon::ipc::Commands<Modems>,
        shutdown: &Shutdown,
    ) -> anyhow::Result<()> {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.wait() => {
                    self.ledger.save(clock::now());
                    return Ok(());
                }
                () = self.network.changed() => {
                    // One event seldom comes alone.
                    tokio::time::sleep(SETTLE).await;
                    self.look().await?;
                }
                () = self.plugs.changed() => self.look().await?,
                event = self.uplink.event() => self.on_uplink(event),
                (command, responder) = commands.next() => {
                    self.command(command, responder);
                    self.look().await?;
                }
                _ = ticks.tick() => self.look().await?,
            }
            self.show();
        }
    }

    /// Takes in what is there, and sees to its routes.
    async fn look(&mut self) -> anyhow::Result<()> {
        let now = clock::now();
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
        self.ledger.count(now, &self.inventory);
        self.route(now).await;
        Ok(())
    }

    async fn route(&mut self, now: Instant) {
        let ways: Vec<Way<'_>> = self
            .inventory
            .present()
            .map(|(port, link)| Way {
                interface: &link.interface,
                slot: link.slot,
                cost: self.ledger.usage(port.as_str(), None).cost,
                dead: self.proof.is_dead(now, &link.interface.name),
                bearer: None,
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
            Event::State(state) => self.proof.on_uplink(clock::now(), &state),
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

/// The user that the uplink runs as on a box.
const UPLINK_USER: &str = "bondbox-uplink";
/// How often bytes are counted and the kernel is asked whether all is as we think.
const TICK: Duration = Duration::from_secs(5);
/// Longer than a burst of events takes, shorter than anybody waits.
const SETTLE: Duration = Duration::from_millis(20);
const MOST_COMPLAINTS: usize = 100;
