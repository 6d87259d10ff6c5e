//! ModemManager itself.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::stream::StreamExt as _;
use tokio::time::{sleep, timeout};
use zbus::connection::Builder;
use zbus::{Connection, MatchRule, MessageStream, OwnedObjectPath, OwnedVariant, Variant};

use crate::bus::{self, Objects, ROOT, SERVICE, call, properties};
use crate::read::{self, MODEM, SIGNAL};
use crate::{Action, Cell, Hand, IpFamily, Manager, Method, Modem, ModemError, State};

/// ModemManager on a bus, for as long as there is a bus; that is looked for again when it goes.
pub struct ModemManager {
    /// Of the bus; that of the system, where there is none.
    address: Option<String>,
    open: Option<Open>,
}

struct Open {
    bus: Connection,
    /// Of ModemManager, and of its coming and going.
    news: futures_util::stream::Select<MessageStream, MessageStream>,
}

impl ModemManager {
    /// On the bus at this address, in D-Bus's spelling, or on the system's.
    pub const fn at(address: Option<String>) -> Self {
        Self { address, open: None }
    }

    async fn bus(&mut self) -> Result<Bus, ModemError> {
        if let Some(open) = self.open.as_ref().filter(|open| !open.bus.is_closed()) {
            return Ok(Bus(open.bus.clone()));
        }
        let opened = open(self.address.as_deref()).await;
        let opened = opened.map_err(|error| ModemError::NoManager(error.to_string()))?;
        Ok(Bus(self.open.insert(opened).bus.clone()))
    }
}

impl Manager for ModemManager {
    type Hand = Bus;

    async fn changed(&mut self) {
        let Some(open) = &mut self.open else { return sleep(AGAIN).await };
        if open.news.next().await.is_none() {
            self.open = None;
            return;
        }
        while let Some(Some(_)) = open.news.next().now_or_never() {}
    }

    async fn look(&mut self) -> Result<(String, Vec<Modem>), ModemError> {
        let bus = self.bus().await?;
        let looked = timeout(PATIENCE, look(&bus.0)).await;
        let looked = looked.unwrap_or_else(|_| Err(ModemError::NoManager("it does not answer".into())));
        if bus.0.is_closed() {
            self.open = None;
        }
        looked
    }

    async fn hand(&mut self) -> Result<Bus, ModemError> {
        self.bus().await
    }
}

/// A connection to the bus that ModemManager is on.
#[derive(Clone)]
pub struct Bus(Connection);

impl Hand for Bus {
    async fn act(&self, modem: &str, action: &Action) -> Result<(), ModemError> {
        let done = timeout(LONGEST, act(&self.0, modem, action)).await;
        done.unwrap_or_else(|_| Err(ModemError::Refused(format!("not done within {} s", LONGEST.as_secs()))))
    }
}

async fn open(address: Option<&str>) -> zbus::Result<Open> {
    let bus = address.map_or_else(Builder::system, Builder::address).build().await?;
    let queue = NonZeroUsize::new(QUEUE);
    let said = MatchRule::builder().msg_type(zbus::message::Type::Signal).sender(SERVICE).build()?;
    let went = MatchRule::builder()
        .msg_type(zbus::message::Type::Signal)
        .sender("org.freedesktop.DBus")
        .member("NameOwnerChanged")
        .arg(0, SERVICE)
        .build()?;
    let said = MessageStream::for_match_rule(said, &bus, queue).await?;
    let went = MessageStream::for_match_rule(went, &bus, queue).await?;
    Ok(Open { news: futures_util::stream::select(said, went), bus })
}

