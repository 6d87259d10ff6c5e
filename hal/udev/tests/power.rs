//! Ports of USB, on a tree laid out as the kernel lays out `/sys`.

use std::fs;
use std::path::Path;

use bondbox_udev::{Port, Power, PowerError, Sysfs};

const DEVICES: &str = "bus/usb/devices";

/// Two sticks and a keyboard on a hub, and one stick alone on another.
fn tree(root: &Path, hub: (&str, &str)) {
    let write = |path: &str, text: &str| {
        let path = root.join(DEVICES).join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("1-1/idVendor", &format!("{}\n", hub.0));
    write("1-1/idProduct", &format!("{}\n", hub.1));
    for device in ["1-1.1", "1-1.2", "1-1.3", "2-1"] {
        write(&format!("{device}/authorized"), "1\n");
    }
    for port in 1..4 {
        write(&format!("1-1:1.0/1-1-port{port}/disable"), "0\n");
    }
    write("2-0:1.0/usb2-port1/disable", "0\n");
}

fn reads(root: &Path, path: &str) -> String {
    fs::read_to_string(root.join(DEVICES).join(path)).unwrap().trim().to_owned()
}

#[test]
fn a_device_is_let_go_of_and_taken_again() {
    let folder = tempfile::tempdir().unwrap();
    tree(folder.path(), ("1234", "5678"));
    let (sysfs, port) = (Sysfs::at(folder.path()), Port::named("usb1-1.2"));
    sysfs.set_authorized(&port, false).unwrap();
    assert_eq!(reads(folder.path(), "1-1.2/authorized").chars().next(), Some('0'));
    assert_eq!(reads(folder.path(), "1-1.1/authorized"), "1");
    sysfs.set_authorized(&port, true).unwrap();
    assert_eq!(reads(folder.path(), "1-1.2/authorized").chars().next(), Some('1'));
}

#[test]
fn no_neighbour_loses_its_power_where_the_hub_may_be_ganged() {
    let folder = tempfile::tempdir().unwrap();
    tree(folder.path(), ("1234", "5678"));
    let sysfs = Sysfs::at(folder.path());
    let refused = sysfs.set_power(&Port::named("usb1-1.2"), false).unwrap_err();
    assert!(matches!(&refused, PowerError::Ganged { neighbours, .. } if neighbours.contains("1-1.1")), "{refused}");
    assert_eq!(reads(folder.path(), "1-1:1.0/1-1-port2/disable"), "0");
    // Alone on its hub.
    sysfs.set_power(&Port::named("usb2-1"), false).unwrap();
    assert_eq!(reads(folder.path(), "2-0:1.0/usb2-port1/disable").chars().next(), Some('1'));
    // On is never refused: it harms nobody.
    sysfs.set_power(&Port::named("usb1-1.2"), true).unwrap();
}

#[test]
fn a_hub_that_switches_each_port_by_itself_may_cut_one() {
    let folder = tempfile::tempdir().unwrap();
    tree(folder.path(), ("2109", "2817"));
    Sysfs::at(folder.path()).set_power(&Port::named("usb1-1.2"), false).unwrap();
    assert_eq!(reads(folder.path(), "1-1:1.0/1-1-port2/disable").chars().next(), Some('1'));
    assert_eq!(reads(folder.path(), "1-1:1.0/1-1-port1/disable"), "0");
}

#[test]
fn what_is_not_on_usb_or_not_there_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    tree(folder.path(), ("1234", "5678"));
    let sysfs = Sysfs::at(folder.path());
    let soldered = Port::named("pci0000:01:00.0");
    assert_eq!(sysfs.set_authorized(&soldered, false), Err(PowerError::NotUsb(soldered)));
    assert!(matches!(sysfs.set_authorized(&Port::named("usb1-1.7"), true), Err(PowerError::Refused { .. })));
    assert!(!folder.path().join(DEVICES).join("1-1.7").exists(), "nothing is made");
}
