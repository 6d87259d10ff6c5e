//! Networks in which links share a cell.
//!
//! The cell is the bottleneck: what goes through it could all bring more than it carries. In half of the networks it is the only
//! thing that happens to them, in the others each link has troubles of its own, as links by themselves have.

use std::fmt::Write;

use super::{Draw, Drawn, event, one_link, parse, stream};

pub(super) fn draw(seed: u64) -> Drawn {
    let mut draw = Draw(seed ^ 0x0000_ce11_0000);
    let mut text = String::new();
    let troubled = draw.one_in(2);
    let (mut links, mut sum_kbps) = (0, 0);
    for cell in 0..1 + u64::from(draw.one_in(4)) {
        let rate = draw.within(2_000, 10_000);
        one_cell(&mut draw, &mut text, cell, rate);
        let members = draw.within(2, 5);
        for _ in 0..members {
            // Together at least a tenth more than the cell, alone sometimes more than it, too.
            let own = rate * draw.within(110, 330) / 100 / members;
            if troubled {
                one_link(&mut draw, &mut text, links, own);
            } else {
                calm_link(&mut draw, &mut text, links, own);
            }
            let _ = writeln!(text, "cell = \"c{cell}\"");
            links += 1;
        }
        sum_kbps += rate;
    }
    for _ in 0..draw.within(0, 3) {
        let rate = draw.within(1_000, 6_000);
        one_link(&mut draw, &mut text, links, rate);
        links += 1;
        sum_kbps += rate;
    }
    if troubled {
        for _ in 0..draw.within(0, 3) {
            event(&mut draw, &mut text, links);
        }
    }
    let config = stream(&mut draw, seed, sum_kbps, &[300, 400, 600, 1_000]);
    Drawn { scenario: parse(&text), text, config }
}

/// Writes a cell that carries `rate` kbit/s on average, of which others may take a part.
fn one_cell(draw: &mut Draw, text: &mut String, cell: u64, rate: u64) {
    let buffer = draw.within(150, 2_000);
    let _ = writeln!(
        text,
        "[[cell]]\nname = \"c{cell}\"\nrate_kbps = {rate}\nbuffer_ms = {buffer}\ndown.rate_kbps = {}",
        rate * 3
    );
    if draw.one_in(3) {
        let _ = writeln!(text, "jitter_ms = {}", draw.within(1, 30));
    }
    match draw.within(0, 4) {
        0 => {
            let (at, less) = (draw.within(8, 16), rate * draw.within(50, 90) / 100);
            let back = at + draw.within(2, 12);
            let _ = writeln!(
                text,
                "up.steps = [{{ at_s = {at}, rate_kbps = {less} }}, {{ at_s = {back}, rate_kbps = {rate} }}]"
            );
        }
        1 | 2 => {
            let (least, most, percent) = (rate / 2, rate * 3 / 2, draw.within(2, 10));
            let _ = writeln!(
                text,
                "up.walk = {{ min_kbps = {least}, max_kbps = {most}, step_ms = 200, step_percent = {percent} }}"
            );
        }
        _ => {}
    }
}

/// Writes a link to which nothing happens but that a packet is lost now and then.
fn calm_link(draw: &mut Draw, text: &mut String, link: u64, rate: u64) {
    let (delay, buffer, jitter) = (draw.within(5, 80), draw.within(300, 1_000), draw.within(0, 15));
    let _ = writeln!(
        text,
        "[[link]]\nname = \"l{link}\"\nrate_kbps = {rate}\ndelay_ms = {delay}\nbuffer_ms = {buffer}\njitter_ms = {jitter}\n\
         loss_percent = {}\ndown.rate_kbps = {}",
        draw.within(0, 10) as f64 / 10.0,
        rate * 3
    );
}
