//! `bondbox-modems`: every way out of the unit, and the devices behind them.
//!
//! A [`Link`] is an interface that the bond may send over, whatever it is made of. A [`Modem`] is a device that ModemManager
//! knows; once connected it has a link too. Both are known by the *port* they are plugged into (`usb1-1.2`, `pci0000:01:00.0`,
//! `eth0` for what is soldered on): what is plugged in there next gets the same name, colour and routes.

use alloc::string::String;
use alloc::vec::Vec;

use bondbox_units::{Bitrate, Instant};
use postcard_schema::Schema;
use serde::{Deserialize, Serialize};

/// The modem service.
pub struct Modems;

impl crate::Protocol for Modems {
    const NAME: &'static str = "modems";
    type State = State;
    type Command = Command;
    type Done = Done;
}

/// What is plugged in now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct State {
    /// ModemManager's version, while it answers.
    pub manager: Option<String>,
    /// By port. One that went is kept for as long as it might come back.
    pub links: Vec<Link>,
    /// By port.
    pub modems: Vec<Modem>,
    /// Of every SIM that was ever seen, by ICCID.
    pub data: Vec<Data>,
    /// Since the service started.
    pub counters: Counters,
}

/// An interface that the bond may send over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Link {
    /// What it is plugged into.
    pub port: String,
    /// As Linux calls it.
    pub name: String,
    /// As the operator calls it, or what it says of itself.
    pub label: String,
    /// Red, green and blue, for every page that shows it.
    pub colour: [u8; 3],
    /// What it is.
    pub kind: LinkKind,
    /// Whether it can be sent over.
    pub state: LinkState,
    /// Its own, for people: "192.168.8.100".
    pub addresses: Vec<String>,
    /// What the bond may use it for.
    pub usage: Usage,
    /// The reading that counts, where a modem gives one.
    pub radio: Option<Radio>,
    /// The SIM behind it, where that is known.
    pub iccid: Option<String>,
    /// What was done to get what is plugged in there back.
    pub recovery: Recovery,
}

/// What a link is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum LinkKind {
    /// A modem that ModemManager connects.
    Modem,
    /// A stick that is a router by itself.
    Stick,
    /// A phone that shares its network over USB.
    Phone,
    /// Wi-Fi.
    Wifi,
    /// Any other Ethernet.
    Ethernet,
}

/// Whether a link can be sent over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum LinkState {
    /// It was pulled.
    Gone,
    /// No cable, no network, no bearer.
    NoCarrier,
    /// Nobody gives it an address.
    NoAddress,
    /// It has an address, and nothing that the bond sent over it was acknowledged.
    NoWayOut,
    /// It has an address, and nothing speaks against it.
    Ready,
}

/// What a link may be used for, as `bondbox-uplink` takes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Usage {
    /// It is not used at all.
    pub off: bool,
    /// It never carries more.
    pub cap: Option<Bitrate>,
    /// 0 to 7: each step keeps data away as long as a cheaper link does nearly as well. A SIM over its plan adds to it.
    pub cost: u8,
    /// Only when the others would be late.
    pub backup: bool,
    /// Mark of its packets (RFC 2474).
    pub dscp: Option<u8>,
}

/// A reading of a modem's radio after smoothing; `None` where it does not say. Tenths keep them whole numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Radio {
    /// When that was told or confirmed last, on the host's monotonic clock.
    pub at: Instant,
    /// After so long it says nothing any more, in milliseconds.
    pub stale_after_ms: u32,
    /// Received power of any kind, in tenths of a dBm.
    pub rssi_tenth_dbm: Option<i16>,
    /// Power of the reference signal, in tenths of a dBm.
    pub rsrp_tenth_dbm: Option<i16>,
    /// Its quality, in tenths of a dB.
    pub rsrq_tenth_db: Option<i16>,
    /// Signal to interference and noise, in tenths of a dB.
    pub sinr_tenth_db: Option<i16>,
    /// Of the LTE cell that an NR cell was added to, as last read; the others are that NR cell's then.
    pub anchor: Option<Anchor>,
    /// What the modem draws as bars, 0 to 100.
    pub percent: Option<u8>,
    /// How well it is, 0 to 100, from signal, loss and jitter together.
    pub health: Option<u8>,
    /// It falls as before a change of cell.
    pub handover: bool,
}

