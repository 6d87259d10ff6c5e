//! What models are known for. A model is found by how its maker and name begin, whatever its firmware.

/// Something that a model does otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quirk {
    /// Freezes when it is asked over its AT port often: its radio is read seldom.
    NoAt,
    /// Comes back from a reset only after a minute or more.
    SlowReset,
}

impl Quirk {
    /// As it is shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoAt => "no_at",
            Self::SlowReset => "slow_reset",
        }
    }
}

/// What this model is known for.
pub fn quirks(manufacturer: &str, model: &str) -> &'static [Quirk] {
    let begins = |text: &str, with: &str| text.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with));
    let known = TABLE.iter().find(|(maker, name, _)| begins(manufacturer, maker) && begins(model, name));
    known.map_or(&[], |(_, _, quirks)| quirks)
}

/// Maker, beginning of the name, and what it does. From what their users report; none was at hand here.
const TABLE: &[(&str, &str, &[Quirk])] = &[
    ("Huawei", "ME909", &[Quirk::NoAt]),
    ("Huawei", "E3372", &[Quirk::NoAt]),
    ("ZTE", "MF8", &[Quirk::NoAt]),
    ("Sierra", "EM74", &[Quirk::SlowReset]),
    ("Sierra", "MC74", &[Quirk::SlowReset]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_known_by_how_its_name_begins() {
        assert_eq!(quirks("Huawei Technologies Co., Ltd.", "ME909s-120"), [Quirk::NoAt]);
        assert_eq!(quirks("SIERRA WIRELESS", "em7455b"), [Quirk::SlowReset]);
        assert_eq!(quirks("Quectel", "EM12-G"), []);
        assert_eq!(quirks("", ""), []);
    }
}
