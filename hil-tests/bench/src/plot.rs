//! Plots: what a reader is to see at a glance, as SVG.

use std::fmt::Write as _;

use crate::meter::STRETCH;
use crate::peers::Peer;
use crate::plan::Over;
use crate::results::{CaseResult, SubjectResult};

/// What came within a second, by case and peer: a bar up to the median, a mark at the worst run. A second, because peers keep
/// a latency by their own rules, and none of them to the millisecond.
pub(crate) fn overview(cases: &[CaseResult]) -> String {
    let rows: usize = cases.iter().map(|case| case.subjects.len()).sum();
    let height = 84 + rows * ROW + cases.len() * BETWEEN;
    let mut svg = Svg::new(WIDTH, height);
    svg.text(16, 26, "start", "title", "Datagrams within a second, by scenario and peer");
    let runs = cases.iter().flat_map(|case| &case.subjects).map(|subject| subject.runs.len()).max().unwrap_or(0);
    let how = format!("share that came out within 1 s of going in; bar: median of {runs} runs, mark: worst run");
    svg.text(16, 46, "start", "", &how);
    let mut y = 64;
    for case in cases {
        let middle = y + case.subjects.len() * ROW / 2;
        svg.text(LEFT - 78, middle, "end", "strong", case.case.title);
        let stream = format!("{} Mbit/s, {} ms", case.case.rate_kbps / 1_000, case.case.latency_ms);
        svg.text(LEFT - 78, middle + 15, "end", "", &stream);
        for subject in &case.subjects {
            bar(&mut svg, y, subject);
            y += ROW;
        }
        y += BETWEEN;
    }
    svg.finish()
}

fn bar(svg: &mut Svg, y: usize, subject: &SubjectResult) {
    let Some(in_time) = subject.summary.get("within_second_percent") else { return };
    let across = |percent: f64| LEFT as f64 + percent.clamp(0.0, 100.0) * BARS / 100.0;
    svg.text(LEFT - 8, y + 12, "end", "", label(subject));
    svg.rect(LEFT as f64, y as f64 + 2.0, BARS, ROW as f64 - 4.0, "#eeeeee");
    svg.rect(LEFT as f64, y as f64 + 2.0, across(in_time.median) - LEFT as f64, ROW as f64 - 4.0, colour(subject));
    svg.rect(across(in_time.least) - 1.0, y as f64, 2.0, ROW as f64, "#222222");
    svg.text(LEFT + BARS as usize + 8, y + 12, "start", "", &percent(in_time.median));
}

/// Of one case: how soon how much came out, and when how much of it was on time.
pub(crate) fn case(result: &CaseResult) -> String {
    let height = 430 + result.subjects.len() * 26;
    let mut svg = Svg::new(WIDTH, height);
    let case = &result.case;
    let title = format!("{}: {} Mbit/s, {} ms", case.title, case.rate_kbps / 1_000, case.latency_ms);
    svg.text(16, 26, "start", "title", &title);
    svg.text(
        16,
        46,
        "start",
        "",
        "share of datagrams that had come out so long after they went in (the run in the middle)",
    );
    let (top, bottom, left, right) = (64.0, 330.0, 60.0, WIDTH as f64 - 190.0);
    let across = |ms: f64| left + (ms.min(LONGEST_MS) / LONGEST_MS) * (right - left);
    let down = |percent: f64| bottom - percent / 100.0 * (bottom - top);
    for percent in [0, 25, 50, 75, 100] {
        let y = down(f64::from(percent));
        svg.line(&[(left, y), (right, y)], "#dddddd", 1.0);
        svg.text(left as usize - 8, y as usize + 4, "end", "", &format!("{percent} %"));
    }
    for ms in (0..=LONGEST_MS as usize).step_by(200) {
        svg.text(across(ms as f64) as usize, bottom as usize + 18, "middle", "", &ms.to_string());
    }
    svg.text(right as usize + 12, bottom as usize + 18, "start", "", "ms");
    let due = across(case.latency_ms as f64 + 20.0);
    svg.line(&[(due, top), (due, bottom)], "#222222", 1.0);
    for (place, subject) in result.subjects.iter().enumerate() {
        let run = subject.middle_run();
        let mut points = vec![];
        for (hundredth, ms) in run.outcome.curve_ms.iter().enumerate().filter(|(_, ms)| **ms <= LONGEST_MS) {
            points.extend([(across(*ms), down(hundredth as f64)), (across(*ms), down(hundredth as f64 + 1.0))]);
        }
        // What never comes never lifts the line.
        points.extend(points.last().map(|(_, y)| (right, *y)));
        svg.line(&points, colour(subject), 2.5);
        let y = top as usize + 12 + place * 18;
        svg.rect(right + 14.0, y as f64 - 9.0, 12.0, 10.0, colour(subject));
        svg.text(right as usize + 32, y, "start", "", &subject.name);
    }
    svg.text(16, bottom as usize + 52, "start", "", "on time over the run: white is all, colour is what was missing");
    for (place, subject) in result.subjects.iter().enumerate() {
        strip(&mut svg, (left, right), bottom + 66.0 + place as f64 * 26.0, subject);
    }
    svg.finish()
}

