//! Networks in which links share a cell are such.

use bondbox_sim::random::{Drawn, Family};
use bondbox_units::Bitrate;

#[test]
fn links_that_share_a_cell_could_all_bring_more_than_it_carries() {
    let mut beside = 0;
    for seed in 0..300 {
        let Drawn { scenario, text, .. } = Family::Cells.draw(seed);
        assert!(!scenario.cells.is_empty(), "seed {seed}: {text}");
        for (index, cell) in scenario.cells.iter().enumerate() {
            let members: Vec<_> = scenario.links.iter().filter(|link| link.cell == Some(index)).collect();
            let together: Bitrate = members.iter().map(|link| link.up.rate.nominal()).sum();
            assert!((2..=4).contains(&members.len()), "seed {seed}: {text}");
            assert!(together >= cell.up.rate.nominal().scaled(1.09), "seed {seed}: {text}");
        }
        beside += scenario.links.iter().filter(|link| link.cell.is_none()).count();
    }
    assert!((200..400).contains(&beside), "{beside} of 300 networks");
}
