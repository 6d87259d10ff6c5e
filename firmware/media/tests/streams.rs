//! Streams of GStreamer and ffmpeg read by us and compared with ffprobe, and ours read by them.

mod tools;

use std::fs;
use std::path::{Path, PathBuf};

use bondbox_media::ts::{Classifier, Event, Programme, Reader, StreamKind, Ticks, Track, Unit, WriteUnit, Writer};
use bondbox_media::{Codec, aac, annexb, h264, h265, opus};
use bondbox_units::{Instant, Priority, TrackId};
use h264_reader::nal::sps::SeqParameterSet;
use h264_reader::rbsp::BitReader;
use tempfile::TempDir;

const PICTURES: &str = "videotestsrc num-buffers=60 pattern=ball ! video/x-raw,width=322,height=182,framerate=25/1";
const SOUND: &str = "audiotestsrc num-buffers=120 ! audioconvert ! audio/x-raw,rate=48000,channels=2";
const H264: &str = "x264enc key-int-max=25 bframes=2 ! video/x-h264,profile=main";
const H265: &str = "x265enc key-int-max=25 ! video/x-h265,profile=main";

struct Case {
    codecs: [Codec; 2],
    make: fn(&Path),
}

const CASES: [Case; 4] = [
    Case { codecs: [Codec::H264, Codec::Aac], make: |file| muxed(H264, "voaacenc ! aacparse", file) },
    Case { codecs: [Codec::H264, Codec::Opus], make: |file| muxed(H264, "opusenc ! opusparse", file) },
    Case {
        codecs: [Codec::H265, Codec::Aac], // Alone, x265enc sends its parameter sets once.
        make: |file| muxed(&format!("{H265} ! h265parse config-interval=-1"), "avenc_aac ! aacparse", file),
    },
    // Many frames of sound in one PES packet, and no length on those of video.
    Case {
        codecs: [Codec::H264, Codec::Aac],
        make: |file| {
            let sources = "-f lavfi -i testsrc=s=322x182:r=25:d=2.4 -f lavfi -i sine=r=48000:d=2.4";
            let encoders = "-c:v libx264 -pix_fmt yuv420p -g 25 -bf 2 -c:a aac -f mpegts";
            tools::ffmpeg(&format!("{sources} {encoders} {}", file.display()));
        },
    },
];

fn muxed(video: &str, audio: &str, file: &Path) {
    let file = file.display();
    tools::pipeline(&format!(
        "mpegtsmux name=m ! filesink location={file} {PICTURES} ! {video} ! m. {SOUND} ! {audio} ! m."
    ));
}

fn each_case(check: impl Fn(&Case, &Path, &Path)) {
    let dir = TempDir::new().expect("a directory for streams");
    for (index, case) in CASES.iter().enumerate() {
        let path = |name: &str| -> PathBuf { dir.path().join(format!("{index}-{name}.ts")) };
        (case.make)(&path("theirs"));
        check(case, &path("theirs"), &path("ours"));
    }
}

fn read(stream: &[u8]) -> (Vec<Programme>, Vec<Unit>, Reader) {
    let mut reader = Reader::new();
    stream.chunks(1_000).for_each(|piece| reader.push(piece));
    reader.flush();
    let (mut programmes, mut units) = (Vec::new(), Vec::new());
    while let Some(event) = reader.poll() {
        match event {
            Event::Programme(programme) => programmes.push(programme),
            Event::Unit(unit) => units.push(unit),
        }
    }
    (programmes, units, reader)
}

fn of(units: &[Unit], codec: Codec) -> Vec<&Unit> {
    units.iter().filter(|unit| unit.codec == codec).collect()
}

#[test]
fn we_read_what_ffprobe_reads() {
    each_case(|case, theirs, _| {
        let (programmes, units, reader) = read(&fs::read(theirs).expect("the stream"));
        assert_eq!(programmes.len(), 1, "{programmes:?}");
        for codec in case.codecs {
            let expected = tools::packets(theirs, if codec.is_video() { "v" } else { "a" });
            let got = of(&units, codec);
            assert_eq!(got.len(), expected.len(), "{codec:?}");
            assert!(expected.len() > 50, "{codec:?}: ffprobe found {}", expected.len());
            for (unit, packet) in got.iter().zip(&expected) {
                let stamps = [unit.pts, unit.dts].map(|at| at.expect("a time stamp").get());
                // ffprobe rounds the time of each further frame of a PES packet.
                let near = [packet.pts, packet.dts].iter().zip(stamps).all(|(theirs, ours)| theirs.abs_diff(ours) <= 1);
                assert!(near, "{codec:?}: {stamps:?} against {packet:?}");
                assert_eq!(unit.contents.keyframe, packet.keyframe, "{codec:?} {packet:?}");
                // ffprobe counts the zero in front of an H.265 start code with the unit before.
                assert!(unit.data.len().abs_diff(packet.size) <= 1, "{codec:?}: {} of {packet:?}", unit.data.len());
                assert!(!unit.discontinuity);
            }
        }
        let counters = reader.counters();
        assert_eq!((counters.gaps, counters.damaged_packets, counters.damaged_sections), (0, 0, 0));
        assert_eq!((counters.lost_units, counters.skipped_bytes), (0, 0));
    });
}

