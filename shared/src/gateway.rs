//! The WhatsApp gateway: what it can be asked, and what may come back.
//!
//! [`Gateway`](crate::gateway::Gateway) has one method for each question. Below it is the one seam,
//! [`Transport`](crate::gateway::Transport), because that has two implementations: [`Wuzapi`](crate::gateway::wuzapi::Wuzapi),
//! which speaks HTTP to the real gateway, and the simulator of `local`. Errors here are facts of the transport; what a
//! fact means for a message is decided by the sender.
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::model::phone::Phone;

/// What the gateway's calls and answers are about.
pub mod facts;

/// What goes to the gateway.
pub mod call;

/// What comes back, in every version's form.
pub mod answer;

/// How a call gets to the gateway.
pub mod transport;

/// The transport to the real gateway.
pub mod wuzapi;

/// What the gateway tells by itself.
pub mod webhook;

/// Chats that somebody is called in.
pub mod chat;

/// CAPTCHAs: did somebody solve one?
pub mod captcha;

use self::call::Call;
use self::transport::Credential;

pub use self::facts::{
    Accepted, GatewayAddress, GatewayError, GatewayUser, GatewayVersion, Jid, NewUser, RestartUrl,
    SessionStatus, SessionToken, TextMessage, UserCheck, WebhookSetup,
};
pub use self::transport::Transport;

/// A gateway that holds WhatsApp sessions. Every call is over `within` the given time. Clones are the same gateway.
#[derive(Clone)]
pub struct Gateway {
    transport: Arc<dyn Transport>,
}

impl Gateway {
    /// The gateway behind `transport`.
    pub fn new(transport: impl Transport + 'static) -> Self {
        Self {
            transport: Arc::new(transport),
        }
    }

    /// The gateway at `address`.
    #[must_use]
    pub fn elsewhere(&self, address: &GatewayAddress) -> Self {
        Self {
            transport: self.transport.elsewhere(address),
        }
    }

