//! A ModemManager that a test made up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::{Action, Bearer, Hand, IpFamily, Lock, Manager, Modem, ModemError, Network, News, Signal, Sim, State};

/// ModemManager with the modems that it was given. Refuses what [`crate::ModemManager`] refuses. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Fake {
    world: Arc<Mutex<World>>,
    news: Arc<Notify>,
}

/// A modem as it is by itself, whoever asks.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// What the SIM asks for; `None` when it is unlocked.
    pub pin: Option<String>,
    /// Tries that are left for that.
    pub tries: u32,
    /// Printed on the SIM; empty without one.
    pub iccid: String,
    /// A network takes it in.
    pub registered: bool,
    /// What its radio reads.
    pub signal: Signal,
    /// Its network interface, where ModemManager sees one.
    pub interface: Option<String>,
    /// ModemManager's numbers of the bands that it has.
    pub bands: Vec<u32>,
    /// The families that its network takes a call for.
    pub takes: Vec<IpFamily>,
    /// What comes of such a call.
    pub gives: Gives,
    /// It can be reset.
    pub resets: bool,
    /// Says that it has done what it is told, and has not.
    pub pretends: bool,
}

/// What a network gives to whoever wants a bearer.
#[derive(Clone, Debug, PartialEq)]
pub enum Gives {
    /// A serial line that speaks PPP.
    Ppp,
    /// This.
    Bearer(Bearer),
    /// Nothing, with these words.
    Nothing(String),
}

#[derive(Debug, Default)]
struct World {
    /// Of ModemManager.
    stopped: bool,
    /// Objects that there were: each that comes has a path of its own.
    objects: u32,
    modems: Vec<Plugged>,
    asked: Vec<Action>,
    /// What there is to look at.
    told: Option<News>,
    readings: u64,
    /// What was said and could not be read.
    unheard: u64,
    /// Does not answer, and whether that is known.
    hangs: bool,
    doubted: bool,
}

/// A modem, and what ModemManager has made of it.
#[derive(Debug)]
struct Plugged {
    device: String,
    made: Made,
    path: String,
    enabled: bool,
    reading: u64,
    listens: u32,
    allowed: Vec<u32>,
    bearer: Option<Bearer>,
}

impl Default for Made {
    /// One that is served and gives no bearer but PPP.
    fn default() -> Self {
        let signal = Signal { percent: Some((60, true)), rsrp: Some(-95.0), rsrq: Some(-10.0), ..Signal::default() };
        Self {
            pin: None,
            tries: 3,
            iccid: "8949000000000000014".into(),
            registered: true,
            signal,
            interface: None,
            bands: Vec::new(),
            takes: vec![IpFamily::Ipv4, IpFamily::Ipv6, IpFamily::Ipv4v6],
            gives: Gives::Ppp,
            resets: true,
            pretends: false,
        }
    }
}

impl Fake {
    /// Plugs a modem in.
    pub fn plug(&self, device: &str, made: Made) {
        let mut world = self.world();
        let path = world.path();
        let allowed = made.bands.clone();
        let (device, reading) = (device.into(), world.reading());
        let plugged = Plugged { device, made, path, enabled: false, reading, listens: 0, allowed, bearer: None };
        world.modems.push(plugged);
        self.tell(&mut world, News::Modems);
    }

    /// Pulls it out.
    pub fn unplug(&self, device: &str) {
        let mut world = self.world();
        world.modems.retain(|modem| modem.device != device);
        self.tell(&mut world, News::Modems);
    }

    /// Something becomes of it.
    pub fn change(&self, device: &str, change: impl FnOnce(&mut Made)) {
        let mut world = self.world();
        let reading = world.reading();
        let Some(modem) = world.modems.iter_mut().find(|modem| modem.device == device) else { return };
        let before = modem.made.clone();
        change(&mut modem.made);
        if !modem.made.registered {
            modem.bearer = None;
        }
        // What is read again as it was is not told.
        if modem.made.signal != before.signal {
            modem.reading = reading;
        }
        let as_before = Made { signal: before.signal, ..modem.made.clone() };
        let news = if as_before == before { News::Radio } else { News::Modems };
        self.tell(&mut world, news);
    }

