//! The WhatsApp sessions, as operators see them and act on them: ours, and those of the gateway's other customers. No token
//! leaves this file and those in its folder.
use futures_util::StreamExt;
use futures_util::stream;
use std::time::Duration;

use super::audit::Audit;
use super::incidents::{CurrentIncident, Incident};
use super::logins::AdminLogin;
use super::pairing_links::PairingLinks;
use crate::flows::watch::WebhookWatch;
use crate::gateway::{Gateway, GatewayError, GatewayUser, Jid, SessionStatus, SessionToken};
use crate::model::caller::Caller;
use crate::model::phone::Phone;
use crate::platform::entropy::Entropy;
use crate::platform::report::Chain;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::runtime::settings::SessionSettings;
use crate::sender::Sender;
use crate::store::StoreError;
use crate::store::batch::Batches;
use crate::store::session_list::{ListedSession, SessionListChanges};
use crate::store::whatsapp_sessions::{SessionItem, WhatsAppSessions};

/// What a session is called by.
pub mod key;

/// One session, as an operator sees it.
pub mod view;

/// The channel in one glance.
pub mod glance;

/// What can be done with a session.
pub mod acts;

/// One session more.
pub mod adding;

/// One session, for whoever pairs it.
pub mod pairing;

use self::glance::Glance;
use self::key::SessionKey;
use self::view::{Doing, Flags, Known, LastSends, Owner, PoolPlace, SessionView, customers_health};

/// The longest wait for the gateway, for each question of a page. A page is of use without its answer.
const ANSWER_MAX: Duration = Duration::from_millis(2_500);
/// How many sessions are asked at a time for their flags.
const SIDE_BY_SIDE: usize = 16;
/// How many items one call of the store can read.
const ITEMS_MAX: usize = 100;

/// Who acts, and when.
#[derive(Clone, Copy, Debug)]
pub struct Operator<'a> {
    /// Their login.
    pub login: &'a AdminLogin,
    /// Where the request comes from.
    pub caller: &'a Caller,
    /// When it came.
    pub now: Timestamp,
}

/// What an operator sees of all sessions.
#[derive(Clone, Debug)]
pub struct SessionsView {
    /// The channel in one glance.
    pub glance: Glance,
    /// Ours, then those of customers.
    pub sessions: Vec<SessionView>,
    /// Whether those of customers are among them.
    pub customers: Customers,
}

/// Whether the sessions of customers are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Customers {
    /// They are.
    Shown,
    /// They are not: `WHATSAPP_ADMIN_TOKEN` is not set.
    NotAsked,
    /// They are not: the gateway did not say.
    Failed(GatewayError),
}

impl Customers {
    /// The word for it in replies.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Shown => "shown",
            Self::NotAsked => "not_asked",
            Self::Failed(_) => "failed",
        }
    }
}

/// The WhatsApp sessions, for operators.
#[derive(Clone, Debug)]
pub struct AdminSessions {
    gateway: Gateway,
    admin_token: Option<SessionToken>,
    configured: Vec<SessionSettings>,
    list: SessionListChanges,
    items: WhatsAppSessions,
    batches: Batches,
    sender: Sender,
    webhooks: WebhookWatch,
    audit: Audit,
    links: PairingLinks,
    entropy: Entropy,
}

/// One of ours, with what is known of it.
#[derive(Clone, Debug)]
struct Ours {
    listed: ListedSession,
    item: SessionItem,
    is_configured: bool,
}

impl AdminSessions {
    /// Over `backends`.
    pub fn new(backends: &Backends) -> Self {
        let settings = &backends.settings;
        Self {
            gateway: backends.gateway.clone(),
            admin_token: settings.gateway_admin_token.clone(),
            configured: settings.sessions.clone(),
            list: SessionListChanges::new(backends),
            items: WhatsAppSessions::of(backends),
            batches: Batches::new(backends),
            sender: Sender::new(backends),
            webhooks: WebhookWatch::new(backends),
            audit: Audit::new(backends),
            links: PairingLinks::new(backends),
            entropy: backends.entropy.clone(),
        }
    }

