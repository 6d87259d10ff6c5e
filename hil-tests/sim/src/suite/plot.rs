//! The suite as a picture: how much each case misses, best at the right.

use std::fmt::Write;

use super::Row;

/// An SVG of all rows: a bar from the worst seed to the median, on a scale where each step to the right is a tenth of the
/// misses; green where the bar holds.
pub fn svg(rows: &[Row]) -> String {
    let height = TOP + rows.len() as f64 * LINE + 30.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"20\" font-size=\"14\">Units out in time, in percent: worst seed (open), median (full)</text>\n"
    );
    for percent in [0.0, 90.0, 99.0, 99.9, 99.99, 100.0] {
        let x = place(percent);
        let _ = writeln!(
            out,
            "<line x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#555\">{percent}</text>",
            TOP - 6.0,
            height - 24.0,
            height - 10.0
        );
    }
    for (row, index) in rows.iter().zip(0_u32..) {
        let y = TOP + f64::from(index) * LINE + 8.0;
        let colour = if row.missed.is_empty() { "#2a8a3e" } else { "#c0392b" };
        let (worst, median) = (place(row.worst()), place(row.median()));
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{} @{} ms</text>\
             <line x1=\"{worst:.1}\" y1=\"{y:.1}\" x2=\"{median:.1}\" y2=\"{y:.1}\" stroke=\"{colour}\" stroke-width=\"3\"/>\
             <circle cx=\"{worst:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"white\" stroke=\"{colour}\" stroke-width=\"2\"/>\
             <circle cx=\"{median:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"{colour}\"/>",
            LEFT - 14.0,
            y + 4.0,
            row.case.name,
            row.case.latency_ms
        );
    }
    out + "</svg>\n"
}

/// Where a percentage is, from left to right.
fn place(percent: f64) -> f64 {
    let tenths = -((100.0 - percent) / 100.0).max(LEAST_MISS).log10();
    LEFT + (WIDTH - LEFT - 30.0) * tenths / -LEAST_MISS.log10()
}

const WIDTH: f64 = 900.0;
const LEFT: f64 = 210.0;
const TOP: f64 = 40.0;
const LINE: f64 = 20.0;
/// Less than one in so many is drawn as none.
const LEAST_MISS: f64 = 1e-5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tenth_of_the_misses_is_one_step_to_the_right() {
        let steps: Vec<f64> = [0.0, 90.0, 99.0, 99.9, 99.99, 100.0].map(place).to_vec();
        for pair in steps.windows(2) {
            assert!((pair[1] - pair[0] - (steps[5] - steps[0]) / 5.0).abs() < 1e-6, "{steps:?}");
        }
    }
}
