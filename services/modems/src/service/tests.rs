//! The whole service over devices that are made up, in a time that is moved by hand.

mod commands;
mod data;
mod recovery;
mod signal;

use std::cell::Cell;

use bondbox_ipc::modems::{Anchor, Link, LinkState as PortState, Modem, ModemState};
use bondbox_ipc::uplink::{self, LinkState, Session};
use bondbox_modem::{self as modem, Gives, IpConfig, IpFamily, Made, Method};
use bondbox_netlink::{self as netlink, Address, Interface, MAIN, Route};
use bondbox_system::Mood;
use bondbox_udev::{self as udev, Device, Kind};
use bondbox_units::{Bitrate, LinkId};
use tempfile::TempDir;

use super::*;

thread_local! {
    static NOW_MS: Cell<u64> = const { Cell::new(1_000_000) };
}

fn now() -> Instant {
    Instant::from_millis(NOW_MS.get())
}

/// The 26th of November 2026, where the service's time begins.
fn date() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(20_783 * 86_400) + now().since(Instant::from_millis(1_000_000))
}

/// A unit with a modem's interface in one port of USB, and Ethernet.
struct Bench {
    service: Service<netlink::Fake, udev::Fake, modem::Fake, bondbox_system::Fake>,
    system: bondbox_system::Fake,
    modems: modem::Fake,
    /// From clients, through the service's socket.
    commands: bondbox_daemon::ipc::Commands<Modems>,
    /// What the bond says of the modem's link.
    bond: Option<LinkState>,
    folder: TempDir,
}

const DEVICE: &str = "/sys/devices/platform/usb1/1-1";

fn served() -> Made {
    served_on("wwan0", "10.2.2.2")
}

/// By a network that gives this address.
fn served_on(interface: &str, address: &str) -> Made {
    let family = IpConfig {
        ipv6: false,
        method: Method::Static,
        address: Some((address.parse().unwrap(), 30)),
        gateway: Some("10.2.2.1".parse().unwrap()),
        mtu: None,
    };
    let bearer = modem::Bearer { path: "/bearer/0".into(), interface: interface.into(), families: vec![family] };
    Made { interface: Some(interface.into()), gives: Gives::Bearer(bearer), ..Made::default() }
}

impl Bench {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        for (file, value) in [("1-1/authorized", "1"), ("1-0:1.0/usb1-port1/disable", "0")] {
            let file = folder.path().join("bus/usb/devices").join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, value).unwrap();
        }
        Self::on(folder)
    }

    /// With what is in its folder: files that the kernel and the service before have written.
    fn on(folder: TempDir) -> Self {
        let (network, devices) = (netlink::Fake::default(), udev::Fake::default());
        let eth = Address { ip: "192.168.1.2".parse().unwrap(), prefix: 24 };
        for (index, name, port, kind, addresses) in
            [(7, "wwan0", "usb1-1", Kind::Modem, vec![]), (8, "eth0", "eth0", Kind::Ethernet, vec![eth])]
        {
            let interface =
                Interface { index, name: name.into(), up: true, carrier: true, addresses, ..Interface::default() };
            network.plug(interface);
            let device = Device { port: Port::named(port), kind, driver: String::new(), model: String::new() };
            devices.set(name, Some(device));
        }
        let modems = modem::Fake::default();
        let power = Sysfs::at(folder.path());
        let system = bondbox_system::Fake::default();
        let leases = Arc::new(system.clone());
        let machine = Machine { network, devices, power, manager: modems.clone(), leases, now, date };
        let (server, commands) = Server::bind(folder.path(), Peers::own()).unwrap();
        let settings = Settings { state: folder.path().into(), ..Settings::default() };
        let service = Service::new(&settings, folder.path(), machine, server);
        Self { service, system, modems, commands, bond: None, folder }
    }

    /// Seconds, in each of which there were news of everything.
    async fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            NOW_MS.set(NOW_MS.get() + 1_000);
            if let Some(state) = self.bond {
                self.service.on_uplink(Event::State(bond(state)));
            }
            self.news().await;
            // What was begun ends at once here, in a task of its own.
            loop {
                tokio::task::yield_now().await;
                tokio::task::yield_now().await;
                // The kernel's files are written by a thread.
                if self.service.switches.is_writing() {
                    let told = self.service.switches.told().await;
                    self.service.end_switch(told);
                } else if let Some(told) = self.service.leasing.try_told() {
                    self.service.end_lease(told);
                } else if let Ok(ended) = self.service.ended.try_recv() {
                    let _ = self.service.end(ended);
                } else {
                    break;
                }
                self.news().await;
            }
        }
    }

    async fn news(&mut self) {
        self.service.ask().await;
        self.service.look().await.unwrap();
        self.service.go_on().await;
    }

    fn modem(&self) -> Modem {
        self.service.state().modems.into_iter().find(|modem| modem.port == "usb1-1").unwrap()
    }

    fn link(&self) -> Link {
        self.link_of("wwan0")
    }

    fn link_of(&self, interface: &str) -> Link {
        self.service.state().links.into_iter().find(|link| link.name == interface).unwrap()
    }

    /// A card that Linux does not know for a modem's.
    fn plug_ethernet_of_usb(&self, interface: &str) {
        let port = Port::named("usb1-1");
        self.service.devices.set("wwan0", None);
        let device = Device { port, kind: Kind::Stick, driver: "cdc_ether".into(), model: String::new() };
        self.service.devices.set(interface, Some(device));
        let name = interface.into();
        self.service.network.plug(Interface { index: 9, name, up: true, carrier: true, ..Interface::default() });
    }

    fn asked(&self) -> Vec<&'static str> {
        self.modems.take_asked().iter().map(name_of).collect()
    }

    fn reason(&self) -> String {
        self.modem().reason.unwrap_or_default()
    }

    /// What the kernel was told by a file of the port.
    fn told(&self, file: &str) -> String {
        std::fs::read_to_string(self.folder.path().join("bus/usb/devices").join(file)).unwrap()
    }
}