/// A reading of the LTE cell that holds on to the network while an NR cell carries data beside it (EN-DC, 3GPP TS 37.340 4.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Anchor {
    /// See [`Radio::rsrp_tenth_dbm`].
    pub rsrp_tenth_dbm: Option<i16>,
    /// See [`Radio::rsrq_tenth_db`].
    pub rsrq_tenth_db: Option<i16>,
    /// See [`Radio::sinr_tenth_db`].
    pub sinr_tenth_db: Option<i16>,
}

/// A device that ModemManager knows, or knew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Modem {
    /// What it is plugged into.
    pub port: String,
    /// "Quectel RM502Q-AE".
    pub model: String,
    /// Its firmware.
    pub revision: String,
    /// IMEI or what it has in its place.
    pub equipment: String,
    /// What it does.
    pub state: ModemState,
    /// Why it does not do more.
    pub reason: Option<String>,
    /// Name of the link that it is part of: the one that its bearer goes over, or the one in its port where it routes by itself.
    pub link: Option<String>,
    /// The SIM in it.
    pub sim: Option<Sim>,
    /// The network that serves it.
    pub network: Network,
    /// As last read, without smoothing.
    pub radio: Option<Radio>,
    /// Bands that it has.
    pub bands: Vec<Band>,
    /// Bands that it may use.
    pub bands_allowed: Vec<Band>,
    /// What was done to get it back.
    pub recovery: Recovery,
    /// What this model is known for: "no_at".
    pub quirks: Vec<String>,
}

/// What a modem does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum ModemState {
    /// ModemManager does not show it any more.
    Gone,
    /// ModemManager cannot use it: see [`Modem::reason`].
    Failed,
    /// Waits for a PIN or a PUK.
    Locked,
    /// Its radio is off, or being switched.
    Disabled,
    /// Looks for a network.
    Searching,
    /// A network has it.
    Registered,
    /// A bearer is asked for.
    Connecting,
    /// A bearer carries data.
    Connected,
}

/// A SIM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Sim {
    /// The number printed on it; empty while it is locked and the modem does not tell.
    pub iccid: String,
    /// Who sold it.
    pub operator: String,
    /// What it asks for.
    pub lock: Lock,
}

/// What a SIM or a modem asks for before it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Lock {
    /// Nothing.
    None,
    /// Its PIN; so many tries are left where it tells.
    Pin(Option<u8>),
    /// Its PUK: the PIN was wrong too often. Nobody guesses that for the operator.
    Puk(Option<u8>),
    /// Something else, such as a code of the modem's seller.
    Other,
}

/// Who serves a modem, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Network {
    /// Its name.
    pub operator: String,
    /// Country and network, "26201".
    pub code: String,
    /// Another network than the SIM's own.
    pub roaming: bool,
    /// Told to go away.
    pub denied: bool,
    /// "LTE", "5G NR", best first.
    pub technologies: Vec<String>,
    /// The cell that serves it.
    pub cell: Option<Cell>,
}

/// A cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Cell {
    /// Identity in its network. In LTE its last 8 bits name the cell of an eNB, those before the eNB (3GPP TS 36.413 9.2.1.38).
    pub id: u64,
    /// Tracking area; location area in older networks.
    pub area: Option<u32>,
}

/// A frequency band.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Schema)]
pub enum Band {
    /// Of GSM or UMTS, by ModemManager's number.
    Legacy(u16),
    /// E-UTRA band (3GPP TS 36.101), 3 for B3.
    Lte(u16),
    /// NR band (3GPP TS 38.101), 78 for n78.
    Nr(u16),
}

/// What was done to get a modem or a stick back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Recovery {
    /// The last step; `None` when there never was one.
    pub last: Option<Step>,
    /// When, on the host's monotonic clock; `None` where that was before the host started.
    pub at: Option<Instant>,
    /// Why: "nothing acknowledged for 20 s".
    pub reason: String,
    /// The last step that was not done; the next one followed at once.
    pub refused: Option<Refused>,
    /// Steps of the last 24 hours.
    pub today: u16,
    /// Steps that may still be taken; at 0 it waits.
    pub left: u16,
    /// The next step is not before; `None` when all is well.
    pub next: Option<Instant>,
}

