//! Modems, as ModemManager knows them.
//!
//! [`ModemManager`] asks it over D-Bus (org.freedesktop.ModemManager1) and does one thing at a time through it; [`Fake`] behaves like
//! it with modems that a test made up. That it is restarted, is not there, or that a modem vanishes while something is asked of it,
//! is ordinary: the answer is that, and the next look says what is. What a model is known for is a table ([`quirks`]).

mod band;
mod bus;
mod fake;
mod known;
mod manager;
mod quirks;
mod read;

pub use band::{band_of, number_of};
pub use fake::{Fake, Gives, Made};
pub use manager::{Bus, ModemManager};
pub use quirks::{Quirk, quirks};

use std::net::IpAddr;

/// Whoever knows the modems of a machine.
pub trait Manager {
    /// Does things with them.
    type Hand: Hand;

    /// Returns when it is worth looking; a burst of news may count once. May be dropped halfway.
    fn changed(&mut self) -> impl Future<Output = News>;

    /// Its version, and all modems, by their devices: as it has told of them, and as it answers where it was not asked yet, has
    /// come anew, was not understood, or is doubted.
    ///
    /// # Errors
    /// [`ModemError::NoManager`], mostly.
    fn look(&mut self) -> impl Future<Output = Result<(String, Vec<Modem>), ModemError>>;

    /// What it has told may be true no more: the next look asks it.
    fn doubt(&mut self);

    /// How often something of it was heard that could not be read.
    fn unheard(&self) -> u64;

    /// For a task that does something through it.
    ///
    /// # Errors
    /// [`ModemError::NoManager`].
    fn hand(&mut self) -> impl Future<Output = Result<Self::Hand, ModemError>>;
}

/// What there is to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum News {
    /// Readings of radios alone.
    Radio,
    /// Anything.
    Modems,
}

/// Does things with modems.
pub trait Hand: Send + Sync + 'static {
    /// Does it to the modem with this path, and returns when it is done; that may take minutes.
    ///
    /// # Errors
    /// [`ModemError`].
    fn act(&self, modem: &str, action: &Action) -> impl Future<Output = Result<(), ModemError>> + Send;
}

/// A modem at one moment; what it does not say is empty or `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Modem {
    /// The object's path, another one each time that it is plugged in.
    pub path: String,
    /// The physical device's path below `/sys/devices`.
    pub device: String,
    /// Who made it.
    pub manufacturer: String,
    /// What it is.
    pub model: String,
    /// Its firmware.
    pub revision: String,
    /// IMEI.
    pub equipment: String,
    /// What it does.
    pub state: State,
    /// Why it failed, where it did.
    pub failure: Option<&'static str>,
    /// What it asks for.
    pub lock: Lock,
    /// Its SIM.
    pub sim: Option<Sim>,
    /// Its network interface, where it has one.
    pub interface: Option<String>,
    /// The network that serves it.
    pub network: Network,
    /// Its radio.
    pub signal: Signal,
    /// Another number with each reading that was told of, be it the same as before.
    pub reading: u64,
    /// Seconds between two readings of the radio, 0 for none.
    pub signal_rate: u32,
    /// ModemManager's numbers of the bands that it has.
    pub bands: Vec<u32>,
    /// Of those that it may use.
    pub bands_allowed: Vec<u32>,
    /// The bearer that is connected.
    pub bearer: Option<Bearer>,
}

/// What a modem does (MMModemState).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Cannot be used.
    Failed,
    /// Not known yet, or being asked.
    #[default]
    Starting,
    /// Waits for a code.
    Locked,
    /// Its radio is off.
    Disabled,
    /// Being switched on or off.
    Switching,
    /// On, in no network.
    Searching,
    /// In a network.
    Registered,
    /// Between that and the next.
    Connecting,
    /// A bearer carries data.
    Connected,
}

/// What it asks for (MMModemLock), and how many tries are left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lock {
    /// Nothing.
    #[default]
    None,
    /// The SIM's PIN.
    Pin(Option<u32>),
    /// The SIM's PUK.
    Puk(Option<u32>),
    /// Something else.
    Other,
}

