//! Lets go of a device and takes it again, and cuts the power of its port and gives it back, on the kernel's own files: `ports usb3-1`.
//! `hil-tests/rig` runs it in the virtual unit as the modem service's user, on a device alone on its hub. Fails where the device
//! does not go and come back.

use std::path::Path;
use std::time::{Duration, Instant};

use bondbox_udev::{Port, Power, Sysfs};

fn main() {
    let name = std::env::args().nth(1).expect("a port: usb3-1");
    let port = Port::named(&name);
    let device = Path::new("/sys/bus/usb/devices").join(port.usb().expect("a port of USB"));
    let interface = device.with_file_name(format!("{}:1.0", port.usb().unwrap_or_default()));
    let sysfs = Sysfs::at(Path::new("/sys"));
    becomes(&interface, true);
    sysfs.set_authorized(&port, false).unwrap();
    becomes(&interface, false);
    assert!(device.exists(), "it is still plugged in");
    sysfs.set_authorized(&port, true).unwrap();
    becomes(&interface, true);
    println!("let go of and taken again");
    sysfs.set_power(&port, false).unwrap();
    becomes(&device, false);
    sysfs.set_power(&port, true).unwrap();
    becomes(&interface, true);
    println!("without power, and with it again");
}

fn becomes(path: &Path, there: bool) {
    let begun = Instant::now();
    while path.exists() != there {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{} is {}there",
            path.display(),
            if there { "not " } else { "" }
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}
