//! What the service can be set to.

use std::path::PathBuf;

use bondbox_daemon::settings::{Rules, Settings as Checked};
use bondbox_udev::SwitchingHub;
use serde::{Deserialize, Serialize};

/// The file, as `overlay/etc/bondbox/modems.toml` documents it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Interfaces that are links though no device is behind them.
    pub also: Vec<String>,
    /// Interfaces that are none, whatever is behind them.
    pub inside: Vec<String>,
    /// Hubs that switch the power of each of their ports by itself, besides those that are known to.
    pub switching_hubs: Vec<String>,
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
            switching_hubs: Vec::new(),
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
        for hub in &self.switching_hubs {
            let is_hub = hub.parse::<SwitchingHub>().is_ok();
            rules.holds(
                "switching_hubs",
                is_hub,
                format!("{hub:?}"),
                "models of hubs, like 2109:2817, or their ports, like usb1-1",
            );
        }
    }
}

impl Settings {
    /// What [`Checked::check`] has let through.
    pub fn switching_hubs(&self) -> Vec<SwitchingHub> {
        self.switching_hubs.iter().filter_map(|hub| hub.parse().ok()).collect()
    }
}

/// Whether Linux would have an interface of this name, and nobody takes it for something else: the firewall's language has a
/// meaning for quotes and stars.
fn is_name(name: &str) -> bool {
    (1..=15).contains(&name.len())
        && !name.contains(|character: char| {
            character.is_control() || character.is_whitespace() || "/:\"*\\".contains(character)
        })
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
        for (line, refusal) in [
            ("also = [\"veth 0\"]", ":2: also is \"veth 0\", must be names of interfaces, of 1 to 15 bytes"),
            ("inside = [\"eth*\"]", ":2: inside is \"eth*\", must be names of interfaces, of 1 to 15 bytes"),
            (
                "switching_hubs = [\"2109\"]",
                ":2: switching_hubs is \"2109\", must be models of hubs, like 2109:2817, or ",
            ),
        ] {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            writeln!(file, "# a line\n{line}").unwrap();
            let error = bondbox_daemon::settings::load::<Settings>(Some(file.path()), &Flags::default()).unwrap_err();
            assert!(error.to_string().contains(refusal), "{error}");
        }
    }
}
