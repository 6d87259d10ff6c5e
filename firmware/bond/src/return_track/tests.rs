use std::cell::Cell;
use std::rc::Rc;

use bondbox_units::{Instant, LinkId, Priority, TrackId};
use bondbox_wire::MIN_DATAGRAM;
use bondbox_wire::Writer;
use bondbox_wire::frame::{Frame, Frames};
use proptest::prelude::*;

use super::*;
use crate::channel::Refused;
use crate::pair::{Pair, link_at, one_way};
use crate::sender::Unit;

const TALKBACK: TrackId = TrackId(9);

/// 20 ms of sound, or more.
fn sound(number: u32, len: usize) -> Unit {
    let mut payload = vec![number as u8; len.max(4)];
    payload[..4].copy_from_slice(&number.to_be_bytes());
    Unit {
        track: TALKBACK,
        pts: None,
        dts: None,
        priority: Priority::Reference,
        keyframe: true,
        discontinuity: false,
        payload: payload.into(),
    }
}

/// A pair that talks back.
struct Talk {
    pair: Pair,
    pushed: Vec<Instant>,
}

impl Talk {
    fn new() -> Self {
        Self { pair: Pair::open(), pushed: vec![] }
    }

    fn say(&mut self, len: usize) -> Result<(), Refused> {
        let stream = self.pair.gateway.status(self.pair.now)[0].stream.clone();
        self.pair.gateway.push(self.pair.now, &stream, sound(self.pushed.len() as u32, len))?;
        self.pushed.push(self.pair.now);
        Ok(())
    }

    /// So many units of sound, and what they wait for.
    fn run(&mut self, units: u32, len: usize) {
        for _ in 0..units {
            self.say(len).expect("there is room");
            self.pair.run(20);
        }
        self.pair.run(400);
    }

    /// Numbers of the units that came out.
    fn out(&self) -> Vec<u32> {
        let number = |payload: &[u8]| u32::from_be_bytes(*payload.first_chunk().expect("four bytes"));
        self.pair.returned.iter().map(|(_, unit)| number(&unit.payload)).collect()
    }

    fn all(&self) -> Vec<u32> {
        (0..self.pushed.len() as u32).collect()
    }

    fn counters(&self) -> ReturnCounters {
        self.pair.gateway.status(self.pair.now)[0].returned
    }
}

#[test]
fn sound_comes_out_at_the_unit_one_return_latency_after_it_came_in() {
    let mut talk = Talk::new();
    talk.run(200, 160);
    assert_eq!(talk.out(), talk.all());
    for ((at, unit), pushed) in talk.pair.returned.iter().zip(&talk.pushed) {
        let took = *at - *pushed;
        assert!((298..=302).contains(&took.as_millis()), "{took:?}");
        assert_eq!((unit.track, unit.payload.len()), (TALKBACK, 160));
    }
    let counters = talk.counters();
    assert_eq!((counters.units, counters.acknowledged, counters.expired, counters.again), (200, 200, 0, 0));
    talk.pair.nothing_is_missing();
}

#[test]
fn what_is_lost_on_the_way_goes_again_in_time() {
    let mut talk = Talk::new();
    let mut count = 0_u32;
    talk.pair.down = Box::new(move |_, route, _| {
        count += 1;
        let lost = count.wrapping_mul(2_654_435_761) >> 29 == 0;
        link_at(route).filter(|_| !lost).map(|link| (one_way(link), link)).into_iter().collect()
    });
    talk.run(500, 160);
    assert_eq!(talk.out(), talk.all(), "{:?}", talk.counters());
    assert!(talk.counters().again > 50, "{:?}", talk.counters());
}

#[test]
fn a_path_that_fails_in_this_direction_alone_costs_no_unit() {
    let mut talk = Talk::new();
    let dead = Rc::new(Cell::new(LinkId(9)));
    let fails = dead.clone();
    talk.pair.down = Box::new(move |_, route, _| {
        let link = link_at(route).filter(|link| *link != fails.get());
        link.map(|link| (one_way(link), link)).into_iter().collect()
    });
    for link in [0, 1, 9, 1, 0] {
        dead.set(LinkId(link));
        talk.run(100, 160);
    }
    assert_eq!(talk.out(), talk.all(), "{:?}", talk.counters());
    // The dead one is tried once in a while, not with every unit.
    assert!(talk.counters().again < 60, "{:?}", talk.counters());
}

#[test]
fn where_a_second_try_would_be_too_late_two_go_at_once() {
    let mut talk = Talk::new();
    let dead = Rc::new(Cell::new(LinkId(9)));
    let fails = dead.clone();
    talk.pair.up = Box::new(|_, link, _| vec![(Duration::from_millis(110), crate::pair::home(link))]);
    talk.pair.down = Box::new(move |_, route, _| {
        let link = link_at(route).filter(|link| *link != fails.get());
        link.map(|link| (Duration::from_millis(110), link)).into_iter().collect()
    });
    talk.pair.run(2_000);
    for link in [9, 0, 1] {
        dead.set(LinkId(link));
        talk.run(50, 160);
    }
    assert_eq!(talk.out(), talk.all(), "{:?}", talk.counters());
}

#[test]
fn a_unit_of_many_datagrams_comes_whole() {
    let mut talk = Talk::new();
    for _ in 0..5 {
        talk.say(12_000).unwrap();
        talk.pair.run(400);
    }
    talk.pair.run(400);
    assert_eq!(talk.out(), talk.all(), "{:?}", talk.counters());
    assert!(talk.pair.returned.iter().all(|(_, unit)| unit.payload.len() == 12_000));
}

