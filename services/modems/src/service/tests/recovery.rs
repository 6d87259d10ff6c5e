//! Steps of recovery, taken or refused, over restarts of the service and of the host.

use bondbox_ipc::modems::{Command, Recovery, Refused, Step};

use super::*;

const AUTHORIZED: &str = "1-1/authorized";
const DISABLE: &str = "1-0:1.0/usb1-port1/disable";

impl Bench {
    /// One whose modem carries, until it is silent.
    async fn silent() -> Self {
        let mut bench = Self::new();
        bench.modems.plug(DEVICE, served());
        bench.bond = Some(LinkState::Up);
        bench.pass(60).await;
        assert_eq!(bench.modem().recovery.last, None);
        bench.asked();
        bench.bond = Some(LinkState::Silent);
        bench
    }

    /// Until this step was taken.
    async fn until(&mut self, step: Step) {
        for _ in 0..400 {
            self.pass(1).await;
            if self.modem().recovery.last == Some(step) {
                return;
            }
        }
        panic!("never {step:?}: {:?}", self.modem().recovery);
    }

    /// The service ends, as if its power went, and is started again; so is the host where that is said.
    fn restart(self, host: bool) -> Self {
        let Self { folder, modems, bond, .. } = self;
        if host {
            // Its clock begins anew, and its calendar stands still meanwhile.
            std::fs::remove_file(folder.path().join("modems-recovery.json")).unwrap();
            NOW_MS.set(40_000);
        }
        let _ = std::fs::remove_file(folder.path().join("modems.sock"));
        let mut next = Self::on(folder);
        for made in modems.made() {
            next.modems.plug(DEVICE, made);
        }
        next.bond = bond;
        next
    }

    fn off(&self, file: &str) -> bool {
        self.told(file) == if file == DISABLE { "1" } else { "0" }
    }

    fn set_file(&self, file: &str, there: bool) {
        let file = self.folder.path().join("bus/usb/devices").join(file);
        let (from, to) = (file.with_extension("aside"), file);
        let (from, to) = if there { (from, to) } else { (to, from) };
        std::fs::rename(from, to).unwrap();
    }

    /// A file that exists and cannot be written.
    fn make_unwritable(&self, file: &str) {
        self.set_file(file, false);
        std::fs::create_dir(self.folder.path().join("bus/usb/devices").join(file)).unwrap();
    }

    fn make_writable(&self, file: &str) {
        std::fs::remove_dir(self.folder.path().join("bus/usb/devices").join(file)).unwrap();
        self.set_file(file, true);
    }

    async fn pull(&mut self) {
        self.service.network.unplug(7);
        self.modems.unplug(DEVICE);
        self.pass(1).await;
    }
}

#[tokio::test]
async fn what_carries_nothing_is_recovered_step_by_step_as_far_as_its_ports_power() {
    let mut bench = Bench::silent().await;
    bench.until(Step::Reconnect).await;
    assert!(bench.asked().contains(&"disconnect"));
    bench.until(Step::Reset).await;
    assert!(bench.asked().contains(&"reset"));
    for (step, file) in [(Step::Authorize, AUTHORIZED), (Step::Power, DISABLE)] {
        bench.until(step).await;
        assert!(bench.off(file), "{file}");
        bench.pass(2).await;
        assert!(bench.off(file), "{file}: not for three seconds");
        bench.pass(1).await;
        assert!(!bench.off(file), "{file}");
    }
    assert!(bench.modem().recovery.reason.starts_with("nothing was acknowledged for "), "{:?}", bench.modem().recovery);
    assert_eq!(bench.link().recovery, bench.modem().recovery);
    // What carries again is left alone.
    bench.bond = Some(LinkState::Up);
    bench.pass(100).await;
    assert_eq!((bench.modem().recovery.today, bench.modem().state), (4, ModemState::Connected));
    assert_eq!(bench.service.counters.recoveries_refused, 0);
}

#[tokio::test]
async fn no_step_is_taken_for_a_sim_that_is_not_there() {
    let mut bench = Bench::new();
    bench.modems.plug(DEVICE, Made { iccid: String::new(), ..served() });
    bench.pass(400).await;
    assert_eq!((bench.modem().state, bench.reason().as_str()), (ModemState::Failed, "no SIM"));
    assert_eq!((bench.asked(), bench.modem().recovery.today), (Vec::<&str>::new(), 0));
}

