//! What a test or the control API can do to the simulated gateway, and read from it.
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use shared::model::phone::Phone;
use tokio::time::Instant;

use super::calls::CallLog;
use super::event::Written;
use super::handle::Simulator;
use super::hook::Hook;
use super::inbox::InboxMessage;
use super::network::Network;
use super::phones::Known;
use super::profile::Profile;
use super::scenario::Scenario;
use super::state::SessionState;
use super::world::World;

/// A gateway was named that is not among those of the process.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no gateway has this name; there is: {}", known.join(", "))]
pub(super) struct UnknownGateway {
    /// The names of the gateways.
    pub known: Vec<String>,
}

/// A session was named that the simulator does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no session has this token or name; there is: {}", known.join(", "))]
pub struct UnknownSession {
    /// The names of the sessions.
    pub known: Vec<String>,
}

impl Simulator {
    /// Puts a session, by token or name, into a state; what follows from the state follows by itself.
    ///
    /// # Errors
    /// When there is no such session.
    pub fn set_state(&self, session: &str, state: SessionState) -> Result<(), UnknownSession> {
        self.with_session(session, |world, session, now| {
            world.begin(session, state, now);
        })
    }

    /// Puts a session into a state for a while, after which it is online.
    ///
    /// # Errors
    /// When there is no such session.
    pub fn set_state_for(
        &self,
        session: &str,
        state: SessionState,
        life: Duration,
    ) -> Result<(), UnknownSession> {
        self.with_session(session, |world, session, now| {
            world.sessions[session].begin_for(state, life, now);
        })
    }

    /// The state of a session.
    ///
    /// # Errors
    /// When there is no such session.
    pub fn state(&self, session: &str) -> Result<SessionState, UnknownSession> {
        self.with_session(session, |world, session, _| world.sessions[session].state())
    }

    /// Lets a scenario begin on every session.
    pub fn play(&self, scenario: &Scenario) {
        self.now(|world, now| world.play(scenario, None, now));
    }

    /// Lets a scenario begin on one session, by token or name; what concerns the whole gateway does so all the same.
    ///
    /// # Errors
    /// When there is no such session.
    pub fn play_on(&self, session: &str, scenario: &Scenario) -> Result<(), UnknownSession> {
        self.with_session(session, |world, session, now| {
            world.play(scenario, Some(session), now);
        })
    }

    /// The version to speak like from now on.
    pub fn set_profile(&self, profile: Profile) {
        self.now(|world, _| world.conditions.profile = profile);
    }

    /// How long the next dials and logins take.
    pub fn set_dial_and_login(&self, dial: Duration, login: Duration) {
        self.now(|world, _| {
            let pace = &mut world.conditions.pace;
            (pace.dial, pace.login) = (dial, login);
        });
    }

    /// What WhatsApp's network is like from now on.
    pub fn set_network(&self, network: Network) {
        self.now(|world, now| world.set_network(network, None, now));
    }

    /// How often the gateway process has ended.
    pub fn processes_ended(&self) -> u64 {
        self.now(|world, _| world.process)
    }

    /// What a phone received, or every phone; the oldest first.
    pub fn messages(&self, phone: Option<&Phone>) -> Vec<InboxMessage> {
        self.messages_to(phone.map(Phone::digits))
    }

    /// The same for a phone by its digits.
    pub(super) fn messages_to(&self, phone: Option<&str>) -> Vec<InboxMessage> {
        self.now(|world, _| {
            let known = world.phones.known();
            known.inbox.messages_to(phone).cloned().collect()
        })
    }

    /// Empties every phone.
    pub fn clear_messages(&self) {
        self.now(|world, _| world.phones.known().inbox.clear());
    }

    /// Every call since the beginning or the last reset.
    pub fn calls(&self) -> CallLog {
        self.now(|world, _| world.calls.clone())
    }

