//! Commands as clients send them, and what they are answered.

use bondbox_daemon::ipc::CommandError;
use bondbox_ipc::Refusal;
use bondbox_ipc::modems::{Access, Band, Command, Done, IpFamily as Family, Plan, Secret, Usage};

use super::*;

impl Bench {
    /// Sends it through the socket, and has time pass until it is answered: after so many seconds.
    pub(super) async fn send(&mut self, command: Command) -> (Result<Done, Refusal>, u64) {
        let client = Client::<Modems>::connect(self.folder.path(), Peers::own(), Want::State);
        let answer = tokio::spawn(async move { client.command(command, Duration::from_secs(60)).await });
        let (command, responder) = self.commands.next().await;
        self.service.command(command, responder).await;
        self.service.look().await.unwrap();
        self.service.go_on().await;
        let mut seconds = 0;
        while !self.service.waiting.is_empty() || self.service.underway.is_some() {
            self.pass(1).await;
            seconds += 1;
            assert!(seconds < 3_600, "never answered");
        }
        let answer = answer.await.unwrap().map_err(|error| match error {
            CommandError::Refused(refusal) => refusal,
            other => panic!("{other}"),
        });
        (answer, seconds)
    }

    async fn refused(&mut self, command: Command) -> String {
        self.send(command).await.0.unwrap_err().to_string()
    }

    /// Which access points bearers were asked of, and what else was asked.
    fn calls(&self) -> Vec<String> {
        let said = |action: &Action| match action {
            Action::Connect { apn, .. } => format!("connect to {apn:?}"),
            other => name_of(other).into(),
        };
        self.modems.take_asked().iter().map(said).collect()
    }
}

fn port() -> String {
    "usb1-1".into()
}

fn pin(pin: &str) -> Command {
    Command::EnterPin { port: port(), pin: Secret(pin.into()) }
}

fn access(apn: &str) -> Access {
    Access { apn: apn.into(), ..Access::default() }
}

fn set_access(access: Access) -> Command {
    Command::SetAccess { port: port(), access }
}

fn recover(step: Step) -> Command {
    Command::Recover { port: port(), step }
}

fn no_effect<T>(why: &str) -> Result<T, Refusal> {
    Err(Refusal::NoEffect(why.into()))
}

#[tokio::test]
async fn a_pin_is_done_when_the_sim_asks_for_none_and_a_wrong_one_is_said_to_be_wrong() {
    let mut bench = Bench::new();
    assert_eq!(bench.refused(pin("4711")).await, "not now: ModemManager is not there");
    bench.pass(1).await;
    assert_eq!(bench.refused(pin("4711")).await, "invalid: port is \"usb1-1\", must be that of a modem");
    bench.modems.plug(DEVICE, Made { pin: Some("4711".into()), ..served() });
    bench.pass(5).await;
    for wrong in ["471", "123456789", "47a1"] {
        assert_eq!(bench.refused(pin(wrong)).await, "invalid: pin is \"not shown\", must be 4 to 8 digits");
    }
    assert_eq!(bench.asked(), Vec::<&str>::new());
    let (answer, after) = bench.send(pin("0000")).await;
    assert_eq!((answer, after), (no_effect("IncorrectPassword"), 1));
    bench.pass(200).await;
    assert_eq!((bench.modem().state, bench.asked()), (ModemState::Locked, vec!["unlock"]));
    let (answer, after) = bench.send(pin("4711")).await;
    assert_eq!((answer, after), (Ok(Done::Unlocked), 1));
    // It is kept for the next time.
    bench.modems.unplug(DEVICE);
    bench.pass(1).await;
    bench.modems.plug(DEVICE, Made { pin: Some("4711".into()), ..served() });
    bench.pass(10).await;
    assert_eq!(bench.modem().state, ModemState::Connected);
}

#[tokio::test]
async fn what_a_modem_only_says_to_have_done_is_not_done() {
    let pretending = |made: Made| Made { pretends: true, bands: vec![33, 37], ..made };
    let mut bench = Bench::new();
    bench.modems.plug(DEVICE, pretending(Made { pin: Some("4711".into()), ..served() }));
    bench.pass(5).await;
    assert_eq!(bench.send(pin("4711")).await, (no_effect("the SIM still asks for a code"), 120));
    bench.modems.change(DEVICE, |made| *made = Made { bands: vec![33, 37], ..served() });
    bench.pass(10).await;
    assert_eq!(bench.modem().state, ModemState::Connected);
    bench.modems.change(DEVICE, |made| made.pretends = true);
    let lock = Command::LockBands { port: port(), bands: vec![Band::Lte(7)] };
    assert_eq!(bench.send(lock).await, (no_effect("the modem says that it uses other bands"), 120));
    for (command, why) in [
        (set_access(access("private")), "no new bearer carries data"),
        (recover(Step::Reconnect), "no new bearer carries data"),
        (recover(Step::Reset), "it did not come back"),
        (recover(Step::Authorize), "it did not come back"),
    ] {
        assert_eq!(bench.send(command).await, (no_effect(why), 120));
    }
}

