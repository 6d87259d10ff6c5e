//! Results for people.

use crate::results::{CaseResult, Results, SubjectResult};
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
    for note in result.subjects.iter().filter_map(|subject| subject.subject.peer.note()) {
        text = text + note + "\n";
    }
    text
}

/// All cases in one table, and what made it, for the repository.
pub(crate) fn publish(results: &Results) -> String {
    let Results { machine, settings, cases } = results;
    let mut text = format!(
        "# Beside its peers\n\nMade by `make bench BENCH_FLAGS=--publish`, which replaces this page: real processes over \
         emulated links, median of {} runs\n(worst) of the share of datagrams that came out no later than the latency and \
         20 ms after they went in. What each peer is told\nis in [`src/peers`](../src/peers). Cost is IP bytes from the \
         unit for each byte that came out.\n\n![Within a second, by peer and scenario](in-a-second.svg)\n\n",
        settings.runs
    );
    text += "| scenario | peer | on time % | within 1 s % | median delay ms | no picture % | longest damage ms | cost | \
             CPU s/GB | calls a datagram |\n|---|---|---|---|---|---|---|---|---|---|\n";
    for case in cases {
        let title = format!("{}, {} Mbit/s, {} ms", case.case.title, case.case.rate_kbps / 1_000, case.case.latency_ms);
        for (place, subject) in case.subjects.iter().enumerate() {
            let figure = |name: &str, decimals| {
                let value = subject.summary.get(name).map_or(f64::NAN, |spread| spread.median);
                if value.is_finite() { format!("{value:.decimals$}") } else { "–".to_owned() }
            };
            let worst = subject.summary.get("on_time_percent").map_or(f64::NAN, |spread| spread.least);
            let calls = ["unit_calls", "gateway_calls"].map(|name| figure(name, 2)).join(" + ");
            text += &format!(
                "| {} | {} | {} ({worst:.2}) | {} | {} | {} | {} | {} | {} | {calls} |\n",
                if place == 0 { &title } else { "" },
                subject.name,
                figure("on_time_percent", 2),
                figure("within_second_percent", 2),
                figure("p50_ms", 0),
                figure("pictures_undecodable_percent", 2),
                figure("damage_ms", 0),
                figure("cost", 3),
                figure("processor_s_per_gb", 1),
            );
        }
    }
    text += &format!(
        "\nMeasured at {} ({} build) on {} × {}, Linux {}; load before the first run {:.1}.\n\n",
        machine.commit, machine.profile, machine.cores, machine.processor, machine.kernel, machine.load_average
    );
    for (peer, version) in &settings.versions {
        text += &format!("* {peer}: {version}\n");
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
        let subject = SubjectResult::new(&CASES[0].subjects[2], runs);
        let text = render(&CaseResult { case: CASES[0].clone(), subjects: vec![subject] });
        assert!(text.contains("clean: 20000 kbit/s, budget 600 ms; median (least–most) of 3 runs"), "{text}");
        assert!(text.contains("99.000 (90.000–100.000)"), "{text}");
        assert!(text.contains("25.0 / 75.0"), "{text}");
        assert!(text.ends_with("half a round trip on top\n"), "{text}");
    }
}
