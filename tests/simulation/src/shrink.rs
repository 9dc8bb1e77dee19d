//! A failing schedule made shorter: steps and faults are left out for as long as it fails in the same way.
use crate::bench::Bench;
use crate::mask::Mask;
use crate::schedule::{self, Report};
use crate::universe::Story;

/// What can be left out.
#[derive(Clone, Copy, Debug)]
enum Part {
    Step(u32),
    Fault((u32, u32)),
}

/// The shortest schedule of a seed that was found, as what it leaves out.
pub fn shortest(bench: &Bench, seed: u64, mask: &Mask) -> Mask {
    let mut best = mask.clone();
    let first = schedule::run(bench, seed, &best, Story::Untold);
    let Some(kind) = kind(&first) else {
        println!("seed {seed} does not fail");
        return best;
    };
    let mut left = parts(&first);
    let mut size = left.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < left.len() {
            let end = (at + size).min(left.len());
            let mask = without(&best, &left[at..end]);
            let report = schedule::run(bench, seed, &mask, Story::Untold);
            if self::kind(&report).as_ref() == Some(&kind) {
                best = mask;
                left = parts(&report);
            } else {
                at = end;
            }
        }
        size /= 2;
    }
    println!("{} steps and faults are left", left.len());
    best
}

/// What a report says is wrong, without its numbers.
fn kind(report: &Report) -> Option<String> {
    let first = report.wrong.first()?;
    Some(
        first
            .chars()
            .filter(|c| c.is_alphabetic() || *c == ' ')
            .take(60)
            .collect(),
    )
}

fn parts(report: &Report) -> Vec<Part> {
    let steps = report.steps.iter().copied().map(Part::Step);
    let faults = report.faults.iter().copied().map(Part::Fault);
    steps.chain(faults).collect()
}

fn without(mask: &Mask, parts: &[Part]) -> Mask {
    let mut mask = mask.clone();
    for part in parts {
        match part {
            Part::Step(step) => drop(mask.steps.insert(*step)),
            Part::Fault(fault) => drop(mask.faults.insert(*fault)),
        }
    }
    mask
}
