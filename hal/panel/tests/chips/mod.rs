//! What a gauge on I2C promises, on any bus that a test can set: of `tests/contract.rs` on the fake one, of `examples/chips.rs`
//! on one of the kernel's.

use std::io;

use bondbox_panel_core::battery::Reading;
use bondbox_panel_devices::battery::Gauge;
use bondbox_panel_devices::i2c::{Bus, Chip, OnBus, Wiring};

/// A bus with one chip at [`ADDRESS`], and the hand that sets it.
pub(crate) trait Played {
    /// As the product reaches it.
    fn bus(&self) -> impl Bus;
    /// What a register of the chip is from now on.
    fn set(&self, register: u8, value: u16);
    /// The chip is there, or gone.
    fn put(&self, there: bool);
}

pub(crate) const ADDRESS: u8 = 0x36;

/// Each chip says by its registers what the pack holds and gives, and is named when it is not there.
pub(crate) fn chips_keep_the_contract(played: &impl Played) {
    played.put(true);
    for (chip, registers, want) in said() {
        for (register, value) in registers {
            played.set(register, value);
        }
        let mut gauge = find(played, chip, ADDRESS).unwrap();
        assert_eq!(gauge.read().unwrap(), want, "{chip:?} of {registers:04x?}");
    }
    for chip in [Chip::Max17040, Chip::Ina219, Chip::Ina226] {
        let refusal = find(played, chip, 0x41).map(|_| ()).unwrap_err().to_string();
        let place = format!("{chip:?} at 0x41 on {}: ", played.bus().name());
        assert_eq!(refusal, place + "nobody answers there");

        let mut gauge = find(played, chip, ADDRESS).unwrap();
        played.put(false);
        let gone = gauge.read().unwrap_err();
        assert!(gone.kind() == io::ErrorKind::NotFound && gone.to_string().starts_with(&gauge.name()), "{gone}");
        played.put(true);
        gauge.read().unwrap();
    }
}

fn find(played: &impl Played, chip: Chip, address: u8) -> io::Result<OnBus<impl Bus>> {
    OnBus::find(played.bus(), chip, Wiring { address, shunt_microohm: 100_000, cells: 2 })
}

/// A chip, what its registers are, and what that means.
type Said = (Chip, [(u8, u16); 2], Reading);

/// By the data sheets.
fn said() -> [Said; 6] {
    let none = Reading { cells: 2, ..Reading::default() };
    let holds =
        |millivolts, permille| Reading { millivolts: Some(millivolts), charge_permille: Some(permille), ..none };
    let gives = |milliwatts| Reading {
        millivolts: Some(7_600),
        milliwatts: Some(milliwatts),
        charging: Some(milliwatts < 0),
        ..none
    };
    [
        // 3.7 V are 2,960 steps; 87.5 %.
        (Chip::Max17040, [(2, 2_960 << 4), (4, 0x5780)], holds(3_700, 875)),
        (Chip::Max17040, [(2, 0), (4, 0x6700)], holds(0, 1_000)),
        // 7.6 V, and 150 mV, or the 75 mV that the other one can measure, over 0.1 ohm.
        (Chip::Ina219, [(2, 1_900 << 3), (1, 15_000)], gives(11_400)),
        (Chip::Ina219, [(2, 1_900 << 3), (1, (-15_000_i16).cast_unsigned())], gives(-11_400)),
        (Chip::Ina226, [(2, 6_080), (1, 30_000)], gives(5_700)),
        (Chip::Ina226, [(2, 6_080), (1, (-30_000_i16).cast_unsigned())], gives(-5_700)),
    ]
}
