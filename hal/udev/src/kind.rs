//! What a device is, from what the kernel says of it.

use crate::Kind;

/// What sysfs says of an interface.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) wireless: bool,
    /// `DEVTYPE` of its uevent: `wwan`, `wlan`.
    pub(crate) devtype: String,
    pub(crate) driver: String,
    /// `idVendor` of the USB device.
    pub(crate) vendor: String,
    pub(crate) has_device: bool,
}

/// Sticks and phones both speak Ethernet over USB; who made them tells them apart.
pub(crate) fn kind(facts: &Facts) -> Kind {
    let usb_ethernet = ["cdc_ether", "cdc_ncm", "rndis_host"].contains(&facts.driver.as_str());
    if facts.devtype == "wwan" || MODEM_DRIVERS.contains(&facts.driver.as_str()) {
        Kind::Modem
    } else if facts.wireless || facts.devtype == "wlan" {
        Kind::Wifi
    } else if facts.driver == "ipheth" || usb_ethernet && PHONES.contains(&facts.vendor.as_str()) {
        Kind::Phone
    } else if usb_ethernet && STICKS.contains(&facts.vendor.as_str()) {
        Kind::Stick
    } else if !facts.has_device {
        Kind::Virtual
    } else {
        // Adapters, and Starlink's router behind one.
        Kind::Ethernet
    }
}

/// Whose interface carries nothing before a bearer was asked for.
const MODEM_DRIVERS: [&str; 5] = ["qmi_wwan", "cdc_mbim", "huawei_cdc_ncm", "sierra_net", "iosm"];

/// USB ids of those who make phones: Google, Samsung, Xiaomi, Motorola, OnePlus, Sony, LG, HTC, Oppo, Apple.
const PHONES: [&str; 10] = ["18d1", "04e8", "2717", "22b8", "2a70", "0fce", "1004", "0bb4", "22d9", "05ac"];

/// USB ids of those who make sticks: Huawei, ZTE, Alcatel, D-Link, Longcheer, Qualcomm's own designs, Netgear, Quectel's router
/// modes, Fibocom's, and the emulated one of QEMU.
const STICKS: [&str; 10] = ["12d1", "19d2", "1bbb", "2001", "1c9e", "05c6", "0846", "2c7c", "2cb7", "0525"];

#[cfg(test)]
mod tests {
    use super::*;

    fn of(driver: &str, vendor: &str, devtype: &str) -> Kind {
        kind(&Facts {
            driver: driver.into(),
            vendor: vendor.into(),
            devtype: devtype.into(),
            has_device: true,
            ..Facts::default()
        })
    }

    #[test]
    fn makers_tell_sticks_from_phones_and_adapters() {
        assert_eq!(of("cdc_ether", "12d1", ""), Kind::Stick);
        assert_eq!(of("rndis_host", "04e8", ""), Kind::Phone);
        assert_eq!(of("ipheth", "05ac", ""), Kind::Phone);
        assert_eq!(of("cdc_ncm", "0b95", ""), Kind::Ethernet);
        assert_eq!(of("r8152", "0bda", ""), Kind::Ethernet);
    }

    #[test]
    fn a_modem_is_known_by_its_driver_or_by_the_kernels_word() {
        assert_eq!(of("qmi_wwan", "2c7c", "wwan"), Kind::Modem);
        assert_eq!(of("cdc_mbim", "1199", ""), Kind::Modem);
        assert_eq!(of("mhi_net", "", "wwan"), Kind::Modem);
        assert_eq!(of("brcmfmac", "", "wlan"), Kind::Wifi);
        assert_eq!(kind(&Facts::default()), Kind::Virtual);
    }
}