    /// Whether the gateway's process answers at all, with the HTTP status that it does so with: `GET /`. Nothing that its
    /// sessions do holds this up.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn front(&self, token: &SessionToken, within: Duration) -> Result<u16, GatewayError> {
        let credential = Credential::Session(token);
        let answer = self.transport.exchange(Call::front(), credential, within);
        Ok(answer.await?.status)
    }

    /// The session's two flags: `GET /session/status`.
    ///
    /// # Errors
    /// When there is no good answer.
    pub async fn status(
        &self,
        token: &SessionToken,
        within: Duration,
    ) -> Result<SessionStatus, GatewayError> {
        let credential = Credential::Session(token);
        let answer = self.transport.exchange(Call::status(), credential, within);
        answer.await?.session_status()
    }

    /// Asks the gateway to open the session, without waiting for it: `POST /session/connect`.
    /// Success proves nothing; the status does.
    ///
    /// # Errors
    /// When there is no good answer.
    pub async fn connect(
        &self,
        token: &SessionToken,
        within: Duration,
    ) -> Result<(), GatewayError> {
        self.command(Call::connect(), token, within).await
    }

    /// The same for a session that posts `events` to somebody else, and shall go on with that.
    ///
    /// # Errors
    /// When there is no good answer.
    pub async fn connect_with(
        &self,
        token: &SessionToken,
        events: &[String],
        within: Duration,
    ) -> Result<(), GatewayError> {
        self.command(Call::connect_with(events), token, within)
            .await
    }

    /// Closes the session's socket and keeps its pairing: `POST /session/disconnect`.
    ///
    /// # Errors
    /// When there is no good answer.
    pub async fn disconnect(
        &self,
        token: &SessionToken,
        within: Duration,
    ) -> Result<(), GatewayError> {
        self.command(Call::disconnect(), token, within).await
    }

    /// Unlinks the session from its WhatsApp account: `POST /session/logout`.
    ///
    /// # Errors
    /// When there is no good answer.
    pub async fn logout(&self, token: &SessionToken, within: Duration) -> Result<(), GatewayError> {
        self.command(Call::logout(), token, within).await
    }

    /// The QR code to scan, as a data URL; `None` while there is none yet: `GET /session/qr`.
    ///
    /// # Errors
    /// When there is no good answer.
    pub async fn qr(
        &self,
        token: &SessionToken,
        within: Duration,
    ) -> Result<Option<String>, GatewayError> {
        let credential = Credential::Session(token);
        let answer = self.transport.exchange(Call::qr(), credential, within);
        answer.await?.qr()
    }

    /// A code to type on the phone instead of scanning: `POST /session/pairphone`.
    ///
    /// # Errors
    /// When there is no good answer.
    pub async fn pair_phone(
        &self,
        token: &SessionToken,
        phone: &Phone,
        within: Duration,
    ) -> Result<String, GatewayError> {
        let (call, credential) = (Call::pair_phone(phone), Credential::Session(token));
        let answer = self.transport.exchange(call, credential, within);
        answer.await?.linking_code()
    }

    /// Sends a text: `POST /chat/send/text`. Success means that WhatsApp took it, not that it arrived.
    ///
    /// # Errors
    /// When there is no good answer; only the sender knows what that means for the message.
    pub async fn send_text(
        &self,
        token: &SessionToken,
        message: &TextMessage,
        within: Duration,
    ) -> Result<Accepted, GatewayError> {
        let (call, credential) = (Call::send_text(message), Credential::Session(token));
        let answer = self.transport.exchange(call, credential, within);
        answer.await?.accepted()
    }

    /// Which of `phones` are on WhatsApp: `POST /user/check`. Numbers that the gateway does not answer for are left out.
    ///
    /// # Errors
    /// When there is no good answer.
    pub async fn check_users(
        &self,
        token: &SessionToken,
        phones: &[Phone],
        within: Duration,
    ) -> Result<Vec<UserCheck>, GatewayError> {
        let (call, credential) = (Call::check_users(phones), Credential::Session(token));
        let answer = self.transport.exchange(call, credential, within);
        answer.await?.user_checks()
    }

    /// Where the session posts its webhooks: `GET /webhook`.
    ///
    /// # Errors
    /// When there is no good answer.
    pub async fn webhook(
        &self,
        token: &SessionToken,
        within: Duration,
    ) -> Result<WebhookSetup, GatewayError> {
        let credential = Credential::Session(token);
        let answer = self.transport.exchange(Call::webhook(), credential, within);
        answer.await?.webhook()
    }

    /// Has the session post its webhooks to `address`, about all events that are of use: `POST /webhook`.
    ///
    /// # Errors
    /// When there is no good answer.
    pub async fn set_webhook(
        &self,
        token: &SessionToken,
        address: &str,
        within: Duration,
    ) -> Result<(), GatewayError> {
        self.command(Call::set_webhook(address), token, within)
            .await
    }

    /// Every session of the gateway: `GET /admin/users`.
    ///
    /// # Errors
    /// When there is no good answer.
    pub async fn users(
        &self,
        admin_token: &SessionToken,
        within: Duration,
    ) -> Result<Vec<GatewayUser>, GatewayError> {
        let credential = Credential::Admin(admin_token);
        let answer = self.transport.exchange(Call::users(), credential, within);
        answer.await?.users()
    }

    /// Makes one more session: `POST /admin/users`. It is refused with 409 where there is one with this token.
    ///
    /// # Errors
    /// When there is no good answer. The session may have been made then.
    pub async fn add_user(
        &self,
        admin_token: &SessionToken,
        user: &NewUser,
        within: Duration,
    ) -> Result<(), GatewayError> {
        let (call, credential) = (Call::add_user(user), Credential::Admin(admin_token));
        let answer = self.transport.exchange(call, credential, within);
        answer.await?.taken()
    }

    /// Asks whatever runs the gateway to restart its process, with every session on it, by a post to `hook`.
    ///
    /// # Errors
    /// When nobody answers there, or the restart was refused.
    pub async fn restart(&self, hook: &RestartUrl, within: Duration) -> Result<(), GatewayError> {
        self.transport.restart(hook, within).await
    }

    /// A call whose answer says only that it was taken.
    async fn command(
        &self,
        call: Call,
        token: &SessionToken,
        within: Duration,
    ) -> Result<(), GatewayError> {
        let credential = Credential::Session(token);
        let answer = self.transport.exchange(call, credential, within);
        answer.await?.taken()
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.transport.fmt(f)
    }
}