fn bond(modem: LinkState) -> uplink::State {
    let links = vec![
        uplink::Link::unmeasured(LinkId(0), "wwan0", modem),
        uplink::Link::unmeasured(LinkId(1), "eth0", LinkState::Up),
    ];
    uplink::State {
        gateway: String::new(),
        session: Session::Open,
        complaint: None,
        target: Bitrate::ZERO,
        actual: Bitrate::ZERO,
        backlog_bytes: 0,
        links,
        counters: uplink::Counters::default(),
    }
}

#[tokio::test]
async fn a_modem_is_unlocked_and_connected_and_its_bearers_address_is_set() {
    let mut bench = Bench::new();
    bench.service.ledger.keep(|kept| kept.place_mut("usb1-1", None).pin = Some("4711".into()));
    bench.modems.plug(DEVICE, Made { pin: Some("4711".into()), ..served() });
    bench.pass(20).await;
    assert_eq!((bench.modem().state, bench.modem().reason), (ModemState::Connected, None));
    assert_eq!(bench.asked(), ["unlock", "enable", "listen to its radio", "connect"]);
    let link = bench.link();
    assert_eq!((link.state, link.addresses.as_slice()), (PortState::Ready, &["10.2.2.2".to_string()][..]));
    assert_eq!(link.iccid.as_deref(), Some("8949000000000000014"));
    // Pulled in a call: what was set for it goes with it.
    bench.modems.unplug(DEVICE);
    bench.pass(1).await;
    assert_eq!(bench.modem().state, ModemState::Gone);
}

#[tokio::test]
async fn a_bearers_address_goes_with_it_and_the_next_one_is_asked_for() {
    for interface in ["wwan0", "usb1-1"] {
        let mut bench = Bench::new();
        if interface == "usb1-1" {
            bench.plug_ethernet_of_usb(interface);
        }
        bench.modems.plug(DEVICE, served_on(interface, "10.2.2.2"));
        bench.pass(20).await;
        assert_eq!(bench.link_of(interface).addresses, ["10.2.2.2"], "{interface}");
        bench.modems.change(DEVICE, |made| made.registered = false);
        bench.pass(20).await;
        assert_eq!(bench.link_of(interface).addresses, Vec::<String>::new(), "{interface}");
        bench.modems.change(DEVICE, |made| *made = served_on(interface, "10.2.2.6"));
        bench.pass(20).await;
        let modem = bench.modem();
        assert_eq!((modem.state, modem.reason), (ModemState::Connected, None), "{interface}");
        assert_eq!(bench.link_of(interface).addresses, ["10.2.2.6"], "{interface}");
    }
}

/// By a network that leases its address.
fn served_by_dhcp() -> Made {
    let family = IpConfig { ipv6: false, method: Method::Dhcp, address: None, gateway: None, mtu: None };
    let bearer = modem::Bearer { path: "/bearer/0".into(), interface: "wwan0".into(), families: vec![family] };
    Made { gives: Gives::Bearer(bearer), ..served() }
}

