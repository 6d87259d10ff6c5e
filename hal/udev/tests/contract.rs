//! What [`Devices`] promises, asked of the fake, and of a tree laid out as the kernel lays out `/sys`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use bondbox_udev::{Device, Devices, Fake, Kind, Port, Sysfs};

fn stick() -> Device {
    Device {
        port: Port::named("usb1-1.2"),
        kind: Kind::Stick,
        driver: "cdc_ether".into(),
        model: "HUAWEI_MOBILE E3372".into(),
    }
}

fn keeps_the_contract(devices: &impl Devices, unplug: impl Fn()) {
    assert_eq!(devices.behind("usb0"), Some(stick()));
    let own = Device { port: Port::named("veth0"), kind: Kind::Virtual, driver: String::new(), model: String::new() };
    assert_eq!(devices.behind("veth0"), Some(own));
    assert_eq!(devices.behind("wwan7"), None);
    unplug();
    assert_eq!(devices.behind("usb0"), None);
}

#[test]
fn the_fake_keeps_the_contract() {
    let fake = Fake::default();
    fake.set("usb0", Some(stick()));
    let own = Device { port: Port::named("veth0"), kind: Kind::Virtual, driver: String::new(), model: String::new() };
    fake.set("veth0", Some(own));
    keeps_the_contract(&fake, || fake.set("usb0", None));
}

/// A file, and the folders before it.
fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn sysfs_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let usb = root.join("devices/platform/1000480000.usb/usb1/1-1/1-1.2");
    write(&usb.join("idVendor"), "12d1\n");
    write(&usb.join("manufacturer"), "HUAWEI_MOBILE\n");
    write(&usb.join("product"), "E3372\u{7}\n");
    let net = usb.join("1-1.2:1.0/net/usb0");
    write(&net.join("uevent"), "INTERFACE=usb0\nIFINDEX=4\n");
    symlink("../../../1-1.2:1.0", net.join("device")).unwrap();
    fs::create_dir_all(root.join("bus/usb/drivers/cdc_ether")).unwrap();
    symlink(root.join("bus/usb/drivers/cdc_ether"), usb.join("1-1.2:1.0/driver")).unwrap();
    write(&root.join("devices/virtual/net/veth0/uevent"), "INTERFACE=veth0\n");
    fs::create_dir_all(root.join("class/net")).unwrap();
    symlink(&net, root.join("class/net/usb0")).unwrap();
    symlink(root.join("devices/virtual/net/veth0"), root.join("class/net/veth0")).unwrap();
    keeps_the_contract(&Sysfs::at(root), || fs::remove_file(root.join("class/net/usb0")).unwrap());
}
