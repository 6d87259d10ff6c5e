//! What every [`System`], and who [`Leases`], promises, asked of the fake, and of logind and systemd as a bus of our own plays them.

mod played;

use std::time::Duration;

use bondbox_system::{Fake, Leases, Mood, System, SystemError, Systemd};
use played::Played;

/// What a test can have a system be, and see of it.
trait Stage {
    fn set(&self, mood: Mood);
    fn take_done(&self) -> Vec<String>;
}

impl Stage for Fake {
    fn set(&self, mood: Mood) {
        Fake::set(self, mood);
    }

    fn take_done(&self) -> Vec<String> {
        Fake::take_done(self)
    }
}

impl Stage for Played {
    fn set(&self, mood: Mood) {
        Played::set(self, mood);
    }

    fn take_done(&self) -> Vec<String> {
        Played::take_done(self)
    }
}

async fn keeps_the_contract(system: &(impl System + Leases), stage: &impl Stage) {
    assert_eq!(system.power_off().await, Ok(()));
    assert_eq!(stage.take_done(), ["power-off"]);
    assert_eq!(system.factory_reset().await, Ok(()));
    assert_eq!(stage.take_done(), ["factory-reset"]);
    assert_eq!((system.lease("usb1-1.2", true).await, system.lease("usb1-1.2", false).await), (Ok(()), Ok(())));
    assert_eq!(stage.take_done(), ["lease usb1-1.2", "leave usb1-1.2"]);

    stage.set(Mood::Denies);
    let denied = Err(SystemError::Denied("Access denied".into()));
    assert_eq!((system.power_off().await, system.factory_reset().await), (denied.clone(), denied.clone()));
    assert_eq!(system.lease("wwan0", true).await, denied);

    stage.set(Mood::Fails);
    for failed in [system.power_off().await, system.factory_reset().await, system.lease("wwan0", true).await] {
        assert!(matches!(&failed, Err(SystemError::Refused(why)) if why.contains("failed")), "{failed:?}");
    }

    stage.set(Mood::Idles);
    let idles = Err(SystemError::NoEffect);
    assert_eq!((system.power_off().await, system.factory_reset().await), (idles.clone(), idles.clone()));
    assert_eq!(system.lease("wwan0", false).await, idles);
    assert!(stage.take_done().is_empty());
}

#[tokio::test]
async fn the_fake_keeps_the_contract() {
    let fake = Fake::default();
    keeps_the_contract(&fake, &fake).await;
}

#[tokio::test]
async fn systemd_keeps_the_contract_and_may_be_absent() {
    let mut played = Played::start().await;
    let systemd = Systemd::at(&played.address, Duration::from_millis(1_500));
    keeps_the_contract(&systemd, &played).await;
    played.leave().await;
    let absent = systemd.power_off().await;
    assert!(matches!(absent, Err(SystemError::NoService(_))), "{absent:?}");
    let no_bus = Systemd::at("unix:path=/nonexistent/bus", Duration::from_secs(1)).factory_reset().await;
    assert!(matches!(no_bus, Err(SystemError::NoService(_))), "{no_bus:?}");
}
