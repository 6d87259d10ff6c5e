//! `bondbox-uplink`: the bond's sending end.

use alloc::string::String;
use alloc::vec::Vec;

use bondbox_units::{Bitrate, LinkId};
use postcard_schema::Schema;
use serde::{Deserialize, Serialize};

/// The uplink service.
pub struct Uplink;

impl crate::Protocol for Uplink {
    const NAME: &'static str = "uplink";
    type State = State;
    type Command = Command;
    type Done = Done;
}

/// What the bond is doing now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct State {
    /// Where the gateway is, as configured or as paired; empty where neither was done.
    pub gateway: String,
    /// Whether media can reach it.
    pub session: Session,
    /// Why there is none, as far as that can be known; nothing while one is open, and until the first attempt has failed.
    pub complaint: Option<Complaint>,
    /// What the encoder may produce.
    pub target: Bitrate,
    /// What the sources really produced over the last second.
    pub actual: Bitrate,
    /// First copies waiting to be sent, in bytes.
    pub backlog_bytes: u64,
    /// One a configured link, in the order of the settings.
    pub links: Vec<Link>,
    /// Counted since the service started.
    pub counters: Counters,
}

/// The session with the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Session {
    /// No answer yet.
    Connecting,
    /// Open: media flows.
    Open,
    /// Open, and nothing was acknowledged on any link for a second.
    Dark,
    /// There is no gateway that this unit belongs to: nothing is sent.
    NotPaired,
    /// The same, and a gateway is looked for that knows the code.
    Pairing,
}

/// Why there is no session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Complaint {
    /// For those who act on it.
    pub reason: Reason,
    /// The same for people.
    pub words: String,
}

/// What came of the last attempt to open a session. The gateway itself says [`UnknownUnit`](Self::UnknownUnit) and
/// [`UsedCode`](Self::UsedCode), which nobody else can; all else is what answers, or does not, and may be somebody on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Reason {
    /// Nobody has proven to be the gateway.
    NoAnswer,
    /// The gateway has proven itself, and let no link in.
    NotLetIn,
    /// It does not know this unit, or no more.
    UnknownUnit,
    /// The pairing code lets nobody in any more.
    UsedCode,
    /// What answers has another key than the gateway's.
    OtherKey,
    /// What answers does not know the pairing code.
    UnknownCode,
    /// What answers speaks another version of the protocol.
    OtherVersion,
    /// What answers speaks no protocol of ours.
    Garbage,
}

/// One link now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Link {
    /// Its id in the bond.
    pub id: LinkId,
    /// The interface.
    pub name: String,
    /// What the engine thinks of it.
    pub state: LinkState,
    /// What the link delivers at most, as proven.
    pub capacity: Bitrate,
    /// What it delivered over the last second.
    pub rate: Bitrate,
    /// Round trip without queue, in microseconds.
    pub rtt_us: u32,
    /// Standing queue above the base delay, in microseconds.
    pub queue_us: u32,
    /// By how much the way's duration differs from packet to packet (RFC 3550 6.4.1), in microseconds.
    pub jitter_us: u32,
    /// Datagrams sent since it was added, joins and probes among them.
    pub packets_sent: u64,
    /// Those of them that the gateway acknowledged.
    pub packets_delivered: u64,
    /// Packets lost of those sent over the last two seconds, in parts per million.
    pub loss_ppm: u32,
}

impl Link {
    /// One of which nothing was measured.
    pub fn unmeasured(id: LinkId, name: &str, state: LinkState) -> Self {
        Self {
            id,
            name: name.into(),
            state,
            capacity: Bitrate::ZERO,
            rate: Bitrate::ZERO,
            rtt_us: 0,
            queue_us: 0,
            jitter_us: 0,
            packets_sent: 0,
            packets_delivered: 0,
            loss_ppm: 0,
        }
    }
}

/// Whether a link carries media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum LinkState {
    /// The interface is not there, or has no address.
    Absent,
    /// Waiting for the gateway to answer on it.
    Joining,
    /// Carries media.
    Up,
    /// No acknowledgement for longer than usual: no new media.
    Suspect,
    /// No acknowledgement for so long that its packets were sent again elsewhere.
    Silent,
}

/// Counted since the service started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Counters {
    /// Units taken from capture or from the ingest socket.
    pub units_in: u64,
    /// Units the gateway has in full.
    pub units_acknowledged: u64,
    /// Units given up before they were sent in full.
    pub units_shed: u64,
    /// Bytes sent on all links, IP and UDP headers not counted.
    pub bytes_sent: u64,
    /// Bytes sent again after a loss or for a silent link.
    pub bytes_repaired: u64,
    /// Sessions opened.
    pub sessions: u64,
    /// Datagrams that were not ours, by the engine's names.
    pub rejected_datagrams: u64,
    /// What the gateway asked for and was done.
    pub orders_done: u64,
    /// What it asked for and was not done.
    pub orders_failed: u64,
    /// What it said and could not be read.
    pub orders_unreadable: u64,
}

/// What the uplink can be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Command {
    /// Send over this interface too; done when the gateway answered on it.
    AddLink(String),
    /// Stop sending over this interface; done when nothing is in flight on it.
    RemoveLink(String),
    /// Give what happened lately, as [`Done::Trace`] from this byte on. Byte 0 makes a new one, which those who go on reading
    /// share.
    Trace {
        /// See above.
        from: u32,
    },
    /// Belong to the gateway that knows the same code; done when a session with it is open. A unit that belongs to one already
    /// refuses.
    Pair {
        /// `HOST:PORT` of the gateway; empty for the one of the settings.
        gateway: String,
        /// The code, as the gateway's page shows it; empty for the one on the unit's label.
        code: String,
    },
    /// Belong to no gateway any more, or give up looking for one; done when the gateway is forgotten.
    Unpair,
}

/// What was seen after a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Done {
    /// The link is in use.
    Joined(LinkId),
    /// The link is gone.
    Left,
    /// The unit belongs to the gateway with this public key.
    Paired(String),
    /// It belongs to none.
    Unpaired,
    /// A piece of the trace, empty behind its end.
    Trace {
        /// Bytes of all of it.
        total: u32,
        /// The bytes asked for, and what follows them as far as it finds room.
        bytes: Vec<u8>,
    },
}
