//! Makes the keys that are missing.
use std::io::Write;

use shared::runtime::Backends;
use shared::store::key_maker::KeyMaker;

/// Makes what is missing, and names it.
pub(super) async fn run(
    backends: &Backends,
    dry_run: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let keys = KeyMaker::new(backends);
    let (names, done) = match dry_run {
        true => (keys.missing().await?, "would be made"),
        false => (keys.make_missing().await?, "is made"),
    };
    for name in &names {
        writeln!(out, "`{name}` {done}.")?;
    }
    if names.is_empty() {
        writeln!(out, "No keys are missing.")?;
    }
    Ok(())
}
