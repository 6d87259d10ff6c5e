//! What the service can be set to.

mod link;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bondbox_bond::PublicKey;
use bondbox_bond::sender;
use bondbox_daemon::settings::{Rules, Settings as Checked};
use bondbox_units::Bitrate;
use serde::{Deserialize, Serialize};

use crate::gateway;

pub use link::{BadLink, LinkSetting};

/// The file, as `/etc/bondbox/uplink.toml` documents it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(Serialize))]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// `HOST:PORT`, or several of them, separated by commas.
    pub gateway: String,
    /// The gateway's public key; empty where it is learned by pairing.
    pub gateway_key: String,
    /// What was paired.
    pub paired: PathBuf,
    /// The factory record.
    pub factory: PathBuf,
    /// The unit's private key.
    pub identity: PathBuf,
    /// The stream's name at the gateway.
    pub stream: String,
    /// Interfaces to send over, each as [`LinkSetting`] reads it.
    pub link: Vec<String>,
    /// Send over every link that the modem service knows of, too.
    pub modems: bool,
    /// From here to the gateway's output.
    pub latency_ms: u32,
    /// `udp://ADDRESS:PORT`, or empty.
    pub ingest: String,
    /// Take units from the capture service; so it is without `ingest`, too.
    pub capture: bool,
    /// Where the gateway's talkback goes: `udp://ADDRESS:PORT`, or empty.
    pub talkback: String,
    /// From the gateway to there.
    pub talkback_latency_ms: u32,
    /// Which link takes a packet.
    pub policy: Policy,
    /// What the encoder leaves free.
    pub headroom: Headroom,
    /// Least that the encoder is told.
    pub min_bitrate_kbps: u64,
    /// Most that the encoder is told.
    pub max_bitrate_kbps: u64,
    /// What the encoder is told first.
    pub start_bitrate_kbps: u64,
    /// Users that may connect, besides root and the service's own.
    pub clients: Vec<String>,
}

/// Which link takes a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Policy {
    /// The one over which it arrives first.
    EarliestArrival,
    /// That, and a copy over another.
    Redundant,
    /// The first in the list that would bring it in time.
    MainBackup,
}

/// What the encoder leaves free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Headroom {
    /// So much that the best link may die.
    SurviveOne,
    /// Nothing.
    None,
}

/// The same keys as flags.
#[derive(Debug, Default, clap::Args, Serialize)]
pub struct Flags {
    /// HOST:PORT of the gateway: a name, ADDRESS or [ADDRESS]; or several of them, separated by commas.
    #[arg(long)]
    gateway: Option<String>,
    /// The gateway's public key, as `bondbox-gateway public-key` prints it.
    #[arg(long, value_name = "KEY")]
    gateway_key: Option<String>,
    /// Where it is kept which gateway the unit was paired with.
    #[arg(long, value_name = "FILE")]
    paired: Option<PathBuf>,
    /// The factory record, with what the unit knows of the code on its label.
    #[arg(long, value_name = "FILE")]
    factory: Option<PathBuf>,
    /// The unit's private key, as `bondbox-uplink keygen` made it.
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// The stream's name at the gateway.
    #[arg(long, value_name = "NAME")]
    stream: Option<String>,
    /// An interface to send over, once for each: NAME[,cap_kbps=N][,cost=0..7][,backup][,dscp=0..63].
    #[arg(long, value_name = "INTERFACE")]
    link: Vec<String>,
    /// Whether links that the modem service knows of are sent over, too.
    #[arg(long, value_name = "BOOL")]
    modems: Option<bool>,
    /// From here to the gateway's output.
    #[arg(long)]
    latency_ms: Option<u32>,
    /// Send the datagrams that come to udp://ADDRESS:PORT, as they are.
    #[arg(long, value_name = "URL")]
    ingest: Option<String>,
    /// Send what the capture service makes; so it is without --ingest, too.
    #[arg(long)]
    capture: bool,
    /// Send what the gateway talks back to udp://ADDRESS:PORT.
    #[arg(long, value_name = "URL")]
    talkback: Option<String>,
    /// From the gateway's talkback socket to there.
    #[arg(long)]
    talkback_latency_ms: Option<u32>,
    /// Which link takes a packet.
    #[arg(long)]
    policy: Option<Policy>,
    /// What the encoder leaves free.
    #[arg(long)]
    headroom: Option<Headroom>,
    /// Least that the encoder is told.
    #[arg(long)]
    min_bitrate_kbps: Option<u64>,
    /// Most that the encoder is told.
    #[arg(long)]
    max_bitrate_kbps: Option<u64>,
    /// What the encoder is told first.
    #[arg(long)]
    start_bitrate_kbps: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            gateway: String::new(),
            gateway_key: String::new(),
            paired: "/var/lib/bondbox-uplink/gateway.toml".into(),
            factory: "/state/factory".into(),
            identity: "/var/lib/bondbox-uplink/key".into(),
            stream: "live".into(),
            link: Vec::new(),
            modems: true,
            latency_ms: 600,
            ingest: String::new(),
            capture: false,
            talkback: String::new(),
            talkback_latency_ms: 300,
            policy: Policy::EarliestArrival,
            headroom: Headroom::SurviveOne,
            min_bitrate_kbps: 300,
            max_bitrate_kbps: 6_000,
            start_bitrate_kbps: 1_500,
            clients: vec!["bondbox-modems".into(), "bondbox-panel".into(), "bondbox-portal".into()],
        }
    }
}

