//! Plaintexts: frames with every value that a field can hold, and bytes that are no frames.

use bondbox_units::{Instant, LinkId, Priority, TrackId};
use bondbox_wire::Writer;
use bondbox_wire::frame::{
    AckBuilder, Acked, Bitrate, Clock, Frame, LinkAccept, LinkJoin, LinkReport, LinkState, Media, Repair, Run, Track,
    TrackKind, UnitHeader, UnitsAck,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// A datagram's worth of frames.
pub(super) fn plaintext() -> impl Strategy<Value = Vec<u8>> {
    vec(frame(), 1..6).prop_map(|frames| {
        let mut bytes = frames.concat();
        bytes.truncate(900);
        bytes
    })
}

fn frame() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![6 => media(), 4 => ack(), 4 => control(), 2 => repair(), 1 => vec(any::<u8>(), 1..80)]
}

/// Small mostly, at the edges sometimes.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..400_u64, 2 => 0..30_000_000_u64, 1 => 0..1_u64 << 62, 1 => Just((1 << 62) - 1)]
}

fn media() -> impl Strategy<Value = Vec<u8>> {
    let unit = prop_oneof![4 => 0..40_u32, 1 => any::<u32>(), 1 => u32::MAX - 20..=u32::MAX];
    let offset = prop_oneof![3 => 0..3_000_u32, 1 => any::<u32>(), 1 => 8_380_000..8_390_000_u32];
    let header = (any::<(u8, bool, bool, i32, i32, u16)>(), 0..20_000_000_u32, any::<bool>());
    (0..18_u8, unit, offset, header, any::<(bool, bool)>(), 0..300_usize).prop_map(
        |(
            track,
            unit,
            offset,
            ((code, keyframe, discontinuity, pts, dts, skips), ingest_low, first),
            (last, again),
            len,
        )| {
            let header = first.then_some(UnitHeader {
                priority: Priority::from_code(code),
                keyframe,
                discontinuity,
                ingest_low,
                pts_offset: pts,
                dts_offset: dts,
                skips,
            });
            let (track, bytes) = (TrackId(track), [7; 300]);
            let offset = if first { 0 } else { offset };
            written(&Frame::Media(Media { track, unit, offset, last, again, header, bytes: &bytes[..len] }))
        },
    )
}

fn ack() -> impl Strategy<Value = Vec<u8>> {
    let packets = vec((0..5_u64, number()), 1..40);
    (0..5_u32, number(), number(), packets).prop_map(|(path, largest, delay, packets)| {
        let mut buffer = [0; 900];
        let mut writer = Writer::new(&mut buffer);
        let mut pn = largest;
        let mut list = vec![];
        for (gap, micros) in packets {
            list.push(Acked { pn, received: Instant::from_micros(micros) });
            let Some(next) = pn.checked_sub(1 + gap) else { break };
            pn = next;
        }
        AckBuilder::new(path, delay).encode(list.into_iter(), &mut writer).unwrap();
        writer.written().to_vec()
    })
}

/// Sums over packets that came, that never will, and over the same ones twice.
fn repair() -> impl Strategy<Value = Vec<u8>> {
    let run = (0..5_u32, number(), 1..30_u16).prop_map(|(path, first, packets)| Run { path, first, packets });
    (any::<u32>(), vec(run, 1..5), vec(any::<u8>(), 3..200)).prop_map(|(id, runs, bytes)| {
        let mut buffer = [0; 900];
        let mut writer = Writer::new(&mut buffer);
        Repair::encode(id, &runs, &bytes, &mut writer).unwrap();
        writer.written().to_vec()
    })
}

fn control() -> impl Strategy<Value = Vec<u8>> {
    (0..13_u8, [number(), number(), number()], 0..5_u32, any::<(u8, u8, u32)>()).prop_map(
        |(which, [a, b, c], path, (small, other, wide))| {
            let (link, track) = (LinkId(small), TrackId(small % 20));
            let at = Instant::from_micros;
            written(&match which {
                0 => Frame::Ping(a),
                1 => Frame::LinkLeave { path },
                2 => Frame::Horizon { track, unit: wide },
                3 => Frame::Keyframe { track },
                4 => Frame::Clock(Clock { sender: at(a), receiver: at(b), drift_ppb: c.cast_signed() - (1 << 20) }),
                5 => Frame::LinkJoin(LinkJoin { index: wide, sent: at(a), link, name: "evil" }),
                6 => Frame::LinkAccept(LinkAccept { index: wide, join_sent: at(a), received: at(b) }),
                7 => Frame::Bitrate(Bitrate { target_bps: a, actual_bps: b, encode_delay_us: c }),
                8 => Frame::Pong(a),
                12 => Frame::UnitsAck(UnitsAck { track, next: wide, before: a }),
                9 => Frame::Track(Track {
                    track,
                    kind: TrackKind::H264,
                    width: wide as u16,
                    height: 0,
                    rate: wide,
                    channels: other,
                    label: "evil",
                }),
                _ => Frame::LinkReport(LinkReport {
                    path,
                    link,
                    state: LinkState::Silent,
                    rate_bps: a,
                    capacity_bps: b,
                    rtt_us: c,
                    delay_us: a,
                    queue_us: b,
                    loss_ppm: c,
                    packets_sent: a,
                    packets_lost: b,
                    bytes_repaired: c,
                    name: "evil",
                }),
            })
        },
    )
}

pub(super) fn written(frame: &Frame<'_>) -> Vec<u8> {
    let mut buffer = [0; 900];
    let mut writer = Writer::new(&mut buffer);
    frame.encode(&mut writer).unwrap();
    writer.written().to_vec()
}
