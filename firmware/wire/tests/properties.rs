//! Laws of the codec: every decoder is total, every frame reads back.

use bondbox_units::{Instant, LinkId, Priority, TrackId};
use bondbox_wire::envelope::{Address, Envelope, encode_header};
use bondbox_wire::frame::{
    AckBuilder, Acked, Bitrate, Channel, Clock, Frame, Frames, Latency, LinkAccept, LinkJoin, LinkReport, LinkState,
    MAX_SOURCES, Media, Message, MessageAck, Repair, Run, Track, TrackKind, UnitHeader, UnitsAck,
};
use bondbox_wire::handshake::Handshake;
use bondbox_wire::{Reader, ReplayWindow, Writer, expand, expand_micros, pn_len};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const VARINT: std::ops::Range<u64> = 0..1 << 62;

fn written(frame: &Frame<'_>) -> Vec<u8> {
    let mut buffer = [0; 2_000];
    let mut writer = Writer::new(&mut buffer);
    frame.encode(&mut writer).unwrap();
    writer.written().to_vec()
}

fn header() -> impl Strategy<Value = UnitHeader> {
    (0..4_u8, any::<(bool, bool, u32, i32, i32, u16)>()).prop_map(
        |(code, (keyframe, discontinuity, ingest, pts, dts, skips))| UnitHeader {
            priority: Priority::from_code(code),
            keyframe,
            discontinuity,
            ingest_low: ingest,
            pts_offset: pts,
            dts_offset: dts,
            skips,
        },
    )
}

/// Every kind of control frame from a handful of numbers.
fn control_frames<'a>(v: &[u64; 9], small: (u8, u8, u16, u16, u32), text: &'a str) -> Vec<Frame<'a>> {
    let (a, b, c, d, e) = small;
    let name = &text[..text.floor_char_boundary(15)];
    vec![
        Frame::LinkReport(LinkReport {
            path: e,
            link: LinkId(a),
            state: LinkState::Suspect,
            rate_bps: v[0],
            capacity_bps: v[1],
            rtt_us: v[2],
            delay_us: v[3],
            queue_us: v[4],
            loss_ppm: v[5],
            packets_sent: v[6],
            packets_lost: v[7],
            bytes_repaired: v[8],
            name,
        }),
        Frame::Bitrate(Bitrate { target_bps: v[0], actual_bps: v[1], encode_delay_us: v[2] }),
        Frame::Ping(v[0]),
        Frame::Pong(v[1]),
        Frame::LinkJoin(LinkJoin { index: e, sent: Instant::from_micros(v[0]), link: LinkId(b), name }),
        Frame::LinkAccept(LinkAccept {
            index: e,
            join_sent: Instant::from_micros(v[0]),
            received: Instant::from_micros(v[1]),
        }),
        Frame::LinkLeave { path: e },
        Frame::Close { reason: v[3] },
        Frame::Horizon { track: TrackId(a), unit: e },
        Frame::Keyframe { track: TrackId(b) },
        Frame::Latency(Latency { now_ms: e, target_ms: c.into(), longest_ms: d.into() }),
        Frame::Clock(Clock {
            sender: Instant::from_micros(v[4]),
            receiver: Instant::from_micros(v[5]),
            drift_ppb: i64::from(e) - i64::from(c),
        }),
        Frame::Track(Track {
            track: TrackId(a),
            kind: TrackKind::Aac,
            width: c,
            height: d,
            rate: e,
            channels: b,
            label: &text[..text.floor_char_boundary(64)],
        }),
        Frame::Message(Message {
            channel: Channel::ALL[usize::from(a % 2)],
            origin: e,
            id: v[6],
            offset: u32::from(c / 2),
            total: u32::from(c / 2) + 3 + u32::from(d / 4),
            expires_ms: v[7],
            bytes: b"abc",
        }),
        Frame::MessageAck(MessageAck::new(
            Channel::ALL[usize::from(b % 2)],
            e,
            v[8],
            [(u32::from(c / 4), u32::from(c / 2)), (u32::from(c / 2) + 7, 40_000)].into_iter(),
        )),
        Frame::UnitsAck(UnitsAck { track: TrackId(a), next: e, before: v[0] }),
    ]
}