impl Checked for Settings {
    fn check(&self, rules: &mut Rules<'_>) {
        rules.given("gateway", !self.gateway.is_empty() || self.gateway_key.is_empty());
        if let Some((item, wrong)) = gateway::list(&self.gateway).err().filter(|_| !self.gateway.is_empty()) {
            rules.holds("gateway", false, item, wrong);
        }
        let is_key = self.gateway_key().is_some();
        rules.holds("gateway_key", is_key || self.gateway_key.is_empty(), &self.gateway_key, "64 hexadecimal digits");
        let named = (1..=MAX_STREAM_NAME).contains(&self.stream.len());
        let must_be = format_args!("1 to {MAX_STREAM_NAME} bytes of printable text without slashes");
        rules.holds("stream", named && !self.stream.contains(unprintable), format!("{:?}", self.stream), must_be);
        rules.given("link", self.modems || !self.link.is_empty());
        let mut names = Vec::new();
        for text in &self.link {
            let link = text.parse::<LinkSetting>();
            let wrong =
                link.as_ref().err().map_or_else(|| "names of interfaces, none twice".into(), BadLink::to_string);
            let ok = link.is_ok_and(|link| {
                let fresh = !names.contains(&link.name);
                names.push(link.name);
                fresh
            });
            rules.holds("link", ok, format!("{text:?}"), wrong);
        }
        rules.holds("link", self.link.len() <= MAX_LINKS, self.link.len(), format_args!("at most {MAX_LINKS}"));
        rules.range("latency_ms", self.latency_ms, 100..=10_000);
        let known = self.ingest.is_empty() || self.ingest().is_some();
        rules.holds("ingest", known, &self.ingest, "udp://ADDRESS:PORT");
        rules.holds("capture", !self.capture || self.ingest.is_empty(), "true", "false beside ingest");
        let known = self.talkback.is_empty() || self.talkback().is_some();
        rules.holds("talkback", known, &self.talkback, "udp://ADDRESS:PORT");
        rules.range("talkback_latency_ms", self.talkback_latency_ms, 50..=10_000);
        rules.range("min_bitrate_kbps", self.min_bitrate_kbps, 100..=100_000);
        rules.range("max_bitrate_kbps", self.max_bitrate_kbps, self.min_bitrate_kbps.min(100_000)..=100_000);
        let between = self.min_bitrate_kbps..=self.max_bitrate_kbps.max(self.min_bitrate_kbps);
        rules.range("start_bitrate_kbps", self.start_bitrate_kbps, between);
    }
}

impl Settings {
    /// Who the gateway is, where that is set.
    pub fn gateway_key(&self) -> Option<PublicKey> {
        self.gateway_key.parse().ok()
    }

    /// Where datagrams come from, if not from the capture service.
    pub fn ingest(&self) -> Option<SocketAddr> {
        self.ingest.strip_prefix("udp://")?.parse().ok()
    }

    /// Where the gateway's talkback goes.
    pub fn talkback(&self) -> Option<SocketAddr> {
        let address: SocketAddr = self.talkback.strip_prefix("udp://")?.parse().ok()?;
        (address.port() != 0).then_some(address)
    }

    pub(crate) fn talkback_latency(&self) -> Duration {
        Duration::from_millis(self.talkback_latency_ms.into())
    }

    /// The links; without those that make no sense, where the settings were not checked.
    pub fn links(&self) -> impl Iterator<Item = LinkSetting> {
        self.link.iter().filter_map(|text| text.parse().ok())
    }

    pub(crate) fn policy(&self) -> sender::Policy {
        match self.policy {
            Policy::EarliestArrival => sender::Policy::EarliestArrival,
            Policy::Redundant => sender::Policy::Redundant,
            Policy::MainBackup => sender::Policy::MainBackup,
        }
    }

