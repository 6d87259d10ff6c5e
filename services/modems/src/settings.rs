//! What the service can be set to.

use std::path::PathBuf;

use bondbox_daemon::settings::{Rules, Settings as Checked};
use serde::{Deserialize, Serialize};

/// The file, as `overlay/etc/bondbox/modems.toml` documents it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Interfaces that are links though no device is behind them.
    pub also: Vec<String>,
    /// Interfaces that are none, whatever is behind them.
    pub inside: Vec<String>,
    /// Where ModemManager is found; empty, on the system's bus.
    pub bus: String,
    /// Where names, plans and what was carried are kept.
    pub state: PathBuf,
    /// Users that may connect, besides root and the service's own.
    pub clients: Vec<String>,
}

/// The same keys as flags.
#[derive(Debug, Default, clap::Args, Serialize)]
pub struct Flags {
    /// An interface that is a link though no device is behind it, once for each.
    #[arg(long, value_name = "INTERFACE")]
    also: Vec<String>,
    /// The D-Bus address at which ModemManager is found, instead of the system's bus.
    #[arg(long, value_name = "ADDRESS")]
    bus: Option<String>,
    /// Where names, plans and what was carried are kept.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            also: Vec::new(),
            inside: vec!["ap0".into(), "usbgadget0".into()],
            bus: String::new(),
            state: "/var/lib/bondbox-modems".into(),
            clients: ["bondbox-uplink", "bondbox-panel", "bondbox-portal"].map(String::from).to_vec(),
        }
    }
}

impl Checked for Settings {
    fn check(&self, rules: &mut Rules<'_>) {
        for (key, names) in [("also", &self.also), ("inside", &self.inside)] {
            for name in names {
                rules.holds(key, is_name(name), format!("{name:?}"), "names of interfaces, of 1 to 15 bytes");
            }
        }
    }
}

/// Whether Linux would have an interface of this name.
fn is_name(name: &str) -> bool {
    (1..=15).contains(&name.len())
        && !name.contains(|character: char| character.is_control() || character.is_whitespace() || character == '/')
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn the_shipped_file_says_what_the_defaults_are() {
        let shipped: Settings = toml::from_str(include_str!("../../../overlay/etc/bondbox/modems.toml")).unwrap();
        assert_eq!(shipped, Settings::default());
    }

    #[test]
    fn a_refusal_names_the_place_the_key_the_value_and_the_range() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "# a line\nalso = [\"veth 0\"]").unwrap();
        let error = bondbox_daemon::settings::load::<Settings>(Some(file.path()), &Flags::default()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(":2: also is \"veth 0\", must be names of interfaces, of 1 to 15 bytes"), "{text}");
    }
}
