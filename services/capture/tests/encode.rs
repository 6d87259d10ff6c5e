//! What the encoders really put out: bitrate changes, forced keyframes, time stamps, the frame number.

mod common;

use bondbox_units::{Bitrate, Instant};
use common::{Bench, FRAME, rate_of};

fn kbps(rate: u64) -> Bitrate {
    Bitrate::from_kbps(rate)
}

/// Whether `measured` is `target` within a third: an encoder meets its target over seconds, not over each half second.
fn follows(measured: Bitrate, target: Bitrate) -> bool {
    (target.scaled(0.67)..target.scaled(1.33)).contains(&measured)
}

async fn changes_are_in_the_output(factory: &str) {
    let mut bench = Bench::open(factory, kbps(1_500));
    bench.frames(50).await;
    for target in [kbps(1_500), kbps(400), kbps(2_500), kbps(800)] {
        assert_eq!(bench.pipeline.set_bitrate(target).unwrap(), Some(target));
        bench.frames(13).await;
        let measured = rate_of(&bench.frames(50).await);
        assert!(follows(measured, target), "{factory}: told {target}, gave {measured}");
    }
}

#[tokio::test]
async fn x264_follows_its_bitrate_down_and_up_while_it_runs() {
    changes_are_in_the_output("x264enc").await;
}

#[tokio::test]
async fn openh264_follows_its_bitrate_down_and_up_while_it_runs() {
    changes_are_in_the_output("openh264enc").await;
}

#[tokio::test]
async fn a_bitrate_beyond_what_it_was_opened_for_is_brought_within() {
    let bench = Bench::open("x264enc", kbps(1_500));
    assert_eq!(bench.pipeline.set_bitrate(kbps(90_000)).unwrap(), Some(kbps(6_000)));
    assert_eq!(bench.pipeline.set_bitrate(kbps(1)).unwrap(), Some(kbps(100)));
}

#[tokio::test]
async fn it_starts_at_the_start_bitrate_though_opened_at_the_ceiling() {
    let mut bench = Bench::open("x264enc", kbps(500));
    let measured = rate_of(&bench.frames(50).await);
    assert!(measured < kbps(800), "opened for 6 Mbit/s, started at 500 kbit/s, gave {measured}");
}

async fn a_forced_keyframe_comes_next(factory: &str) {
    let mut bench = Bench::open(factory, kbps(1_500));
    let before = bench.frames(10).await;
    assert!(before[0].keyframe);
    assert!(before[1..].iter().all(|unit| !unit.keyframe));
    assert!(bench.pipeline.force_keyframe());
    let after = bench.frames(2).await;
    assert!(after[0].keyframe && !after[1].keyframe, "{factory}");
    for keyframe in [&before[0], &after[0]] {
        assert_eq!(nal_types(&keyframe.data).iter().filter(|&&kind| kind == 7 || kind == 8).count(), 2, "{factory}");
    }
}

#[tokio::test]
async fn x264_makes_the_very_next_frame_a_keyframe_with_parameter_sets() {
    a_forced_keyframe_comes_next("x264enc").await;
}

#[tokio::test]
async fn openh264_makes_the_very_next_frame_a_keyframe_with_parameter_sets() {
    a_forced_keyframe_comes_next("openh264enc").await;
}

#[tokio::test]
async fn keyframes_come_every_two_seconds_by_themselves() {
    let mut bench = Bench::open("x264enc", kbps(600));
    let units = bench.frames(101).await;
    let places: Vec<usize> = (0..units.len()).filter(|&place| units[place].keyframe).collect();
    assert_eq!(places, [0, 50, 100]);
}

#[tokio::test]
async fn no_second_of_noise_exceeds_the_target_by_more_than_the_buffer() {
    let mut bench = Bench::open("x264enc", kbps(1_000));
    let units = bench.frames(150).await;
    // Opened at 6 Mbit/s, it takes three frames to find into a rate so much lower.
    let worst = units[3..].windows(25).map(rate_of).max().unwrap();
    assert!(worst < kbps(1_400), "a second at {worst}, with a buffer of 0.4 s at 1000 kbit/s");
}

#[tokio::test]
async fn time_stamps_come_out_as_they_went_in() {
    for factory in ["x264enc", "openh264enc"] {
        let mut bench = Bench::open(factory, kbps(1_000));
        for (number, unit) in bench.frames(60).await.into_iter().enumerate() {
            let pts = Instant::from_micros(50_000_000_000 + number as u64 * FRAME);
            assert_eq!((unit.pts, unit.dts), (pts, pts), "{factory}, frame {number}");
            assert_eq!(unit.captured, pts.offset_micros(-7), "{factory}, frame {number}");
        }
    }
}

/// The types of the NAL units in an Annex B byte stream.
fn nal_types(data: &[u8]) -> Vec<u8> {
    data.windows(4).filter(|bytes| bytes[..3] == [0, 0, 1]).map(|bytes| bytes[3] & 0x1f).collect()
}