async fn look(bus: &Connection) -> Result<(String, Vec<Modem>), ModemError> {
    let objects: Objects = call(bus, ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", &()).await?;
    let version = bus::text(&properties(bus, ROOT, SERVICE).await?, "Version");
    let mut modems = Vec::new();
    for (object, interfaces) in &objects {
        let Some(mut modem) = read::modem(object.as_str(), interfaces) else { continue };
        let (sim, bearers) = read::parts(interfaces);
        if let Some(sim) = sim {
            // It may be pulled while it is asked.
            let values = properties(bus, &sim, "org.freedesktop.ModemManager1.Sim").await;
            modem.sim = values.ok().map(|values| read::sim(sim, &values));
        }
        if matches!(modem.state, State::Registered | State::Connecting | State::Connected) {
            modem.network.cell = cell(bus, &modem.path).await;
        }
        for bearer in bearers.iter().filter(|_| modem.state == State::Connected) {
            let values = properties(bus, bearer, BEARER).await;
            modem.bearer = modem.bearer.or_else(|| read::bearer(bearer, &values.ok()?));
        }
        modems.push(modem);
    }
    modems.sort_by(|a, b| a.device.cmp(&b.device));
    Ok((version, modems))
}

/// The cell, where ModemManager has it from the modem's registration; it answers from its memory. GetCellInfo would tell
/// channels, too, but asks the modem, and some let no data pass meanwhile.
async fn cell(bus: &Connection, modem: &str) -> Option<Cell> {
    let told: Result<HashMap<u32, OwnedVariant>, _> = call(bus, modem, LOCATION, "GetLocation", &()).await;
    read::cell(told.ok()?.get(&THREE_GPP_LAC_CI)?.downcast_ref::<&str>().ok()?)
}

async fn act(bus: &Connection, modem: &str, action: &Action) -> Result<(), ModemError> {
    match action {
        Action::Enable => call(bus, modem, MODEM, "Enable", &true).await,
        Action::Unlock { sim, pin } => call(bus, sim, "org.freedesktop.ModemManager1.Sim", "SendPin", pin).await,
        Action::Listen(seconds) => call(bus, modem, SIGNAL, "Setup", seconds).await,
        Action::Connect { apn, user, password, roaming, family } => {
            let (roaming, family) = (Variant::from(*roaming), Variant::from(number_of(*family)));
            let mut with = HashMap::from([("allow-roaming", roaming), ("ip-type", family)]);
            for (key, value) in [("apn", apn), ("user", user), ("password", password)] {
                // An APN may be empty: it is the network's choice then.
                if key == "apn" || !value.is_empty() {
                    with.insert(key, Variant::from(value.as_str()));
                }
            }
            let bearer: OwnedObjectPath = call(bus, modem, SIMPLE, "Connect", &with).await?;
            let values = properties(bus, bearer.as_str(), BEARER).await?;
            let connected = read::bearer(bearer.as_str(), &values);
            if connected.is_some_and(|bearer| bearer.families.iter().any(|family| family.method == Method::Ppp)) {
                disconnect(bus, modem).await?;
                return Err(ModemError::Ppp);
            }
            Ok(())
        }
        Action::Disconnect => disconnect(bus, modem).await,
        Action::Bands(bands) => call(bus, modem, MODEM, "SetCurrentBands", bands).await,
        Action::Reset => call(bus, modem, MODEM, "Reset", &()).await,
    }
}

/// Of MMBearerIpFamily.
const fn number_of(family: IpFamily) -> u32 {
    match family {
        IpFamily::Ipv4 => 1,
        IpFamily::Ipv6 => 2,
        IpFamily::Ipv4v6 => 4,
    }
}

async fn disconnect(bus: &Connection, modem: &str) -> Result<(), ModemError> {
    let all = OwnedObjectPath::try_from("/").map_err(|error| ModemError::Refused(error.to_string()))?;
    call(bus, modem, SIMPLE, "Disconnect", &all).await
}

const BEARER: &str = "org.freedesktop.ModemManager1.Bearer";
const SIMPLE: &str = "org.freedesktop.ModemManager1.Modem.Simple";
const LOCATION: &str = "org.freedesktop.ModemManager1.Modem.Location";
/// MM_MODEM_LOCATION_SOURCE_3GPP_LAC_CI.
const THREE_GPP_LAC_CI: u32 = 1;
/// A bus that is not there is looked for again after this.
const AGAIN: Duration = Duration::from_secs(2);
/// ModemManager answers such questions from its memory.
const PATIENCE: Duration = Duration::from_secs(5);
/// A network that takes longer to give a bearer gives none.
const LONGEST: Duration = Duration::from_secs(180);
/// News that are not read in time are worth one look, however many they are.
const QUEUE: usize = 64;
