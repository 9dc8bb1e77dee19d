//! Makes the keys that are missing.
use shared::store::key_maker::KeyMaker;

use super::work::Work;

/// Makes what is missing, and names it.
pub(super) async fn run(work: Work<'_>) -> anyhow::Result<()> {
    let out = work.out;
    let keys = KeyMaker::new(work.backends);
    let (names, done) = if work.dry_run {
        (keys.missing().await?, "would be made")
    } else {
        (keys.make_missing().await?, "is made")
    };
    for name in &names {
        writeln!(out, "`{name}` {done}.")?;
    }
    if names.is_empty() {
        writeln!(out, "No keys are missing.")?;
    }
    Ok(())
}
