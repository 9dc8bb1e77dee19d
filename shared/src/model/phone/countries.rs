//! Finds the numbering plan of a country code.
use super::plan::Plan;
use super::plans::PLANS;

/// The plan of the country code that `digits` begin with, and the digits after it.
pub(super) fn plan_at_start(digits: &str) -> Option<(&'static Plan, &str)> {
    (1..=3).find_map(|length| {
        let (code, rest) = digits.split_at_checked(length)?;
        let at = PLANS.binary_search_by(|plan| plan.code.cmp(code)).ok()?;
        Some((&PLANS[at], rest))
    })
}

/// The plan of a country code that exists.
pub(super) fn plan_of(code: &str) -> Option<&'static Plan> {
    Some(plan_at_start(code)?.0)
}