#[test]
fn no_more_leaves_than_the_rate_allows_and_what_is_too_much_is_refused() {
    let mut talk = Talk::new();
    let bytes = Rc::new(Cell::new(0));
    let sent = bytes.clone();
    talk.pair.down = Box::new(move |_, route, datagram| {
        sent.set(sent.get() + datagram.len() as u64);
        link_at(route).map(|link| (one_way(link), link)).into_iter().collect()
    });
    assert_eq!(talk.say(MAX_UNIT + 1), Err(Refused::TooLong(MAX_UNIT + 1)));
    let mut refused = 0;
    for _ in 0..2_000 {
        refused += u32::from(talk.say(2_500).is_err());
        talk.pair.run(1);
    }
    assert!(refused > 1_000, "{refused}");
    let acks = 60_000;
    let rate = Bitrate::from_bps(bytes.get().saturating_sub(acks) * 8 / 2);
    assert!(rate <= RATE, "{rate}");
    talk.pair.run(1_000);
    let ReturnCounters { units, acknowledged, expired, .. } = talk.counters();
    assert_eq!(units, acknowledged + expired);
    assert!(acknowledged > 0);
    talk.pair.nothing_is_missing();
}

#[test]
fn what_no_path_can_take_makes_nobody_busy_and_is_given_up() {
    let mut talk = Talk::new();
    talk.pair.up = Box::new(|_, _, _| vec![]);
    talk.pair.run(3_000);
    for _ in 0..50 {
        talk.say(160).unwrap();
        talk.pair.run(20);
        assert!(
            talk.pair.gateway.deadline(talk.pair.now) > talk.pair.now,
            "it wants to be called again at once, for ever"
        );
    }
    talk.pair.run(400);
    assert_eq!((talk.counters().expired, talk.out().len()), (50, 0));
}

#[test]
fn who_has_no_session_hears_nothing() {
    let mut talk = Talk::new();
    let mut stream = talk.pair.gateway.status(talk.pair.now)[0].stream.clone();
    stream.name.push('x');
    let now = talk.pair.now;
    assert_eq!(talk.pair.gateway.push(now, &stream, sound(0, 100)), Err(Refused::NoStream));
}

proptest! {
    #![proptest_config(crate::hostile::cases(64))]

    /// Whatever is lost, delayed or doubled on the way: each comes out once, in order and unaltered, and the books agree.
    #[test]
    fn each_comes_once_in_order_or_not_at_all(fates in prop::collection::vec((0..4_u8, 0..200_u64), 50..300)) {
        let latency = Duration::from_millis(300);
        let (mut sender, mut receiver) =
            (ReturnSender::new(latency), ReturnReceiver::new(Instant::ZERO, latency, 0, 0));
        let mut flying: Vec<(Instant, bool, Vec<u8>)> = vec![];
        let (mut now, mut pushed, mut out) = (Instant::from_millis(1_000), 0, vec![]);
        let mut fates = fates.into_iter().cycle();
        let mut buffer = [0; MIN_DATAGRAM];
        for ms in 0..3_000 {
            now += Duration::from_millis(1);
            if ms % 20 == 0 && ms < 2_000 && sender.push(now, sound(pushed, 30 + 40 * (pushed as usize % 50))).is_ok() {
                pushed += 1;
            }
            let (arrived, still) = flying.into_iter().partition(|(at, ..)| *at <= now);
            flying = still;
            for (_, down, bytes) in arrived {
                for frame in Frames::new(&bytes) {
                    match frame.unwrap() {
                        Frame::Media(media) if down => receiver.on_media(now, &media).unwrap(),
                        Frame::UnitsAck(ack) if !down => sender.on_ack(&ack),
                        other => prop_assert!(false, "{:?}", other),
                    }
                }
            }
            sender.expire(now);
            let mut written = vec![];
            let paths = [(1, Duration::from_millis(40)), (2, Duration::from_millis(60))];
            if let Some(path) = sender.pick(now, paths.into_iter()) {
                let mut writer = Writer::new(&mut buffer);
                sender.write(now, path, Duration::from_millis(80), &mut writer);
                written.push((true, writer.written().to_vec()));
            }
            if receiver.has_news(now) {
                let mut writer = Writer::new(&mut buffer);
                receiver.tell(&mut writer);
                written.push((false, writer.written().to_vec()));
            }
            for (down, bytes) in written {
                let (copies, after) = fates.next().unwrap();
                for copy in 0..copies.min(2) {
                    flying.push((now + Duration::from_millis(after * u64::from(copy + 1)), down, bytes.clone()));
                }
            }
            while let Some(unit) = receiver.poll(now) {
                let number = u32::from_be_bytes(*unit.payload.first_chunk().unwrap());
                prop_assert_eq!(&unit.payload, &sound(number, unit.payload.len()).payload);
                prop_assert!(now >= unit.due);
                out.push(number);
            }
        }
        prop_assert!(out.is_sorted_by(|a, b| a < b), "{:?}", out);
        let counters = sender.counters;
        prop_assert_eq!((counters.units, sender.held()), (pushed.into(), 0));
        prop_assert_eq!(counters.units, counters.acknowledged + counters.expired);
        prop_assert!(counters.acknowledged >= 1 || out.len() < 50);
        // Let the last late ones be settled.
        while receiver.poll(now + Duration::from_secs(2)).is_some() {}
        let of_track: u64 = receiver.counters().map(|(_, counters)| counters.delivered).sum();
        prop_assert_eq!(of_track, out.len() as u64);
    }
}