    pub(crate) fn latency(&self) -> Duration {
        Duration::from_millis(self.latency_ms.into())
    }

    pub(crate) fn headroom(&self) -> sender::Headroom {
        match self.headroom {
            Headroom::SurviveOne => sender::Headroom::SurviveOne,
            Headroom::None => sender::Headroom::None,
        }
    }

    pub(crate) fn encoder_range(&self) -> (Bitrate, Bitrate) {
        (Bitrate::from_kbps(self.min_bitrate_kbps), Bitrate::from_kbps(self.max_bitrate_kbps))
    }
}

/// Whether Linux would have an interface of this name.
pub(crate) fn is_link_name(name: &str) -> bool {
    (1..=MAX_LINK_NAME).contains(&name.len()) && !name.contains(unprintable) && !name.contains([' ', ','])
}

/// Most links of one unit.
pub(crate) const MAX_LINKS: usize = 16;

fn unprintable(character: char) -> bool {
    character.is_control() || character == '/'
}

/// IFNAMSIZ without its zero.
const MAX_LINK_NAME: usize = 15;
const MAX_STREAM_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    #[test]
    fn the_shipped_file_has_every_key_with_its_default() {
        let shipped: toml::Table = toml::from_str(include_str!("../../../overlay/etc/bondbox/uplink.toml")).unwrap();
        assert_eq!(shipped, toml::Table::try_from(Settings::default()).unwrap());
    }

    #[test]
    fn a_refusal_names_the_place_the_key_the_value_and_the_range() {
        let refusals = [
            ("gateway = \"10.0.0.1\"", "gateway is 10.0.0.1, must be HOST:PORT, and the port is missing"),
            ("gateway = \"a.b:0\"", "gateway is a.b:0, must be HOST:PORT with a port of 1 to 65535"),
            ("gateway = \"0.0.0.0:7000\"", "gateway is 0.0.0.0:7000, must be HOST:PORT, where the host is a name"),
            ("gateway = \"a.b:1, [::1]\"", "gateway is [::1], must be HOST:PORT, and the port is missing"),
            ("gateway_key = \"12\"", "gateway_key is 12, must be 64 hexadecimal digits"),
            ("stream = \"a/b\"", "stream is \"a/b\", must be 1 to 64 bytes of printable text without slashes"),
            ("link = [\"a\", \"a,backup\"]", "link is \"a,backup\", must be names of interfaces, none twice"),
            ("link = [\"a,cost=8\"]", "link is \"a,cost=8\", must be cost of 0 to 7, and not \"8\""),
            ("latency_ms = 50", "latency_ms is 50, must be 100 to 10000"),
            ("ingest = \"tcp://[::1]:1\"", "ingest is tcp://[::1]:1, must be udp://ADDRESS:PORT"),
            ("max_bitrate_kbps = 200", "max_bitrate_kbps is 200, must be 300 to 100000"),
            ("start_bitrate_kbps = 9000", "start_bitrate_kbps is 9000, must be 300 to 6000"),
            ("headroom = \"all\"", "headroom is \"all\": unknown variant `all`, expected `survive_one` or `none`"),
            ("latency = 1", "unknown field `latency`"),
        ];
        for (line, refusal) in refusals {
            let text = refused(&format!("# a line\n{line}"), &Flags::default());
            assert!(text.contains(&format!(":2: {refusal}")), "{text}");
        }
    }

    #[test]
    fn what_has_no_default_is_asked_for() {
        let text = refused(&format!("modems = false\ngateway_key = \"{KEY}\""), &Flags::default());
        for missing in ["gateway is missing", "link is missing"] {
            assert!(text.contains(missing), "{text}");
        }
    }

    #[test]
    fn flags_win_over_the_file() {
        let flags = Flags {
            gateway: Some("[fd00::1]:7000, a.b:1".into()),
            gateway_key: Some(KEY.into()),
            link: vec!["wwan0".into(), "wwan1".into()],
            headroom: Some(Headroom::None),
            ..Flags::default()
        };
        let settings = bondbox_daemon::settings::load::<Settings>(None, &flags).unwrap();
        assert_eq!(settings.gateway, "[fd00::1]:7000, a.b:1");
        assert_eq!(settings.gateway_key().unwrap().to_string(), KEY);
        assert_eq!(settings.link, ["wwan0", "wwan1"]);
        assert_eq!(settings.headroom(), sender::Headroom::None);
    }

    fn refused(text: &str, flags: &Flags) -> String {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "{text}").unwrap();
        bondbox_daemon::settings::load::<Settings>(Some(file.path()), flags).unwrap_err().to_string()
    }
}
