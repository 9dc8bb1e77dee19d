//! What is checked, and with what.
use std::time::Duration;

use shared::gateway::{Gateway, GatewayAddress, GatewayError, SessionToken};
use shared::model::phone::Phone;
use shared::runtime::Backends;
use shared::store::whatsapp_sessions::SessionItem;

use super::lines::Lines;

/// A session to check.
pub(super) struct Target {
    /// Its name; nothing when it is known by its URL alone.
    pub(super) name: Option<String>,
    /// Its token, where it is known here.
    pub(super) token: Option<SessionToken>,
    /// The address of its gateway, where it is known here.
    pub(super) address: Option<GatewayAddress>,
    pub(super) gateway: Gateway,
    /// Whether messages are sent from it.
    pub(super) sends: bool,
    /// What the deployment knows of it.
    pub(super) item: Option<SessionItem>,
}

/// What is to be done beside looking.
#[derive(Clone, Copy)]
pub(super) struct Orders<'a> {
    pub(super) set_webhook: bool,
    /// Who gets a test message.
    pub(super) to: Option<&'a Phone>,
    /// Nothing is changed, and no message is sent.
    pub(super) dry_run: bool,
}

/// The check of one session.
pub(super) struct Checkup<'a, 'o> {
    pub(super) backends: &'a Backends,
    pub(super) target: Target,
    pub(super) orders: Orders<'a>,
    pub(super) lines: &'a mut Lines<'o>,
}

impl Checkup<'_, '_> {
    /// Waits for an answer. Answers also how many milliseconds it took.
    pub(super) async fn timed<T>(&self, answer: impl Future<Output = T>) -> (T, u128) {
        let began = self.backends.clock.now();
        let answer = answer.await;
        let took = self.backends.clock.now().since(began);
        (answer, took.as_millis())
    }
}

/// Why there is no good answer, without whatever a proxy has written.
pub(super) fn said(error: &GatewayError) -> String {
    match error {
        GatewayError::Proxy { status, .. } => format!("a proxy answered {status}"),
        error => error.to_string(),
    }
}

/// The longest wait for an answer that no message waits for.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(5);
