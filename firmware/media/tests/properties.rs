//! Laws that hold for any input: nothing panics, pieces do not matter, what is written reads back, and damage shows.

mod generated;

use bondbox_media::ts::{Classifier, Event, PACKET_LEN, Reader, Ticks, Unit};
use bondbox_media::{aac, h264, h265, opus};
use bondbox_units::Priority;
use bytes::Bytes;
use generated::{Sample, VIDEO, session, write};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// What a reader makes of `stream` given in pieces of these sizes, over and over.
fn read(stream: &[u8], pieces: &[usize]) -> (Vec<Unit>, Reader) {
    let mut reader = Reader::new();
    let mut units = Vec::new();
    let mut rest = stream;
    for &size in pieces.iter().cycle() {
        let (piece, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        reader.push(piece);
        if rest.is_empty() {
            reader.flush();
        }
        while let Some(event) = reader.poll() {
            if let Event::Unit(unit) = event {
                units.push(unit);
            }
        }
        if rest.is_empty() {
            return (units, reader);
        }
    }
    unreachable!("there are pieces")
}

fn of_pid(units: &[Unit], pid: u16) -> impl Iterator<Item = &Unit> {
    units.iter().filter(move |unit| unit.pid == pid)
}

/// Every unit that came is one that was written, in order, and says so when others before it did not come.
fn assert_whole_and_flagged(samples: &[Sample], units: &[Unit]) -> Result<(), TestCaseError> {
    for pid in samples.iter().map(Sample::pid) {
        let mut written = samples.iter().filter(|sample| sample.pid() == pid);
        let mut first = true;
        for unit in of_pid(units, pid) {
            let before = written.position(|sample| sample.expected() == unit.data);
            let Some(before) = before else {
                return Err(TestCaseError::fail(format!("a unit of {} bytes that was never written", unit.data.len())));
            };
            prop_assert!(first || before == 0 || unit.discontinuity, "{before} units are missing without a mark");
            first = false;
        }
    }
    Ok(())
}

/// Bytes with the values that parsers branch on more often than by chance.
fn telling_bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![Just(0), Just(1), Just(0x47), Just(0xff), any::<u8>()];
    prop::collection::vec(byte, 0..2_000)
}

