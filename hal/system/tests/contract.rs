//! What every [`System`], who [`Leases`] and who runs [`Services`] promises, asked of the fake, and of logind and systemd as a bus of our own plays them.

mod played;

use std::time::Duration;

use bondbox_system::{Fake, Leases, Mood, Services, Standing, System, SystemError, Systemd};
use played::Played;
use tokio::sync::mpsc;

/// What a test can have a system be, and see of it.
trait Stage {
    fn set(&self, mood: Mood);
    fn take_done(&self) -> Vec<String>;
    async fn set_service(&self, unit: &str, standing: &Standing);
}

impl Stage for Fake {
    fn set(&self, mood: Mood) {
        Fake::set(self, mood);
    }

    fn take_done(&self) -> Vec<String> {
        Fake::take_done(self)
    }

    async fn set_service(&self, unit: &str, standing: &Standing) {
        Fake::set_service(self, unit, standing.clone());
    }
}

impl Stage for Played {
    fn set(&self, mood: Mood) {
        Played::set(self, mood);
    }

    fn take_done(&self) -> Vec<String> {
        Played::take_done(self)
    }

    async fn set_service(&self, unit: &str, standing: &Standing) {
        let says = match standing {
            Standing::Off => ["inactive", "dead", "success"],
            Standing::On => ["active", "running", "success"],
            Standing::GivenUp(result) => ["failed", "failed", result],
        };
        Played::set_service(self, unit, says).await;
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

/// Each change is told once and of its own unit, and what was so before is told at first.
async fn tells_of_services(system: &impl Services, stage: &impl Stage) {
    let [capture, modems] = ["bondbox-capture.service", "bondbox-modems.service"];
    stage.set_service(modems, &Standing::On).await;
    let (told, mut tidings) = mpsc::unbounded_channel();
    let units = [capture, modems];
    let watched = system.watch(&units, move |unit, standing| told.send((unit, standing)).unwrap());
    let story = async {
        assert_eq!(tidings.recv().await, Some((0, Standing::Off)));
        assert_eq!(tidings.recv().await, Some((1, Standing::On)));
        let given_up = Standing::GivenUp("exit-code".into());
        stage.set_service("bondbox-uplink.service", &given_up).await;
        for (number, unit, standing) in
            [(1, modems, given_up), (0, capture, Standing::On), (1, modems, Standing::Off), (1, modems, Standing::On)]
        {
            stage.set_service(unit, &standing).await;
            stage.set_service(unit, &standing).await;
            assert_eq!(tidings.recv().await, Some((number, standing)));
        }
        assert!(tidings.try_recv().is_err());
    };
    tokio::select! {
        error = watched => panic!("{error}"),
        () = story => {}
    }
}

#[tokio::test]
async fn the_fake_keeps_the_contract() {
    let fake = Fake::default();
    keeps_the_contract(&fake, &fake).await;
    tells_of_services(&fake, &fake).await;
}

/// systemd 254 and newer name the moment before a service is started again, in which it has failed.
#[tokio::test]
async fn a_service_that_is_started_again_and_again_is_not_given_up() {
    let played = Played::start().await;
    let units @ [unit] = ["bondbox-modems.service"];
    let (told, mut tidings) = mpsc::unbounded_channel();
    let systemd = Systemd::at(&played.address, Duration::from_secs(1));
    let watched = systemd.watch(&units, move |_, standing| told.send(standing).unwrap());
    let story = async {
        assert_eq!(tidings.recv().await, Some(Standing::Off));
        for says in [
            ["activating", "start", "success"],
            ["failed", "failed-before-auto-restart", "exit-code"],
            ["activating", "auto-restart", "exit-code"],
            ["active", "running", "success"],
        ] {
            played.set_service(unit, says).await;
        }
        assert_eq!(tidings.recv().await, Some(Standing::On));
        played.set_service(unit, ["failed", "failed", "watchdog"]).await;
        assert_eq!(tidings.recv().await, Some(Standing::GivenUp("watchdog".into())));
    };
    tokio::select! {
        error = watched => panic!("{error}"),
        () = story => {}
    }
}

#[tokio::test]
async fn systemd_keeps_the_contract_and_may_be_absent() {
    let mut played = Played::start().await;
    let systemd = Systemd::at(&played.address, Duration::from_millis(1_500));
    keeps_the_contract(&systemd, &played).await;
    tells_of_services(&systemd, &played).await;
    played.leave().await;
    let unwatched = systemd.watch(&["bondbox-modems.service"], |_, _| {}).await;
    assert!(matches!(unwatched, SystemError::NoService(_)), "{unwatched:?}");
    let absent = systemd.power_off().await;
    assert!(matches!(absent, Err(SystemError::NoService(_))), "{absent:?}");
    let no_bus = Systemd::at("unix:path=/nonexistent/bus", Duration::from_secs(1)).factory_reset().await;
    assert!(matches!(no_bus, Err(SystemError::NoService(_))), "{no_bus:?}");
}
