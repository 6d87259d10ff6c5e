//! What lights, keys, gauges and fans promise, wherever they are: of `tests/contract.rs` on fakes and on files that look like the
//! kernel's, of `examples/devices.rs` on those that the kernel itself has.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use bondbox_ipc::panel::{Key, Light, Lights};
use bondbox_panel_core::battery::Reading;
use bondbox_panel_devices::battery::Gauge;
use bondbox_panel_devices::keys::{Edge, Keys};
use bondbox_panel_devices::leds::Leds;
use bondbox_panel_devices::thermal::{Fan, Pwm};

/// What blinks in [`lights_keep_the_contract`].
pub(crate) const BLINKS: [Light; 2] =
    [Light::Blink { on_ms: 500, off_ms: 250 }, Light::Blink { on_ms: 50, off_ms: 50 }];

/// Each light can be each thing, whatever it was before.
pub(crate) fn lights_keep_the_contract(lights: &mut impl Leds, seen: impl Fn() -> Lights) {
    let states = [Light::Dark, Light::Lit, BLINKS[0], BLINKS[1]];
    for before in states {
        for after in states {
            for shown in [before, after] {
                let all = Lights { air: shown, link: Light::Lit, power: before };
                lights.show(all).unwrap();
                assert_eq!(seen(), all);
            }
        }
    }
}

/// At 42 %, 7.4 V, giving 7.4 W, without mains.
pub(crate) const PACK: Reading = Reading {
    charge_permille: Some(420),
    millivolts: Some(7_400),
    milliwatts: Some(7_400),
    charging: Some(false),
    mains: Some(false),
    cells: 0,
};

/// [`PACK`]; then it is gone.
pub(crate) fn gauges_keep_the_contract(gauge: &mut impl Gauge, goes: impl FnOnce()) {
    assert_eq!(gauge.read().unwrap(), PACK);
    goes();
    assert!(gauge.read().is_err(), "a gauge that is gone says nothing");
}

/// Told 50 %, it turns at half speed.
pub(crate) fn fans_keep_the_contract(fan: &mut impl Fan, seen: impl Fn() -> u8) {
    for percent in [0, 50, 100, 35] {
        fan.turn(percent).unwrap();
        assert_eq!(seen(), percent);
    }
}

/// The same of one that the kernel turns, below `root`, by the files in `chip`; and it is the kernel's again afterwards.
pub(crate) fn fans_of_the_kernel_are_given_back(root: &Path, chip: &Path) {
    // A driver may say what was for as long as it does not look again.
    let becomes = |file: &str, want: &str| {
        let begun = Instant::now();
        while said(&chip.join(file)) != want {
            assert!(begun.elapsed() < Duration::from_secs(10), "{file}: {}, not {want}", said(&chip.join(file)));
            std::thread::yield_now();
        }
    };
    becomes("pwm1_enable", "2");
    let mut fan = Pwm::take(root).unwrap();
    becomes("pwm1_enable", "1");
    fans_keep_the_contract(&mut fan, || {
        let value: u32 = said(&chip.join("pwm1")).parse().unwrap();
        u8::try_from((value * 100).div_ceil(255)).unwrap()
    });
    drop(fan);
    becomes("pwm1_enable", "2");
    // One that crashed left it by hand.
    std::mem::forget(Pwm::take(root).unwrap());
    becomes("pwm1_enable", "1");
    Pwm::give_back(root).unwrap();
    becomes("pwm1_enable", "2");
    becomes("pwm1", "255");
}

/// What a file of the kernel's, or one like it, says.
pub(crate) fn said(file: &Path) -> String {
    fs::read_to_string(file).unwrap().trim().to_string()
}

/// Start goes down and up, as `moves` has it.
pub(crate) async fn keys_tell_each_change(keys: &mut impl Keys, mut moves: impl FnMut(bool)) {
    for down in [true, false] {
        moves(down);
        let edge = next(keys).await.unwrap();
        assert_eq!((edge.key, edge.down), (Key::Start, down));
    }
}

/// And then the device is gone.
pub(crate) async fn keys_keep_the_contract(keys: &mut impl Keys, moves: impl FnMut(bool), goes: impl FnOnce()) {
    keys_tell_each_change(keys, moves).await;
    goes();
    assert!(next(keys).await.is_err(), "keys that are gone say so");
}

async fn next(keys: &mut impl Keys) -> io::Result<Edge> {
    tokio::time::timeout(Duration::from_secs(60), keys.next()).await.expect("nothing comes from the keys")
}
