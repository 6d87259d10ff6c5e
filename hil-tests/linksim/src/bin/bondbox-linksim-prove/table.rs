//! What was measured, as rows for people and a verdict for the exit code.

/// Prints each row when it is known.
#[derive(Default)]
pub(crate) struct Table {
    failed: usize,
}

impl Table {
    /// A figure that must lie within `bound` of what was expected.
    pub(crate) fn near(&mut self, what: &str, unit: &str, expected: f64, measured: f64, bound: f64) {
        // Not a number is not near.
        let good = (measured - expected).abs() <= bound;
        self.row(what, good, &format!("{measured:.3} {unit}, expected {expected:.3} ± {bound:.3}"));
    }

    /// A figure that must lie between zero and `bound`, give or take the resolution of clocks.
    pub(crate) fn below(&mut self, what: &str, unit: &str, measured: f64, bound: f64) {
        let good = measured < bound && measured > -0.1 * bound;
        self.row(what, good, &format!("{measured:.3} {unit}, must be below {bound:.3}"));
    }

    /// Something that is so, or not.
    pub(crate) fn verdict(&mut self, what: &str, good: bool, details: String) {
        self.row(what, good, &details);
    }

    pub(crate) fn all_good(&self) -> bool {
        self.failed == 0
    }

    fn row(&mut self, what: &str, good: bool, figures: &str) {
        self.failed += usize::from(!good);
        println!("{} {what:<44} {figures}", if good { "ok  " } else { "BAD " });
    }
}