#[tokio::test]
async fn a_step_that_the_kernel_refuses_is_said_and_the_next_one_follows_at_once() {
    let mut bench = Bench::silent().await;
    bench.until(Step::Reset).await;
    bench.make_unwritable(AUTHORIZED);
    bench.pass(89).await;
    assert_eq!(bench.modem().recovery.last, Some(Step::Reset));
    bench.pass(1).await;
    let Recovery { last, refused, today, .. } = bench.modem().recovery;
    let refused = refused.unwrap();
    assert_eq!((refused.step, last, bench.off(DISABLE)), (Step::Authorize, Some(Step::Power), true));
    assert!(refused.why.contains("usb1-1: Is a directory"), "{refused:?}");
    assert_eq!((today, bench.service.counters.recoveries, bench.service.counters.recoveries_refused), (3, 4, 1));
    // What it was asked for by name is answered with the reason at once, and not after two minutes.
    bench.bond = Some(LinkState::Up);
    bench.pass(10).await;
    let asked = Command::Recover { port: "usb1-1".into(), step: Step::Authorize };
    let (answer, after) = bench.send(asked).await;
    assert!(after <= 1 && answer.unwrap_err().to_string().contains("Is a directory"), "{after} s");
}

#[tokio::test]
async fn a_step_that_modemmanager_refuses_is_said_and_the_next_one_follows_at_once() {
    let mut bench = Bench::silent().await;
    bench.until(Step::Reconnect).await;
    bench.modems.change(DEVICE, |made| made.resets = false);
    bench.pass(30).await;
    let Recovery { last, refused, .. } = bench.modem().recovery;
    let why = "the modem cannot do that: it cannot be reset".to_string();
    assert_eq!(refused, Some(Refused { step: Step::Reset, why }));
    assert_eq!((last, bench.off(AUTHORIZED)), (Some(Step::Authorize), true));
    assert_eq!(bench.service.counters.recoveries_refused, 1);
}

#[tokio::test]
async fn a_ladder_goes_on_where_it_was_when_the_service_or_the_host_has_started_again() {
    for host in [false, true] {
        let mut bench = Bench::silent().await;
        bench.until(Step::Reset).await;
        let before = bench.modem().recovery;
        let mut bench = bench.restart(host).restart(false);
        bench.pass(1).await;
        let after = bench.modem().recovery;
        assert_eq!(
            (after.last, after.today, after.left, &after.reason),
            (Some(Step::Reset), 2, 10, &before.reason),
            "{host}"
        );
        assert_eq!(after.at, before.at.filter(|_| !host));
        bench.until(Step::Authorize).await;
        assert_eq!(bench.modem().recovery.left, 9);
        NOW_MS.set(1_000_000);
    }
}

#[tokio::test]
async fn what_was_off_when_the_service_died_is_on_when_it_has_started_again() {
    for (step, file) in [(Step::Authorize, AUTHORIZED), (Step::Power, DISABLE)] {
        let mut bench = Bench::silent().await;
        bench.until(step).await;
        assert!(bench.off(file));
        let mut bench = bench.restart(false);
        assert!(bench.off(file));
        bench.pass(1).await;
        assert!(!bench.off(file), "{file}");
        // And it is not said to be off for ever.
        let bench = bench.restart(false);
        assert_eq!(bench.service.ladders.off().count(), 0);
    }
}

#[tokio::test]
async fn what_is_off_when_the_service_ends_is_on_then() {
    let mut bench = Bench::silent().await;
    bench.until(Step::Power).await;
    assert!(bench.off(DISABLE));
    bench.service.end_switches();
    assert!(!bench.off(DISABLE));
    assert_eq!(bench.restart(false).service.ladders.off().count(), 0);
}

/// Ended as systemd does it, in the middle of its loop.
#[tokio::test]
async fn a_service_that_is_told_to_end_switches_on_what_is_off_and_keeps_what_was_counted() {
    let mut bench = Bench::silent().await;
    bench.until(Step::Power).await;
    bench.carry(900_000).await;
    assert!(bench.off(DISABLE));
    let counted = bench.service.ledger.data()[0].bytes;
    let shutdown = Shutdown::manual();
    shutdown.trigger();
    bench.service.run(&mut bench.commands, &shutdown).await.unwrap();
    assert!(!bench.off(DISABLE));
    // What is in memory goes with the power.
    std::fs::remove_file(bench.folder.path().join("modems-data.json")).unwrap();
    let next = bench.restart(false);
    assert_eq!((next.service.ledger.data()[0].bytes, counted), (counted, 900_000));
}