#[test]
fn units_say_what_they_are() {
    each_case(|case, theirs, _| {
        let (programmes, units, _) = read(&fs::read(theirs).expect("the stream"));
        if case.codecs[1] == Codec::Opus {
            assert!(programmes[0].streams.iter().any(|stream| stream.kind == StreamKind::Opus { channels: Some(2) }));
        }
        for unit in &units {
            match unit.codec {
                Codec::H264 if unit.contents.parameter_sets => {
                    let sps = h264::Sps::find(&unit.data).expect("an SPS").expect("one that can be read");
                    assert_eq!((sps.width, sps.height, sps.frame_rate_milli), (322, 182, Some(25_000)));
                }
                Codec::H265 if unit.contents.parameter_sets => {
                    let sps = h265::Sps::find(&unit.data).expect("an SPS").expect("one that can be read");
                    assert_eq!((sps.width, sps.height, sps.profile), (322, 182, 1));
                }
                Codec::H264 | Codec::H265 => {}
                Codec::Aac => {
                    let header = aac::AdtsHeader::parse(&unit.data).expect("an ADTS header");
                    assert_eq!((header.config.sample_rate(), header.frame_len), (48_000, unit.data.len()));
                }
                Codec::Opus => assert_eq!(opus::Packet::parse(&unit.data).map(|packet| packet.samples), Ok(960)),
            }
        }
        let video = of(&units, case.codecs[0]);
        let count = |priority| video.iter().filter(|unit| unit.contents.priority() == priority).count();
        assert!(count(Priority::Reference) >= 2 && count(Priority::Disposable) > 5 && count(Priority::Standard) > 5);
    });
}

#[test]
fn others_read_what_we_write() {
    each_case(|case, theirs, ours| {
        let (_, units, _) = read(&fs::read(theirs).expect("the stream"));
        fs::write(ours, rewritten(case, &units)).expect("room for our stream");
        for codec in case.codecs {
            let kind = if codec.is_video() { "v" } else { "a" };
            let (before, after) = (tools::packets(theirs, kind), tools::packets(ours, kind));
            assert_eq!(after.len(), before.len(), "{codec:?}");
            let shift = after[0].pts - before[0].pts;
            for (before, after) in before.iter().zip(&after) {
                let moved = [after.pts - before.pts, after.dts - before.dts];
                // A tick is no whole number of microseconds, and ffprobe rounds once more.
                assert!(moved.iter().all(|moved| moved.abs_diff(shift) <= 2), "{codec:?}: {before:?} became {after:?}");
                assert_eq!(after.keyframe, before.keyframe);
            }
        }
        tools::decodes(ours);
        let (video, audio) = match case.codecs {
            [Codec::H265, _] => ("h265parse ! avdec_h265", "aacparse ! avdec_aac"),
            [_, Codec::Opus] => ("h264parse ! avdec_h264", "opusparse ! opusdec"),
            _ => ("h264parse ! avdec_h264", "aacparse ! avdec_aac"),
        };
        let input = format!("filesrc location={} ! tsdemux name=d", ours.display());
        tools::pipeline(&format!("{input} d. ! queue ! {video} ! fakesink d. ! queue ! {audio} ! fakesink"));
    });
}

/// A receiver that joins late gets the tables and then the stream from wherever it is.
#[test]
fn a_late_joiner_decodes_from_the_next_keyframe() {
    each_case(|case, theirs, ours| {
        let (_, units, _) = read(&fs::read(theirs).expect("the stream"));
        let mut writer = writer(case);
        let mut late = Vec::new();
        let joins = units.len() / 2;
        for (index, unit) in units.iter().enumerate() {
            if index == joins {
                writer.tables(&mut late);
            }
            let mut out = Vec::new();
            writer.write(&to_write(case, unit), &mut out).expect("a unit can be written");
            late.extend(out.into_iter().filter(|_| index >= joins));
        }
        fs::write(ours, &late).expect("room for our stream");
        let (_, read_back, _) = read(&late);
        assert_eq!(read_back.len(), units.len() - joins);
        let pictures = units[joins..].iter().filter(|unit| unit.codec.is_video());
        let from_keyframe: Vec<&Unit> = pictures.skip_while(|unit| !unit.contents.keyframe).collect();
        let shown = from_keyframe.iter().filter(|unit| unit.pts >= from_keyframe[0].pts).count();
        let decoded = tools::decoded_pictures(ours);
        assert!(shown > 5 && decoded >= shown, "{decoded} pictures of {shown} from the keyframe on");
    });
}

