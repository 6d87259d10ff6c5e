//! Readings of radios: how they come, and how old they are.

use super::*;

impl Bench {
    /// What ModemManager tells next, if it has something to tell.
    async fn next_news(&mut self) -> Option<News> {
        tokio::select! {
            biased;
            news = self.service.manager.changed() => Some(news),
            () = std::future::ready(()) => None,
        }
    }

    /// As the service's loop does it.
    async fn hear_it_all(&mut self) -> Vec<News> {
        let mut all = Vec::new();
        while let Some(news) = self.next_news().await {
            self.service.hear(news).await.unwrap();
            self.service.go_on().await;
            all.push(news);
        }
        all
    }

    fn become_weak(&self, rsrp: f64) {
        self.modems.change(DEVICE, |made| made.signal = modem::Signal { rsrp: Some(rsrp), ..made.signal });
    }

    /// What is shown, and how old that is.
    fn radio(&self) -> Option<(i16, Duration)> {
        let radio = self.modem().radio?;
        Some((radio.rsrp_tenth_dbm?, now().since(radio.at)))
    }
}

#[tokio::test]
async fn a_signal_that_moves_is_shown_at_once_and_without_a_look_at_the_network() {
    let mut bench = Bench::new();
    bench.modems.plug(DEVICE, served());
    bench.pass(20).await;
    bench.hear_it_all().await;
    let looks = bench.service.network.looks();
    for rsrp in [-96.0, -101.0, -117.0] {
        NOW_MS.set(NOW_MS.get() + 1_000);
        bench.become_weak(rsrp);
        assert_eq!(bench.hear_it_all().await, [News::Radio]);
        assert_eq!(bench.radio(), Some(((rsrp * 10.0) as i16, Duration::ZERO)));
        assert!(bench.link().radio.unwrap().rsrp_tenth_dbm < Some(-950), "smoothed, it follows");
    }
    assert_eq!(bench.service.network.looks(), looks);
    // What was told while nobody listened is told then, and the rest with it.
    bench.become_weak(-90.0);
    bench.modems.unplug(DEVICE);
    bench.modems.plug(DEVICE, Made { pin: Some("4711".into()), ..served() });
    assert_eq!(bench.hear_it_all().await, [News::Modems]);
    assert_eq!(bench.modem().state, ModemState::Locked);
    assert!(bench.service.network.looks() > looks);
}

#[tokio::test]
async fn a_signal_that_stands_grows_old_until_modemmanager_confirms_it() {
    let mut bench = Bench::new();
    bench.modems.plug(DEVICE, served());
    bench.pass(10).await;
    bench.become_weak(-101.0);
    bench.pass(1).await;
    assert_eq!(bench.radio(), Some((-1_010, Duration::ZERO)));
    bench.pass(14).await;
    assert_eq!(bench.radio(), Some((-1_010, Duration::from_secs(14))));
    bench.pass(1).await;
    assert_eq!(bench.radio(), Some((-1_010, Duration::ZERO)));
    for _ in 0..600 {
        bench.pass(1).await;
        assert!(bench.radio().is_some_and(|(_, age)| age < Duration::from_secs(16)), "{:?}", bench.radio());
    }
    assert_eq!(
        bench.asked().iter().filter(|asked| **asked != "connect").count(),
        2,
        "nothing is asked of the modem for that"
    );
}

#[tokio::test]
async fn a_modemmanager_that_hangs_is_found_when_it_confirms_nothing_and_links_stay() {
    let mut bench = Bench::new();
    bench.modems.plug(DEVICE, served());
    bench.pass(20).await;
    bench.modems.hang(true);
    bench.pass(5).await;
    assert!(bench.service.version.is_some() && bench.radio().is_some(), "nobody can know yet");
    bench.pass(15).await;
    assert_eq!((bench.service.state().manager, bench.modem().state, bench.radio()), (None, ModemState::Gone, None));
    assert_eq!((bench.link().state, bench.link().addresses), (PortState::Ready, vec!["10.2.2.2".to_string()]));
    bench.modems.hang(false);
    bench.pass(20).await;
    assert_eq!((bench.modem().state, bench.radio().is_some()), (ModemState::Connected, true));
}

#[tokio::test]
async fn what_modemmanager_says_and_nobody_can_read_is_counted() {
    let mut bench = Bench::new();
    bench.modems.plug(DEVICE, served());
    bench.pass(5).await;
    assert_eq!(bench.service.state().counters.manager_unheard, 0);
    bench.modems.garble();
    bench.hear_it_all().await;
    assert_eq!(bench.service.state().counters.manager_unheard, 1);
}
