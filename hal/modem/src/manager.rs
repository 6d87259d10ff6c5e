//! ModemManager itself.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::stream::StreamExt as _;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use zbus::connection::Builder;
use zbus::{Connection, MatchRule, Message, MessageStream, OwnedObjectPath, Variant};

use crate::bus::{self, Objects, ROOT, SERVICE, ask, call, properties};
use crate::known::{BEARER, Heard, Known, OBJECTS, SIM};
use crate::read::{self, LOCATION, MODEM, SIGNAL, THREE_GPP_LAC_CI};
use crate::{Action, Hand, IpFamily, Manager, Method, Modem, ModemError, News};

/// ModemManager on a bus, for as long as there is a bus; that is looked for again when it goes.
pub struct ModemManager {
    /// Of the bus; that of the system, where there is none.
    address: Option<String>,
    open: Option<Open>,
    /// When a bus that is not there is to be looked for.
    again: Option<Instant>,
    unheard: u64,
    /// See [`Known::readings`].
    readings: u64,
}

struct Open {
    bus: Connection,
    /// Of ModemManager, and of its coming and going.
    news: futures_util::stream::Select<MessageStream, MessageStream>,
    manager: There,
}

/// What is known of ModemManager.
enum There {
    /// What it has told.
    Told(Known),
    /// It is not there. The bus tells when it comes.
    Absent,
    /// It is there, and has not said yet what is. It is to be asked then.
    Unasked(Instant),
}

impl ModemManager {
    /// On the bus at this address, in D-Bus's spelling, or on the system's.
    pub const fn at(address: Option<String>) -> Self {
        Self { address, open: None, again: None, unheard: 0, readings: 0 }
    }

    async fn open(&mut self) -> Result<&mut Open, ModemError> {
        if self.open.as_ref().is_none_or(|open| open.bus.is_closed()) {
            self.open = None;
            self.again = Some(Instant::now() + AGAIN);
            let opened = open(self.address.as_deref()).await;
            self.open = Some(opened.map_err(|error| ModemError::NoManager(error.to_string()))?);
        }
        self.open.as_mut().ok_or_else(|| ModemError::NoManager("no bus".into()))
    }

    /// Takes in a signal. Gives what there is to look at for it.
    fn hear(&mut self, message: &Message) -> Option<News> {
        let manager = &mut self.open.as_mut()?.manager;
        if message.header().member().is_some_and(|member| member.as_str() == "NameOwnerChanged") {
            *manager = There::Unasked(Instant::now());
            return Some(News::Modems);
        }
        let There::Told(known) = manager else {
            // Whoever says something is there.
            *manager = There::Unasked(Instant::now());
            return Some(News::Modems);
        };
        let heard = known.hear(message);
        self.readings = known.readings();
        match heard {
            Heard::Nothing => return None,
            Heard::News(news) => return Some(news),
            Heard::Unreadable(reason) => {
                tracing::warn!(reason, "ModemManager said something that cannot be read, and is asked for all of it");
                self.unheard += 1;
            }
            Heard::Unsaid => {}
        }
        *manager = There::Unasked(Instant::now());
        Some(News::Modems)
    }

    /// What was said until now.
    fn hear_all(&mut self) -> Option<News> {
        let mut news = None;
        while let Some(Some(Ok(message))) = self.open.as_mut()?.news.next().now_or_never() {
            news = news.max(self.hear(&message));
        }
        news
    }
}

impl Manager for ModemManager {
    type Hand = Bus;

    async fn changed(&mut self) -> News {
        loop {
            let Some(open) = &mut self.open else {
                sleep_until(self.again.unwrap_or_else(Instant::now)).await;
                return News::Modems;
            };
            let message = match &open.manager {
                // It was asked, and did not answer.
                There::Unasked(again) => match timeout_at(*again, open.news.next()).await {
                    Ok(message) => message,
                    Err(_) => return News::Modems,
                },
                There::Told(_) | There::Absent => open.news.next().await,
            };
            let Some(Ok(message)) = message else {
                (self.open, self.again) = (None, None);
                return News::Modems;
            };
            // From here on nothing is waited for: what was heard is not lost.
            let first = self.hear(&message);
            if let Some(news) = first.max(self.hear_all()) {
                return news;
            }
        }
    }