#[tokio::test]
async fn access_is_done_when_a_bearer_with_it_carries() {
    let mut bench = Bench::new();
    bench.modems.plug(DEVICE, served());
    bench.pass(10).await;
    bench.calls();
    let (answer, after) = bench.send(set_access(access("private"))).await;
    assert_eq!(answer, Ok(Done::Connected("wwan0".into())));
    assert!(after > 0, "not with the bearer that it had");
    assert_eq!(bench.calls(), ["disconnect", "connect to \"private\""]);
    // It is kept, and asked for next time; so is the family.
    let six = Access { family: Some(Family::Ipv6), ..access("private") };
    assert_eq!(bench.send(set_access(six)).await.0, Ok(Done::Connected("wwan0".into())));
    assert_eq!(families(&bench.modems.take_asked()), [IpFamily::Ipv6]);
    bench.modems.unplug(DEVICE);
    bench.pass(1).await;
    bench.modems.plug(DEVICE, Made { takes: vec![IpFamily::Ipv4], ..served() });
    bench.pass(5).await;
    assert_eq!((bench.modem().state, bench.reason().as_str()), (ModemState::Registered, "NoCarrier"));
    assert_eq!(families(&bench.modems.take_asked()), [IpFamily::Ipv6], "what the operator says, and no other");
    // Only what is refused of every family is refused.
    let (answer, _) = bench.send(set_access(access("private"))).await;
    assert_eq!(answer, Ok(Done::Connected("wwan0".into())));
    let nothing = Gives::Nothing("no such access point".into());
    bench.modems.change(DEVICE, |made| *made = Made { gives: nothing, ..served() });
    bench.calls();
    let (answer, _) = bench.send(set_access(access("privat"))).await;
    assert_eq!(answer, no_effect("no such access point"));
    assert_eq!(bench.calls()[..2], ["disconnect", "connect to \"privat\""]);
    let said = bench.refused(set_access(access(&"x".repeat(101)))).await;
    assert_eq!(said, "invalid: access is \"not shown\", must be texts of at most 100 bytes");
}

#[tokio::test]
async fn bands_are_locked_when_the_modem_says_so() {
    let mut bench = Bench::new();
    bench.modems.plug(DEVICE, Made { bands: vec![5, 33, 37, 378], ..served() });
    bench.pass(10).await;
    let lock = |bands: &[Band]| Command::LockBands { port: port(), bands: bands.to_vec() };
    assert_eq!(
        bench.send(lock(&[Band::Nr(78), Band::Lte(7)])).await.0,
        Ok(Done::Bands(vec![Band::Lte(7), Band::Nr(78)]))
    );
    assert_eq!(bench.modem().bands_allowed, [Band::Nr(78), Band::Lte(7)]);
    let refused = bench.refused(lock(&[Band::Lte(7), Band::Lte(1)])).await;
    assert!(refused.starts_with("invalid: bands is [Lte(7), Lte(1)], must be some of [Legacy(5), Lte(3)"), "{refused}");
    let all = vec![Band::Legacy(5), Band::Lte(3), Band::Lte(7), Band::Nr(78)];
    assert_eq!(bench.send(lock(&[])).await.0, Ok(Done::Bands(all.clone())));
    assert_eq!(bench.modem().bands_allowed, all);
    bench.modems.change(DEVICE, |made| made.bands.clear());
    bench.pass(1).await;
    assert_eq!(bench.refused(lock(&[])).await, "invalid: bands is [], must be some of []");
}

