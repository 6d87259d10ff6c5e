//! What the kernel shows under `/sys`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::kind::{Facts, kind};
use crate::{Device, Devices, Port, SwitchingHub};

/// The devices of a sysfs tree.
#[derive(Clone, Debug)]
pub struct Sysfs {
    root: PathBuf,
    /// Besides those that are known.
    switching_hubs: Vec<SwitchingHub>,
}

impl Default for Sysfs {
    fn default() -> Self {
        Self::at(Path::new("/sys"))
    }
}

impl Sysfs {
    /// That of a test.
    pub fn at(root: &Path) -> Self {
        Self { root: root.into(), switching_hubs: Vec::new() }
    }

    /// The same, where an operator says of these hubs that they switch each of their ports by itself.
    #[must_use]
    pub fn with_switching_hubs(self, switching_hubs: Vec<SwitchingHub>) -> Self {
        Self { switching_hubs, ..self }
    }

    pub(crate) fn switching_hubs(&self) -> &[SwitchingHub] {
        &self.switching_hubs
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }
}

impl Devices for Sysfs {
    fn behind(&self, interface: &str) -> Option<Device> {
        let there = self.root.join("class/net").join(interface);
        let path = fs::canonicalize(&there).ok()?;
        let device = fs::canonicalize(path.join("device")).ok();
        let usb = device.as_deref().and_then(usb_device);
        let driver = device.as_deref().and_then(|device| fs::read_link(device.join("driver")).ok());
        let driver = driver.and_then(|driver| Some(driver.file_name()?.to_str()?.to_owned())).unwrap_or_default();
        let text = |name: &str| usb.as_deref().and_then(|usb| read(&usb.join(name))).unwrap_or_default();
        let facts = Facts {
            wireless: path.join("phy80211").exists() || path.join("wireless").exists(),
            devtype: uevent(&path, "DEVTYPE").unwrap_or_default(),
            driver: driver.clone(),
            vendor: text("idVendor"),
            has_device: device.is_some(),
        };
        let model = format!("{} {}", text("manufacturer"), text("product")).trim().to_owned();
        Some(Device { port: Port::of(&path), kind: kind(&facts), driver, model })
    }
}

/// The USB device that an interface of it belongs to.
fn usb_device(device: &Path) -> Option<PathBuf> {
    device.ancestors().find(|path| path.join("idVendor").exists()).map(Path::to_path_buf)
}

fn uevent(path: &Path, key: &str) -> Option<String> {
    let text = fs::read_to_string(path.join("uevent")).ok()?;
    text.lines().find_map(|line| Some(line.strip_prefix(key)?.strip_prefix('=')?.to_owned()))
}

/// Devices call themselves as they like: only what can be shown is taken.
fn read(path: &Path) -> Option<String> {
    let text = String::from_utf8_lossy(&fs::read(path).ok()?).into_owned();
    Some(text.chars().filter(|character| !character.is_control()).take(LONGEST).collect::<String>().trim().to_owned())
}

const LONGEST: usize = 40;
