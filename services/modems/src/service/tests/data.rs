//! What SIMs carry, against their plans, and how often flash memory is written for it.

use std::os::unix::fs::MetadataExt as _;

use bondbox_ipc::modems::{Command, Done, LinkKind, Plan, Usage};

use super::*;

const ICCID: &str = "8949000000000000014";

impl Bench {
    /// The modem's interface has carried so many bytes more.
    pub(super) async fn carry(&mut self, bytes: u64) {
        let network = &self.service.network;
        let wwan = network.look().await.unwrap().named("wwan0").unwrap().clone();
        network.plug(Interface { received: wwan.received + bytes, ..wwan });
        self.pass(1).await;
    }

    /// Which file that is: another one each time that it is written.
    fn put(&self, name: &str) -> (u64, i64, i64) {
        let file = std::fs::metadata(self.folder.path().join(name)).unwrap();
        (file.ino(), file.mtime(), file.mtime_nsec())
    }

    async fn plan(&mut self, plan: Option<Plan>) {
        let set = Command::SetPlan { iccid: ICCID.into(), plan };
        assert_eq!(self.send(set).await.0, Ok(Done::Kept));
    }

    /// As clients are served it: the cost of the modem's link, whether its SIM is over its plan, and which interface of the
    /// two what is bound to nothing takes.
    async fn served(&self) -> (u8, bool, u32) {
        let mut client = Client::<Modems>::connect(self.folder.path(), Peers::own(), Want::State);
        let state = loop {
            if let Event::State(state) = client.event().await {
                break state;
            }
        };
        let link = state.links.iter().find(|link| link.kind == LinkKind::Modem).unwrap();
        let data = state.data.iter().find(|data| data.iccid == ICCID).unwrap();
        let routes = &self.service.snapshot.routes;
        let main = routes.iter().filter(|route| route.table == MAIN && route.protocol == routes::OURS);
        (link.usage.cost, data.over, main.min_by_key(|route| route.metric).unwrap().interface)
    }
}

#[tokio::test]
async fn a_sim_over_its_plan_costs_more_until_its_month_ends_or_its_plan_grows() {
    let mut bench = Bench::new();
    let eth = Route {
        destination: Address::anywhere(false),
        gateway: Some("192.168.1.1".parse().unwrap()),
        interface: 8,
        table: MAIN,
        metric: 1_008,
        protocol: 16,
    };
    bench.service.network.apply(&bondbox_netlink::Change::AddRoute(eth)).await.unwrap();
    bench.modems.plug(DEVICE, served());
    bench.pass(10).await;
    bench.carry(900_000).await;
    let wwan = bench.service.inventory.links()[&Port::named("usb1-1")].slot;
    let eth = bench.service.inventory.links()[&Port::named("eth0")].slot;
    let first = if wwan < eth { 7 } else { 8 };
    assert_eq!(bench.served().await, (0, false, first));
    bench.plan(Some(Plan { bytes: 1_000_000, day: 28 })).await;
    bench.carry(100_000).await;
    assert_eq!(bench.served().await, (0, false, first), "what the plan has is not over it");
    bench.carry(1).await;
    bench.pass(1).await;
    assert_eq!(bench.served().await, (4, true, 8));
    bench.plan(Some(Plan { bytes: 2_000_000, day: 28 })).await;
    assert_eq!(bench.served().await.0, 0);
    bench.plan(Some(Plan { bytes: 1_000_000, day: 28 })).await;
    assert_eq!(bench.served().await.0, 4);
    // Of the operator's own cost there is no more than 7.
    let usage = Usage { cost: 5, ..Usage::default() };
    bench.send(Command::SetUsage { port: "usb1-1".into(), usage }).await.0.unwrap();
    assert_eq!(bench.served().await.0, 7);
    // Two days later it is the 28th.
    NOW_MS.set(NOW_MS.get() + 2 * 86_400_000);
    bench.pass(2).await;
    assert_eq!(bench.served().await, (5, false, 8));
}

#[tokio::test]
async fn an_hour_of_traffic_writes_flash_memory_a_few_times() {
    // A quarter of an hour, or 256 MiB, whichever is first.
    for (bytes_a_second, expected) in [(0, 0), (10_000, 4), (1_000_000, 13)] {
        let mut bench = Bench::new();
        bench.modems.plug(DEVICE, served());
        bench.pass(10).await;
        bench.carry(1).await;
        bench.service.ledger.save(now());
        let (mut last, passing, mut writes) = (bench.put("data.json"), bench.put("modems-data.json"), 0);
        // As often as the service looks by itself.
        for _ in 0..3_600 / 5 {
            NOW_MS.set(NOW_MS.get() + 4_000);
            bench.carry(bytes_a_second * 5).await;
            let seen = bench.put("data.json");
            writes += u32::from(seen != last);
            last = seen;
        }
        assert_eq!(writes, expected, "at {bytes_a_second} bytes a second");
        assert_ne!(bench.put("modems-data.json"), passing, "in memory it is counted all the time");
        assert!(!bench.folder.path().join("kept.json").exists(), "nobody has said anything");
        // A power cut costs the count no more than a quarter of an hour, or 256 MiB.
        let lasting: crate::data::Meter =
            crate::kept::read(&bench.folder.path().join("data.json"), &mut Vec::new()).unwrap();
        let (known, counted) = (lasting.total(), bench.service.ledger.data()[0].bytes);
        assert!(counted - known <= 256 << 20 && counted - known <= 900 * bytes_a_second, "{known} of {counted}");
    }
}
