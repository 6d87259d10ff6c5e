//! What a written stream holds, packet by packet.

use super::super::PACKET_LEN;
use super::super::packet::Packet;
use super::super::programme::{parse_pat, parse_pmt};
use super::*;

const VIDEO: Track = Track { id: TrackId(0), codec: Codec::H264, channels: 0 };
const SOUND: Track = Track { id: TrackId(1), codec: Codec::Aac, channels: 2 };
const IDR: &[u8] = &[0, 0, 0, 1, 0x65, 0x88, 0x80];

fn unit(track: Track, millis: u64) -> WriteUnit<'static> {
    let at = Instant::from_millis(millis);
    WriteUnit { track: track.id, pts: at, dts: at, keyframe: false, discontinuity: false, data: IDR }
}

fn packets(stream: &[u8]) -> Vec<Packet<'_>> {
    assert!(stream.len().is_multiple_of(PACKET_LEN));
    stream.chunks(PACKET_LEN).map(|bytes| Packet::parse(bytes).unwrap()).collect()
}

fn seconds_of(writer: &mut Writer, track: Track, every_ms: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for millis in (0..3_000).step_by(every_ms) {
        writer.write(&unit(track, millis), &mut out).unwrap();
    }
    out
}

#[test]
fn tables_and_clock_references_come_as_often_as_promised() {
    for (track, every_ms) in [(VIDEO, 20), (VIDEO, 33), (VIDEO, 40), (VIDEO, 66), (SOUND, 21), (SOUND, 60)] {
        let out = seconds_of(&mut Writer::new(&[track]).unwrap(), track, every_ms);
        let (mut clock, mut tables) = (None, None);
        for packet in packets(&out) {
            if let Some(pcr) = packet.adaptation.pcr {
                let gap = pcr - clock.unwrap_or(pcr);
                assert!(gap <= 40 * 27_000, "{track:?} every {every_ms} ms: {gap} of 27 MHz between references");
                clock = Some(pcr);
            }
            if let (0, Some(now)) = (packet.pid, clock) {
                let gap = now - tables.unwrap_or(now);
                // The reference before the tables may be one unit old.
                let allowed = 100.max(2 * every_ms as u64) * 27_000;
                assert!(gap <= allowed, "{track:?} every {every_ms} ms: {gap} of 27 MHz between tables");
                tables = Some(now);
            }
        }
        assert!(clock.is_some_and(|clock| clock > 2_900 * 27_000));
    }
}

#[test]
fn a_keyframe_begins_with_tables_and_says_so() {
    let mut writer = Writer::new(&[SOUND, VIDEO]).unwrap();
    let mut out = Vec::new();
    writer.write(&unit(VIDEO, 0), &mut out).unwrap();
    out.clear();
    writer.write(&WriteUnit { keyframe: true, ..unit(VIDEO, 40) }, &mut out).unwrap();
    let packets = packets(&out);
    assert_eq!(packets.iter().map(|packet| packet.pid).collect::<Vec<_>>(), [0, 0x1000, 0x100]);
    assert!(packets[2].adaptation.random_access);
    // 1 s ahead, 40 ms in, 150 ms of buffer.
    assert_eq!(packets[2].adaptation.pcr, Some(890 * 27_000));
    assert!(packets[2].payload.windows(13).any(|bytes| bytes == [&h264::DELIMITER, IDR].concat()));
}

#[test]
fn a_new_session_is_marked_on_tables_and_clock_even_when_it_goes_back() {
    // Sound is taken to be 500 ms ahead of the pictures.
    for (first, expected) in [(VIDEO, 860), (SOUND, 360)] {
        let mut writer = Writer::new(&[VIDEO, SOUND]).unwrap();
        let mut before = Vec::new();
        writer.write(&unit(VIDEO, 50_000), &mut before).unwrap();
        assert!(packets(&before).iter().all(|packet| !packet.adaptation.discontinuity));
        let mut out = Vec::new();
        writer.write(&WriteUnit { discontinuity: true, ..unit(first, 10) }, &mut out).unwrap();
        let packets = packets(&out);
        let marked: Vec<u16> =
            packets.iter().filter(|packet| packet.adaptation.discontinuity).map(|packet| packet.pid).collect();
        assert_eq!(marked, [0, 0x1000, 0x100]);
        let clock: Vec<u64> = packets.iter().filter_map(|packet| packet.adaptation.pcr).collect();
        assert_eq!(clock, [expected * 27_000]);
    }
}

