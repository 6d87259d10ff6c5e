//! The frame number through a real encoder and a real decoder.

mod common;

use bondbox_units::Bitrate;
use common::{Bench, decode};

#[tokio::test]
async fn every_number_survives_x264_at_300_kbit_a_second() {
    const FRAMES: usize = 100;
    let mut bench = Bench::open("x264enc", Bitrate::from_kbps(300));
    let units = bench.frames(FRAMES).await;
    let numbers = decode(units.iter().map(|unit| unit.data.clone()));
    let wanted: Vec<Option<u32>> = (0..FRAMES).map(|number| u32::try_from(number).ok()).collect();
    assert_eq!(numbers, wanted);
}