    /// Ends ModemManager.
    pub fn stop(&self) {
        let mut world = self.world();
        world.stopped = true;
        self.tell(&mut world, News::Modems);
    }

    /// Starts it. It finds all modems anew, as other objects, and has asked nothing of them.
    pub fn start(&self) {
        let mut world = self.world();
        world.stopped = false;
        for at in 0..world.modems.len() {
            let path = world.path();
            world.modems[at].begin_anew(path);
        }
        self.tell(&mut world, News::Modems);
    }

    /// It says something that cannot be read.
    pub fn garble(&self) {
        let mut world = self.world();
        world.unheard += 1;
        self.tell(&mut world, News::Modems);
    }

    /// It does not answer any more, or does again. Nobody is told.
    pub fn hang(&self, hangs: bool) {
        self.world().hangs = hangs;
    }

    /// Those that are plugged in.
    pub fn made(&self) -> Vec<Made> {
        self.world().modems.iter().map(|modem| modem.made.clone()).collect()
    }

    /// What was asked of modems since last asked here, whatever came of it.
    pub fn take_asked(&self) -> Vec<Action> {
        std::mem::take(&mut self.world().asked)
    }

    fn tell(&self, world: &mut World, news: News) {
        world.told = world.told.max(Some(news));
        self.news.notify_one();
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    fn path(&mut self) -> String {
        self.objects += 1;
        format!("/org/freedesktop/ModemManager1/Modem/{}", self.objects - 1)
    }

    fn reading(&mut self) -> u64 {
        self.readings += 1;
        self.readings
    }

    fn is_there(&self) -> Result<(), ModemError> {
        if self.stopped { Err(ModemError::NoManager("the name is not activatable".into())) } else { Ok(()) }
    }

    fn answers(&self) -> Result<(), ModemError> {
        self.is_there()?;
        if self.hangs { Err(ModemError::NoManager("it does not answer".into())) } else { Ok(()) }
    }

    fn act(&mut self, path: &str, action: &Action) -> Result<(), ModemError> {
        self.answers()?;
        let at = self.modems.iter().position(|modem| modem.path == path);
        if *action == Action::Confirm {
            return at.map(drop).ok_or(ModemError::Gone);
        }
        self.asked.push(action.clone());
        let at = at.ok_or(ModemError::Gone)?;
        if self.modems[at].made.pretends {
            return Ok(());
        }
        if *action == Action::Reset && !self.modems[at].made.resets {
            return Err(ModemError::Unsupported("it cannot be reset".into()));
        }
        if *action == Action::Reset {
            let path = self.path();
            self.modems[at].begin_anew(path);
            return Ok(());
        }
        self.modems[at].act(action)
    }
}

impl Plugged {
    /// Another object of ModemManager, which has asked nothing of it.
    fn begin_anew(&mut self, path: String) {
        (self.path, self.enabled, self.listens, self.bearer) = (path, false, 0, None);
    }

