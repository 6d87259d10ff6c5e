//! A stream with losses between both ends, over a wire of this harness's own: what is done to an end is done under the name of
//! its [`Step`], for those that count what it takes.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bondbox_bond::gateway::{GatewayConfig, GatewayEvent, Route};
use bondbox_bond::receiver::{OutputId, Outputs};
use bondbox_bond::sender::{Features, Headroom, Policy, SenderConfig, TrackInfo, Trust, Unit};
use bondbox_bond::{Gateway, Identity, Sender};
use bondbox_units::{Bitrate, Instant, LinkId, Priority, TrackId};
use bondbox_wire::MAX_DATAGRAM;
use bondbox_wire::frame::TrackKind;
use bytes::Bytes;

/// What is done to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    UnitPush,
    UnitTimeout,
    UnitTransmit,
    UnitReceive,
    GatewayReceive,
    GatewayTimeout,
    GatewayTransmit,
}

/// Counts what steps take.
pub(crate) trait Counter {
    /// Does it; `counts` when both ends have found the size of everything.
    fn around<T>(&mut self, step: Step, counts: bool, act: impl FnOnce() -> T) -> T;

    /// Whoever took what came out of the gateway lets go of it.
    fn let_go(&mut self, event: GatewayEvent) {
        drop(event);
    }
}

/// What was streamed, and what came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// In the last third of the time, which is what counts.
    pub(crate) units: u64,
    /// Likewise: of the live output, of the recording.
    pub(crate) delivered: u64,
    pub(crate) recorded: u64,
    /// Datagrams, likewise, there and back.
    pub(crate) sent: u64,
    pub(crate) returned: u64,
    /// From the beginning.
    pub(crate) repaired: u64,
    /// Packets, likewise.
    pub(crate) recovered: u64,
}

/// What is on its way, and when it arrives.
type Wire<T> = VecDeque<(Instant, T, Vec<u8>)>;

/// Eighteen megabits a second, of datagrams, frames and sound, over three links that lose one packet in ten, there
/// and back, in the first third of the time, and one in forty in the others, of which the last is counted. All ways are `longer`
/// by so much.
pub(crate) fn play(
    counter: &mut impl Counter,
    time: Duration,
    latency: Duration,
    longer: Duration,
    recording: Option<Duration>,
) -> Outcome {
    let [unit, own] = [(); 2].map(|()| Arc::new(Identity::generate()));
    let (start, rate) = (Instant::from_millis(1_000), Bitrate::from_kbps(20_000));
    let config = SenderConfig {
        identity: unit.clone(),
        gateway: Trust::Pinned(own.public()),
        stream: "test".into(),
        latency,
        return_latency: Duration::from_millis(300),
        headroom: Headroom::None,
        encoder_range: (Bitrate::from_kbps(300), rate),
        encoder_start: rate,
        policy: Policy::default(),
        features: Features::ALL,
    };
    let mut sender = Sender::new(start, config, 1);
    let outputs = Outputs { longer: recording.into_iter().collect(), ..Outputs::default() };
    let config = GatewayConfig { identity: own, units: vec![unit.public()], latency: None, outputs };
    let mut gateway = Gateway::new(start, config, 2);
    for (track, kind) in [(OPAQUE, TrackKind::Opaque), (PICTURE, TrackKind::H264), (SOUND, TrackKind::Aac)] {
        sender.set_track(TrackInfo { track, kind, width: 0, height: 0, rate: 0, channels: 0, label: String::new() });
    }
    (0..3).for_each(|link| sender.add_link(start, LinkId(link), "wwan"));

    let (mut up, mut down): ([Wire<()>; 3], Wire<Route>) = (Default::default(), VecDeque::new());
    let (mut counted, mut before) = (Outcome::default(), Outcome::default());
    let mut buffer = [0; MAX_DATAGRAM];
    let mut now = start;
    let mut sources = [Source::datagrams(start), Source::frames(start), Source::sound(start)];
    let mut chance = 1_u32;
    let mut lost = |one_in: u32| {
        chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (chance >> 16).is_multiple_of(one_in)
    };
    while now < start + time {
        let one_in = if now < start + time / 3 { 10 } else { 40 };
        let counts = now >= start + time / 3 * 2;
        let outcome = if counts { &mut counted } else { &mut before };
        for source in &mut sources {
            while let Some(unit) = source.next(now) {
                counter.around(Step::UnitPush, counts, || sender.push(now, unit));
                outcome.units += 1;
            }
        }
        for (link, wire) in (0..).zip(&mut up) {
            while let Some((_, (), mut datagram)) = wire.pop_front_if(|(at, ..)| *at <= now) {
                let route = Route { remote: SocketAddr::from(([10, 0, 0, link], 7_000)), local: None };
                counter.around(Step::GatewayReceive, counts, || gateway.handle_datagram(now, route, &mut datagram));
            }
        }
        while let Some((_, route, mut datagram)) = down.pop_front_if(|(at, ..)| *at <= now) {
            let SocketAddr::V4(remote) = route.remote else { continue };
            let link = LinkId(remote.ip().octets()[3]);
            counter.around(Step::UnitReceive, counts, || sender.handle_datagram(now, link, &mut datagram));
        }
        counter.around(Step::UnitTimeout, counts, || sender.handle_timeout(now));
        while let Some(sent) = counter.around(Step::UnitTransmit, counts, || sender.poll_transmit(now, &mut buffer)) {
            outcome.sent += 1;
            if !lost(one_in) {
                let wire = usize::from(sent.link.0);
                up[wire].push_back((now + ONE_WAY[wire] + longer, (), buffer[..sent.len].to_vec()));
            }
        }
        while counter.around(Step::UnitTimeout, counts, || sender.poll_event()).is_some() {}
        counter.around(Step::GatewayTimeout, counts, || gateway.handle_timeout(now));
        while let Some((route, len)) =
            counter.around(Step::GatewayTransmit, counts, || gateway.poll_transmit(now, &mut buffer))
        {
            outcome.returned += 1;
            if !lost(one_in) {
                down.push_back((now + ONE_WAY[0] + longer, route, buffer[..len].to_vec()));
            }
        }
        while let Some(event) = counter.around(Step::GatewayTimeout, counts, || gateway.poll_event()) {
            match event {
                GatewayEvent::Unit { output: OutputId::LIVE, .. } => outcome.delivered += 1,
                GatewayEvent::Unit { .. } => outcome.recorded += 1,
                _ => {}
            }
            counter.let_go(event);
        }
        now += TURN;
    }
    let status = gateway.status(now);
    counted.repaired = status[0].tracks.iter().map(|track| track.counters.repaired).sum();
    counted.recovered = status[0].coding.recovered;
    counted
}