#[tokio::test]
async fn an_address_that_the_network_leases_is_networkds_while_the_bearer_is_there() {
    let mut bench = Bench::new();
    bench.modems.plug(DEVICE, served_by_dhcp());
    bench.pass(20).await;
    assert_eq!(bench.system.take_done(), ["lease wwan0"]);
    // As networkd does it.
    let address = Address { ip: "10.64.0.2".parse().unwrap(), prefix: 30 };
    let wwan = Interface { index: 7, name: "wwan0".into(), up: true, carrier: true, ..Interface::default() };
    bench.service.network.plug(Interface { addresses: vec![address], ..wwan.clone() });
    let route = Route {
        destination: Address::anywhere(false),
        gateway: Some("10.64.0.1".parse().unwrap()),
        interface: 7,
        table: MAIN,
        metric: 1_007,
        protocol: 16,
    };
    bench.service.network.apply(&bondbox_netlink::Change::AddRoute(route.clone())).await.unwrap();
    bench.pass(20).await;
    assert_eq!(
        (bench.link().state, bench.link().addresses.as_slice()),
        (PortState::Ready, &["10.64.0.2".to_string()][..])
    );
    let table = routes::table_of(7);
    let led = |bench: &Bench| {
        bench.service.snapshot.routes.iter().any(|led| led.table == table && led.gateway == route.gateway)
    };
    assert!(led(&bench), "{:?}", bench.service.snapshot.routes);
    // Without ModemManager nobody knows better.
    bench.modems.stop();
    bench.pass(20).await;
    bench.modems.start();
    bench.pass(20).await;
    assert_eq!(bench.system.take_done(), Vec::<String>::new());
    assert!(led(&bench));
    bench.modems.change(DEVICE, |made| *made = Made { registered: false, ..served() });
    bench.pass(20).await;
    assert_eq!(bench.system.take_done(), ["leave wwan0"]);
    bench.service.network.plug(wwan);
    bench.modems.change(DEVICE, |made| made.registered = true);
    bench.pass(20).await;
    assert_eq!(bench.link().addresses, ["10.2.2.2"]);
    assert_eq!(bench.system.take_done(), Vec::<String>::new());
}

#[tokio::test]
async fn what_networkd_is_not_told_is_tried_again_and_what_is_plugged_in_again_is_told_anew() {
    let mut bench = Bench::new();
    bench.system.set(Mood::Denies);
    bench.modems.plug(DEVICE, served_by_dhcp());
    bench.pass(20).await;
    let complaint = "wwan0: networkd leases no address: this service may not ask for it: Access denied";
    assert!(bench.service.complaints.contains(complaint), "{:?}", bench.service.complaints);
    bench.system.set(Mood::Obeys);
    bench.pass(20).await;
    assert_eq!(bench.system.take_done(), ["lease wwan0"]);
    bench.service.network.unplug(7);
    bench.service.network.plug(Interface { index: 17, name: "wwan0".into(), ..Interface::default() });
    bench.pass(20).await;
    assert_eq!(bench.system.take_done(), ["lease wwan0"]);
}

#[tokio::test]
async fn nr_and_the_lte_cell_that_it_is_added_to_are_both_shown() {
    let mut bench = Bench::new();
    bench.modems.plug(DEVICE, served());
    bench.pass(10).await;
    let shown = |bench: &Bench| {
        [bench.modem().radio, bench.link().radio].map(|radio| radio.map(|it| (it.rsrp_tenth_dbm, it.anchor)))
    };
    assert_eq!(shown(&bench), [Some((Some(-950), None)); 2]);
    let anchor = modem::Anchor { rsrp: Some(-88.0), rsrq: Some(-9.5), sinr: None };
    bench.modems.change(DEVICE, |made| made.signal = modem::Signal { anchor: Some(anchor), ..made.signal });
    bench.pass(1).await;
    let anchor = Anchor { rsrp_tenth_dbm: Some(-880), rsrq_tenth_db: Some(-95), sinr_tenth_db: None };
    assert_eq!(shown(&bench), [Some((Some(-950), Some(anchor))); 2]);
}

#[tokio::test]
async fn a_bearer_whose_end_nobody_saw_is_known_when_modemmanager_comes_back() {
    let mut bench = Bench::new();
    bench.plug_ethernet_of_usb("usb1-1");
    bench.modems.plug(DEVICE, served_on("usb1-1", "10.2.2.2"));
    bench.pass(20).await;
    bench.modems.stop();
    bench.pass(20).await;
    assert_eq!(bench.link_of("usb1-1").addresses, ["10.2.2.2"]);
    bench.modems.change(DEVICE, |made| *made = served_on("usb1-1", "10.2.2.6"));
    bench.modems.start();
    bench.pass(20).await;
    assert_eq!(bench.modem().state, ModemState::Connected);
    assert_eq!(bench.link_of("usb1-1").addresses, ["10.2.2.6"]);
}