    fn act(&mut self, action: &Action) -> Result<(), ModemError> {
        let refused = |why: &str| Err(ModemError::Refused(why.into()));
        match action {
            Action::Unlock { sim, pin } => match &self.made.pin {
                _ if *sim != self.sim_path() => return Err(ModemError::Gone),
                Some(right) if self.made.tries > 0 && right == pin => self.made.pin = None,
                Some(_) => {
                    self.made.tries = self.made.tries.saturating_sub(1);
                    return refused("IncorrectPassword");
                }
                None => return refused("the SIM asks for no PIN"),
            },
            _ if matches!(self.state(), State::Locked | State::Failed) => return refused("modem in locked state"),
            Action::Enable => self.enabled = true,
            Action::Listen(seconds) => self.listens = *seconds,
            Action::Connect { .. } if self.state() != State::Registered => return refused("not registered"),
            Action::Connect { family, .. } if !self.made.takes.contains(family) => return refused("NoCarrier"),
            Action::Connect { .. } => match &self.made.gives {
                Gives::Ppp => return Err(ModemError::Ppp),
                Gives::Nothing(why) => return refused(why),
                Gives::Bearer(bearer) => self.bearer = Some(bearer.clone()),
            },
            Action::Disconnect => self.bearer = None,
            Action::Bands(_) if self.made.bands.is_empty() => {
                return Err(ModemError::Unsupported("no bands can be set".into()));
            }
            Action::Bands(bands) => self.allowed = bands.clone(),
            // Begins anew where paths are known, and asks nothing of a modem.
            Action::Reset | Action::Confirm => {}
        }
        Ok(())
    }

    fn sim_path(&self) -> String {
        self.path.replace("/Modem/", "/SIM/")
    }

    fn state(&self) -> State {
        match () {
            () if self.made.iccid.is_empty() => State::Failed,
            () if self.made.pin.is_some() => State::Locked,
            () if !self.enabled => State::Disabled,
            () if self.bearer.is_some() => State::Connected,
            () if self.made.registered => State::Registered,
            () => State::Searching,
        }
    }

    fn shown(&self) -> Modem {
        let (state, made) = (self.state(), &self.made);
        let served = matches!(state, State::Registered | State::Connected);
        let sim = Sim { path: self.sim_path(), iccid: made.iccid.clone(), operator: String::new() };
        let network = Network { operator: "Testnetz".into(), technologies: vec!["LTE"], ..Network::default() };
        let read = Signal { percent: made.signal.percent, ..Signal::default() };
        Modem {
            path: self.path.clone(),
            device: self.device.clone(),
            model: "made up".into(),
            state,
            failure: made.iccid.is_empty().then_some("no SIM"),
            lock: match (&made.pin, made.tries) {
                (None, _) => Lock::None,
                (Some(_), 0) => Lock::Puk(Some(10)),
                (Some(_), tries) => Lock::Pin(Some(tries)),
            },
            interface: made.interface.clone(),
            sim: (!made.iccid.is_empty()).then_some(sim),
            network: if served { network } else { Network::default() },
            signal: if self.listens > 0 && served { made.signal } else { read },
            reading: self.reading,
            signal_rate: self.listens,
            bands: made.bands.clone(),
            bands_allowed: self.allowed.clone(),
            bearer: self.bearer.clone(),
            ..Modem::default()
        }
    }
}

impl Manager for Fake {
    type Hand = Self;

    async fn changed(&mut self) -> News {
        self.news.notified().await;
        self.world().told.take().unwrap_or(News::Modems)
    }

    async fn look(&mut self) -> Result<(String, Vec<Modem>), ModemError> {
        let mut world = self.world();
        // What was told is known, be it that nobody answers any more.
        if world.doubted {
            world.answers()?
        } else {
            world.is_there()?
        }
        world.doubted = false;
        let mut modems: Vec<Modem> = world.modems.iter().map(Plugged::shown).collect();
        modems.sort_by(|a, b| a.device.cmp(&b.device));
        Ok(("0.0, made up".into(), modems))
    }

    fn doubt(&mut self) {
        self.world().doubted = true;
    }

    fn unheard(&self) -> u64 {
        self.world().unheard
    }

    async fn hand(&mut self) -> Result<Self, ModemError> {
        Ok(self.clone())
    }
}

impl Hand for Fake {
    async fn act(&self, modem: &str, action: &Action) -> Result<(), ModemError> {
        let mut world = self.world();
        let done = world.act(modem, action);
        if *action != Action::Confirm {
            self.tell(&mut world, News::Modems);
        }
        done
    }
}
