//! Called each minute by a schedule: sends the payment notices that are due, facts before reminders. Nobody reaches it over HTTP.
//!
//! A call that comes late, twice or beside others does no harm: each notice is claimed by one of them.
use shared::flows::payments::Notices;
use shared::flows::payments::deliver::Delivered;
use shared::platform::timestamp::Timestamp;
use shared::runtime::Backends;
use shared::store::StoreError;

/// What this function may touch.
#[derive(Debug)]
pub struct App {
    notices: Notices,
}

impl App {
    /// Takes what this function may touch from `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            notices: Notices::new(backends),
        }
    }
}

/// Answers one call of the schedule, before `deadline`.
///
/// # Errors
/// When the store does not say what is due.
pub async fn handle(app: &App, deadline: Timestamp) -> Result<Delivered, StoreError> {
    app.notices.deliver_due(deadline).await
}
