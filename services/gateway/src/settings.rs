//! What the service can be set to.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bondbox_bond::PublicKey;
use bondbox_bond::receiver::{OnDamage, Outputs};
use bondbox_daemon::settings::{Rules, Settings as Checked};
use serde::{Deserialize, Serialize};

use crate::talkback::TalkbackSetting;
use crate::units::{self, Unit};

/// The file, as `/etc/bondbox/gateway.toml` documents it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(Serialize))]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where units send to.
    pub listen: String,
    /// The gateway's private key.
    pub identity: PathBuf,
    /// The file of paired units.
    pub units: PathBuf,
    /// Units beside those in the file.
    pub unit: Vec<String>,
    /// From a unit's ingest to our output; 0 leaves it to the unit.
    pub latency_ms: u32,
    /// Where the page and its API are.
    pub http: String,
    /// `udp://ADDRESS:PORT`, or empty.
    pub deliver: String,
    /// A folder, or empty.
    pub record: PathBuf,
    /// From a unit's ingest to the recording.
    pub record_latency_ms: u32,
    /// `drop` or `deliver`.
    pub on_damage: String,
    /// Where datagrams come in that go back to a unit, each `STREAM=udp://ADDRESS:PORT`.
    pub talkback: Vec<String>,
    /// The emulator's control socket, or empty.
    pub demo: PathBuf,
}

/// The same keys as flags.
#[derive(Debug, Default, clap::Args, Serialize)]
pub struct Flags {
    /// ADDRESS:PORT where units send to; [::]:PORT is for IPv4 too.
    #[arg(long)]
    listen: Option<String>,
    /// The gateway's private key, as `bondbox-gateway keygen` made it.
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// The file of paired units; read again on SIGHUP.
    #[arg(long, value_name = "FILE")]
    units: Option<PathBuf>,
    /// The public key of a unit that may send, beside those in the file; once for each.
    #[arg(long, value_name = "KEY")]
    unit: Vec<String>,
    /// From a unit's ingest to our output; 0 leaves it to the unit.
    #[arg(long)]
    latency_ms: Option<u32>,
    /// ADDRESS:PORT of the page and its API.
    #[arg(long)]
    http: Option<String>,
    /// Send the first stream to udp://ADDRESS:PORT.
    #[arg(long, value_name = "URL")]
    deliver: Option<String>,
    /// Record all streams into this folder.
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// From a unit's ingest to the recording: what comes too late for the live output is in it.
    #[arg(long)]
    record_latency_ms: Option<u32>,
    /// drop or deliver units with holes.
    #[arg(long, value_name = "WHAT")]
    on_damage: Option<String>,
    /// Send the datagrams that come in back to a stream's unit, once for each: STREAM=udp://ADDRESS:PORT.
    #[arg(long, value_name = "STREAM=URL")]
    talkback: Vec<String>,
    /// Let the page cut the links of the emulator with this control socket.
    #[arg(long, value_name = "SOCKET")]
    demo: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: "0.0.0.0:7000".into(),
            identity: "/var/lib/bondbox-gateway/key".into(),
            units: "/var/lib/bondbox-gateway/units".into(),
            unit: Vec::new(),
            latency_ms: 0,
            http: "127.0.0.1:8080".into(),
            deliver: String::new(),
            record: PathBuf::new(),
            record_latency_ms: 5_000,
            on_damage: "drop".into(),
            talkback: Vec::new(),
            demo: PathBuf::new(),
        }
    }
}

impl Checked for Settings {
    fn check(&self, rules: &mut Rules<'_>) {
        rules.holds("listen", self.listen().is_some(), &self.listen, "ADDRESS:PORT or [ADDRESS]:PORT");
        for key in &self.unit {
            rules.holds("unit", key.parse::<PublicKey>().is_ok(), key, "64 hexadecimal digits each");
        }
        let in_range = self.latency_ms == 0 || (100..=10_000).contains(&self.latency_ms);
        rules.holds("latency_ms", in_range, self.latency_ms, "100 to 10000, or 0 for what the unit asks");
        rules.holds("http", self.http().is_some(), &self.http, "ADDRESS:PORT or [ADDRESS]:PORT");
        let known = self.deliver.is_empty() || self.deliver().is_some();
        rules.holds("deliver", known, &self.deliver, "udp://ADDRESS:PORT");
        rules.range("record_latency_ms", self.record_latency_ms, 100..=30_000);
        rules.holds("on_damage", self.on_damage().is_some(), &self.on_damage, "drop or deliver");
        for text in &self.talkback {
            let ok = text.parse::<TalkbackSetting>().is_ok();
            rules.holds("talkback", ok, text, "STREAM=udp://ADDRESS:PORT each");
        }
        let (count, most) = (self.talkback.len(), MAX_TALKBACKS);
        rules.holds("talkback", count <= most, count, format_args!("at most {most}"));
    }
}

