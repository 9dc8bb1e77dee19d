//! The WhatsApp sessions, as operators see them and act on them: ours, and those of the gateway's other customers. No token
//! leaves this file and those in its folder.
use futures_util::StreamExt;
use futures_util::future::try_join_all;
use futures_util::stream;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::audit::{Audit, AuditEntry};
use super::incidents::{CurrentIncident, Incident};
use super::logins::AdminLogin;
use super::pairing_links::PairingLinks;
use crate::flows::receipts::Receipts;
use crate::flows::watch::WebhookWatch;
use crate::gateway::{
    Gateway, GatewayAddress, GatewayError, GatewayUser, Jid, SessionStatus, SessionToken,
};
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
use crate::store::whatsapp_sessions::{SessionItem, SessionState, WhatsAppSessions};

/// What a session is called by.
pub mod key;

/// One session, as an operator sees it.
pub mod view;

/// The channel in one glance.
pub mod glance;

/// One session, with what only its own page shows.
pub mod one;

/// What can be done with a session.
pub mod acts;

/// One session more.
pub mod adding;

/// One session, for whoever pairs it.
pub mod pairing;

use self::glance::Glance;
use self::key::SessionKey;
use self::view::{
    Doing, Flags, GatewayAnswer, Health, Known, LastSends, Owner, PoolPlace, SessionView,
    customers_health,
};

/// The longest wait for the gateway, for each question of a page. A page is of use without its answer.
const ANSWER_MAX: Duration = Duration::from_millis(2_500);
/// How many sessions a page has at most. So many are asked at a time for their flags.
pub const SESSIONS_PER_PAGE: usize = 50;
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