/// So many cases from one seed; with `PROPTEST_CASES` so many from another each time.
fn cases(cases: u32) -> ProptestConfig {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    let fixed = ProptestConfig { cases, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() };
    if asked { ProptestConfig::default() } else { fixed }
}

/// Damage to a datagram: bytes changed, its end cut off, another's put behind.
fn damage() -> impl Strategy<Value = (Vec<(prop::sample::Index, u8)>, prop::sample::Index, bool)> {
    (vec((any::<prop::sample::Index>(), any::<u8>()), 0..6), any::<prop::sample::Index>(), any::<bool>())
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn what_was_valid_and_is_damaged_is_read_as_something_or_refused(
        v in prop::array::uniform9(VARINT),
        small in any::<(u8, u8, u16, u16, u32)>(),
        pns in btree_set(0..5_000_u64, 1..60),
        head in header(),
        (changes, cut, cuts) in damage(),
    ) {
        let mut frames: Vec<_> = control_frames(&v, small, "a link, or a track").iter().map(written).collect();
        let payload = [0xa5; 300];
        frames.push(written(&Frame::Media(Media {
            track: TrackId(small.0), unit: small.4, offset: 0, last: true, again: false, header: Some(head), bytes: &payload,
        })));
        let mut buffer = [0; 1_400];
        let mut writer = Writer::new(&mut buffer);
        let packets = pns.iter().rev().map(|&pn| Acked { pn, received: Instant::from_micros(pn * 400) });
        AckBuilder::new(1, 5).encode(packets, &mut writer).unwrap();
        frames.push(writer.written().to_vec());
        let mut plaintext = frames.concat();
        for (at, to) in &changes {
            let at = at.index(plaintext.len());
            plaintext[at] = *to;
        }
        if cuts {
            plaintext.truncate(cut.index(plaintext.len()));
        }
        let mut read = 0;
        for frame in Frames::new(&plaintext) {
            read += 1;
            if let Ok(Frame::Ack(ack)) = frame {
                // Work in proportion to what came.
                prop_assert!(ack.packets().count() <= plaintext.len() + 1);
            }
        }
        prop_assert!(read <= plaintext.len());

        let piece = Handshake { id: [small.0; 8], cookie: &[small.1; 32], offset: v[0] % 4_000, total: 8_000, acknowledged: v[1] % 8_000, bytes: &payload };
        let mut writer = Writer::new(&mut buffer);
        piece.encode(&mut writer).unwrap();
        let mut datagram = writer.written().to_vec();
        for (at, to) in &changes {
            let at = at.index(datagram.len());
            datagram[at] = *to;
        }
        if cuts {
            datagram.truncate(cut.index(datagram.len()));
        }
        if let Ok(Envelope::Handshake(piece)) = Envelope::decode(&datagram) {
            prop_assert!(piece.offset + piece.bytes.len() as u64 <= piece.total && piece.total <= 8 * 1_024);
            prop_assert!(piece.cookie.len() <= 32);
        }
    }

    #[test]
    fn any_bytes_are_an_envelope_or_an_error(bytes in vec(any::<u8>(), 0..1_500)) {
        let _ = Envelope::decode(&bytes);
    }

    #[test]
    fn any_bytes_are_frames_or_an_error(bytes in vec(any::<u8>(), 0..1_500)) {
        let frames: Vec<_> = Frames::new(&bytes).collect();
        prop_assert!(frames.len() <= bytes.len());
        for frame in frames.into_iter().flatten() {
            match frame {
                Frame::Ack(ack) => prop_assert!(ack.packets().count() <= bytes.len() + 1),
                Frame::Repair(repair) => prop_assert!((1..=MAX_SOURCES).contains(&repair.sources().count())),
                _ => {}
            }
        }
    }

    #[test]
    fn any_bytes_are_a_repair_symbol_or_an_error(mut bytes in vec(any::<u8>(), 1..200)) {
        bytes[0] = 0x83;
        if let Some(Ok(Frame::Repair(repair))) = Frames::new(&bytes).next() {
            prop_assert!((1..=MAX_SOURCES).contains(&repair.sources().count()));
        }
    }

    #[test]
    fn repair_symbols_read_back(
        id in any::<u32>(),
        runs in vec((any::<u32>(), VARINT, 1..5_u16), 1..30),
        bytes in vec(any::<u8>(), 3..900),
        room in 60..2_000_usize,
    ) {
        let runs: Vec<_> = runs.into_iter().map(|(path, first, packets)| Run { path, first, packets }).collect();
        let mut buffer = [0; 2_000];
        let mut writer = Writer::new(&mut buffer[..room]);
        let needed = Repair::overhead(id, &runs) + bytes.len();
        prop_assert_eq!(Repair::encode(id, &runs, &bytes, &mut writer).is_ok(), needed <= room);
        if needed <= room {
            let read: Vec<_> = Frames::new(writer.written()).collect();
            let [Ok(Frame::Repair(repair))] = read[..] else { panic!("not one symbol: {read:?}") };
            prop_assert_eq!((repair.id, repair.bytes, repair.runs().collect::<Vec<_>>()), (id, &bytes[..], runs));
            let again = written(&Frame::Repair(repair));
            prop_assert_eq!(Frames::new(&again).next(), Some(Ok(Frame::Repair(repair))));
        }
    }

    #[test]
    fn a_flipped_ack_never_panics(pns in btree_set(0..5_000_u64, 1..80), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let packets = pns.iter().rev().map(|&pn| Acked { pn, received: Instant::from_micros(pn * 400) });
        let mut buffer = [0; 1_400];
        let mut writer = Writer::new(&mut buffer);
        AckBuilder::new(1, 5).encode(packets, &mut writer).unwrap();
        let mut bytes = writer.written().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = to;
        for frame in Frames::new(&bytes).flatten() {
            if let Frame::Ack(ack) = frame {
                prop_assert!(ack.packets().count() <= bytes.len() + 1);
            }
        }
    }

    #[test]
    fn control_frames_read_back(v in prop::array::uniform9(VARINT), small in any::<(u8, u8, u16, u16, u32)>(), text in "\\PC{0,20}") {
        for frame in control_frames(&v, small, &text) {
            let bytes = written(&frame);
            let mut frames = Frames::new(&bytes);
            prop_assert_eq!(frames.next(), Some(Ok(frame)));
            prop_assert_eq!(frames.next(), None);
        }
    }

    #[test]
    fn an_unknown_kind_is_skipped_by_its_length(kind in 0x16_u8..0x20, body in vec(any::<u8>(), 0..60)) {
        let mut bytes = vec![kind, body.len() as u8];
        bytes.extend(body);
        bytes.extend(written(&Frame::Ping(9)));
        let read: Vec<_> = Frames::new(&bytes).collect();
        prop_assert_eq!(read, vec![Ok(Frame::Unknown { kind }), Ok(Frame::Ping(9))]);
    }

    #[test]
    fn media_fill_a_datagram_and_read_back(
        room in 60_usize..1_472,
        units in vec((any::<u8>(), any::<u32>(), prop::option::of(header()), 1_u32..100_000, any::<bool>(), 0_usize..700), 1..20),
    ) {
        let payload = vec![0xa5; 700];
        let mut buffer = [0; 1_472];
        let mut writer = Writer::new(&mut buffer[..room]);
        let mut sent = vec![];
        for (track, unit, header, offset, last, len) in units {
            let offset = if header.is_some() { 0 } else { offset };
            let media = Media { track: TrackId(track), unit, offset, last, again: unit % 3 == 0, header, bytes: &payload[..len] };
            if media.encode(&mut writer).is_ok() {
                sent.push(Ok(Frame::Media(media)));
            }
        }
        let _ = Frame::Ping(0).encode(&mut writer).map(|()| sent.push(Ok(Frame::Ping(0))));
        let read: Vec<_> = Frames::new(writer.written()).collect();
        prop_assert_eq!(read, sent);
    }

    #[test]
    fn acknowledgements_read_back(times in btree_map(0..100_000_u64, 0..10_000_000_u64, 1..100), delay in 0..1_000_000_u64) {
        let sent: Vec<_> = times.iter().rev().map(|(&pn, &t)| Acked { pn, received: Instant::from_micros(t) }).collect();
        let mut buffer = [0; 1_472];
        let mut writer = Writer::new(&mut buffer);
        AckBuilder::new(3, delay).encode(sent.iter().copied(), &mut writer).unwrap();
        let frames: Vec<_> = Frames::new(writer.written()).collect();
        let [Ok(Frame::Ack(ack))] = &frames[..] else { panic!("not one ack: {frames:?}") };
        for (read, sent) in ack.packets().zip(&sent) {
            prop_assert_eq!(read.pn, sent.pn);
            prop_assert!(read.received.micros_since(sent.received).abs() <= 32);
        }
        prop_assert!(ack.packets().count() == sent.len() || writer.len() > 1_100);
    }

    #[test]
    fn a_packet_number_survives_truncation(acknowledged in 0..1_u64 << 40, ahead in 0..1_u64 << 22, behind in 0..1_u64 << 10) {
        let pn = acknowledged + ahead;
        let len = pn_len(pn, Some(acknowledged));
        let bits = 8 * len as u32;
        let expected = (acknowledged + 1).max(pn.saturating_sub(behind));
        prop_assert_eq!(expand(pn & ((1 << bits) - 1), bits, expected), pn);
    }

    #[test]
    fn an_instant_survives_truncation(near in 1_u64 << 32..1 << 50, off in -2_000_000_000_i64..2_000_000_000) {
        let t = Instant::from_micros(near).offset_micros(off);
        prop_assert_eq!(expand_micros(t.as_micros() as u32, Instant::from_micros(near)), t);
    }

    #[test]
    fn varints_read_back(value in VARINT, signed in -(1_i64 << 60)..1 << 60) {
        let mut buffer = [0; 16];
        let mut writer = Writer::new(&mut buffer);
        writer.varint(value).unwrap();
        writer.signed(signed).unwrap();
        let mut reader = Reader::new(writer.written());
        prop_assert_eq!((reader.varint(), reader.signed()), (Ok(value), Ok(signed)));
        prop_assert!(reader.is_empty());
    }

    #[test]
    fn a_replay_window_agrees_with_a_set(pns in vec(0..12_000_u64, 1..600)) {
        let mut window = ReplayWindow::new();
        let mut seen = std::collections::BTreeSet::new();
        for pn in pns {
            let too_old = pn + 4_096 < window.expected();
            prop_assert_eq!(window.accept(pn), !too_old && !seen.contains(&pn));
            seen.insert(pn);
        }
    }

    #[test]
    fn handshakes_and_headers_read_back(
        id in any::<[u8; 8]>(),
        offset in 0..4_000_u64,
        bytes in vec(any::<u8>(), 0..900),
        cookie in vec(any::<u8>(), 0..33),
        (index, path, pn, phase) in any::<(u32, u32, u32, bool)>(),
    ) {
        let mut buffer = [0; 1_472];
        let mut writer = Writer::new(&mut buffer);
        let sent = Handshake { id, cookie: &cookie, offset, total: offset + bytes.len() as u64, acknowledged: 5, bytes: &bytes };
        sent.encode(&mut writer).unwrap();
        let Ok(Envelope::Handshake(read)) = Envelope::decode(writer.written()) else { panic!("no handshake") };
        prop_assert_eq!(read, sent);

        let mut writer = Writer::new(&mut buffer);
        encode_header(Address::NewPath { session: index, path }, phase, u64::from(pn), None, &mut writer).unwrap();
        writer.bytes(&[0; 16]).unwrap();
        let Ok(Envelope::Join { session, path: read_path, sealed }) = Envelope::decode(writer.written()) else { panic!("no join") };
        prop_assert_eq!((session, read_path, sealed.phase), (index, path, phase));
        prop_assert_eq!(sealed.packet_number(0), u64::from(pn));
    }
}
