//! Makes a link that signs an operator in once.
use std::time::Duration;

use shared::flows::admin::links::AdminLinks;
use shared::model::caller::Caller;
use shared::runtime::Backends;

use super::work::Work;

/// What the audit names as the request.
const REQUEST_ID: &str = "local admin-link";

/// Makes a link, and prints it.
pub(super) async fn run(work: Work<'_>) -> anyhow::Result<()> {
    if work.dry_run {
        writeln!(work.out, "A link would be made that signs in once.")?;
        return Ok(());
    }
    let path = path(work.backends).await?;
    work.print_address(&path)
}

/// The path of a new link.
///
/// # Errors
/// When the store fails.
pub async fn path(backends: &Backends) -> anyhow::Result<String> {
    let now = backends.clock.now();
    let caller = Caller::with_iam(REQUEST_ID, now.plus(Duration::from_secs(60)));
    let link = AdminLinks::new(backends).make(&caller, now).await?;
    Ok(link.path())
}