#[test]
fn byte_streams_part_into_the_units_of_the_encoder() {
    let dir = TempDir::new().expect("a directory for streams");
    for (encoder, mut splitter) in [(H264, h264::splitter()), (H265, h265::splitter())] {
        let file = dir.path().join("stream");
        let caps = format!("{encoder},stream-format=byte-stream");
        tools::pipeline(&format!("{PICTURES} ! {caps} ! filesink location={}", file.display()));
        let stream = fs::read(&file).expect("the stream");
        stream.chunks(777).for_each(|piece| splitter.push(piece));
        splitter.flush();
        let units: Vec<_> = std::iter::from_fn(|| splitter.poll()).collect();
        assert_eq!(units.len(), 60, "{encoder}");
        assert_eq!(units.concat(), stream, "{encoder}");
    }
}

/// Profiles, chroma formats, field coding and odd sizes, against another reader of the same parameter sets.
#[test]
fn picture_formats_are_read_as_h264_reader_reads_them() {
    let dir = TempDir::new().expect("a directory for streams");
    let file = dir.path().join("stream.h264");
    let encodings = [
        "-s 640x360 -pix_fmt yuv420p -profile:v baseline",
        "-s 1920x1080 -pix_fmt yuv420p -flags +ildct+ilme -x264-params interlaced=1",
        "-s 322x180 -pix_fmt yuv422p",
        "-s 321x181 -pix_fmt yuv444p",
        "-s 320x180 -pix_fmt yuv420p10le -x264-params cqm=jvt",
    ];
    for encoding in encodings {
        let source = "-f lavfi -i testsrc=r=30000/1001:d=0.2";
        tools::ffmpeg(&format!("{source} -c:v libx264 {encoding} -f h264 {}", file.display()));
        let stream = fs::read(&file).expect("the stream");
        let ours = h264::Sps::find(&stream).expect("an SPS").expect("one that can be read");
        let nal =
            annexb::nal_units(&stream).find(|nal| h264::NalKind::of(nal[0]) == h264::NalKind::Sps).expect("an SPS");
        let rbsp = annexb::without_emulation_prevention(&nal[1..]);
        let theirs = SeqParameterSet::from_bits(BitReader::new(&rbsp[..])).expect("h264-reader reads it");
        let (width, height) = theirs.pixel_dimensions().expect("a size");
        let format = (u32::from(ours.width), u32::from(ours.height), ours.level);
        assert_eq!(format, (width, height, theirs.level_idc), "{encoding}");
        assert_eq!(ours.profile, u8::from(theirs.profile_idc), "{encoding}");
        assert_eq!(ours.frame_rate_milli, Some(29_970), "{encoding}");
    }
}

#[test]
fn datagrams_of_real_streams_are_classified() {
    each_case(|case, theirs, _| {
        let stream = fs::read(theirs).expect("the stream");
        let (_, units, _) = read(&stream);
        let mut classifier = Classifier::new();
        let mut counts = [0_usize; 4];
        for datagram in stream.chunks(1_316) {
            counts[usize::from(classifier.classify(datagram).code())] += 1;
        }
        let mut classifier = Classifier::new();
        let mut packets = [0_usize; 4];
        for packet in stream.chunks(188) {
            packets[usize::from(classifier.classify(packet).code())] += 1;
        }
        let bytes = |wanted: Priority| -> usize {
            let all = units.iter().filter(|unit| unit.contents.priority() == wanted);
            all.map(|unit| unit.data.len()).sum()
        };
        // Each packet carries at most 184 bytes, and each unit wastes at most one packet and a half.
        for (priority, spare) in [(Priority::Reference, 60), (Priority::Standard, 40)] {
            let least = bytes(priority) / 184;
            let got = packets[usize::from(priority.code())];
            assert!(
                got + spare >= least,
                "{:?}: {got} packets of {priority:?}, at least {least} expected",
                case.codecs
            );
        }
        assert!(packets[usize::from(Priority::Disposable.code())] > 5, "{packets:?}");
        assert!(counts.iter().sum::<usize>() == stream.len().div_ceil(1_316) && counts[0] > 0);
    });
}

fn writer(case: &Case) -> Writer {
    let track =
        |(id, &codec): (u8, &Codec)| Track { id: TrackId(id), codec, channels: if codec.is_video() { 0 } else { 2 } };
    let tracks: Vec<Track> = (0..).zip(&case.codecs).map(track).collect();
    Writer::new(&tracks).expect("two tracks")
}

fn to_write<'a>(case: &Case, unit: &'a Unit) -> WriteUnit<'a> {
    let track = if unit.codec == case.codecs[0] { TrackId(0) } else { TrackId(1) };
    let at = |ticks: Option<Ticks>| {
        let micros = ticks.expect("a time stamp").as_micros();
        Instant::from_micros(u64::try_from(micros).expect("a time after the start"))
    };
    let &Unit { pts, dts, contents, ref data, .. } = unit;
    WriteUnit { track, pts: at(pts), dts: at(dts), keyframe: contents.keyframe, discontinuity: false, data }
}

fn rewritten(case: &Case, units: &[Unit]) -> Vec<u8> {
    let (mut writer, mut out) = (writer(case), Vec::new());
    for unit in units {
        writer.write(&to_write(case, unit), &mut out).expect("a unit can be written");
    }
    out
}