#[tokio::test]
async fn a_step_of_recovery_is_done_when_the_device_is_back() {
    let mut bench = Bench::new();
    bench.modems.plug(DEVICE, served());
    bench.pass(10).await;
    bench.asked();
    let (answer, after) = bench.send(recover(Step::Reconnect)).await;
    assert_eq!((answer, bench.asked()), (Ok(Done::Connected("wwan0".into())), vec!["disconnect", "connect"]));
    assert!(after > 0, "not with the bearer that it had");
    let (answer, after) = bench.send(recover(Step::Reset)).await;
    assert_eq!((answer, after), (Ok(Done::Back { after_ms: 1_000 }), 1));
    let recovery = bench.modem().recovery;
    assert_eq!((recovery.last, recovery.reason.as_str(), recovery.today), (Some(Step::Reset), "asked for", 2));
    let eth = Command::Recover { port: "eth0".into(), step: Step::Power };
    assert_eq!(bench.refused(eth).await, "invalid: port is \"eth0\", must be that of a link on USB");
    // Taken away and given back by the kernel, the interface has another number.
    let wwan = bench.service.network.look().await.unwrap().named("wwan0").unwrap().clone();
    let client = Client::<Modems>::connect(bench.folder.path(), Peers::own(), Want::State);
    let answer = tokio::spawn(async move { client.command(recover(Step::Power), Duration::from_secs(60)).await });
    let (command, responder) = bench.commands.next().await;
    bench.service.command(command, responder).await;
    bench.pass(3).await;
    assert_eq!(bench.service.waiting.len(), 1, "the interface is there as it was");
    bench.service.network.unplug(wwan.index);
    bench.pass(1).await;
    bench.service.network.plug(Interface { index: 17, ..wwan });
    bench.pass(1).await;
    assert_eq!(answer.await.unwrap(), Ok(Done::Back { after_ms: 5_000 }));
}

#[tokio::test]
async fn what_is_only_kept_is_kept_at_once_and_read_by_the_next_start() {
    let mut bench = Bench::new();
    bench.modems.plug(DEVICE, served());
    bench.pass(10).await;
    bench.carry(5_000).await;
    let iccid = "8949000000000000014";
    let usage = Usage { cost: 2, cap: Some(Bitrate::from_kbps(3_000)), backup: true, dscp: Some(46), off: false };
    let plan = Plan { bytes: 50_000_000_000, day: 15 };
    for command in [
        Command::Name { port: port(), label: "left".into(), colour: [1, 2, 3] },
        Command::SetUsage { port: port(), usage },
        Command::SetPlan { iccid: iccid.into(), plan: Some(plan) },
        Command::SetUsed { iccid: iccid.into(), bytes: 7_000 },
    ] {
        assert_eq!(bench.send(command.clone()).await, (Ok(Done::Kept), 0), "{command:?}");
    }
    let shown = |bench: &Bench| {
        let (link, state) = (bench.link(), bench.service.state());
        let data = state.data.into_iter().find(|data| data.iccid == iccid).unwrap();
        (link.label, link.colour, link.usage, data.plan, data.bytes)
    };
    let kept = ("left".into(), [1, 2, 3], usage, Some(plan), 7_000);
    assert_eq!(shown(&bench), kept);
    bench.service.ledger =
        Ledger::open(now(), bench.folder.path(), &bench.folder.path().join("another boot"), &mut Vec::new());
    assert_eq!(shown(&bench), kept);
    for (command, why) in [
        (
            Command::Name { port: "usb9".into(), label: "x".into(), colour: [0; 3] },
            "port is \"usb9\", must be that of a link or a modem",
        ),
        (
            Command::Name { port: port(), label: "x".repeat(33), colour: [0; 3] },
            "must be 1 to 32 bytes that can be printed",
        ),
        (
            Command::Name { port: port(), label: "\u{7}".into(), colour: [0; 3] },
            "label is \"\\u{7}\", must be 1 to 32 bytes",
        ),
        (Command::SetUsage { port: port(), usage: Usage { cost: 8, ..usage } }, "cost is 8, must be 0 to 7"),
        (
            Command::SetUsage { port: port(), usage: Usage { dscp: Some(64), ..usage } },
            "dscp is Some(64), must be 0 to 63",
        ),
        (
            Command::SetPlan { iccid: iccid.into(), plan: Some(Plan { day: 29, ..plan }) },
            "day is Some(29), must be 1 to 28",
        ),
        (Command::SetPlan { iccid: "1".into(), plan: None }, "iccid is \"1\", must be one whose data is counted"),
        (Command::SetUsed { iccid: "1".into(), bytes: 0 }, "iccid is \"1\", must be one whose data is counted"),
    ] {
        let refused = bench.refused(command).await;
        assert!(refused.starts_with("invalid: ") && refused.contains(why), "{refused}");
    }
    assert_eq!(shown(&bench), kept);
}