#[tokio::test]
async fn a_wrong_pin_is_tried_once_and_not_again_when_modemmanager_comes_back() {
    let mut bench = Bench::new();
    bench.service.ledger.keep(|kept| kept.place_mut("usb1-1", None).pin = Some("0000".into()));
    bench.modems.plug(DEVICE, Made { pin: Some("4711".into()), ..served() });
    bench.pass(400).await;
    bench.modems.stop();
    bench.pass(5).await;
    bench.modems.start();
    bench.pass(400).await;
    assert_eq!(bench.asked(), ["unlock"]);
    assert_eq!((bench.modem().state, bench.reason().as_str()), (ModemState::Locked, "the SIM did not take its PIN"));
    // Another one is tried at once.
    bench.service.ledger.keep(|kept| kept.place_mut("usb1-1", None).pin = Some("4711".into()));
    bench.service.book.hurry(&Port::named("usb1-1"));
    bench.pass(20).await;
    assert_eq!(bench.modem().state, ModemState::Connected);
}

#[tokio::test]
async fn a_bearer_that_is_refused_is_asked_for_less_and_less_and_had_when_the_network_gives_one() {
    let mut bench = Bench::new();
    bench.modems.plug(DEVICE, Made { gives: Gives::Nothing("no cell has room".into()), ..served() });
    bench.pass(70).await;
    let calls = bench.asked().iter().filter(|asked| **asked == "connect").count();
    assert!((12..=18).contains(&calls), "{calls}: each family, and again after 4, 8, 16 and 32 s");
    assert_eq!((bench.modem().state, bench.reason().as_str()), (ModemState::Registered, "no cell has room"));
    assert_eq!(bench.link().addresses, Vec::<String>::new());
    bench.modems.change(DEVICE, |made| made.gives = served().gives);
    bench.pass(70).await;
    assert_eq!((bench.modem().state, bench.modem().reason), (ModemState::Connected, None));
}

/// Which families bearers were asked for.
fn families(asked: &[Action]) -> Vec<IpFamily> {
    let family = |action: &Action| match action {
        Action::Connect { family, .. } => Some(*family),
        _ => None,
    };
    asked.iter().filter_map(family).collect()
}

#[tokio::test]
async fn a_network_that_refuses_both_families_is_asked_for_one_and_that_is_remembered() {
    for (takes, calls) in [
        (vec![IpFamily::Ipv4, IpFamily::Ipv6, IpFamily::Ipv4v6], vec![IpFamily::Ipv4v6]),
        (vec![IpFamily::Ipv4], vec![IpFamily::Ipv4v6, IpFamily::Ipv4]),
        (vec![IpFamily::Ipv6], vec![IpFamily::Ipv4v6, IpFamily::Ipv4, IpFamily::Ipv6]),
    ] {
        let mut bench = Bench::new();
        bench.modems.plug(DEVICE, Made { takes, ..served() });
        bench.pass(10).await;
        assert_eq!((bench.modem().state, bench.modem().reason), (ModemState::Connected, None));
        assert_eq!(families(&bench.modems.take_asked()), calls);
        // Neither a network that goes nor a ModemManager that is restarted has it refused again.
        bench.modems.change(DEVICE, |made| made.registered = false);
        bench.pass(5).await;
        bench.modems.change(DEVICE, |made| made.registered = true);
        bench.pass(10).await;
        bench.modems.stop();
        bench.pass(5).await;
        bench.modems.start();
        bench.pass(10).await;
        assert_eq!(bench.modem().state, ModemState::Connected);
        let last = calls[calls.len() - 1];
        assert_eq!(families(&bench.modems.take_asked()), [last, last]);
    }
}

#[tokio::test]
async fn links_stay_as_they_are_while_modemmanager_is_away_and_modems_are_connected_anew() {
    let mut bench = Bench::new();
    bench.modems.plug(DEVICE, served());
    bench.pass(20).await;
    let (link, routes) = (bench.link(), bench.service.snapshot.routes.clone());
    assert!(!routes.is_empty());
    bench.asked();
    bench.modems.stop();
    // For longer than what was pulled is remembered.
    bench.pass(700).await;
    assert_eq!((bench.service.state().manager, bench.modem().state), (None, ModemState::Gone));
    assert_eq!(bench.link(), link_without_radio(link));
    assert_eq!(bench.service.snapshot.routes, routes);
    assert_eq!(bench.asked(), Vec::<&str>::new());
    bench.modems.start();
    bench.pass(20).await;
    assert_eq!(bench.modem().state, ModemState::Connected);
    assert_eq!(bench.asked(), ["enable", "listen to its radio", "connect"]);
    assert_eq!(bench.service.state().counters.manager_restarts, 2);
}

/// Nothing is heard of it meanwhile.
fn link_without_radio(link: Link) -> Link {
    Link { radio: None, ..link }
}