impl<'a> Operator<'a> {
    /// The entry of the audit for what they did, or tried to do.
    pub(super) fn did(self, what: &'a str, whom: &'a str, result: &'a str) -> AuditEntry<'a> {
        AuditEntry {
            who: self.login.as_who(),
            what,
            whom: Some(whom),
            result,
            caller: self.caller,
        }
    }
}

/// A page of the sessions, as an operator sees them.
#[derive(Clone, Debug)]
pub struct SessionsView {
    /// The channel in one glance.
    pub glance: Glance,
    /// Those of the page: ours, then those of customers.
    pub sessions: Vec<SessionView>,
    /// Which ones are listed.
    pub listed: Listed,
    /// Whether those of customers are among them.
    pub customers: Customers,
    /// Which page it is, from 1 on.
    pub number: usize,
    /// The number of the next page, if there is one.
    pub next: Option<usize>,
}

/// Which sessions are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// All.
    All,
    /// Those that messages are sent from and that are not well: what a person has to do comes first.
    NotWell,
    /// Those of them that are not well in this way.
    Only(Health),
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
    /// The host of that gateway.
    gateway_host: Option<String>,
    admin_token: Option<SessionToken>,
    configured: Vec<SessionSettings>,
    list: SessionListChanges,
    items: WhatsAppSessions,
    batches: Batches,
    receipts: Receipts,
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
            gateway_host: host_of(settings.gateway_url.as_deref()),
            admin_token: settings.gateway_admin_token.clone(),
            configured: settings.sessions.clone(),
            list: SessionListChanges::new(backends),
            items: WhatsAppSessions::of(backends),
            batches: Batches::new(backends),
            receipts: Receipts::new(backends),
            sender: Sender::new(backends),
            webhooks: WebhookWatch::new(backends),
            audit: Audit::new(backends),
            links: PairingLinks::new(backends),
            entropy: backends.entropy.clone(),
        }
    }

    /// A page of the sessions as they are now, and the glance over all of them. One read of the list, one of each hundred
    /// items, and a question to the gateway for all sessions, or to each session of the page; a gateway that does not answer in
    /// time leaves out what only it knows. A number behind the last page is that of the last one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn page(
        &self,
        listed: Listed,
        number: usize,
        now: Timestamp,
    ) -> Result<SessionsView, StoreError> {
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
        let theirs = customers_views(&ours, &users);
        let mut answers = answers_in_list(&ours, &users, &customers);
        let places = places_of(listed, (&ours, &answers), theirs.len(), now);
        let pages = places.len().div_ceil(SESSIONS_PER_PAGE);
        let number = number.clamp(1, pages.max(1));
        let first = (number - 1) * SESSIONS_PER_PAGE;
        let places = places.into_iter().skip(first).take(SESSIONS_PER_PAGE);
        let places: Vec<_> = places.collect();
        let asked: HashSet<_> = places.iter().copied().collect();
        self.ask(&ours, &asked, &mut answers).await;
        let of_ours = ours.iter().zip(answers);
        let of_ours = of_ours.map(|(ours, answer)| {
            let answer = answer.unwrap_or(GatewayAnswer::Unknown);
            self.view(ours, answer, now)
        });
        let sessions: Vec<_> = of_ours.chain(theirs).collect();
        let glance = Glance::new(&sessions, now);
        let shown = places.iter().filter_map(|place| sessions.get(*place));
        Ok(SessionsView {
            glance,
            sessions: shown.cloned().collect(),
            listed,
            customers,
            number,
            next: (number < pages).then_some(number + 1),
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
                incident: with_cause(open_incident(ours)?.clone(), &ours.item),
            })
        });
        Ok(current.collect())
    }

    /// Whether one of the sessions that messages are sent from could send when somebody looked last. No gateway is asked.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn can_send(&self, now: Timestamp) -> Result<bool, StoreError> {
        let ours = self.ours().await?;
        let sends = |ours: &Ours| {
            let known = Known {
                item: &ours.item,
                answer: GatewayAnswer::Unknown,
                now,
            };
            let health = known.health();
            ours.is_in_pool() && (health.sends() || health == Health::Unknown)
        };
        Ok(ours.iter().any(sends))
    }

    /// Ours, with their items, which may lag a moment behind.
    async fn ours(&self) -> Result<Vec<Ours>, StoreError> {
        let listed = self.listed().await?;
        let chunks = listed.chunks(ITEMS_MAX).map(|some| self.with_items(some));
        let ours = try_join_all(chunks).await?;
        Ok(ours.into_iter().flatten().collect())
    }

    async fn with_items(&self, listed: &[ListedSession]) -> Result<Vec<Ours>, StoreError> {
        let mut batch = self.batches.begin().at_half_price();
        let reads = listed
            .iter()
            .map(|listed| batch.add(self.items.reading(&listed.session.name)));
        let reads: Vec<_> = reads.collect();
        let found = batch.read("read the sessions").await?;
        let ours = listed
            .iter()
            .zip(reads)
            .map(|(listed, read)| Ok(self.with_item(listed.clone(), read.from(&found)?)));
        ours.collect()
    }

    /// The one of ours that is called `name`, with its item as it is now.
    async fn our(&self, name: &str) -> Result<Option<Ours>, StoreError> {
        let mut listed = self.listed().await?.into_iter();
        let Some(listed) = listed.find(|listed| listed.session.name == name) else {
            return Ok(None);
        };
        let mut batch = self.batches.begin();
        let read = batch.add(self.items.reading(name));
        let found = batch.read("read a session").await?;
        Ok(Some(self.with_item(listed, read.from(&found)?)))
    }

    fn with_item(&self, listed: ListedSession, item: SessionItem) -> Ours {
        Ours {
            is_configured: self.is_configured(&listed.session.name),
            listed,
            item,
        }
    }

    fn is_configured(&self, name: &str) -> bool {
        self.configured.iter().any(|one| one.name == name)
    }

    /// Ours: those of the settings, then those of the list.
    async fn listed(&self) -> Result<Vec<ListedSession>, StoreError> {
        let listed = self.list.read().await?.sessions;
        let configured = self.configured.iter().map(|session| ListedSession {
            session: session.clone(),
            sends: true,
        });
        let others = listed
            .into_iter()
            .filter(|other| !self.is_configured(&other.session.name));
        Ok(configured.chain(others).collect())
    }

    /// Every session of the gateway, where it may be asked for them.
    async fn users(&self) -> Option<Result<Vec<GatewayUser>, GatewayError>> {
        let admin_token = self.admin_token.as_ref()?;
        Some(self.gateway.users(admin_token, ANSWER_MAX).await)
    }

    /// Asks each of `ours` at one of `places` that has no answer yet.
    async fn ask(
        &self,
        ours: &[Ours],
        places: &HashSet<usize>,
        answers: &mut [Option<GatewayAnswer>],
    ) {
        let to_ask = ours.iter().zip(answers.iter_mut()).enumerate();
        let to_ask =
            to_ask.filter(|(place, (_, answer))| answer.is_none() && places.contains(place));
        let asking = to_ask.map(|(_, (ours, answer))| async move {
            *answer = Some(self.answer(&ours.listed.session).await);
        });
        let asking: Vec<_> = asking.collect();
        stream::iter(asking)
            .buffer_unordered(SESSIONS_PER_PAGE)
            .collect::<()>()
            .await;
    }

    /// What a session says of itself.
    async fn answer(&self, session: &SessionSettings) -> GatewayAnswer {
        let gateway = self.gateway_of(session);
        match gateway.status(&session.token, ANSWER_MAX).await {
            Ok(status) => GatewayAnswer::Flags(Flags::from(&status)),
            Err(error) => no_flags(&error),
        }
    }

    fn gateway_of(&self, session: &SessionSettings) -> Gateway {
        match &session.gateway {
            None => self.gateway.clone(),
            Some(address) => self.gateway.elsewhere(address),
        }
    }

    fn view(&self, ours: &Ours, answer: GatewayAnswer, now: Timestamp) -> SessionView {
        let Ours { listed, item, .. } = ours;
        let known = Known { item, answer, now };
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
            gateway: match &listed.session.gateway {
                Some(address) => Some(address.host()),
                None => self.gateway_host.clone(),
            },
            health: known.health(),
            since: known.since(),
            locked_until: known.locked_until(),
            seen_at: item.seen.map(|seen| seen.at),
            flags: answer.flags(),
            gateway_is_silent: known.gateway_is_silent(),
            doing: if listed.sends {
                known.doing()
            } else {
                Doing::Nothing
            },
            number: number.and_then(masked),
            last_sends: known.last_sends(),
            delivered_at: item.delivered_at,
            arrivals: None,
            new_chats: item.new_chats_on(now),
            new_chats_most: listed.session.new_chats_per_day,
            weight: Some(listed.session.weight),
            connects_last_hour: known.connects_last_hour(),
            incident: open_incident(ours).map(|open| with_cause(open.clone(), item)),
        }
    }
}