impl Settings {
    /// Where units send to; `None` where the settings were not checked.
    pub fn listen(&self) -> Option<SocketAddr> {
        self.listen.parse().ok()
    }

    /// Where the page is; `None` where the settings were not checked.
    pub fn http(&self) -> Option<SocketAddr> {
        self.http.parse().ok()
    }

    /// Where the first stream is sent to.
    pub fn deliver(&self) -> Option<SocketAddr> {
        let address: SocketAddr = self.deliver.strip_prefix("udp://")?.parse().ok()?;
        (address.port() != 0).then_some(address)
    }

    pub(crate) fn talkback(&self) -> impl Iterator<Item = TalkbackSetting> {
        self.talkback.iter().filter_map(|text| text.parse().ok())
    }

    pub(crate) fn latency(&self) -> Option<Duration> {
        (self.latency_ms > 0).then(|| Duration::from_millis(self.latency_ms.into()))
    }

    /// What the engine puts out of each session.
    pub(crate) fn outputs(&self) -> Outputs {
        let record = self.record().map(|_| Duration::from_millis(self.record_latency_ms.into()));
        Outputs { longer: record.into_iter().collect(), on_damage: self.on_damage().unwrap_or_default() }
    }

    fn on_damage(&self) -> Option<OnDamage> {
        match self.on_damage.as_str() {
            "drop" => Some(OnDamage::Drop),
            "deliver" => Some(OnDamage::Deliver),
            _ => None,
        }
    }

    pub(crate) fn record(&self) -> Option<&Path> {
        given(&self.record)
    }

    pub(crate) fn demo(&self) -> Option<&Path> {
        given(&self.demo)
    }

    /// Every unit that may open sessions.
    ///
    /// # Errors
    /// When the file of paired units cannot be read. Without one, those in the settings are all.
    pub(crate) fn allowed(&self) -> anyhow::Result<Vec<PublicKey>> {
        let mut keys: Vec<PublicKey> = self.unit.iter().filter_map(|key| key.parse().ok()).collect();
        if self.units.exists() {
            keys.extend(units::load(&self.units)?.into_iter().map(|unit| unit.key));
        }
        if keys.is_empty() {
            let units = self.units.display();
            tracing::warn!(%units, "no unit is paired: nobody may send; the page or bondbox-gateway pair lets one in");
        }
        Ok(keys)
    }

    /// Units that may send, with their names; those of the settings have none.
    ///
    /// # Errors
    /// When the file of paired units cannot be read.
    pub(crate) fn members(&self) -> anyhow::Result<Vec<Unit>> {
        let set = self.unit.iter().filter_map(|key| Some(Unit { key: key.parse().ok()?, name: String::new() }));
        let paired = if self.units.exists() { units::load(&self.units)? } else { Vec::new() };
        Ok(set.chain(paired).collect())
    }
}

/// As many streams as a small production has.
const MAX_TALKBACKS: usize = 16;

fn given(path: &Path) -> Option<&Path> {
    (!path.as_os_str().is_empty()).then_some(path)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_shipped_file_has_every_key_with_its_default() {
        let shipped: toml::Table = toml::from_str(include_str!("../../../overlay/etc/bondbox/gateway.toml")).unwrap();
        assert_eq!(shipped, toml::Table::try_from(Settings::default()).unwrap());
    }

    #[test]
    fn a_refusal_names_the_place_the_key_the_value_and_the_range() {
        let refusals = [
            ("listen = \"7000\"", "listen is 7000, must be ADDRESS:PORT or [ADDRESS]:PORT"),
            ("unit = [\"12\"]", "unit is 12, must be 64 hexadecimal digits each"),
            ("latency_ms = 50", "latency_ms is 50, must be 100 to 10000, or 0 for what the unit asks"),
            ("http = \"\"", "http is , must be ADDRESS:PORT or [ADDRESS]:PORT"),
            ("deliver = \"127.0.0.1:9001\"", "deliver is 127.0.0.1:9001, must be udp://ADDRESS:PORT"),
            ("record_latency_ms = 50", "record_latency_ms is 50, must be 100 to 30000"),
            ("on_damage = \"mend\"", "on_damage is mend, must be drop or deliver"),
            ("talkback = [\"live\"]", "talkback is live, must be STREAM=udp://ADDRESS:PORT each"),
            ("port = 7000", "unknown field `port`"),
        ];
        for (line, refusal) in refusals {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            writeln!(file, "# a line\n{line}").unwrap();
            let error = bondbox_daemon::settings::load::<Settings>(Some(file.path()), &Flags::default()).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(&format!(":2: {refusal}")), "{text}");
        }
    }

    #[test]
    fn zero_leaves_the_latency_to_the_unit() {
        assert_eq!(Settings::default().latency(), None);
        let settings = Settings { latency_ms: 600, ..Settings::default() };
        assert_eq!(settings.latency(), Some(Duration::from_millis(600)));
    }
}
