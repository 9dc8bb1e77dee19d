//! Called each minute by a schedule: looks at every WhatsApp session, brings back those that are down, and says what is left for a
//! person. Nobody reaches it over HTTP.
//!
//! A call that comes late, twice or beside another one does no harm.
use shared::flows::watch::{Watch, WatchReport};
use shared::platform::timestamp::Timestamp;
use shared::runtime::Backends;
use shared::store::StoreError;

/// What this function may touch.
#[derive(Debug)]
pub struct App {
    watch: Watch,
}

impl App {
    /// Takes what this function may touch from `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            watch: Watch::new(backends),
        }
    }
}

/// Answers one call of the schedule, before `deadline`.
///
/// # Errors
/// When the store does not say which sessions there are. A session that is in trouble is no error: it is in the report.
pub async fn handle(app: &App, deadline: Timestamp) -> Result<WatchReport, StoreError> {
    app.watch.run(deadline).await
}
