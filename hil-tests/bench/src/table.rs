//! Results for people.

use crate::results::{CaseResult, SubjectResult};
use crate::summary::{ARRIVED, Figure, TAKEN, shares, spread};

/// The tables of one case: what came out, and what it took. Where runs differ, median (least–most).
pub(crate) fn render(result: &CaseResult) -> String {
    let case = &result.case;
    let runs = result.subjects.first().map_or(0, |subject| subject.runs.len());
    let mut text = format!(
        "\n{}: {} kbit/s, budget {} ms; median (least–most) of {runs} runs\n",
        case.scenario, case.rate_kbps, case.latency_ms
    );
    text += &grid(&rows(&result.subjects, ARRIVED, false));
    text.push('\n');
    text += &grid(&rows(&result.subjects, TAKEN, true));
    for note in case.subjects.iter().filter_map(|subject| subject.peer.note()) {
        text = text + note + "\n";
    }
    text
}

fn rows(subjects: &[SubjectResult], figures: &[Figure], with_shares: bool) -> Vec<Vec<String>> {
    let mut heading: Vec<String> = vec![String::new()];
    heading.extend(figures.iter().map(|figure| figure.heading.to_owned()));
    if with_shares {
        heading.push("share by link %".to_owned());
    }
    let mut rows = vec![heading];
    for subject in subjects {
        let mut row = vec![subject.name.clone()];
        row.extend(figures.iter().map(|figure| cell(figure, subject)));
        if with_shares {
            let shares: Vec<String> = shares(&subject.runs).iter().map(|share| format!("{share:.1}")).collect();
            row.push(shares.join(" / "));
        }
        rows.push(row);
    }
    rows
}

fn cell(figure: &Figure, subject: &SubjectResult) -> String {
    let spread = spread(figure, &subject.runs);
    let number =
        |value: f64| if !value.is_finite() { "–".to_owned() } else { format!("{value:.*}", figure.decimals) };
    let (median, least, most) = (number(spread.median), number(spread.least), number(spread.most));
    if least == most { median } else { format!("{median} ({least}–{most})") }
}

/// Columns side by side: the first to the left, figures to the right.
fn grid(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len)).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        text += line.trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::CASES;
    use crate::summary::tests::brought;

    #[test]
    fn columns_stand_under_their_headings() {
        let rows = [["", "lost"], ["bond", "0"], ["srt", "12 (3–400)"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(grid(&rows), "            lost\nbond           0\nsrt   12 (3–400)\n");
    }

    #[test]
    fn a_row_says_the_median_and_how_far_runs_lie_apart() {
        let runs = vec![brought(900), brought(1_000), brought(990)];
        let subject = SubjectResult::new("bond, all links".into(), runs);
        let text = render(&CaseResult { case: CASES[0].clone(), subjects: vec![subject] });
        assert!(text.contains("clean: 20000 kbit/s, budget 600 ms; median (least–most) of 3 runs"), "{text}");
        assert!(text.contains("99.000 (90.000–100.000)"), "{text}");
        assert!(text.contains("25.0 / 75.0"), "{text}");
        assert!(text.ends_with("half a round trip on top\n"), "{text}");
    }
}