    async fn look(&mut self) -> Result<(String, Vec<Modem>), ModemError> {
        self.open().await?;
        self.hear_all();
        let readings = self.readings;
        let open = self.open().await?;
        let looked = timeout(PATIENCE, look(open, readings)).await;
        let looked = looked.unwrap_or_else(|_| Err(ModemError::NoManager("it does not answer".into())));
        match &looked {
            // The name has no owner: the bus says when it has one. Whatever else is wrong may be right later.
            Err(_) if !is_owned(&open.bus).await => open.manager = There::Absent,
            Err(_) => open.manager = There::Unasked(Instant::now() + UNANSWERED),
            Ok(_) => {}
        }
        if let There::Told(known) = &open.manager {
            self.readings = known.readings();
        }
        if self.open.as_ref().is_some_and(|open| open.bus.is_closed()) {
            self.open = None;
        }
        looked
    }

    fn doubt(&mut self) {
        if let Some(open) = &mut self.open {
            open.manager = There::Unasked(Instant::now());
        }
    }

    fn unheard(&self) -> u64 {
        self.unheard
    }

    async fn hand(&mut self) -> Result<Bus, ModemError> {
        Ok(Bus(self.open().await?.bus.clone()))
    }
}

/// A connection to the bus that ModemManager is on.
#[derive(Clone)]
pub struct Bus(Connection);

impl Hand for Bus {
    async fn act(&self, modem: &str, action: &Action) -> Result<(), ModemError> {
        if *action == Action::Confirm {
            let told = timeout(PATIENCE, properties(&self.0, modem, SIGNAL)).await;
            return told.unwrap_or_else(|_| Err(ModemError::NoManager("it does not answer".into()))).map(drop);
        }
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
    Ok(Open { news: futures_util::stream::select(said, went), bus, manager: There::Unasked(Instant::now()) })
}

/// What is known, after what is not was asked for.
async fn look(open: &mut Open, readings: u64) -> Result<(String, Vec<Modem>), ModemError> {
    if !matches!(open.manager, There::Told(_)) {
        let (owner, objects): (String, Objects) = ask(&open.bus, ROOT, OBJECTS, "GetManagedObjects", &()).await?;
        let version = bus::text(&properties(&open.bus, ROOT, SERVICE).await?, "Version");
        open.manager = There::Told(Known::new(owner, version, objects, readings));
    }
    let There::Told(known) = &mut open.manager else { return Err(ModemError::NoManager("it was not asked".into())) };
    known.tidy();
    for (path, interface) in known.missing() {
        match properties(&open.bus, &path, interface).await {
            // It may be pulled while it is asked.
            Err(ModemError::Gone | ModemError::Refused(_) | ModemError::Unsupported(_)) => known.learn(path, None),
            values => known.learn(path, Some(values?)),
        }
    }
    Ok((known.version.clone(), known.modems()))
}

async fn is_owned(bus: &Connection) -> bool {
    let asked = bus.call_method(Some(BUS), BUS_ROOT, Some(BUS), "NameHasOwner", &SERVICE);
    let answer = timeout(PATIENCE, asked).await;
    answer.is_ok_and(|answer| answer.is_ok_and(|answer| answer.body().deserialize::<bool>().unwrap_or(false)))
}

async fn act(bus: &Connection, modem: &str, action: &Action) -> Result<(), ModemError> {
    match action {
        Action::Enable => call(bus, modem, MODEM, "Enable", &true).await,
        Action::Unlock { sim, pin } => call(bus, sim, SIM, "SendPin", pin).await,
        Action::Listen(seconds) => {
            call::<_, ()>(bus, modem, SIGNAL, "Setup", seconds).await?;
            // Not every modem knows where it is; the cell is worth no more than a word.
            let told = call::<_, ()>(bus, modem, LOCATION, "Setup", &(THREE_GPP_LAC_CI, true)).await;
            if let Err(error) = told {
                tracing::debug!(modem, %error, "its cell is not told");
            }
            Ok(())
        }
        // Answered before, within less time.
        Action::Confirm => Ok(()),
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

const BUS: &str = "org.freedesktop.DBus";
const BUS_ROOT: &str = "/org/freedesktop/DBus";
const SIMPLE: &str = "org.freedesktop.ModemManager1.Modem.Simple";
/// A ModemManager that does not answer is asked again after this, and when it says something: whoever asks waits meanwhile.
const UNANSWERED: Duration = Duration::from_secs(30);
/// A bus that is not there is looked for again after this.
const AGAIN: Duration = Duration::from_secs(2);
/// ModemManager answers such questions from its memory.
const PATIENCE: Duration = Duration::from_secs(5);
/// A network that takes longer to give a bearer gives none.
const LONGEST: Duration = Duration::from_secs(180);
/// As many as modems say while ModemManager is asked what is: news that find no room hold up the answers behind them.
const QUEUE: usize = 1_024;
