//! What every [`Manager`] promises, asked of the fake, and of ModemManager on a bus of the test's own, with an emulated modem.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::FutureExt as _;

use bondbox_modem::{
    Action, Fake, Hand, IpFamily, Lock, Made, Manager, Modem, ModemError, ModemManager, News, Signal, State,
};
use tempfile::TempDir;

/// Something with one modem, whose SIM is locked by 4711.
trait Bench {
    fn plug(&mut self);
    fn become_weak(&mut self);
    fn take_ipv4_alone(&mut self);
    fn stop(&mut self);
    fn start(&mut self);
}

/// Two minutes mean that it hangs; ModemManager takes seconds for its first questions.
async fn until<M: Manager, T>(manager: &mut M, what: &str, seen: impl Fn(&Modem) -> Option<T>) -> T {
    for _ in 0..1_200 {
        let looked = manager.look().await;
        if let Some(seen) = looked.as_ref().ok().and_then(|(_, modems)| seen(modems.first()?)) {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("never {what}: {:?}", manager.look().await);
}

async fn told(manager: &mut impl Manager) -> News {
    tokio::time::timeout(Duration::from_secs(60), manager.changed()).await.expect("nothing was told")
}

async fn until_it_is(manager: &mut impl Manager, state: State) -> Modem {
    until(manager, &format!("{state:?}"), |modem| (modem.state == state).then(|| modem.clone())).await
}

async fn act(manager: &mut impl Manager, modem: &Modem, action: Action) -> Result<(), ModemError> {
    manager.hand().await.unwrap().act(&modem.path, &action).await
}

async fn keeps_the_contract(manager: &mut impl Manager, bench: &mut impl Bench) {
    let (version, modems) = manager.look().await.unwrap();
    assert!(!version.is_empty() && modems.is_empty(), "{version}: {modems:?}");
    bench.plug();
    assert_eq!(told(manager).await, News::Modems);

    let locked = until_it_is(manager, State::Locked).await;
    assert!(matches!(locked.lock, Lock::Pin(_)), "{locked:?}");
    assert!(!locked.device.is_empty() && locked.bearer.is_none());
    let sim = locked.sim.clone().unwrap().path;
    let unlock = |pin: &str| Action::Unlock { sim: sim.clone(), pin: pin.into() };
    for action in [Action::Enable, unlock("0000")] {
        let refused = act(manager, &locked, action.clone()).await;
        assert!(matches!(refused, Err(ModemError::Refused(_))), "{action:?}: {refused:?}");
    }
    act(manager, &locked, unlock("4711")).await.unwrap();
    let disabled = until_it_is(manager, State::Disabled).await;
    assert_eq!((disabled.lock, &disabled.device), (Lock::None, &locked.device));

    act(manager, &disabled, Action::Enable).await.unwrap();
    let registered = until_it_is(manager, State::Registered).await;
    assert_eq!(registered.sim.as_ref().unwrap().iccid, "8949000000000000014");
    assert_eq!((registered.network.technologies.as_slice(), registered.signal.rsrp), (&["LTE"][..], None));
    act(manager, &registered, Action::Listen(1)).await.unwrap();
    let read = |rsrp| move |modem: &Modem| (modem.signal.rsrp == Some(rsrp)).then_some(modem.signal_rate);
    assert_eq!(until(manager, "heard", read(-95.0)).await, 1);
    // From here on nobody looks before something is told: nothing else has it known.
    while manager.changed().now_or_never().is_some() {}
    let before = manager.look().await.unwrap().1.remove(0);
    bench.become_weak();
    let weak = loop {
        let news = told(manager).await;
        let after = manager.look().await.unwrap().1.remove(0);
        if read(-117.0)(&after).is_some() {
            assert_eq!(news, News::Radio);
            break after;
        }
    };
    assert_ne!(weak.reading, before.reading);
    act(manager, &weak, Action::Confirm).await.unwrap();
    // What is asked for anew is the same.
    manager.doubt();
    let again = manager.look().await.unwrap().1.remove(0);
    assert_eq!(Modem { reading: weak.reading, ..again }, weak);

    bench.take_ipv4_alone();
    let connect = |family| Action::Connect {
        apn: String::new(),
        user: String::new(),
        password: String::new(),
        roaming: false,
        family,
    };
    for family in [IpFamily::Ipv4v6, IpFamily::Ipv6] {
        let refused = act(manager, &registered, connect(family)).await;
        assert!(matches!(refused, Err(ModemError::Refused(_))), "{family:?}: {refused:?}");
        until_it_is(manager, State::Registered).await;
    }
    assert_eq!(act(manager, &registered, connect(IpFamily::Ipv4)).await, Err(ModemError::Ppp));
    let after = until_it_is(manager, State::Registered).await;
    assert_eq!(after.bearer, None);
    let bands = act(manager, &registered, Action::Bands(vec![33])).await;
    assert!(matches!(bands, Err(ModemError::Unsupported(_))), "{bands:?}");
    let nobody = Modem { path: "/org/freedesktop/ModemManager1/Modem/77".into(), ..Modem::default() };
    for action in [Action::Enable, Action::Confirm] {
        assert_eq!(act(manager, &nobody, action).await, Err(ModemError::Gone));
    }
    assert_eq!(manager.unheard(), 0);

    let hand = manager.hand().await.unwrap();
    while manager.changed().now_or_never().is_some() {}
    bench.stop();
    assert_eq!(told(manager).await, News::Modems);
    let gone = manager.look().await;
    assert!(matches!(gone, Err(ModemError::NoManager(_))), "{gone:?}");
    let gone = hand.act(&registered.path, &Action::Enable).await;
    assert!(matches!(gone, Err(ModemError::NoManager(_))), "{gone:?}");
    bench.start();
    assert_eq!(told(manager).await, News::Modems, "it is there again");
    // The SIM has stayed unlocked; nothing else was asked of it.
    let again = until_it_is(manager, State::Disabled).await;
    assert_eq!((again.device, again.signal_rate), (registered.device, 0));
}

const DEVICE: &str = "/sys/devices/virtual/vmodem0";

impl Bench for Fake {
    fn plug(&mut self) {
        Fake::plug(self, DEVICE, Made { pin: Some("4711".into()), ..Made::default() });
    }

    fn become_weak(&mut self) {
        self.change(DEVICE, |made| made.signal = Signal { rsrp: Some(-117.0), ..made.signal });
    }

    fn take_ipv4_alone(&mut self) {
        self.change(DEVICE, |made| made.takes = vec![IpFamily::Ipv4]);
    }

    fn stop(&mut self) {
        Fake::stop(self);
    }

    fn start(&mut self) {
        Fake::start(self);
    }
}

#[tokio::test]
async fn the_fake_keeps_the_contract() {
    let fake = Fake::default();
    keeps_the_contract(&mut fake.clone(), &mut fake.clone()).await;
}

/// ModemManager as the system has it, in a session of its own.
struct Real {
    folder: TempDir,
    bus: (Child, String),
    manager: Option<Child>,
    modem: Option<Child>,
}

impl Real {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let mut bus = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--print-address"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let address = first_line(&mut bus);
        Self { folder, bus: (bus, address), manager: None, modem: None }
    }

    /// The socket that is the modem's line; the kernel shares the name with everybody.
    fn line(&self) -> String {
        format!("abstract:bondbox-contract-{}", std::process::id())
    }

    /// Calls ModemManager, and says whether it answered.
    fn call(&self, method: &str, arguments: &[&str]) -> bool {
        let done = Command::new("gdbus")
            .args(["call", "--address", &self.bus.1, "-d", SERVICE, "-o", ROOT, "-m", method])
            .args(arguments)
            .output();
        done.unwrap().status.success()
    }

    /// What becomes of the modem.
    fn tell(&mut self, what: &str) {
        writeln!(self.modem.as_mut().unwrap().stdin.as_mut().unwrap(), "{what}").unwrap();
    }

    fn tell_of_the_modem(&self) {
        let line = format!("['{}']", self.line());
        assert!(self.call("org.freedesktop.ModemManager1.Test.SetProfile", &["vmodem0", "generic", &line]));
    }
}

impl Bench for Real {
    fn plug(&mut self) {
        let emulator = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../hil-tests/modems/at_modem.py");
        let mut modem = Command::new("python3")
            .arg("-B")
            .arg(emulator)
            .arg(self.line())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        assert_eq!(first_line(&mut modem), "ready");
        self.modem = Some(modem);
        self.tell(r#"{"pin": "4711", "rsrp": -95, "rsrq": -10}"#);
        self.tell_of_the_modem();
    }

    fn become_weak(&mut self) {
        self.tell(r#"{"rsrp": -117, "rsrq": -15}"#);
    }

    fn take_ipv4_alone(&mut self) {
        self.tell(r#"{"takes": ["IP"]}"#);
    }

    fn stop(&mut self) {
        end(&mut self.manager);
    }

    fn start(&mut self) {
        let log = std::fs::File::create(self.folder.path().join("ModemManager.log")).unwrap();
        let manager = Command::new("ModemManager")
            .args([
                "--test-session",
                "--test-enable",
                "--test-no-udev",
                "--test-no-qrtr",
                "--test-no-suspend-resume",
                "--debug",
            ])
            .env("DBUS_SESSION_BUS_ADDRESS", &self.bus.1)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.manager = Some(manager.unwrap());
        let answers = (0..600).any(|_| {
            std::thread::sleep(Duration::from_millis(100));
            self.call("org.freedesktop.DBus.Peer.Ping", &[])
        });
        assert!(answers, "ModemManager does not answer");
        if self.modem.is_some() {
            self.tell_of_the_modem();
        }
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Ok(log) = std::fs::read_to_string(self.folder.path().join("ModemManager.log"))
        {
            eprintln!(
                "{}",
                log.lines().rev().take(200).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
            );
        }
        end(&mut self.manager);
        end(&mut self.modem);
        let _ = self.bus.0.kill();
        let _ = self.bus.0.wait();
    }
}

fn end(child: &mut Option<Child>) {
    if let Some(mut child) = child.take() {
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    line.trim().into()
}

fn is_there(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).exists()))
}

#[tokio::test]
async fn modemmanager_keeps_the_contract() {
    for program in ["ModemManager", "dbus-daemon", "gdbus", "python3"] {
        if !is_there(program) {
            eprintln!("skipped: there is no {program} here; `make check-modems` installs it");
            return;
        }
    }
    let mut bench = Real::new();
    bench.start();
    let mut manager = ModemManager::at(Some(bench.bus.1.clone()));
    keeps_the_contract(&mut manager, &mut bench).await;
}

const ROOT: &str = "/org/freedesktop/ModemManager1";
const SERVICE: &str = "org.freedesktop.ModemManager1";