#[test]
fn pictures_that_lag_behind_their_sound_are_still_in_time() {
    let mut writer = Writer::new(&[VIDEO, SOUND]).unwrap();
    let mut out = Vec::new();
    for millis in (0..2_000).step_by(20) {
        writer.write(&unit(SOUND, millis + 300), &mut out).unwrap();
        if millis % 40 == 0 {
            writer.write(&unit(VIDEO, millis), &mut out).unwrap();
        }
    }
    let mut clock = 0;
    for packet in packets(&out) {
        clock = packet.adaptation.pcr.unwrap_or(clock);
        if (packet.pid, packet.start) == (0x100, true) {
            let dts = pes::PesHeader::parse(packet.payload).and_then(|header| header.pts).unwrap();
            assert!(dts * REFERENCE_PER_TICK > clock, "decoded at {dts} of 90 kHz, clock at {clock} of 27 MHz");
        }
    }
    // And when they stop, the clock goes on with the sound.
    out.clear();
    for millis in (2_300..4_000).step_by(20) {
        writer.write(&unit(SOUND, millis), &mut out).unwrap();
    }
    let last = packets(&out).iter().filter_map(|packet| packet.adaptation.pcr).max();
    assert!(last.is_some_and(|last| last > (1_000 + 3_980 - 700) * 27_000), "{last:?}");
}

#[test]
fn a_pause_is_not_filled_in() {
    let mut writer = Writer::new(&[VIDEO]).unwrap();
    let mut out = Vec::new();
    writer.write(&unit(VIDEO, 0), &mut out).unwrap();
    out.clear();
    writer.write(&unit(VIDEO, 3_600_000), &mut out).unwrap();
    assert!(out.len() < 10 * PACKET_LEN, "{} bytes", out.len());
}

#[test]
fn counters_run_on_and_joining_copies_the_last_tables() {
    let mut writer = Writer::new(&[VIDEO]).unwrap();
    let mut stream = seconds_of(&mut writer, VIDEO, 40);
    let mut joined = Vec::new();
    writer.tables(&mut joined);
    writer.tables(&mut stream);
    writer.set_tracks(&[VIDEO, SOUND]).unwrap();
    let later = stream.len();
    writer.write(&unit(SOUND, 3_000), &mut stream).unwrap();
    joined.extend_from_slice(&stream[later..]);

    let mut last = [None; 0x1001];
    for packet in packets(&stream[..later - 2 * PACKET_LEN]).iter().chain(&packets(&joined)[2..]) {
        if packet.payload.is_empty() {
            continue;
        }
        let slot = &mut last[usize::from(packet.pid)];
        assert!(slot.is_none_or(|last: u8| (last + 1) & 0xf == packet.counter), "{packet:?}");
        *slot = Some(packet.counter);
    }
    let joined = packets(&joined);
    for (table, next) in [(0, 2), (1, 3)] {
        assert_eq!(joined[table].pid, joined[next].pid);
        assert_eq!((joined[table].counter + 1) & 0xf, joined[next].counter);
    }
    let section = |packet: &Packet<'_>| {
        let len = 3 + usize::from(packet.payload[3]);
        packet.payload[1..1 + len].to_vec()
    };
    assert!(parse_pat(&section(&joined[0])).unwrap().eq([(PROGRAMME, MAP_PID)]));
    assert_eq!(parse_pmt(&section(&joined[1])).unwrap().streams.len(), 1);
    assert_eq!(parse_pmt(&section(&joined[3])).unwrap().streams.len(), 2);
    assert_eq!(section(&joined[3])[5] >> 1 & 0x1f, 1, "the version counts");
}

#[test]
fn what_cannot_be_written_leaves_the_stream_alone() {
    assert_eq!(Writer::new(&[]).unwrap_err(), TracksError::Count(0));
    assert_eq!(Writer::new(&[VIDEO, VIDEO]).unwrap_err(), TracksError::Twice(VIDEO.id));
    let mut writer = Writer::new(&[VIDEO, SOUND]).unwrap();
    let mut out = Vec::new();
    let stranger = WriteUnit { track: TrackId(9), ..unit(VIDEO, 0) };
    assert_eq!(writer.write(&stranger, &mut out), Err(WriteError::UnknownTrack(TrackId(9))));
    let empty = WriteUnit { data: &[], ..unit(VIDEO, 0) };
    assert_eq!(writer.write(&empty, &mut out), Err(WriteError::Empty(VIDEO.id)));
    let data = alloc::vec![0; 65_536];
    let long = WriteUnit { data: &data, ..unit(SOUND, 0) };
    assert!(matches!(writer.write(&long, &mut out), Err(WriteError::TooLong { len: 65_536, .. })));
    let early = WriteUnit { pts: Instant::ZERO, ..unit(VIDEO, 1) };
    assert!(matches!(writer.write(&early, &mut out), Err(WriteError::ShownTooEarly { .. })));
    assert!(out.is_empty());
}