    /// Every session as it is now. Two reads of the store, and a question to each gateway; a gateway that does not answer in
    /// time leaves out what only it knows.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn all(&self, now: Timestamp) -> Result<SessionsView, StoreError> {
        let (ours, users) = tokio::join!(self.ours(), self.users());
        let ours = ours?;
        let (users, customers) = match users {
            None => (Vec::new(), Customers::NotAsked),
            Some(Ok(users)) => (users, Customers::Shown),
            Some(Err(error)) => {
                tracing::warn!(error = %Chain(&error), "the gateway did not list its sessions");
                (Vec::new(), Customers::Failed(error))
            }
        };
        let flags = self.flags_of(&ours, &users, &customers).await;
        let of_ours = ours.iter().zip(flags);
        let mut sessions: Vec<_> = of_ours
            .map(|(ours, flags)| self.view(ours, flags, now))
            .collect();
        let is_ours = |user: &&GatewayUser| ours.iter().any(|ours| is_user(ours, user));
        let theirs = users.iter().filter(|user| !is_ours(user));
        sessions.extend(theirs.filter_map(customers_view));
        Ok(SessionsView {
            glance: Glance::new(&sessions),
            sessions,
            customers,
        })
    }

    /// The incidents that go on now. No gateway is asked.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn incidents(&self) -> Result<Vec<CurrentIncident>, StoreError> {
        let ours = self.ours().await?;
        let current = ours.iter().filter_map(|ours| {
            Some(CurrentIncident {
                session: ours.listed.session.name.clone(),
                incident: open_incident(ours)?.clone(),
            })
        });
        Ok(current.collect())
    }

    /// Ours, with their items: those of the settings, then those of the list.
    async fn ours(&self) -> Result<Vec<Ours>, StoreError> {
        let listed = self.list.read().await?.sessions;
        let configured = self.configured.iter().map(|session| ListedSession {
            session: session.clone(),
            sends: true,
        });
        let is_configured = |name: &str| self.configured.iter().any(|one| one.name == name);
        let others = listed
            .into_iter()
            .filter(|other| !is_configured(&other.session.name));
        let all: Vec<_> = configured.chain(others).collect();
        let mut ours = Vec::new();
        for some in all.chunks(ITEMS_MAX) {
            let mut batch = self.batches.begin();
            let reads = some
                .iter()
                .map(|listed| batch.add(self.items.reading(&listed.session.name)));
            let reads: Vec<_> = reads.collect();
            let found = batch.read("read the sessions").await?;
            for (listed, read) in some.iter().zip(reads) {
                ours.push(Ours {
                    listed: listed.clone(),
                    item: read.from(&found)?,
                    is_configured: is_configured(&listed.session.name),
                });
            }
        }
        Ok(ours)
    }

    /// Every session of the gateway, where it may be asked for them.
    async fn users(&self) -> Option<Result<Vec<GatewayUser>, GatewayError>> {
        let admin_token = self.admin_token.as_ref()?;
        Some(self.gateway.users(admin_token, ANSWER_MAX).await)
    }

    /// The flags of each of `ours`: from the gateway's list, or from the session itself. A gateway that has just not answered is
    /// not asked again.
    async fn flags_of(
        &self,
        ours: &[Ours],
        users: &[GatewayUser],
        customers: &Customers,
    ) -> Vec<Option<Flags>> {
        let asked = ours.iter().map(|ours| async move {
            let listed = users.iter().find(|user| is_user(ours, user));
            if let Some(user) = listed {
                return Some(Flags::from(&user.status));
            }
            let is_silent = matches!(customers, Customers::Failed(_));
            if is_silent && ours.listed.session.gateway.is_none() {
                return None;
            }
            let session = &ours.listed.session;
            let gateway = self.gateway_of(session);
            let status = gateway.status(&session.token, ANSWER_MAX);
            status.await.ok().as_ref().map(Flags::from)
        });
        let asked: Vec<_> = asked.collect();
        stream::iter(asked).buffered(SIDE_BY_SIDE).collect().await
    }

    fn gateway_of(&self, session: &SessionSettings) -> Gateway {
        match &session.gateway {
            None => self.gateway.clone(),
            Some(address) => self.gateway.elsewhere(address),
        }
    }

    fn view(&self, ours: &Ours, flags: Option<Flags>, now: Timestamp) -> SessionView {
        let Ours { listed, item, .. } = ours;
        let known = Known { item, flags, now };
        let number = item.own_number.as_deref();
        SessionView {
            key: SessionKey::Ours(listed.session.name.clone()),
            name: listed.session.name.clone(),
            owner: Owner::System,
            pool: match (ours.is_configured, listed.sends) {
                (true, _) => PoolPlace::Configured,
                (false, true) => PoolPlace::In,
                (false, false) => PoolPlace::Out,
            },
            gateway: listed
                .session
                .gateway
                .as_ref()
                .map(|address| address.host()),
            health: known.health(),
            since: known.since(),
            seen_at: item.seen.map(|seen| seen.at),
            flags,
            doing: if listed.sends {
                known.doing()
            } else {
                Doing::Nothing
            },
            number: number.and_then(masked),
            last_sends: known.last_sends(),
            delivered_at: item.delivered_at,
            new_chats: item.new_chats_on(now),
            new_chats_most: listed.session.new_chats_per_day,
            weight: Some(listed.session.weight),
            connects_last_hour: known.connects_last_hour(),
            incident: open_incident(ours).cloned(),
        }
    }
}

/// Whether `user` of the gateway of the settings is `ours`.
fn is_user(ours: &Ours, user: &GatewayUser) -> bool {
    let session = &ours.listed.session;
    session.gateway.is_none() && session.token == user.token
}

/// A customer's session. One whose id cannot stand in a path is left out and named in the log.
fn customers_view(user: &GatewayUser) -> Option<SessionView> {
    let Some(key) = SessionKey::customers(&user.id) else {
        tracing::warn!(
            "a session of the gateway has an id that cannot stand in a path: it is not shown"
        );
        return None;
    };
    let flags = Flags::from(&user.status);
    Some(SessionView {
        key,
        name: user.name.clone(),
        owner: Owner::Customer,
        pool: PoolPlace::NotOurs,
        gateway: None,
        health: customers_health(flags),
        since: None,
        seen_at: None,
        flags: Some(flags),
        doing: Doing::Nothing,
        number: account_of(&user.status).as_deref().and_then(masked),
        last_sends: LastSends::default(),
        delivered_at: None,
        new_chats: 0,
        new_chats_most: None,
        weight: None,
        connects_last_hour: 0,
        incident: None,
    })
}

/// What goes on with one of ours, as far as anybody has seen.
fn open_incident(ours: &Ours) -> Option<&Incident> {
    let incident = ours.item.incident.as_ref();
    incident.filter(|incident| incident.is_open())
}

fn account_of(status: &SessionStatus) -> Option<String> {
    let jid = Jid(status.jid.clone()?);
    jid.digits().map(str::to_owned)
}

/// A number as it may be shown.
fn masked(digits: &str) -> Option<String> {
    let phone = Phone::from_digits(digits).ok()?;
    Some(phone.to_string())
}