fn strip(svg: &mut Svg, (left, right): (f64, f64), y: f64, subject: &SubjectResult) {
    let stretches = &subject.middle_run().outcome.stretches;
    let wide = (right - left) / stretches.len().max(1) as f64;
    svg.rect(left, y, right - left, 20.0, "#f4f4f4");
    for (place, good) in stretches.iter().enumerate().filter(|(_, good)| **good < 1.0) {
        // A little is to be seen, too.
        let missing = 20.0 * (1.0 - good).max(0.15);
        svg.rect(left + place as f64 * wide, y + 20.0 - missing, wide.max(1.0), missing, colour(subject));
    }
    let seconds = stretches.len() as f64 * STRETCH.as_secs_f64();
    svg.text(right as usize + 14, y as usize + 14, "start", "", &format!("{} ({seconds:.0} s)", label(subject)));
}

fn label(subject: &SubjectResult) -> &'static str {
    match (subject.subject.peer, subject.subject.over) {
        (Peer::Bond, Over::AllLinks) => "Bondbox",
        (Peer::Bond, Over::BestLink) => "on one link",
        (Peer::Srt, _) => "SRT",
        (Peer::Rist, _) => "RIST",
        (Peer::Srtla, _) => "srtla",
    }
}

/// Told apart by people who see colours differently, too (Okabe and Ito 2008).
fn colour(subject: &SubjectResult) -> &'static str {
    match (subject.subject.peer, subject.subject.over) {
        (Peer::Bond, Over::AllLinks) => "#009e73",
        (Peer::Bond, Over::BestLink) => "#7fceb9",
        (Peer::Srt, _) => "#d55e00",
        (Peer::Rist, _) => "#0072b2",
        (Peer::Srtla, _) => "#cc79a7",
    }
}

/// Never rounded up to all of it.
fn percent(value: f64) -> String {
    if value >= 100.0 {
        return "100 %".to_owned();
    }
    let decimals = if value >= 99.0 { 2 } else { 1 };
    let scale = 10_f64.powi(decimals);
    format!("{:.*} %", decimals.unsigned_abs() as usize, (value * scale).floor() / scale)
}

struct Svg(String);

impl Svg {
    fn new(width: usize, height: usize) -> Self {
        Self(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n<style>text{{fill:#333}}\
             .title{{font-size:17px;font-weight:bold}}.strong{{font-weight:bold}}</style>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        ))
    }

    fn text(&mut self, x: usize, y: usize, anchor: &str, class: &str, text: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(self.0, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\" class=\"{class}\">{text}</text>");
    }

    fn rect(&mut self, x: f64, y: f64, width: f64, height: f64, fill: &str) {
        let _ = writeln!(
            self.0,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{fill}\"/>"
        );
    }

    fn line(&mut self, points: &[(f64, f64)], colour: &str, width: f64) {
        let points: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let points = points.join(" ");
        let _ = writeln!(
            self.0,
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"/>"
        );
    }

    fn finish(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }
}

const WIDTH: usize = 900;
/// Where bars begin.
const LEFT: usize = 360;
const BARS: f64 = 450.0;
const ROW: usize = 18;
const BETWEEN: usize = 14;
/// Later than this nobody waits.
const LONGEST_MS: f64 = 1_600.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::CASES;
    use crate::summary::tests::brought;

    fn result() -> CaseResult {
        let mut half = brought(500);
        half.outcome.curve_ms = vec![600.0; 50];
        half.outcome.stretches = vec![1.0, 0.0];
        let subjects = CASES[0].subjects[..2].iter();
        let subjects = subjects.map(|subject| SubjectResult::new(subject, vec![half.clone(), brought(400)])).collect();
        CaseResult { case: CASES[0].clone(), subjects }
    }

    #[test]
    fn a_bar_is_as_long_as_what_came_in_a_second_and_the_mark_is_at_the_worst() {
        let svg = overview(&[result()]);
        assert!(svg.contains("width=\"202.5\" height=\"14.0\" fill=\"#009e73\""), "{svg}");
        assert!(svg.contains(">45.0 %<") && svg.contains("x=\"539.0\""), "{svg}");
        assert!(svg.contains(">Bondbox<") && svg.contains(">on one link<"), "{svg}");
    }

    #[test]
    fn a_curve_ends_where_what_came_ends() {
        let mut result = result();
        result.subjects[0].runs.truncate(1);
        let svg = case(&result);
        assert!(svg.contains("710.0,197.0\" fill=\"none\" stroke=\"#009e73\""), "{svg}");
    }

    #[test]
    fn what_is_not_all_is_not_shown_as_all() {
        assert_eq!([99.999, 100.0, 57.29, 99.5].map(percent), ["99.99 %", "100 %", "57.2 %", "99.50 %"]);
    }
}
