//! Parts of the sending engine that can be switched off, to measure what each is worth.

/// Which parts are on. All of them are, but in measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features(u32);

/// A part that can be switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Feature {
    /// What a silent link holds goes out on others.
    Rescue,
    /// What would be late where it is goes out on others, within a budget.
    LateRescue,
    /// What a later packet overtook goes out again.
    Repair,
    /// Critical units go over a second link too.
    Duplicates,
    /// Units are shed when first copies pile up.
    Shedding,
    /// Links are proven anew though nobody needs them.
    Probing,
    /// A queue that stands for long is drained to see whether it is one.
    Draining,
    /// The queue is dealt out ahead over links that are busy; else nothing overtakes what waits for one of them.
    LookAhead,
    /// What modems say of their radio limits links, and spares weak ones all but redundancy.
    Radio,
    /// Where a request would be too late, sums over the last packets go along.
    Coding,
}

impl Features {
    /// All parts on.
    pub const ALL: Self = Self(u32::MAX);

    /// Whether a part is on.
    pub const fn has(self, feature: Feature) -> bool {
        self.0 & (1 << feature as u32) != 0
    }

    /// The same without one part.
    #[must_use]
    pub const fn without(self, feature: Feature) -> Self {
        Self(self.0 & !(1 << feature as u32))
    }
}

impl Default for Features {
    fn default() -> Self {
        Self::ALL
    }
}

impl Feature {
    /// All parts, by name.
    pub const ALL: [(&'static str, Self); 10] = [
        ("rescue", Self::Rescue),
        ("late-rescue", Self::LateRescue),
        ("repair", Self::Repair),
        ("duplicates", Self::Duplicates),
        ("shedding", Self::Shedding),
        ("probing", Self::Probing),
        ("draining", Self::Draining),
        ("look-ahead", Self::LookAhead),
        ("radio", Self::Radio),
        ("coding", Self::Coding),
    ];

    /// The part of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, feature)| *feature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_switched_off_alone() {
        for (name, feature) in Feature::ALL {
            assert_eq!(Feature::named(name), Some(feature));
            let less = Features::ALL.without(feature);
            let off: Vec<_> = Feature::ALL.iter().filter(|(_, other)| !less.has(*other)).collect();
            assert_eq!(off, [&(name, feature)]);
        }
    }
}
