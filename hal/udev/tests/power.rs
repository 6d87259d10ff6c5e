//! Ports of USB, on a tree laid out as the kernel lays out `/sys`.

use std::fs;
use std::os::unix::fs::symlink;
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

/// The hub is one of USB 3, and so is the host's: to the kernel it is another one on bus 3, with ports of its own.
fn add_twins(root: &Path) {
    let devices = root.join(DEVICES);
    for (port, twin) in [
        ("1-1:1.0/1-1-port1", "3-1:1.0/3-1-port1"),
        ("1-1:1.0/1-1-port2", "3-1:1.0/3-1-port2"),
        ("2-0:1.0/usb2-port1", "4-0:1.0/usb4-port1"),
    ] {
        fs::create_dir_all(devices.join(twin)).unwrap();
        fs::write(devices.join(twin).join("disable"), "0\n").unwrap();
        symlink(devices.join(twin), devices.join(port).join("peer")).unwrap();
        symlink(devices.join(port), devices.join(twin).join("peer")).unwrap();
    }
    fs::create_dir_all(devices.join("3-1")).unwrap();
    fs::write(devices.join("3-1/idVendor"), "5678\n").unwrap();
    fs::write(devices.join("3-1/idProduct"), "9abc\n").unwrap();
}

/// What the two switches of a port say; `1` is off.
fn switches(root: &Path, [port, twin]: [&str; 2]) -> [char; 2] {
    [port, twin].map(|path| reads(root, &format!("{path}/disable")).chars().next().unwrap())
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
fn a_port_of_usb_3_is_off_and_on_with_its_twin() {
    let folder = tempfile::tempdir().unwrap();
    tree(folder.path(), ("1234", "5678"));
    add_twins(folder.path());
    let sysfs = Sysfs::at(folder.path());
    for (port, pair) in [
        ("usb2-1", ["2-0:1.0/usb2-port1", "4-0:1.0/usb4-port1"]),
        // Found on the other bus.
        ("usb4-1", ["2-0:1.0/usb2-port1", "4-0:1.0/usb4-port1"]),
    ] {
        // Only one of the two is plugged in.
        let port = Port::named(port);
        let other = if port.as_str() == "usb4-1" { "2-1" } else { "none" };
        let _ = fs::remove_dir_all(folder.path().join(DEVICES).join(other));
        sysfs.set_power(&port, false).unwrap();
        assert_eq!(switches(folder.path(), pair), ['1', '1'], "{port}");
        sysfs.set_power(&port, true).unwrap();
        assert_eq!(switches(folder.path(), pair), ['0', '0'], "{port}");
    }
}

#[test]
fn a_neighbour_on_the_twin_of_a_hub_keeps_its_power_too() {
    let folder = tempfile::tempdir().unwrap();
    tree(folder.path(), ("1234", "5678"));
    add_twins(folder.path());
    for neighbour in ["1-1.1", "1-1.3"] {
        fs::remove_dir_all(folder.path().join(DEVICES).join(neighbour)).unwrap();
    }
    let (sysfs, port) = (Sysfs::at(folder.path()), Port::named("usb1-1.2"));
    sysfs.set_power(&port, false).unwrap();
    sysfs.set_power(&port, true).unwrap();
    fs::create_dir(folder.path().join(DEVICES).join("3-1.1")).unwrap();
    let refused = sysfs.set_power(&port, false).unwrap_err();
    assert!(matches!(&refused, PowerError::Ganged { neighbours, .. } if neighbours == "3-1.1"), "{refused}");
    assert_eq!(switches(folder.path(), ["1-1:1.0/1-1-port2", "3-1:1.0/3-1-port2"]), ['0', '0']);
}

#[test]
fn where_one_of_two_cannot_be_switched_neither_stays_off() {
    let folder = tempfile::tempdir().unwrap();
    tree(folder.path(), ("1234", "5678"));
    add_twins(folder.path());
    let port = Port::named("usb2-1");
    let twin = folder.path().join(DEVICES).join("4-0:1.0/usb4-port1/disable");
    fs::remove_file(&twin).unwrap();
    fs::create_dir(&twin).unwrap();
    let refused = Sysfs::at(folder.path()).set_power(&port, false).unwrap_err();
    assert!(matches!(&refused, PowerError::Refused { reason, .. } if reason.contains("directory")), "{refused}");
    assert_eq!(reads(folder.path(), "2-0:1.0/usb2-port1/disable").chars().next(), Some('0'));
}

#[test]
fn a_hub_of_which_an_operator_says_so_may_cut_one_port() {
    for said in ["1234:5678", "5678:9ABC", "usb1-1", "usb3-1"] {
        let folder = tempfile::tempdir().unwrap();
        tree(folder.path(), ("1234", "5678"));
        add_twins(folder.path());
        let sysfs = Sysfs::at(folder.path()).with_switching_hubs(vec![said.parse().unwrap()]);
        sysfs.set_power(&Port::named("usb1-1.2"), false).unwrap();
        assert_eq!(switches(folder.path(), ["1-1:1.0/1-1-port2", "3-1:1.0/3-1-port2"]), ['1', '1'], "{said}");
        assert_eq!(switches(folder.path(), ["1-1:1.0/1-1-port1", "3-1:1.0/3-1-port1"]), ['0', '0'], "{said}");
    }
    for other in ["1234:5679", "usb2-1", "usb1"] {
        let folder = tempfile::tempdir().unwrap();
        tree(folder.path(), ("1234", "5678"));
        let sysfs = Sysfs::at(folder.path()).with_switching_hubs(vec![other.parse().unwrap()]);
        let refused = sysfs.set_power(&Port::named("usb1-1.2"), false);
        assert!(matches!(refused, Err(PowerError::Ganged { .. })), "{other}: {refused:?}");
    }
}

#[test]
fn what_is_not_on_usb_or_not_there_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    tree(folder.path(), ("1234", "5678"));
    let sysfs = Sysfs::at(folder.path());
    let soldered = Port::named("pci0000:01:00.0");
    assert_eq!(sysfs.set_authorized(&soldered, false), Err(PowerError::NotUsb(soldered)));
    let gone = Port::named("usb1-1.7");
    assert_eq!(sysfs.set_authorized(&gone, true), Err(PowerError::Absent(gone.clone())));
    assert_eq!(sysfs.set_power(&gone, true), Err(PowerError::Absent(gone)));
    assert!(!folder.path().join(DEVICES).join("1-1.7").exists(), "nothing is made");
}
