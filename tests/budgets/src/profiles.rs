//! One function under other settings of the release profile: why the profile is what it is.
use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::bootstraps::{self, HELLO};
use crate::functions::{environment_of_a_deployment, ms};
use crate::journeys::Journeys;
use crate::process::Process;
use crate::report::{Findings, median};

/// A function that sends, so that all that can be linked is.
const FUNCTION: &str = "auth-sso-signin";

/// What is tried instead of what Cargo.toml has: a name, and settings as cargo's environment variables name them.
const OTHERS: [(&str, &[(&str, &str)]); 4] = [
    ("opt-level 3", &[("OPT_LEVEL", "3")]),
    ("opt-level z", &[("OPT_LEVEL", "z")]),
    ("lto thin", &[("LTO", "thin")]),
    ("panic abort", &[("PANIC", "abort")]),
];

/// Measures the start of the function under each profile, `runs` times, in turn.
pub async fn measure(built: &[(String, PathBuf)], runs: usize) -> anyhow::Result<Findings> {
    let journeys = Journeys::in_real_time().await;
    let environment = environment_of_a_deployment(journeys.system()).await?;
    let mut seen = BTreeMap::<_, Vec<f64>>::new();
    // The first run fills the page cache and does not count.
    for run in 0..=runs {
        for (name, folder) in built {
            for function in [FUNCTION, HELLO] {
                let process = Process::start(&folder.join(function), &environment).await?;
                let cpu = ms(process.cpu()?);
                process.end().await?;
                if run > 0 {
                    seen.entry((name, function)).or_default().push(cpu);
                }
            }
        }
    }
    let mut findings = Findings::default();
    findings.table("profile, init CPU ms, size MiB, `hello`: init CPU ms, its size MiB");
    for (name, folder) in built {
        let cpu = |function| median(seen.get(&(name, function)).map_or(&[], Vec::as_slice));
        let mib = |function| -> anyhow::Result<f64> {
            let bytes = std::fs::metadata(folder.join(function))?.len();
            Ok(bytes as f64 / 1024.0 / 1024.0)
        };
        findings.row(&[
            name.clone(),
            format!("{:.2}", cpu(FUNCTION)),
            format!("{:.2}", mib(FUNCTION)?),
            format!("{:.2}", cpu(HELLO)),
            format!("{:.2}", mib(HELLO)?),
        ]);
    }
    Ok(findings)
}

/// Builds the function under each profile; answers their names and folders.
pub fn build() -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut built = vec![("as it is".to_owned(), bootstraps::build()?)];
    for (name, settings) in OTHERS {
        let folder = bootstraps::build_with(FUNCTION, &name.replace(' ', "-"), settings)?;
        built.push((name.to_owned(), folder));
    }
    Ok(built)
}