impl Ours {
    /// How it is not well or not known, as far as `answer` and what was seen say; nothing where it is well, or where no message is
    /// sent from it.
    fn trouble(&self, answer: &Option<GatewayAnswer>, now: Timestamp) -> Option<Health> {
        let known = Known {
            item: &self.item,
            answer: answer.unwrap_or(GatewayAnswer::Unknown),
            now,
        };
        let trouble = Some(known.trouble());
        trouble.filter(|trouble| self.is_in_pool() && *trouble != Health::Ready)
    }

    /// Whether messages are sent from it.
    const fn is_in_pool(&self) -> bool {
        self.is_configured || self.listed.sends
    }
}

/// The places of those that are listed, among all sessions: `ours`, each with its answer so far, and so many others behind them.
fn places_of(
    listed: Listed,
    (ours, answers): (&[Ours], &[Option<GatewayAnswer>]),
    others: usize,
    now: Timestamp,
) -> Vec<usize> {
    let only = match listed {
        Listed::All => return (0..ours.len() + others).collect(),
        Listed::NotWell => None,
        Listed::Only(health) => Some(health),
    };
    let all = ours.iter().zip(answers).enumerate();
    let not_well = all.filter_map(|(place, (ours, answer))| {
        let trouble = ours.trouble(answer, now)?;
        let is_wanted = only.map_or(trouble.is_trouble(), |only| only == trouble);
        is_wanted.then_some((trouble.urgency(), place))
    });
    let mut not_well: Vec<_> = not_well.collect();
    not_well.sort_unstable();
    not_well.into_iter().map(|(_, place)| place).collect()
}

/// The host of the gateway at `url`, without anything that may be secret.
fn host_of(url: Option<&str>) -> Option<String> {
    let address = GatewayAddress::parse(url?)?;
    Some(address.host())
}

/// What the gateway's list says of each of `ours`; nothing of those that have to be asked. A gateway that has just not listed its
/// sessions is not asked again.
fn answers_in_list(
    ours: &[Ours],
    users: &[GatewayUser],
    customers: &Customers,
) -> Vec<Option<GatewayAnswer>> {
    let users = users.iter().map(|user| (&user.token, &user.status));
    let listed: HashMap<_, _> = users.collect();
    let answers = ours.iter().map(|ours| {
        let session = &ours.listed.session;
        if session.gateway.is_some() {
            return None;
        }
        match (listed.get(&session.token), customers) {
            (Some(status), _) => Some(GatewayAnswer::Flags(Flags::from(*status))),
            (None, Customers::Failed(error)) => Some(no_flags(error)),
            (None, _) => None,
        }
    });
    answers.collect()
}

/// What a failed question says of a session.
const fn no_flags(error: &GatewayError) -> GatewayAnswer {
    match error {
        GatewayError::Refused { .. } => GatewayAnswer::Unknown,
        GatewayError::Proxy { .. }
        | GatewayError::Unreachable(_)
        | GatewayError::TimedOut
        | GatewayError::Broken(_) => GatewayAnswer::Silent,
    }
}

/// The sessions of the gateway of the settings that are not among `ours`.
fn customers_views(ours: &[Ours], users: &[GatewayUser]) -> Vec<SessionView> {
    let at_home = ours.iter().map(|ours| &ours.listed.session);
    let at_home = at_home.filter(|session| session.gateway.is_none());
    let tokens: HashSet<_> = at_home.map(|session| &session.token).collect();
    let theirs = users.iter().filter(|user| !tokens.contains(&user.token));
    theirs.filter_map(customers_view).collect()
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
        locked_until: None,
        seen_at: None,
        flags: Some(flags),
        gateway_is_silent: false,
        doing: Doing::Nothing,
        number: account_of(&user.status).as_deref().and_then(masked),
        last_sends: LastSends::default(),
        delivered_at: None,
        arrivals: None,
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

/// `incident` of `item`: before the monitor has seen it, its cause is what the message saw that began it.
fn with_cause(mut incident: Incident, item: &SessionItem) -> Incident {
    let seen = item.seen.map(|seen| seen.state);
    let seen = seen.filter(|state| *state != SessionState::Usable);
    let seen = seen.map(|state| state.as_str().to_owned());
    incident.cause = incident.cause.or(seen);
    incident
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
