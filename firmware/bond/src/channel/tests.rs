use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Two ends and what is on the way between them.
struct Pair {
    ends: [Channels; 2],
    /// Arrives then, at that end.
    flying: BTreeMap<(Instant, u64), (usize, Vec<u8>)>,
    sent: u64,
    now: Instant,
    out: [Vec<ChannelEvent>; 2],
}

impl Pair {
    fn new() -> Self {
        let mut ends = [1, 2].map(|origin| Channels::new(Instant::ZERO, origin));
        ends.iter_mut().for_each(Channels::begin_session);
        Self { ends, flying: BTreeMap::new(), sent: 0, now: Instant::ZERO, out: [vec![], vec![]] }
    }

    /// Plays on for `ms`; a datagram takes as long as `way` says of its number, or never arrives.
    fn play(&mut self, ms: u64, mut way: impl FnMut(u64) -> Option<u64>) {
        for _ in 0..ms {
            self.now += Duration::from_millis(1);
            while let Some(entry) = self.flying.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let (to, bytes) = entry.remove();
                self.arrive(to, &bytes);
            }
            for from in 0..2 {
                self.ends[from].handle_timeout(self.now);
                if self.ends[from].is_due(self.now) {
                    let mut buffer = [0; 900];
                    let mut writer = Writer::new(&mut buffer);
                    self.ends[from].write(self.now, PATIENCE, Bitrate::from_kbps(5_000), &mut writer);
                    self.sent += 1;
                    if let Some(delay) = way(self.sent) {
                        let at = self.now + Duration::from_millis(delay);
                        self.flying.insert((at, self.sent), (1 - from, writer.written().to_vec()));
                    }
                }
                while let Some(event) = self.ends[from].poll_event() {
                    self.out[from].push(event);
                }
            }
        }
    }

    fn arrive(&mut self, to: usize, bytes: &[u8]) {
        for frame in bondbox_wire::frame::Frames::new(bytes) {
            match frame.unwrap() {
                Frame::Message(message) => self.ends[to].on_message(self.now, &message).unwrap(),
                Frame::MessageAck(ack) => self.ends[to].on_ack(&ack),
                other => panic!("{other:?}"),
            }
        }
    }

    fn send(&mut self, from: usize, channel: Channel, body: Vec<u8>, expiry_ms: u64) -> MessageId {
        let expiry = Duration::from_millis(expiry_ms);
        self.ends[from].send(self.now, channel, body.into(), expiry).unwrap()
    }

    fn came(&self, at: usize) -> Vec<(u64, usize)> {
        let message = |event: &ChannelEvent| match event {
            ChannelEvent::Message { id, body, .. } => Some((id.0, body.len())),
            ChannelEvent::Done { .. } => None,
        };
        self.out[at].iter().filter_map(message).collect()
    }

    fn done(&self, at: usize) -> Vec<(u64, MessageFate)> {
        let done = |event: &ChannelEvent| match event {
            ChannelEvent::Done { id, fate, .. } => Some((id.0, *fate)),
            ChannelEvent::Message { .. } => None,
        };
        self.out[at].iter().filter_map(done).collect()
    }
}

const PATIENCE: Duration = Duration::from_millis(100);

#[test]
fn messages_of_all_sizes_arrive_in_order_and_are_known_to() {
    let mut pair = Pair::new();
    let sizes = [0, 1, 799, 800, 801, 5_000, MAX_LONG];
    for size in sizes {
        pair.send(0, Channel::Telemetry, vec![7; size], 60_000);
    }
    pair.play(20_000, |_| Some(20));
    assert_eq!(pair.came(1), sizes.iter().enumerate().map(|(id, size)| (id as u64, *size)).collect::<Vec<_>>());
    assert_eq!(pair.done(0), (0..7).map(|id| (id, MessageFate::Delivered)).collect::<Vec<_>>());
    assert_eq!((pair.ends[0].held(), pair.ends[1].held()), (0, 0));
}

const MAX_LONG: usize = bondbox_wire::frame::MAX_MESSAGE;

#[test]
fn a_message_that_cannot_arrive_expires_and_the_next_goes_on() {
    let mut pair = Pair::new();
    pair.send(0, Channel::Command, vec![1; 100], 500);
    pair.send(0, Channel::Command, vec![2; 200], 60_000);
    pair.play(600, |_| None);
    pair.play(1_000, |_| Some(20));
    assert_eq!(pair.done(0), [(0, MessageFate::Expired), (1, MessageFate::Delivered)]);
    assert_eq!(pair.came(1), [(1, 200)]);
}

#[test]
fn a_command_waits_for_no_telemetry() {
    let mut pair = Pair::new();
    pair.send(0, Channel::Telemetry, vec![1; MAX_LONG], 60_000);
    pair.play(500, |_| Some(20));
    pair.send(0, Channel::Command, vec![2; 50], 60_000);
    pair.play(200, |_| Some(20));
    assert_eq!(pair.came(1), [(0, 50)]);
}

