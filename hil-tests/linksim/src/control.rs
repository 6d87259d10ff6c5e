//! Talking to a running emulator: a line of JSON there, a line of JSON back, over a Unix socket.
//!
//! ```text
//! {"cmd":"status"}                              → {"scenario":…,"links":[…],…}
//! {"cmd":"cut","link":"wwan0"}                  → {"done":true}
//! {"cmd":"rate","link":"wwan0","kbps":500,"way":"up"}
//! {"cmd":"cut","link":"x"}                      → {"error":"link is \"x\", must be one of wwan0, wwan1"}
//! ```

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Way;
use crate::model::{Dropped, Family, State, Tally};

/// A command. Where `way` is absent, both directions are meant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "cmd", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// How every link does.
    Status,
    /// The interface dies.
    Cut {
        /// Its name.
        link: String,
    },
    /// The end of a cut or a blackhole.
    Restore {
        /// Its name.
        link: String,
    },
    /// The link swallows everything.
    Blackhole {
        /// Its name.
        link: String,
        /// In which direction.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        way: Option<Way>,
    },
    /// The link swallows all packets of one family, both ways.
    BlackholeFamily {
        /// The link's name.
        link: String,
        /// Which.
        family: Family,
    },
    /// The rate is fixed from now on.
    Rate {
        /// The link's name.
        link: String,
        /// At this.
        kbps: u64,
        /// In which direction.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        way: Option<Way>,
    },
    /// The base delay of one way changes.
    Delay {
        /// The link's name.
        link: String,
        /// To this.
        ms: u64,
        /// In which direction.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        way: Option<Way>,
    },
    /// Packets are lost like this from now on.
    Loss {
        /// The link's name.
        link: String,
        /// The mean.
        percent: f64,
        /// The mean run; absent: each packet by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        burst_packets: Option<f64>,
        /// In which direction.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        way: Option<Way>,
    },
    /// The unit's packets come from other ports from now on.
    NatRebind {
        /// The link's name.
        link: String,
    },
}

/// The answer to a command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Reply {
    /// It made no sense, and nothing was done.
    Error {
        /// Why.
        error: String,
    },
    /// It has happened.
    Done {
        /// Always true.
        done: bool,
    },
    /// What was asked for.
    Status(Status),
}

/// How everything does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The scenario's name.
    pub scenario: String,
    /// Since its start.
    pub elapsed_s: f64,
    /// Whether the emulator runs before all ordinary processes.
    pub realtime: bool,
    /// How late packets were handed on.
    pub lateness: Lateness,
    /// In the order of the scenario.
    pub links: Vec<LinkStatus>,
}

/// The emulator's own error: from the time the model says to the time the far end has the packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lateness {
    /// Half of all packets were less late.
    pub p50_us: u64,
    /// One in a hundred was later.
    pub p99_us: u64,
    /// The worst of all.
    pub max_us: u64,
}

/// How one link does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinkStatus {
    /// As the unit's interface is called.
    pub name: String,
    /// Whether packets pass.
    pub state: State,
    /// How often the unit's ports have changed.
    pub nat_rebinds: u32,
    /// Packets for the unit that came to a port of before the last change.
    pub nat_stale: u64,
    /// Packets of a family that the link swallows.
    pub swallowed: u64,
    /// Packets from the unit that came out at the gateway's end.
    pub carried: Carried,
    /// From the unit.
    pub up: WayStatus,
    /// To the unit.
    pub down: WayStatus,
}

/// Packets by family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// Of IPv4.
    pub ipv4: u64,
    /// Of IPv6.
    pub ipv6: u64,
}

/// How one direction does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WayStatus {
    /// What it drains now; zero in an outage.
    pub rate_kbps: u64,
    /// How long what waits takes.
    pub queue_ms: f64,
    /// Given to it.
    pub offered: Tally,
    /// Came out of it.
    pub delivered: Tally,
    /// Vanished, by reason.
    pub dropped: Dropped,
    /// Delivered, but refused by the kernel at the far end.
    pub unwritable: u64,
}

/// Whether every link carried at least this many packets from the unit: a test that believes it ran over several
/// links asks this at its end. The error names the links that did not.
pub fn assert_all_carried(status: &Status, least_packets: u64) -> Result<(), String> {
    let idle = status.links.iter().filter(|link| link.up.delivered.packets < least_packets);
    let idle: Vec<String> = idle.map(|link| format!("{} carried {}", link.name, link.up.delivered.packets)).collect();
    if idle.is_empty() {
        return Ok(());
    }
    Err(format!("not every link carried {least_packets} packets up: {}", idle.join(", ")))
}

/// A connection to a running emulator.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects to the socket that the emulator was given as `--control`.
    pub fn connect(path: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Asks, and waits for the answer. A refusal comes back as an error of kind `InvalidInput`.
    pub fn request(&mut self, request: &Request) -> io::Result<Reply> {
        let line = serde_json::to_string(request)? + "\n";
        self.stream.get_mut().write_all(line.as_bytes())?;
        let mut answer = String::new();
        if self.stream.read_line(&mut answer)? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the emulator has gone"));
        }
        match serde_json::from_str(&answer)? {
            Reply::Error { error } => Err(io::Error::new(io::ErrorKind::InvalidInput, error)),
            reply => Ok(reply),
        }
    }

    /// How everything does.
    pub fn status(&mut self) -> io::Result<Status> {
        match self.request(&Request::Status)? {
            Reply::Status(status) => Ok(status),
            other => Err(io::Error::new(io::ErrorKind::InvalidData, format!("no status but {other:?}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Request {
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn commands_read_as_documented() {
        assert_eq!(read(r#"{"cmd":"status"}"#), Request::Status);
        assert_eq!(read(r#"{"cmd":"nat_rebind","link":"a"}"#), Request::NatRebind { link: "a".into() });
        assert_eq!(
            read(r#"{"cmd":"rate","link":"a","kbps":500,"way":"up"}"#),
            Request::Rate { link: "a".into(), kbps: 500, way: Some(Way::Up) }
        );
        assert!(serde_json::from_str::<Request>(r#"{"cmd":"cut","link":"a","for":3}"#).is_err());
    }

    #[test]
    fn answers_are_told_apart() {
        let idle = WayStatus {
            rate_kbps: 6_000,
            queue_ms: 0.5,
            offered: Tally::default(),
            delivered: Tally { packets: 5, bytes: 500 },
            dropped: Dropped::default(),
            unwritable: 0,
        };
        let name = "wwan0".to_owned();
        let carried = Carried { ipv4: 5, ipv6: 0 };
        let state = State::Up;
        let link =
            LinkStatus { name, state, nat_rebinds: 0, nat_stale: 0, swallowed: 0, carried, up: idle, down: idle };
        let scenario = "clean".to_owned();
        let status =
            Status { scenario, elapsed_s: 1.5, realtime: true, lateness: Lateness::default(), links: vec![link] };
        for reply in
            [Reply::Status(status.clone()), Reply::Done { done: true }, Reply::Error { error: "link is \"x\"".into() }]
        {
            let line = serde_json::to_string(&reply).unwrap();
            assert_eq!(serde_json::from_str::<Reply>(&line).unwrap(), reply, "{line}");
        }
        assert_eq!(assert_all_carried(&status, 5), Ok(()));
        let error = assert_all_carried(&status, 6).unwrap_err();
        assert_eq!(error, "not every link carried 6 packets up: wwan0 carried 5");
    }
}