/// Makes units of one track.
struct Source {
    track: TrackId,
    /// Sizes of units, by turns.
    sizes: &'static [usize],
    every: Duration,
    next: Instant,
    made: usize,
}

impl Source {
    /// Ten megabits a second.
    const fn datagrams(next: Instant) -> Self {
        Self { track: OPAQUE, sizes: &[1_316], every: Duration::from_micros(1_053), next, made: 0 }
    }

    /// Eight, fifty frames a second: of one packet, of many, and of very many.
    const fn frames(next: Instant) -> Self {
        const SIZES: &[usize] = &[90_000, 12_000, 8_000, 20_000, 1_000, 9_000, 14_000, 3_000, 30_000, 13_000];
        Self { track: PICTURE, sizes: SIZES, every: Duration::from_millis(20), next, made: 0 }
    }

    const fn sound(next: Instant) -> Self {
        Self { track: SOUND, sizes: &[300, 340], every: Duration::from_micros(21_333), next, made: 0 }
    }

    fn next(&mut self, now: Instant) -> Option<Unit> {
        if self.next > now {
            return None;
        }
        let size = self.sizes[self.made % self.sizes.len()];
        let keyframe = self.track == PICTURE && self.made.is_multiple_of(self.sizes.len());
        (self.next, self.made) = (self.next + self.every, self.made + 1);
        let pts = (self.track != OPAQUE).then_some(now);
        let priority = if keyframe { Priority::Reference } else { Priority::Standard };
        let payload = Bytes::from(vec![7; size]);
        Some(Unit { track: self.track, pts, dts: pts, priority, keyframe, discontinuity: false, payload })
    }
}

const OPAQUE: TrackId = TrackId(0);
const PICTURE: TrackId = TrackId(1);
const SOUND: TrackId = TrackId(2);
const ONE_WAY: [Duration; 3] = [Duration::from_millis(10), Duration::from_millis(25), Duration::from_millis(40)];
const TURN: Duration = Duration::from_millis(1);
