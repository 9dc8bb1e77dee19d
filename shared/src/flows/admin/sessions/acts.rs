//! What an operator can do with a session. Each act is kept in the audit, also one that was refused.
use std::borrow::Cow;
use std::time::Duration;

use super::super::pairing_links::PairingLink;
use super::key::SessionKey;
use super::{ANSWER_MAX, AdminSessions, Operator, Ours};
use crate::gateway::{Gateway, GatewayError, SessionToken};
use crate::model::phone::Phone;
use crate::model::weight::Weight;
use crate::platform::timestamp::Timestamp;
use crate::sender::HandConnect;
use crate::store::StoreError;
use crate::store::whatsapp_sessions::{SeenState, SessionState};

/// The longest wait for the gateway's answer to a command. A log-out that takes longer goes on there.
const COMMAND_MAX: Duration = Duration::from_secs(8);
/// How long a connect may wait for its right.
const CONNECT_WITHIN: Duration = Duration::from_secs(8);

/// What can be done with a session.
#[derive(Clone, Debug)]
pub enum Act {
    /// Open it.
    Connect,
    /// Close it and keep its pairing.
    Disconnect,
    /// Unlink it from its account.
    LogOut,
    /// Have a code made that is typed on this phone in the place of a scan.
    PairPhone(Phone),
    /// Have it post its webhooks here.
    SetWebhook,
    /// Send from it.
    TakeIntoPool,
    /// Send from it no more.
    TakeOutOfPool,
    /// Give it another share of new recipients.
    SetWeight(Weight),
    /// Make a link that shows its QR code to whoever holds its phone.
    MakePairingLink,
}

impl Act {
    /// The words for it in the audit.
    pub fn word(&self) -> Cow<'static, str> {
        let word = match self {
            Self::Connect => "session-connect",
            Self::Disconnect => "session-disconnect",
            Self::LogOut => "session-log-out",
            Self::PairPhone(_) => "session-pair-phone",
            Self::SetWebhook => "session-set-webhook",
            Self::TakeIntoPool => "session-into-pool",
            Self::TakeOutOfPool => "session-out-of-pool",
            Self::MakePairingLink => "session-pairing-link",
            Self::SetWeight(weight) => return format!("session-weight-{weight}").into(),
        };
        word.into()
    }

    /// Whether only somebody may do it who has just proved who they are: it links an account, or unlinks one.
    pub const fn needs_proof(&self) -> bool {
        matches!(
            self,
            Self::LogOut | Self::PairPhone(_) | Self::MakePairingLink
        )
    }
}

/// What came of an act.
#[derive(Debug)]
pub enum Done {
    /// It was done, as far as the gateway says.
    Done,
    /// Somebody has to type this code on the phone.
    LinkingCode(String),
    /// Somebody has to open this link where the phone is.
    PairingLink(PairingLink),
}

/// Why an act was not done.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// There is no such session.
    #[error("there is no such session")]
    NoSuchSession,
    /// It is a customer's, and this is for ours only.
    #[error("the session is a customer's")]
    NotOurs,
    /// The settings say that it is sent from.
    #[error("the session is one of the settings")]
    Configured,
    /// There is one of that name, or no session can have it.
    #[error("no session can be added under this name")]
    NameTaken,
    /// The gateway's administrator is not known: `WHATSAPP_ADMIN_TOKEN`.
    #[error("WHATSAPP_ADMIN_TOKEN is not set")]
    NoAdminToken,
    /// Where this API is for others is not known: `PUBLIC_BASE_URL`.
    #[error("PUBLIC_BASE_URL is not set")]
    NoPublicAddress,
    /// It was connected a moment ago. From then on it can be again.
    #[error("the session was connected a moment ago")]
    TooSoon(Timestamp),
    /// It waits for a scan, and some gateways hang when they are told to disconnect it then.
    #[error("the session waits for a scan")]
    WaitsForScan,
    /// Others changed the list all the time.
    #[error("the list of sessions changes all the time")]
    LostRaces,
    /// The gateway gave no good answer.
    #[error("the gateway did not do it")]
    Gateway(#[source] GatewayError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ActError {
    /// The words for it in the audit.
    const fn as_str(&self) -> &'static str {
        match self {
            Self::NoSuchSession => "no such session",
            Self::NotOurs => "a customer's",
            Self::Configured => "one of the settings",
            Self::NameTaken => "name taken",
            Self::NoAdminToken => "no admin token",
            Self::NoPublicAddress => "no public address",
            Self::TooSoon(_) => "too soon",
            Self::WaitsForScan => "waits for a scan",
            Self::LostRaces => "others changed the list",
            Self::Gateway(GatewayError::TimedOut) => "the gateway did not answer in time",
            Self::Gateway(_) => "refused by the gateway",
            Self::Store(_) => "the store failed",
        }
    }
}