    /// A phone, by its digits, writes to the account of a session, by token or name. Returns the id of its message.
    ///
    /// # Errors
    /// When there is no such session.
    pub fn incoming(
        &self,
        session: &str,
        phone: &str,
        text: &str,
    ) -> Result<String, UnknownSession> {
        self.with_session(session, |world, session, now| {
            let id = world.next_message_id();
            let written = Written {
                phone: phone.to_owned(),
                id: id.clone(),
                text: text.to_owned(),
            };
            world.receive(session, written, now);
            id
        })
    }

    /// Where the events of a session, by token or name, go from now on. Which ones stays as it is.
    ///
    /// # Errors
    /// When there is no such session.
    pub fn set_webhook(&self, session: &str, url: &str) -> Result<(), UnknownSession> {
        self.with_session(session, |world, session, _| {
            world.sessions[session].webhook.url = url.to_owned();
        })
    }

    /// What the events of a session, by token or name, are signed with from now on, in C and D.
    ///
    /// # Errors
    /// When there is no such session.
    pub fn set_webhook_key(&self, session: &str, key: &str) -> Result<(), UnknownSession> {
        self.with_session(session, |world, session, _| {
            world.sessions[session].webhook.key = Some(key.to_owned());
        })
    }

    /// What was posted to webhooks, try by try; the oldest first.
    pub fn hooks(&self) -> Vec<Hook> {
        self.now(|world, _| world.hooks.hooks().cloned().collect())
    }

    /// Lets somebody take what is posted to webhooks, such as a function under test. It returns the status that it
    /// answers with, or none when it cannot be reached.
    pub fn post_hooks_to<T>(&self, taker: impl Fn(Hook) -> T + Send + Sync + 'static)
    where
        T: Future<Output = Option<u16>> + Send + 'static,
    {
        self.posts_to(Arc::new(move |hook| Box::pin(taker(hook))));
    }

    /// Back to the first state: sessions, faults, call log, and every phone.
    pub fn reset(&self) {
        self.now(|world, now| {
            let (process, revision) = (world.process + 1, world.revision() + 1);
            let phones = world.phones.clone();
            *phones.known() = Known::default();
            *world = World::new(self.options(), phones, now);
            (world.process, world.orders) = (process, revision);
        });
    }

    /// The gateway, among those with the same phones, that has a session of this token or name; itself if none has.
    pub(super) fn that_has(&self, session: &str) -> Self {
        let gateways = self.gateways().into_iter();
        let mut having = gateways.filter(|gateway| gateway.state(session).is_ok());
        having.next().unwrap_or_else(|| self.clone())
    }

    /// The gateway of that name among those with the same phones.
    pub(super) fn gateway_named(&self, name: &str) -> Result<Self, UnknownGateway> {
        let gateways = self.gateways();
        let mut named = gateways
            .iter()
            .filter(|gateway| gateway.options().name == name);
        named.next().cloned().ok_or_else(|| UnknownGateway {
            known: gateways
                .iter()
                .map(|gateway| gateway.options().name.clone())
                .collect(),
        })
    }

    /// Everything but messages and calls, for the control API. Tokens are not shown.
    pub(super) fn summary(&self) -> Value {
        let names = self.gateways().into_iter();
        let names: Vec<_> = names
            .map(|gateway| gateway.options().name.clone())
            .collect();
        let mut summary = self.now(|world, now| world.summary(now));
        summary["gateways"] = names.into();
        summary
    }

    /// Whether a connection is refused.
    pub(super) fn is_shut(&self) -> bool {
        self.now(|world, now| {
            let down = world.back_at.is_some() && world.proxy.is_none();
            down || world.host_is_gone(now)
        })
    }

    fn with_session<T>(
        &self,
        session: &str,
        act: impl FnOnce(&mut World, usize, Instant) -> T,
    ) -> Result<T, UnknownSession> {
        self.now(|world, now| match world.named(session) {
            Some(session) => Ok(act(world, session, now)),
            None => Err(UnknownSession {
                known: world.sessions.iter().map(|s| s.name.clone()).collect(),
            }),
        })
    }
}
