//! What a payment can be, and what it may become.
use crate::model::payment::Status;

/// What a payment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Not paid yet.
    Open,
    /// What became of it.
    Is(Status),
}

impl Phase {
    /// The word for it in replies and in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Is(status) => status.name(),
        }
    }

    /// The phase of that name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "open" => Some(Self::Open),
            name => Status::named(name).map(Self::Is),
        }
    }

    /// What a payment has to be for it to become `status`. People pay late and try twice, so what failed or expired may be paid
    /// after all.
    pub const fn before(status: Status) -> &'static [Self] {
        match status {
            Status::Paid => &[
                Self::Open,
                Self::Is(Status::Failed),
                Self::Is(Status::Expired),
            ],
            Status::Failed | Status::Cancelled | Status::Expired => &[Self::Open],
            Status::Refunded | Status::Reversed => &[Self::Is(Status::Paid)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_the_moves_of_the_table_is_allowed() {
        let allowed = [
            ("open", "paid"),
            ("open", "failed"),
            ("open", "cancelled"),
            ("open", "expired"),
            ("failed", "paid"),
            ("expired", "paid"),
            ("paid", "refunded"),
            ("paid", "reversed"),
        ];
        let phases = Status::ALL.into_iter().map(Phase::Is).chain([Phase::Open]);
        for from in phases {
            for to in Status::ALL {
                let may = Phase::before(to).contains(&from);
                let expected = allowed.contains(&(from.name(), to.name()));
                assert_eq!(may, expected, "{from:?} -> {to:?}");
            }
        }
    }

    #[test]
    fn a_phase_is_known_by_its_name() {
        for phase in Status::ALL.into_iter().map(Phase::Is).chain([Phase::Open]) {
            assert_eq!(Phase::named(phase.name()), Some(phase));
        }
        assert_eq!(Phase::named("unheard"), None);
    }
}