/// A session to act on.
#[derive(Debug)]
pub(in super::super) struct Target {
    pub(super) gateway: Gateway,
    pub(super) token: SessionToken,
    kind: Kind,
}

/// Whose it is.
#[derive(Debug)]
enum Kind {
    Ours(Box<Ours>),
    /// With the events that it posts.
    Customers(Vec<String>),
}

impl AdminSessions {
    /// Does `act` with a session, and keeps that in the audit.
    ///
    /// # Errors
    /// When it was not done, or the store fails. If the audit cannot be written, it may have been done.
    pub async fn act(
        &self,
        key: &SessionKey,
        act: &Act,
        operator: Operator<'_>,
    ) -> Result<Done, ActError> {
        let done = self.perform(key, act, operator).await;
        if let Ok(Done::PairingLink(_)) = done {
            // The link and its own entry are one transaction.
            return done;
        }
        self.keep(&act.word(), &key.to_string(), (&done, operator))
            .await?;
        done
    }

    /// Keeps in the audit what came of something.
    pub(super) async fn keep<T>(
        &self,
        what: &str,
        whom: &str,
        (done, operator): (&Result<T, ActError>, Operator<'_>),
    ) -> Result<(), StoreError> {
        let result = match done {
            Ok(_) => "done",
            Err(error) => error.as_str(),
        };
        let entry = operator.did(what, whom, result);
        self.audit.record(entry, operator.now).await
    }

    /// The QR code of a session as a data URL; `None` while there is none.
    ///
    /// # Errors
    /// When there is no such session, its gateway does not answer well, or the store fails.
    pub async fn qr(&self, key: &SessionKey) -> Result<Option<String>, ActError> {
        qr_of(&self.target(key).await?).await
    }

    async fn perform(
        &self,
        key: &SessionKey,
        act: &Act,
        operator: Operator<'_>,
    ) -> Result<Done, ActError> {
        let now = operator.now;
        let target = self.target(key).await?;
        let (gateway, token) = (&target.gateway, &target.token);
        match act {
            Act::Connect => self.connect(target, now).await?,
            Act::Disconnect => self.disconnect(&target, now).await?,
            Act::LogOut => {
                let unlinked = gateway.logout(token, COMMAND_MAX).await;
                unlinked.map_err(ActError::Gateway)?;
                self.saw(&target, SessionState::Unlinked, now).await?;
            }
            Act::PairPhone(phone) => {
                let code = gateway.pair_phone(token, phone, COMMAND_MAX).await;
                return code.map(Done::LinkingCode).map_err(ActError::Gateway);
            }
            Act::MakePairingLink => {
                let name = target.ours()?.listed.session.name;
                let from = (operator.caller, now);
                let link = self
                    .links
                    .make(&name, operator.login.as_who(), from)
                    .await?;
                return Ok(Done::PairingLink(link));
            }
            Act::SetWebhook => self.set_webhook(&target, now).await?,
            Act::TakeIntoPool => self.put_in_pool(target.ours()?, true).await?,
            Act::TakeOutOfPool => self.put_in_pool(target.ours()?, false).await?,
            Act::SetWeight(weight) => self.weigh(target.ours()?, *weight).await?,
        }
        Ok(Done::Done)
    }

    /// The session called by `key`.
    pub(in super::super) async fn target(&self, key: &SessionKey) -> Result<Target, ActError> {
        match key {
            SessionKey::Ours(name) => {
                let ours = self.our(name).await?;
                let ours = ours.ok_or(ActError::NoSuchSession)?;
                Ok(Target {
                    gateway: self.gateway_of(&ours.listed.session),
                    token: ours.listed.session.token.clone(),
                    kind: Kind::Ours(Box::new(ours)),
                })
            }
            SessionKey::Customers(id) => {
                let users = self.users().await.ok_or(ActError::NoAdminToken)?;
                let mut users = users.map_err(ActError::Gateway)?.into_iter();
                let user = users.find(|user| user.id == *id);
                let user = user.ok_or(ActError::NoSuchSession)?;
                Ok(Target {
                    gateway: self.gateway.clone(),
                    token: user.token,
                    kind: Kind::Customers(user.status.events),
                })
            }
        }
    }

    /// Opens the session: ours under the connect right that everybody takes, a customer's with its own events.
    pub(super) async fn connect(&self, target: Target, now: Timestamp) -> Result<(), ActError> {
        let ours = match target.kind {
            Kind::Ours(ours) => ours,
            Kind::Customers(events) => {
                let (gateway, token) = (target.gateway, target.token);
                let connected = gateway.connect_with(&token, &events, COMMAND_MAX).await;
                return connected.map_err(ActError::Gateway);
            }
        };
        let mut ward = self.sender.ward(&ours.listed, ours.item);
        let until = now.plus(CONNECT_WITHIN);
        match self.sender.connect_by_hand(&mut ward, until).await? {
            HandConnect::Told(answer) => answer.map_err(ActError::Gateway),
            HandConnect::NotBefore(at) => Err(ActError::TooSoon(at)),
        }
    }

    /// Closes the session, unless it waits for a scan: a gateway may hang then.
    async fn disconnect(&self, target: &Target, now: Timestamp) -> Result<(), ActError> {
        let (gateway, token) = (&target.gateway, &target.token);
        let status = gateway.status(token, ANSWER_MAX).await;
        if status.is_ok_and(|status| status.connected && !status.logged_in) {
            return Err(ActError::WaitsForScan);
        }
        let closed = gateway.disconnect(token, COMMAND_MAX).await;
        closed.map_err(ActError::Gateway)?;
        self.saw(target, SessionState::Down, now).await?;
        Ok(())
    }

    /// Keeps what a command has made of one of ours, so that messages take another one at once.
    async fn saw(
        &self,
        target: &Target,
        state: SessionState,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if let Kind::Ours(ours) = &target.kind {
            let name = &ours.listed.session.name;
            let seen = SeenState::beginning(state, now);
            self.items.record_state(name, seen).await?;
        }
        Ok(())
    }

    async fn set_webhook(&self, target: &Target, now: Timestamp) -> Result<(), ActError> {
        let Kind::Ours(ours) = &target.kind else {
            return Err(ActError::NotOurs);
        };
        let name = &ours.listed.session.name;
        let address = self.webhooks.address(name, now).await;
        let address = address.ok_or(ActError::NoPublicAddress)?;
        let set = target
            .gateway
            .set_webhook(&target.token, &address, COMMAND_MAX);
        set.await.map_err(ActError::Gateway)
    }
}

/// The QR code of a session as a data URL; `None` while there is none.
pub(super) async fn qr_of(target: &Target) -> Result<Option<String>, ActError> {
    let code = target.gateway.qr(&target.token, ANSWER_MAX).await;
    let code = code.map_err(ActError::Gateway)?;
    Ok(code.filter(|code| is_picture(code)))
}

impl Target {
    /// Its name, and the number of its account, where it is one of ours.
    pub(super) fn named(&self) -> (String, Option<String>) {
        match &self.kind {
            Kind::Ours(ours) => {
                let name = ours.listed.session.name.clone();
                (name, ours.item.own_number.clone())
            }
            Kind::Customers(_) => (String::new(), None),
        }
    }

    fn ours(self) -> Result<Ours, ActError> {
        match self.kind {
            Kind::Ours(ours) => Ok(*ours),
            Kind::Customers(_) => Err(ActError::NotOurs),
        }
    }
}

/// Whether the gateway's text is a picture as it says, and nothing else that a page would load.
fn is_picture(code: &str) -> bool {
    let Some(data) = code.strip_prefix("data:image/png;base64,") else {
        return false;
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    !data.is_empty() && data.bytes().all(plain)
}
