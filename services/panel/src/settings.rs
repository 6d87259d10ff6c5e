//! What the service can be set to.

use std::path::{Path, PathBuf};

use bondbox_daemon::settings::{Rules, Settings as Checked};
use bondbox_panel_devices::i2c::{Chip, Wiring};
use serde::{Deserialize, Serialize};

/// The file, as `overlay/etc/bondbox/panel.toml` documents it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub(crate) gauge: GaugeKind,
    pub(crate) gauge_bus: PathBuf,
    pub(crate) gauge_address: u8,
    pub(crate) gauge_shunt_milliohm: u32,
    pub(crate) gauge_cells: u8,
    pub(crate) gauge_every_ms: u32,
    pub(crate) fan: FanKind,
    pub(crate) lines_by: LinesBy,
    pub(crate) key_lines: Vec<String>,
    pub(crate) light_lines: Vec<String>,
    pub(crate) profile: Vec<Profile>,
    pub(crate) sys: PathBuf,
    pub(crate) dev: PathBuf,
    pub(crate) clients: Vec<String>,
}

/// Where the charge is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum GaugeKind {
    /// Whatever the kernel has.
    Kernel,
    Max17040,
    Ina219,
    Ina226,
}

/// Who turns the fan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FanKind {
    /// The kernel, by the board's device tree.
    Kernel,
    /// This service.
    Panel,
}

/// Who reaches raw lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LinesBy {
    /// The kernel.
    Gpiocdev,
    /// The registers of a Raspberry Pi.
    Rppal,
}

/// Something to send.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    pub(crate) name: String,
    /// As capture takes it.
    pub(crate) source: String,
}

/// The same keys as flags, where a command line has a use for them.
#[derive(Debug, Default, clap::Args, Serialize)]
pub struct Flags {
    /// What the kernel knows of devices.
    #[arg(long, value_name = "DIR")]
    sys: Option<PathBuf>,
    /// Where devices are.
    #[arg(long, value_name = "DIR")]
    dev: Option<PathBuf>,
    /// Between two looks at the gauge.
    #[arg(long)]
    gauge_every_ms: Option<u32>,
    /// Who turns the fan.
    #[arg(long)]
    fan: Option<FanKind>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            gauge: GaugeKind::Kernel,
            gauge_bus: "/dev/i2c-1".into(),
            gauge_address: 0x36,
            gauge_shunt_milliohm: 100,
            gauge_cells: 2,
            gauge_every_ms: 5_000,
            fan: FanKind::Kernel,
            lines_by: LinesBy::Gpiocdev,
            key_lines: Vec::new(),
            light_lines: Vec::new(),
            profile: Vec::new(),
            sys: "/sys".into(),
            dev: "/dev".into(),
            clients: vec!["bondbox-portal".into(), "bondbox-ota".into(), "bondbox-uplink".into()],
        }
    }
}

impl Checked for Settings {
    fn check(&self, rules: &mut Rules<'_>) {
        rules.range("gauge_address", self.gauge_address, 0x08..=0x77);
        rules.range("gauge_shunt_milliohm", self.gauge_shunt_milliohm, 1..=10_000);
        rules.range("gauge_cells", self.gauge_cells, 1..=8);
        rules.range("gauge_every_ms", self.gauge_every_ms, 100..=60_000);
        let lines = |lines: &[String], must| lines.is_empty() || lines.len() == must;
        rules.holds("key_lines", lines(&self.key_lines, 2), self.key_lines.join(","), "two names: start, select");
        rules.holds(
            "light_lines",
            lines(&self.light_lines, 3),
            self.light_lines.join(","),
            "three names: air, link, power",
        );
        let named = self.profile.iter().all(|profile| !profile.name.is_empty() && !profile.source.is_empty());
        rules.holds(
            "profile",
            named && self.profile.len() <= 16,
            self.profile.len(),
            "up to 16, each with name and source",
        );
    }
}

impl Settings {
    /// What the kernel knows of devices.
    pub fn sys(&self) -> &Path {
        &self.sys
    }

    /// Whether the fan is this service's.
    pub fn turns_fan(&self) -> bool {
        self.fan == FanKind::Panel
    }

    /// Whether no light is the kernel's.
    pub fn lights_are_lines(&self) -> bool {
        !self.light_lines.is_empty()
    }

    /// The chip that is read without the kernel's help.
    pub(crate) fn chip(&self) -> Option<(Chip, Wiring)> {
        let chip = match self.gauge {
            GaugeKind::Kernel => return None,
            GaugeKind::Max17040 => Chip::Max17040,
            GaugeKind::Ina219 => Chip::Ina219,
            GaugeKind::Ina226 => Chip::Ina226,
        };
        let shunt_microohm = self.gauge_shunt_milliohm * 1_000;
        Some((chip, Wiring { address: self.gauge_address, shunt_microohm, cells: self.gauge_cells }))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_shipped_file_says_what_the_defaults_are() {
        let shipped: Settings = toml::from_str(include_str!("../../../overlay/etc/bondbox/panel.toml")).unwrap();
        assert_eq!(shipped, Settings::default());
    }

    #[test]
    fn a_refusal_names_the_place_the_key_the_value_and_the_range() {
        let refusals = [
            ("gauge_address = 3", "gauge_address is 3, must be 8 to 119"),
            ("key_lines = [\"a\"]", "key_lines is a, must be two names: start, select"),
            ("lines_by = \"sysfs\"", "lines_by is \"sysfs\": unknown variant `sysfs`, expected `gpiocdev` or `rppal`"),
            ("fan = \"both\"", "fan is \"both\": unknown variant `both`"),
        ];
        for (line, refusal) in refusals {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            writeln!(file, "# a line\n{line}").unwrap();
            let error = bondbox_daemon::settings::load::<Settings>(Some(file.path()), &Flags::default()).unwrap_err();
            assert!(error.to_string().contains(&format!(":2: {refusal}")), "{error}");
        }
    }
}