/// A SIM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sim {
    /// The object's path.
    pub path: String,
    /// The number printed on it.
    pub iccid: String,
    /// Who sold it.
    pub operator: String,
}

/// The network that serves a modem.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// Its name.
    pub operator: String,
    /// Country and network.
    pub code: String,
    /// Another one than the SIM's.
    pub roaming: bool,
    /// It sent the modem away.
    pub denied: bool,
    /// Best first.
    pub technologies: Vec<&'static str>,
    /// The cell that serves.
    pub cell: Option<Cell>,
}

/// A reading of a radio, of the best technology that gives one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Signal {
    /// 0 to 100, and whether that is recent.
    pub percent: Option<(u32, bool)>,
    /// dBm.
    pub rssi: Option<f64>,
    /// dBm.
    pub rsrp: Option<f64>,
    /// dB.
    pub rsrq: Option<f64>,
    /// dB.
    pub sinr: Option<f64>,
    /// Of LTE, where NR is the best and LTE holds on to the network for it (EN-DC, 3GPP TS 37.340 4.1.2).
    pub anchor: Option<Anchor>,
}

/// A reading of the cell that a faster one is added to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Anchor {
    /// dBm.
    pub rsrp: Option<f64>,
    /// dB.
    pub rsrq: Option<f64>,
    /// dB.
    pub sinr: Option<f64>,
}

/// A cell that serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Identity in its network.
    pub id: u64,
    /// Tracking area, or location area of older networks.
    pub area: Option<u32>,
}

/// A bearer that is connected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bearer {
    /// The object's path.
    pub path: String,
    /// The interface that carries it.
    pub interface: String,
    /// How its addresses come, for each family that has one.
    pub families: Vec<IpConfig>,
}

/// What a network gives a bearer in one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpConfig {
    /// IPv6, and not IPv4.
    pub ipv6: bool,
    /// How its address comes.
    pub method: Method,
    /// Its address, and the bits it shares.
    pub address: Option<(IpAddr, u8)>,
    /// The next router.
    pub gateway: Option<IpAddr>,
    /// Bytes of a packet at most.
    pub mtu: Option<u32>,
}

/// How a bearer's address comes (MMBearerIpMethod).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Through a serial line that speaks PPP, which nobody here does.
    Ppp,
    /// As told.
    Static,
    /// Its interface leases one.
    Dhcp,
}

/// Which addresses a bearer is asked for (MMBearerIpFamily, 3GPP TS 27.007 10.1.1 "PDP_type").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpFamily {
    /// IPv4 alone.
    Ipv4,
    /// IPv6 alone.
    Ipv6,
    /// Both; a network that has one of them gives that, or refuses.
    Ipv4v6,
}

/// What can be asked of a modem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Switch its radio on.
    Enable,
    /// Unlock its SIM.
    Unlock {
        /// The SIM's object.
        sim: String,
        /// Its PIN.
        pin: String,
    },
    /// Read the radio every so many seconds, and tell of the cell that serves.
    Listen(u32),
    /// Say that it is there: what was told of it stands as long as it does not tell otherwise. Asks ModemManager, not the modem.
    Confirm,
    /// Connect a bearer.
    Connect {
        /// Access point.
        apn: String,
        /// Its user.
        user: String,
        /// Its password.
        password: String,
        /// In other networks, too.
        roaming: bool,
        /// Which addresses it is to have.
        family: IpFamily,
    },
    /// End its bearers.
    Disconnect,
    /// Use these bands only.
    Bands(Vec<u32>),
    /// Start anew.
    Reset,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModemError {
    /// ModemManager is not there.
    #[error("ModemManager is not there: {0}")]
    NoManager(String),
    /// The modem is not there (any more).
    #[error("the modem is gone")]
    Gone,
    /// It cannot do that.
    #[error("the modem cannot do that: {0}")]
    Unsupported(String),
    /// The bearer would need PPP.
    #[error(
        "the bearer speaks PPP over a serial line, which this unit does not: no network port of the modem is known"
    )]
    Ppp,
    /// It was tried.
    #[error("{0}")]
    Refused(String),
}