/// So many cases from one seed; with `PROPTEST_CASES` so many from another each time.
fn cases(cases: u32) -> ProptestConfig {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    let fixed = ProptestConfig { cases, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() };
    if asked { ProptestConfig::default() } else { fixed }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn any_bytes_are_read_without_panic(bytes in telling_bytes(), piece in 1..400_usize) {
        for mut splitter in [h264::splitter(), h265::splitter()] {
            bytes.chunks(piece).for_each(|piece| splitter.push(piece));
            splitter.flush();
            while let Some(unit) = splitter.poll() {
                h264::inspect(&unit);
                h265::inspect(&unit);
            }
        }
        for skip in 0..bytes.len().min(4) {
            let bytes = &bytes[skip..];
            let _ = h264::Sps::parse(&[&[0x67], bytes].concat());
            let _ = h264::Sps::parse(&[&[0x67, 100, 0, 31], bytes].concat());
            let _ = h265::Sps::parse(&[&[33 << 1, 1], bytes].concat());
            let _ = h264::parse_avcc(&[&[1, 0, 0, 0], bytes].concat()).map(|record| record.to_byte_stream(bytes));
            let _ = h265::parse_hvcc(&[&[1; 22], bytes].concat()).map(|record| record.to_byte_stream(bytes));
            let _ = aac::AudioSpecificConfig::parse(bytes);
            let _ = opus::Packet::parse(bytes);
            let _ = opus::split_control_header(&[&[0x7f, 0xe0 | bytes[0]], bytes].concat());
        }
        let mut adts = aac::AdtsSplitter::new();
        adts.push(&bytes);
        adts.flush();
        while adts.poll().is_some() {}
        read(&bytes, &[piece]);
        Classifier::new().classify(&bytes);
    }

    /// Packets in place, with any contents on the PIDs of a running programme.
    #[test]
    fn any_packets_are_read_without_panic(
        packets in prop::collection::vec((prop_oneof![Just(0), Just(0x1000), Just(0x100), Just(0x101), Just(0x102)],
            any::<bool>(), any::<u8>(), telling_bytes()), 1..60),
        samples in session(1..4),
    ) {
        let mut stream = write(&samples);
        for (pid, start, control, bytes) in packets {
            let pid: u16 = pid;
            let mut packet = vec![0x47, (pid >> 8) as u8 | u8::from(start) << 6, pid as u8, control];
            packet.extend(bytes.iter().chain(core::iter::repeat(&0)).take(PACKET_LEN - 4));
            stream.extend_from_slice(&packet);
        }
        read(&stream, &[1_316]);
        let mut classifier = Classifier::new();
        stream.chunks(7 * PACKET_LEN).for_each(|datagram| { classifier.classify(datagram); });
    }

    #[test]
    fn byte_streams_part_the_same_in_any_pieces(samples in session(2..20), pieces in prop::collection::vec(1..300_usize, 1..5)) {
        let videos: Vec<Bytes> = samples.iter().filter(|sample| sample.pid() == VIDEO).map(Sample::expected).collect();
        let stream = videos.concat();
        let mut splitter = h264::splitter();
        let mut rest = &stream[..];
        for &size in pieces.iter().cycle() {
            let (piece, after) = rest.split_at(size.min(rest.len()));
            splitter.push(piece);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        splitter.flush();
        let units: Vec<Bytes> = core::iter::from_fn(|| splitter.poll()).collect();
        prop_assert_eq!(units, videos);
    }

    #[test]
    fn what_is_written_reads_back(samples in session(1..40), pieces in prop::collection::vec(1..2_000_usize, 1..5)) {
        let stream = write(&samples);
        let (units, reader) = read(&stream, &pieces);
        for pid in samples.iter().map(Sample::pid) {
            let written: Vec<_> = samples.iter().filter(|sample| sample.pid() == pid).map(|sample| {
                (sample.expected(), Some(Ticks::written_for(sample.pts)), Some(Ticks::written_for(sample.dts)), sample.keyframe)
            }).collect();
            let read: Vec<_> = of_pid(&units, pid).map(|unit| {
                (unit.data.clone(), unit.pts, unit.dts, unit.contents.keyframe)
            }).collect();
            prop_assert_eq!(read, written);
        }
        prop_assert!(units.iter().all(|unit| !unit.discontinuity));
        let counters = reader.counters();
        prop_assert_eq!((counters.packets, counters.units), ((stream.len() / PACKET_LEN) as u64, samples.len() as u64));
        prop_assert_eq!(counters.damaged_packets + counters.skipped_bytes + counters.gaps + counters.lost_units, 0);
    }

    #[test]
    fn damaged_streams_read_the_same_in_any_pieces(
        samples in session(4..20),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 1..400_usize), 0..4),
        pieces in prop::collection::vec(1..700_usize, 1..5),
    ) {
        let mut stream = write(&samples);
        for (at, len) in cuts {
            let at = at.index(stream.len());
            stream.drain(at..(at + len).min(stream.len()));
        }
        prop_assume!(!stream.is_empty());
        let (whole, in_one) = read(&stream, &[usize::MAX]);
        let (parted, in_pieces) = read(&stream, &pieces);
        prop_assert_eq!(whole, parted);
        prop_assert_eq!(in_one.counters(), in_pieces.counters());
    }

    #[test]
    fn lost_packets_cost_whole_units_and_show(
        samples in session(6..40),
        lost in prop::collection::vec(any::<prop::sample::Index>(), 1..8),
    ) {
        let stream = write(&samples);
        let packets: Vec<&[u8]> = stream.chunks(PACKET_LEN).collect();
        let Some(middle) = generated::middle(&packets) else { return Err(TestCaseError::reject("too short")) };
        let lost: Vec<usize> = lost.iter().map(|at| middle.start + at.index(middle.len())).collect();
        let kept: Vec<&[u8]> =
            packets.iter().enumerate().filter(|(at, _)| !lost.contains(at)).map(|(_, &packet)| packet).collect();
        let (units, _) = read(&kept.concat(), &[1_316]);
        assert_whole_and_flagged(&samples, &units)?;
        prop_assert!(!units.is_empty());
    }

    /// Any bit of a packet's header but the two that say whether an adaptation field is there: what those change looks
    /// like any other payload.
    #[test]
    fn a_changed_header_bit_costs_whole_units_and_shows(
        samples in session(6..30),
        at in any::<prop::sample::Index>(),
        bit in (0..30_usize).prop_map(|bit| if bit < 26 { bit } else { bit + 2 }),
    ) {
        let mut stream = write(&samples);
        let packets: Vec<&[u8]> = stream.chunks(PACKET_LEN).collect();
        let Some(middle) = generated::middle(&packets) else { return Err(TestCaseError::reject("too short")) };
        let at = middle.start + at.index(middle.len());
        stream[at * PACKET_LEN + bit / 8] ^= 0x80 >> (bit % 8);
        let (units, _) = read(&stream, &[1_316]);
        assert_whole_and_flagged(&samples, &units)?;
    }

    #[test]
    fn a_packet_cut_short_costs_whole_units_and_shows(
        samples in session(6..30),
        at in any::<prop::sample::Index>(),
        missing in 1..PACKET_LEN,
    ) {
        let mut stream = write(&samples);
        let packets: Vec<&[u8]> = stream.chunks(PACKET_LEN).collect();
        let Some(middle) = generated::middle(&packets) else { return Err(TestCaseError::reject("too short")) };
        let at = middle.start + at.index(middle.len());
        stream.drain((at + 1) * PACKET_LEN - missing..(at + 1) * PACKET_LEN);
        // Chance may put a sync byte exactly where one had to be; then nothing can tell.
        let by_chance = |packets: usize| stream.get((at + packets) * PACKET_LEN) == Some(&0x47);
        prop_assume!(!by_chance(1) && !by_chance(2));
        let (units, reader) = read(&stream, &[1_316]);
        assert_whole_and_flagged(&samples, &units)?;
        prop_assert!(reader.counters().skipped_bytes > 0);
    }

    /// Packet by packet: what a classifier says is what the packet is part of.
    #[test]
    fn packets_are_classified_by_what_they_are_part_of(samples in session(1..30)) {
        let mut classifier = Classifier::new();
        let mut writer = generated::writer();
        for sample in &samples {
            let mut out = Vec::new();
            writer.write(&sample.unit(), &mut out).unwrap();
            let mut slice_begun = false;
            for packet in out.chunks(PACKET_LEN) {
                let pid = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
                let said = classifier.classify(packet);
                let empty = packet[3] & 0x10 == 0;
                if pid == 0 || pid == 0x1000 {
                    prop_assert_eq!(said, Priority::Critical);
                } else if empty {
                    prop_assert_eq!(said, Priority::Standard);
                } else if pid != VIDEO {
                    prop_assert_eq!(said, Priority::Reference);
                } else if slice_begun {
                    prop_assert_eq!(said, sample.priority());
                } else {
                    // All before the slice fits the first packet.
                    let first = if sample.keyframe { Priority::Critical } else { sample.priority() };
                    prop_assert_eq!(said, first);
                    slice_begun = true;
                }
            }
        }
    }

    #[test]
    fn a_datagram_means_as_much_as_its_most_important_packet(samples in session(1..30), together in 1..9_usize) {
        let stream = write(&samples);
        let (mut one, mut many) = (Classifier::new(), Classifier::new());
        for datagram in stream.chunks(together * PACKET_LEN) {
            let packets = datagram.chunks(PACKET_LEN).map(|packet| one.classify(packet));
            prop_assert_eq!(Some(many.classify(datagram)), packets.min());
        }
        // What is no transport stream is passed on as it is.
        prop_assert_eq!(many.classify(&stream[1..]), Priority::Standard);
    }
}