#[test]
fn too_many_and_too_long_ones_are_refused() {
    let mut channels = Channels::new(Instant::ZERO, 1);
    let mut send =
        |len: usize| channels.send(Instant::ZERO, Channel::Telemetry, vec![0; len].into(), Duration::from_secs(1));
    assert_eq!(send(MAX_LONG + 1), Err(Refused::TooLong(MAX_LONG + 1)));
    let taken = (0..100).filter(|_| send(MAX_LONG).is_ok()).count();
    assert_eq!(taken, 4);
    let taken = (0..100).filter(|_| send(0).is_ok()).count();
    assert_eq!(taken, 60);
}

#[test]
fn what_was_on_the_way_goes_again_in_a_new_session_and_comes_once() {
    let mut pair = Pair::new();
    pair.send(0, Channel::Command, vec![1; 3_000], 60_000);
    // All arrives and no acknowledgement does.
    let mut acks = 0;
    pair.play(80, |_| Some(10));
    acks += pair.came(1).len();
    pair.flying.clear();
    pair.ends.iter_mut().for_each(Channels::begin_session);
    pair.play(2_000, |_| Some(10));
    assert_eq!(pair.came(1), [(0, 3_000)], "{acks}");
    assert_eq!(pair.done(0), [(0, MessageFate::Delivered)]);
}

#[test]
fn an_end_that_begins_a_new_life_is_understood_in_its_next_session_only() {
    let mut pair = Pair::new();
    pair.send(0, Channel::Telemetry, vec![1; 10], 60_000);
    pair.send(0, Channel::Telemetry, vec![1; 11], 60_000);
    pair.play(300, |_| Some(10));
    pair.ends[0] = Channels::new(pair.now, 3);
    pair.send(0, Channel::Telemetry, vec![1; 12], 60_000);
    let mut buffer = [0; 900];
    let mut writer = Writer::new(&mut buffer);
    pair.ends[0].write(pair.now, PATIENCE, Bitrate::ZERO, &mut writer);
    let Some(Ok(Frame::Message(message))) = bondbox_wire::frame::Frames::new(writer.written()).next() else {
        panic!("no message")
    };
    assert_eq!(pair.ends[1].on_message(pair.now, &message), Err(BadMessage));
    pair.ends.iter_mut().for_each(Channels::begin_session);
    pair.play(1_000, |_| Some(10));
    assert_eq!(pair.came(1), [(0, 10), (1, 11), (0, 12)]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// A fifth lost, the rest in any order, sessions that replace each other: each message once, in order, as it was.
    #[test]
    fn each_message_comes_once_and_in_order_over_bad_links(
        sizes in prop::collection::vec((0..2_usize, 0..2_usize, 0..4_000_usize), 1..20),
        seed: u64,
        replaced in prop::collection::vec(1..2_000_u64, 0..3),
    ) {
        let mut pair = Pair::new();
        let mut dice = seed | 1;
        let mut way = move |_| {
            // xorshift64: the fate of datagrams needs no better.
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            (dice % 5 > 0).then_some(10 + dice / 5 % 60)
        };
        let mut sent = [[vec![], vec![]], [vec![], vec![]]];
        for (from, channel, size) in sizes {
            let body: Vec<u8> = (0..size).map(|i| (i * 7 + size) as u8).collect();
            pair.send(from, Channel::ALL[channel], body.clone(), 300_000);
            sent[from][channel].push(body);
        }
        for ms in replaced {
            pair.play(ms, &mut way);
            pair.ends.iter_mut().for_each(Channels::begin_session);
            pair.flying.clear();
        }
        pair.play(60_000, &mut way);
        for (from, sent) in sent.into_iter().enumerate() {
            for (channel, sent) in Channel::ALL.into_iter().zip(sent) {
                let came = pair.out[1 - from].iter().filter_map(|event| match event {
                    ChannelEvent::Message { channel: on, body, .. } if *on == channel => Some(body.to_vec()),
                    _ => None,
                });
                prop_assert_eq!(came.collect::<Vec<_>>(), sent);
            }
            prop_assert!(pair.done(from).iter().all(|(_, fate)| *fate == MessageFate::Delivered));
        }
    }

    /// Whatever a hostile end says, we hold no more than one message a channel.
    #[test]
    fn a_hostile_end_makes_us_hold_a_bounded_amount(
        pieces in prop::collection::vec(
            (0..2_usize, 0..3_u32, 0..5_u64, 0..70_000_u32, 0..70_000_u32, any::<u64>(), 0..50_usize), 1..400),
    ) {
        let mut channels = Channels::new(Instant::ZERO, 1);
        for (channel, origin, id, offset, total, expires_ms, len) in pieces {
            let mut bytes = [0; 900];
            let mut writer = Writer::new(&mut bytes);
            let channel = Channel::ALL[channel];
            let body = [1; 50];
            let message = Message { channel, origin, id, offset, total, expires_ms, bytes: &body[..len] };
            Frame::Message(message).encode(&mut writer).unwrap();
            if let Some(Ok(Frame::Message(read))) = bondbox_wire::frame::Frames::new(writer.written()).next() {
                let _ = channels.on_message(Instant::ZERO, &read);
            }
            prop_assert!(channels.held() <= 2 * (MAX_LONG + 8 * 257), "{}", channels.held());
        }
    }
}
