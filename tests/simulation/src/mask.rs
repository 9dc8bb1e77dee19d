//! What is left out of a schedule: steps and faults, by their numbers.
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// A fault: the process that it happens to, and the number of its call; 0 is the process itself.
pub type FaultId = (u32, u32);

/// The steps and faults that do not happen. As text: `s3,12.4` leaves out step 3, and what happens to call 4 of process 12.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mask {
    /// The steps.
    pub steps: BTreeSet<u32>,
    /// The faults.
    pub faults: BTreeSet<FaultId>,
}

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = self.steps.iter().map(|step| format!("s{step}"));
        let faults = self.faults.iter();
        let faults = faults.map(|(process, call)| format!("{process}.{call}"));
        f.write_str(&steps.chain(faults).collect::<Vec<_>>().join(","))
    }
}

impl FromStr for Mask {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut mask = Self::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let bad = || format!("`{part}` is neither a step like s3 nor a fault like 12.4");
            if let Some(step) = part.strip_prefix('s') {
                mask.steps.insert(step.parse().map_err(|_| bad())?);
            } else {
                let (process, call) = part.split_once('.').ok_or_else(bad)?;
                let process = process.parse().map_err(|_| bad())?;
                mask.faults
                    .insert((process, call.parse().map_err(|_| bad())?));
            }
        }
        Ok(mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_read_as_it_is_written() {
        let mask: Mask = "s3,s10,7.0,12.4".parse().expect("a mask");
        assert_eq!(mask.to_string(), "s3,s10,7.0,12.4");
        assert!("x".parse::<Mask>().is_err());
        assert_eq!("".parse(), Ok(Mask::default()));
    }
}