/// A step of recovery that was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Refused {
    /// Which.
    pub step: Step,
    /// As ModemManager or the kernel says it: "Permission denied".
    pub why: String,
}

/// A rung of the ladder, the cheapest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Schema)]
pub enum Step {
    /// The bearer is ended and asked for again.
    Reconnect,
    /// ModemManager resets the modem.
    Reset,
    /// The kernel lets go of the device and takes it again.
    Authorize,
    /// Its port's power is cut for some seconds.
    Power,
}

/// What a SIM has carried in its month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Data {
    /// The SIM, or `port:` and the port of a stick that does not tell.
    pub iccid: String,
    /// Received and sent since the month began.
    pub bytes: u64,
    /// What may be carried in a month for nothing more.
    pub plan: Option<Plan>,
    /// More than that was carried.
    pub over: bool,
}

/// What a SIM's contract says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Plan {
    /// Bytes a month.
    pub bytes: u64,
    /// The day that a month begins, 1 to 28.
    pub day: u8,
}

/// Counted since the service started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Counters {
    /// Devices that came.
    pub plugged: u64,
    /// Devices that went.
    pub unplugged: u64,
    /// Times ModemManager came back.
    pub manager_restarts: u64,
    /// Times ModemManager said something that could not be read, and was asked for all of it.
    pub manager_unheard: u64,
    /// Steps of recovery.
    pub recoveries: u64,
    /// Of these, how many ModemManager or the kernel refused.
    pub recoveries_refused: u64,
    /// Times that a port which a step had switched off could not be switched on again at once; it is tried until it can.
    pub switch_ons_failed: u64,
    /// Files of the service that could not be read and were made anew.
    pub files_unreadable: u64,
    /// Times bands were to be spread and were not.
    pub spreads_failed: u64,
}

/// What a modem is connected with. Empty texts leave it to the modem or the network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Access {
    /// The access point's name.
    pub apn: String,
    /// Its user.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// Whether it may be connected in other networks than its own.
    pub roaming: bool,
    /// The addresses that it is to have; `None` asks for both families, and for one of them where that is refused.
    pub family: Option<IpFamily>,
}

/// Which addresses a bearer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum IpFamily {
    /// IPv4 alone.
    Ipv4,
    /// IPv6 alone.
    Ipv6,
    /// Both.
    Ipv4v6,
}

/// A text that no log shows.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Secret(pub String);

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What the service can be told. `port` is that of a link or a modem in the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Command {
    /// Call what is plugged in there so; done at once, and kept.
    Name {
        /// Where.
        port: String,
        /// 1 to 32 bytes.
        label: String,
        /// See [`Link::colour`].
        colour: [u8; 3],
    },
    /// Use it so; done at once, and kept.
    SetUsage {
        /// Where.
        port: String,
        /// See [`Link::usage`].
        usage: Usage,
    },
    /// Unlock the SIM; done when it asks for nothing more. Kept, for the next time it asks.
    EnterPin {
        /// Where.
        port: String,
        /// 4 to 8 digits.
        pin: Secret,
    },
    /// Connect with this; done when a bearer with it carries data. Kept.
    SetAccess {
        /// Where.
        port: String,
        /// See there.
        access: Access,
    },
    /// Let it use no other bands, or all with none; done when the modem says that it is so.
    LockBands {
        /// Where.
        port: String,
        /// Some of [`Modem::bands`].
        bands: Vec<Band>,
    },
    /// Give modems of one operator bands of their own, one modem after the other, which takes minutes; done when each says that
    /// it is so and a network has taken it in. Where one does not come to that, all get back what they had.
    SpreadBands,
    /// Take this step of recovery now, whatever the budget; done when the device is back.
    Recover {
        /// Where.
        port: String,
        /// Which.
        step: Step,
    },
    /// The contract of this SIM, or that there is none to be counted against; done at once, and kept.
    SetPlan {
        /// See [`Data::iccid`].
        iccid: String,
        /// See there.
        plan: Option<Plan>,
    },
    /// What the operator's bill says was carried this month; done at once, and kept.
    SetUsed {
        /// See [`Data::iccid`].
        iccid: String,
        /// From now on counted from here.
        bytes: u64,
    },
}

