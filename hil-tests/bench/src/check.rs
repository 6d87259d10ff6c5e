//! What the bond promises for datagrams from elsewhere, held against one run each.

use crate::meter::Outcome;
use crate::results::CaseResult;

/// What is wrong with the results, a line each; nothing, when all holds.
pub(crate) fn broken(results: &[CaseResult]) -> Vec<String> {
    let mut broken = Vec::new();
    for result in results {
        for run in result.subjects.iter().flat_map(|subject| &subject.runs) {
            let harness = run.harness.worst_ms();
            let mut outcome = run.outcome.clone();
            // When the machine ran nobody for a while, its datagrams were late for that: real time proves no punctuality.
            // The simulation does, to the microsecond.
            outcome.on_time += std::mem::take(&mut outcome.late);
            if harness > STILL_MS {
                let excused = outcome.lost.min(outcome.sent / STILL);
                outcome.lost -= excused;
                outcome.on_time += excused;
            }
            let good = ["clean", "families"].contains(&result.case.scenario);
            let faults = if good { faults(&outcome) } else { spoilt(&outcome) };
            broken.extend(faults.map(|fault| {
                format!("{}, seed {}: {fault}; the harness was {harness:.1} ms late", result.case.name(), run.seed)
            }));
        }
    }
    broken
}

/// Over links without loss there is no excuse.
fn faults(outcome: &Outcome) -> Option<String> {
    let Outcome { lost, duplicates, out_of_order, altered, .. } = outcome;
    let none = [lost, duplicates, out_of_order, altered].iter().all(|count| **count == 0);
    (!none || outcome.sent == 0).then(|| {
        format!(
            "of {} datagrams {lost} were lost, {duplicates} doubled, {out_of_order} out of order, {altered} altered; \
             none may be",
            outcome.sent
        )
    })
}

/// Over poor links nearly all comes, and none of it wrong.
fn spoilt(outcome: &Outcome) -> Option<String> {
    let Outcome { duplicates, out_of_order, altered, .. } = outcome;
    let on_time = outcome.on_time_percent();
    let right = [duplicates, out_of_order, altered].iter().all(|count| **count == 0);
    (!right || outcome.sent == 0 || on_time < LEAST_PERCENT).then(|| {
        format!(
            "{on_time:.3} % of {} datagrams came, must be {LEAST_PERCENT} ({} lost); {duplicates} were doubled, \
             {out_of_order} out of order, {altered} altered, none may be",
            outcome.sent, outcome.lost
        )
    })
}

/// A machine that stood still for so long may have lost some for it.
const STILL_MS: f64 = 100.0;
/// Of so many datagrams of a run one may be lost for that: 100 ms of 10 s.
const STILL: u64 = 100;
const LEAST_PERCENT: f64 = 99.9;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::CHECKED;
    use crate::results::SubjectResult;
    use crate::summary::tests::brought;

    fn verdict(case: usize, on_time: u64, spoil: fn(&mut Outcome)) -> Vec<String> {
        let mut run = brought(on_time);
        spoil(&mut run.outcome);
        let subject = SubjectResult::new(&CHECKED[case].subjects[0], vec![run]);
        broken(&[CaseResult { case: CHECKED[case].clone(), subjects: vec![subject] }])
    }

    #[test]
    fn what_is_late_breaks_nothing_and_what_is_lost_only_while_the_machine_stands_still() {
        let verdict = |worst_us, spoil: fn(&mut Outcome)| {
            let mut run = brought(1_000);
            run.harness.emulator_worst_us = worst_us;
            spoil(&mut run.outcome);
            let subject = SubjectResult::new(&CHECKED[0].subjects[0], vec![run]);
            broken(&[CaseResult { case: CHECKED[0].clone(), subjects: vec![subject] }]).len()
        };
        let late = |outcome: &mut Outcome| (outcome.on_time, outcome.late) = (500, 500);
        let lost = |outcome: &mut Outcome| (outcome.on_time, outcome.lost) = (995, 5);
        assert_eq!((verdict(0, late), verdict(0, lost), verdict(150_000, lost)), (0, 1, 0));
        assert_eq!(verdict(150_000, |outcome| (outcome.on_time, outcome.lost) = (900, 100)), 1);
    }

    #[test]
    fn a_perfect_run_breaks_nothing() {
        assert_eq!(verdict(0, 1_000, |_| {}), [""; 0]);
        assert_eq!(verdict(1, 1_000, |_| {}), [""; 0]);
    }

    #[test]
    fn one_in_a_thousand_may_miss_poor_links_but_not_good_ones() {
        assert_eq!(verdict(1, 999, |_| {}), [""; 0]);
        let text = verdict(1, 998, |_| {}).concat();
        assert!(text.contains("three_lte-8000kbps-600ms, seed 1: 99.800 %") && text.contains("2 lost"), "{text}");
        for case in [0, 2] {
            let text = verdict(case, 999, |_| {}).concat();
            assert!(text.contains("of 1000 datagrams 1 were lost, 0 doubled"), "{text}");
        }
    }

    #[test]
    fn whatever_comes_comes_once_in_order_and_intact() {
        for case in [0, 1, 2] {
            assert_eq!(verdict(case, 1_000, |outcome| outcome.duplicates = 1).len(), 1);
            assert_eq!(verdict(case, 1_000, |outcome| outcome.out_of_order = 1).len(), 1);
            assert_eq!(verdict(case, 1_000, |outcome| outcome.altered = 1).len(), 1);
        }
    }

    #[test]
    fn a_run_in_which_nothing_was_sent_proves_nothing() {
        for case in [0, 1] {
            assert_eq!(verdict(case, 1_000, |outcome| *outcome = Outcome::default()).len(), 1);
        }
    }
}