#[tokio::test]
async fn silence_without_an_address_is_no_illness() {
    let mut bench = Bench::silent().await;
    bench.modems.change(DEVICE, |made| made.registered = false);
    bench.pass(300).await;
    assert_eq!((bench.link().addresses.len(), bench.modem().recovery.today), (0, 0), "its network let it go");
}

#[tokio::test]
async fn an_adapter_is_left_alone_as_what_is_behind_it_is_somebody_elses() {
    let mut bench = Bench::new();
    let port = Port::named("usb1-2");
    let adapter = Device { port, kind: Kind::Ethernet, driver: String::new(), model: String::new() };
    bench.service.devices.set("eth0", Some(adapter));
    for _ in 0..200 {
        let mut state = bond(LinkState::Up);
        state.links[1].state = LinkState::Silent;
        bench.service.on_uplink(Event::State(state));
        bench.pass(1).await;
    }
    assert!(bench.service.proof.is_dead(now(), "eth0"));
    assert_eq!((bench.link_of("eth0").recovery.today, bench.service.counters.recoveries), (0, 0));
}

#[tokio::test]
async fn a_port_that_cannot_be_switched_on_is_said_and_tried_until_it_can() {
    let mut bench = Bench::silent().await;
    bench.until(Step::Power).await;
    bench.make_unwritable(DISABLE);
    bench.pass(60).await;
    let refused = bench.modem().recovery.refused.unwrap().why;
    assert!(refused.starts_with("it is off, and cannot be switched on again yet: usb1-1: Is a directory"), "{refused}");
    let failed = bench.service.counters.switch_ons_failed;
    assert!((5..=8).contains(&failed), "{failed}");
    bench.make_writable(DISABLE);
    assert!(bench.off(DISABLE));
    bench.pass(31).await;
    assert!(!bench.off(DISABLE));
    assert_eq!(bench.modem().recovery.refused, None);
}

#[tokio::test]
async fn what_does_not_come_back_after_its_port_was_off_has_it_off_again() {
    let mut bench = Bench::silent().await;
    bench.until(Step::Power).await;
    bench.pull().await;
    assert_eq!(bench.link().state, PortState::Gone);
    let before = bench.link().recovery.today;
    bench.pass(62).await;
    let recovery = bench.link().recovery;
    assert_eq!((recovery.last, recovery.today), (Some(Step::Power), before + 1));
    assert_eq!(recovery.reason, "it is not back since its port was without power");
    // It is pulled when it was seen again: that is somebody's wish.
    let wwan = Interface { index: 17, name: "wwan0".into(), up: true, carrier: true, ..Interface::default() };
    bench.service.network.plug(wwan);
    bench.bond = None;
    bench.pass(5).await;
    bench.service.network.unplug(17);
    bench.pass(500).await;
    assert_eq!((bench.link().state, bench.link().recovery.today), (PortState::Gone, before + 1));
}

#[tokio::test]
async fn ladders_that_cannot_be_read_are_named_and_begin_anew() {
    for garbled in ["", "{\"ladders\": {\"usb1-1\": 7}}", "\u{0}\u{0}"] {
        let bench = Bench::new();
        for file in ["recovery.json", "modems-recovery.json"] {
            std::fs::write(bench.folder.path().join(file), garbled).unwrap();
        }
        let folder = bench.folder;
        let _ = std::fs::remove_file(folder.path().join("modems.sock"));
        let mut bench = Bench::on(folder);
        assert_eq!(bench.service.counters.files_unreadable, 2);
        for file in ["/recovery.json cannot be read, and is made anew: ", "/modems-recovery.json cannot be read"] {
            assert!(bench.service.complaints.iter().any(|told| told.contains(file)), "{:?}", bench.service.complaints);
        }
        bench.modems.plug(DEVICE, served());
        bench.pass(10).await;
        assert_eq!((bench.modem().recovery.left, bench.modem().state), (12, ModemState::Connected));
    }
}