/// What was seen after a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Done {
    /// It is kept.
    Kept,
    /// The SIM asks for nothing more.
    Unlocked,
    /// A bearer carries data, through this interface.
    Connected(String),
    /// The modem uses these.
    Bands(Vec<Band>),
    /// Each modem, by port, uses these.
    Spread(Vec<(String, Vec<Band>)>),
    /// The device is back, after so many milliseconds.
    Back {
        /// See above.
        after_ms: u32,
    },
}

impl core::fmt::Display for Band {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Legacy(number) => write!(f, "legacy {number}"),
            Self::Lte(number) => write!(f, "B{number}"),
            Self::Nr(number) => write!(f, "n{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_log_shows_a_pin_or_a_password() {
        let access = Access { password: Secret("geheim".into()), ..Access::default() };
        let pin = Command::EnterPin { port: "usb1-1".into(), pin: Secret("4711".into()) };
        let shown = alloc::format!("{pin:?} {:?}", Command::SetAccess { port: "usb1-1".into(), access });
        assert!(!shown.contains("4711") && !shown.contains("geheim"), "{shown}");
    }

    #[test]
    fn the_state_of_a_full_unit_fits_a_packet() {
        let text = || "x".repeat(64);
        let least = Some(i16::MIN);
        let anchor = Anchor { rsrp_tenth_dbm: least, rsrq_tenth_db: least, sinr_tenth_db: least };
        let radio = Radio {
            at: Instant::FAR_FUTURE,
            stale_after_ms: u32::MAX,
            rssi_tenth_dbm: Some(i16::MIN),
            rsrp_tenth_dbm: Some(i16::MIN),
            rsrq_tenth_db: Some(i16::MIN),
            sinr_tenth_db: Some(i16::MIN),
            anchor: Some(anchor),
            percent: Some(u8::MAX),
            health: Some(u8::MAX),
            handover: true,
        };
        let link = Link {
            port: text(),
            name: text(),
            label: text(),
            colour: [0; 3],
            kind: LinkKind::Modem,
            state: LinkState::Ready,
            addresses: alloc::vec![text(); 4],
            usage: Usage::default(),
            radio: Some(radio),
            iccid: Some(text()),
            recovery: Recovery {
                reason: text(),
                refused: Some(Refused { step: Step::Power, why: text() }),
                ..Recovery::default()
            },
        };
        let modem = Modem {
            port: text(),
            model: text(),
            revision: text(),
            equipment: text(),
            state: ModemState::Connected,
            reason: Some(text()),
            link: Some(text()),
            sim: Some(Sim { iccid: text(), operator: text(), lock: Lock::Pin(Some(3)) }),
            network: Network {
                operator: text(),
                technologies: alloc::vec![text(); 2],
                cell: Some(Cell { id: u64::MAX, area: Some(u32::MAX) }),
                ..Network::default()
            },
            radio: Some(radio),
            bands: alloc::vec![Band::Nr(u16::MAX); 80],
            bands_allowed: alloc::vec![Band::Nr(u16::MAX); 80],
            recovery: Recovery {
                reason: text(),
                refused: Some(Refused { step: Step::Power, why: text() }),
                ..Recovery::default()
            },
            quirks: alloc::vec![text(); 4],
        };
        let data = Data { iccid: text(), bytes: u64::MAX, plan: Some(Plan { bytes: u64::MAX, day: 28 }), over: true };
        let state = State {
            links: alloc::vec![link; 16],
            modems: alloc::vec![modem; 16],
            data: alloc::vec![data; 32],
            ..State::default()
        };
        let size = postcard::to_allocvec(&crate::Response::<_, Done>::State(state)).unwrap().len();
        assert!(size < crate::MAX_PACKET, "{size}");
    }
}
