//! What a reader makes of streams that are legal and odd, too large, or changing.

use bondbox_media::ts::{
    Counters, Event, PACKET_LEN, Programme, Reader, StreamKind, Ticks, Track, Unit, WriteUnit, Writer,
};
use bondbox_media::{AccessUnitSplitter, Codec, MAX_UNIT, aac, annexb, h264, h265};
use bondbox_units::{Instant, TrackId};

const VIDEO: Track = Track { id: TrackId(0), codec: Codec::H264, channels: 0 };
const AAC: Track = Track { id: TrackId(1), codec: Codec::Aac, channels: 2 };
const OPUS: Track = Track { id: TrackId(2), codec: Codec::Opus, channels: 2 };
const PICTURE: &[u8] = &[0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 0x41, 0x9a, 0x80];

fn unit(track: Track, millis: u64, data: &[u8]) -> WriteUnit<'_> {
    let at = Instant::from_millis(millis);
    WriteUnit { track: track.id, pts: at, dts: at, keyframe: false, discontinuity: false, data }
}

fn write(tracks: &[Track], units: &[WriteUnit<'_>]) -> Vec<u8> {
    let (mut writer, mut out) = (Writer::new(tracks).unwrap(), Vec::new());
    for unit in units {
        writer.write(unit, &mut out).unwrap();
    }
    out
}

fn read(stream: &[u8]) -> (Vec<Programme>, Vec<Unit>, Counters) {
    let mut reader = Reader::new();
    let (mut programmes, mut units) = (Vec::new(), Vec::new());
    reader.push(stream);
    reader.flush();
    while let Some(event) = reader.poll() {
        match event {
            Event::Programme(programme) => programmes.push(programme),
            Event::Unit(unit) => units.push(unit),
        }
    }
    (programmes, units, reader.counters())
}

fn frame(fill: u8, len: usize) -> Vec<u8> {
    let config = aac::AudioSpecificConfig { object_type: 2, frequency_index: 3, channels: 2 };
    [&config.adts_header(len).unwrap()[..], &vec![fill; len]].concat()
}

#[test]
fn frames_across_pes_packets_are_put_together_and_timed() {
    let frames = [frame(1, 100), frame(2, 200), frame(3, 50), frame(4, 60)];
    let stream = frames.concat();
    // The cut is inside the second frame, and inside the header of the fourth.
    let (first, rest) = stream.split_at(107 + 50);
    let (second, third) = rest.split_at(157 + 57 + 3);
    let stream = write(&[AAC], &[unit(AAC, 0, first), unit(AAC, 42, second), unit(AAC, 85, third)]);
    let (_, units, counters) = read(&stream);
    assert_eq!(units.iter().map(|unit| unit.data.to_vec()).collect::<Vec<_>>(), frames);
    let start = Ticks::written_for(Instant::ZERO);
    // 1,024 samples of 48 kHz are 1,920 ticks; the third frame is the first to begin in the second packet.
    let expected = [0, 1_920, 42 * 90, 42 * 90 + 1_920].map(|ticks| Some(start.offset(ticks)));
    assert_eq!(units.iter().map(|unit| unit.pts).collect::<Vec<_>>(), expected);
    assert_eq!(counters.lost_units, 0);
}

#[test]
fn frames_are_found_again_behind_a_lost_packet() {
    let frames: Vec<Vec<u8>> = (1..=20).map(|fill| frame(fill, 400)).collect();
    let all = frames.concat();
    // No PES packet but the first begins with a frame.
    let units: Vec<WriteUnit<'_>> =
        all.chunks(1_000).zip((0..).step_by(52)).map(|(piece, millis)| unit(AAC, millis, piece)).collect();
    let stream = write(&[AAC], &units);
    let packets: Vec<&[u8]> = stream.chunks(PACKET_LEN).collect();
    // Sound, and not the first packet of its PES packet.
    let inner: Vec<usize> = (0..packets.len()).filter(|&at| packets[at][1..3] == [0x01, 0x01]).collect();
    let lost = inner[inner.len() / 2];
    let (_, read, counters) = read(&[&packets[..lost], &packets[lost + 1..]].concat().concat());

    let mut expected = frames.iter();
    for unit in &read {
        let before = expected.position(|frame| *frame == unit.data).expect("a frame that was written, in order");
        assert_eq!(before > 0, unit.discontinuity, "{before} frames are missing");
    }
    assert!(read.len() > 14 && expected.next().is_none(), "{} frames", read.len());
    assert_eq!(counters.gaps, 1);
}

#[test]
fn a_unit_too_large_is_dropped_and_shows() {
    let huge: Vec<u8> = [PICTURE, &vec![0x55; MAX_UNIT]].concat();
    let stream = write(&[VIDEO], &[unit(VIDEO, 0, PICTURE), unit(VIDEO, 40, &huge), unit(VIDEO, 80, PICTURE)]);
    let (_, units, counters) = read(&stream);
    assert_eq!(units.iter().map(|unit| unit.discontinuity).collect::<Vec<_>>(), [false, true]);
    assert_eq!(counters.lost_units, 1);

    for piece in [100_000, usize::MAX] {
        let mut splitter: AccessUnitSplitter = h264::splitter();
        [PICTURE, &huge, PICTURE].concat().chunks(piece).for_each(|piece| splitter.push(piece));
        splitter.flush();
        assert_eq!(core::iter::from_fn(|| splitter.poll()).collect::<Vec<_>>(), [PICTURE, PICTURE]);
        assert_eq!(splitter.dropped(), 1);
    }
}

#[test]
fn a_scrambled_packet_costs_its_unit() {
    let mut stream = write(&[VIDEO], &[0, 40, 80].map(|millis| unit(VIDEO, millis, PICTURE)));
    let pictures = stream.chunks_mut(PACKET_LEN).filter(|packet| (packet[1] & 0x1f, packet[2]) == (0x01, 0x00));
    pictures.skip(1).take(1).for_each(|packet| packet[3] |= 0x80);
    let (_, units, _) = read(&stream);
    assert_eq!(units.iter().map(|unit| unit.discontinuity).collect::<Vec<_>>(), [false, true]);
}

/// Found by the property over header bits: the packet of sound had just the counter that the pictures waited for.
#[test]
fn sound_on_the_pid_of_pictures_is_no_picture() {
    let mut stream =
        write(&[VIDEO, AAC], &[unit(VIDEO, 0, PICTURE), unit(AAC, 0, &frame(1, 1)), unit(VIDEO, 40, PICTURE)]);
    let sound = stream.chunks_mut(PACKET_LEN).filter(|packet| (packet[1] & 0x1f, packet[2]) == (0x01, 0x01));
    sound.for_each(|packet| (packet[2], packet[3]) = (0, packet[3] & 0xf0 | 1));
    let (_, units, _) = read(&stream);
    assert!(units.iter().all(|unit| unit.data == PICTURE), "{units:?}");
    assert_eq!(units.iter().map(|unit| unit.discontinuity).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn repeated_packets_count_once() {
    let stream =
        write(&[VIDEO, AAC], &[unit(VIDEO, 0, PICTURE), unit(AAC, 0, &frame(1, 300)), unit(VIDEO, 40, PICTURE)]);
    let doubled: Vec<u8> = stream.chunks(PACKET_LEN).flat_map(|packet| [packet, packet].concat()).collect();
    assert_eq!(read(&doubled).1, read(&stream).1);
}

#[test]
fn tracks_come_and_go() {
    let mut writer = Writer::new(&[VIDEO]).unwrap();
    let mut out = Vec::new();
    writer.write(&unit(VIDEO, 0, PICTURE), &mut out).unwrap();
    writer.set_tracks(&[VIDEO, OPUS]).unwrap();
    writer.write(&unit(OPUS, 20, &[0xfc, 1, 2]), &mut out).unwrap();
    writer.write(&unit(VIDEO, 40, PICTURE), &mut out).unwrap();
    let (programmes, units, counters) = read(&out);
    let kinds: Vec<Vec<StreamKind>> =
        programmes.iter().map(|programme| programme.streams.iter().map(|stream| stream.kind).collect()).collect();
    assert_eq!(kinds, [vec![StreamKind::H264], vec![StreamKind::H264, StreamKind::Opus { channels: Some(2) }]]);
    assert_eq!(units.len(), 3);
    assert!(units.iter().all(|unit| !unit.discontinuity));
    assert_eq!((counters.gaps, counters.lost_units), (0, 0));
}

#[test]
fn time_goes_on_when_33_bits_are_full() {
    // 2³³ ticks are 95,443.7 s, and the writer is 1 s ahead.
    let times: Vec<u64> = (95_441_000..95_445_000).step_by(40).collect();
    let written: Vec<WriteUnit<'_>> = times.iter().map(|&millis| unit(VIDEO, millis, PICTURE)).collect();
    let (_, units, _) = read(&write(&[VIDEO], &written));
    let read: Vec<_> = units.iter().map(|unit| unit.pts).collect();
    let expected: Vec<_> = written.iter().map(|unit| Some(Ticks::written_for(unit.pts))).collect();
    assert_eq!(read, expected);
}

#[test]
fn a_damaged_table_is_counted_and_not_believed() {
    let mut stream = write(&[VIDEO], &[unit(VIDEO, 0, PICTURE), unit(VIDEO, 90, PICTURE)]);
    // The stream type in the first map: behind packet header, pointer, section header and programme information.
    stream[PACKET_LEN + 4 + 1 + 12] ^= 1;
    let (programmes, units, counters) = read(&stream);
    assert_eq!(counters.damaged_sections, 1);
    assert_eq!((programmes.len(), units.len()), (1, 1), "the second tables are whole");
}

/// A slow, obvious reading: every offset is looked at.
#[test]
fn start_codes_are_found_where_a_slow_search_finds_them() {
    let mut state = 1_u32;
    let stream: Vec<u8> = core::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 30) as u8
    })
    .take(20_000)
    .collect();
    let starts: Vec<usize> = (0..stream.len() - 2).filter(|&at| stream[at..at + 3] == annexb::START_CODE).collect();
    let ends = starts.iter().skip(1).copied().chain([stream.len()]);
    let slow: Vec<&[u8]> = starts
        .iter()
        .zip(ends)
        .map(|(&start, end)| {
            let nal = &stream[start + 3..end];
            &nal[..nal.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)]
        })
        .filter(|nal| !nal.is_empty())
        .collect();
    assert!(slow.len() > 100);
    assert_eq!(annexb::nal_units(&stream).collect::<Vec<_>>(), slow);
}

#[test]
fn delimiters_are_recognised_by_the_readers() {
    assert!(h264::inspect(&h264::DELIMITER).delimiter && h265::inspect(&h265::DELIMITER).delimiter);
    assert!(!h264::inspect(&PICTURE[6..]).delimiter);
}
