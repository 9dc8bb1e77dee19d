//! A gateway to break: one state machine on tokio's time, with two faces.
//!
//! The HTTP face ([`serve`](crate::simulator::serve)) speaks wuzapi's contract; the direct face ([`Simulator`](crate::simulator::Simulator) as a
//! [`Gateway`](shared::gateway::Gateway)) takes the same calls without a socket, for tests under paused time.
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use shared::phone::Phone;
use tokio::sync::watch;
use tokio::time::Instant;

pub use self::calls::{CallLog, CallRecord};
pub use self::http::{router, serve};
pub use self::inbox::InboxMessage;
pub use self::options::{SessionOptions, SimulatorOptions};
pub use self::profile::Profile;
pub use self::scenario::{LostAnswer, Scenario};
pub use self::session::SessionState;

use self::catalogue::Order;
use self::world::World;

/// How it begins.
mod options;

/// The state machine of one session.
mod session;

/// What a session answers to commands.
mod commands;

/// Everything the gateway knows.
mod world;

/// What can be asked to go wrong.
mod scenario;

/// What goes wrong.
mod faults;

/// The proxy in front.
mod proxy;

/// A request, and what its caller sees.
mod wire;

/// What the gateway does with a request.
mod requests;

/// The way of a text.
mod sends;

/// What the versions say differently.
mod profile;

/// What the phones received.
mod inbox;

/// What was called.
mod calls;

/// From a request to what its caller sees.
mod exchange;

/// The direct face.
mod direct;

/// The HTTP face.
mod http;

/// The control API and its page.
mod control;

/// What the control API's faults accept.
mod catalogue;

/// A session was named that the simulator does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no session has this token or name; there is: {}", known.join(", "))]
pub struct UnknownSession {
    /// The names of the sessions.
    pub known: Vec<String>,
}

/// A handle on a simulated gateway; clones are the same gateway.
#[derive(Clone)]
pub struct Simulator(Arc<Shared>);

struct Shared {
    options: SimulatorOptions,
    world: Mutex<World>,
    /// The life of the process; whoever waits for an answer watches it.
    process: watch::Sender<u64>,
}

impl Simulator {
    /// A gateway in its first state.
    pub fn new(options: SimulatorOptions) -> Self {
        let world = World::new(&options, Instant::now());
        Self(Arc::new(Shared {
            options,
            world: Mutex::new(world),
            process: watch::Sender::new(0),
        }))
    }

    /// Puts a session, by token or name, into a state; what follows from the state follows by itself.
    ///
    /// # Errors
    /// When there is no such session.
    pub fn set_state(&self, session: &str, state: SessionState) -> Result<(), UnknownSession> {
        self.with_session(session, |world, session, now| {
            let pace = world.pace;
            world.sessions[session].begin(state, now, pace);
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

    /// What a phone received, or every phone; the oldest first.
    pub fn messages(&self, phone: Option<&Phone>) -> Vec<InboxMessage> {
        self.now(|world, _| world.inbox.of(phone.map(Phone::digits)).cloned().collect())
    }

    /// What a phone received that is named in any form, or every phone.
    fn inbox_of(&self, phone: Option<&str>) -> Vec<InboxMessage> {
        let phone = phone.map(digits_of);
        self.now(|world, _| world.inbox.of(phone.as_deref()).cloned().collect())
    }

    /// Empties every phone.
    pub fn clear_messages(&self) {
        self.now(|world, _| world.inbox.clear());
    }

    /// Every call since the beginning or the last reset.
    pub fn calls(&self) -> CallLog {
        self.now(|world, _| world.calls.clone())
    }

    /// Back to the first state: sessions, faults, inbox and call log.
    pub fn reset(&self) {
        self.now(|world, now| {
            let process = world.process + 1;
            *world = World::new(&self.0.options, now);
            world.process = process;
        });
    }

    fn carry_out(&self, order: &Order) -> Result<(), UnknownSession> {
        if let Some(session) = &order.session {
            self.state(session)?;
        }
        self.now(|world, _| {
            world.profile = order.profile.unwrap_or(world.profile);
            let pace = &mut world.pace;
            pace.time_scale = order.time_scale.unwrap_or(pace.time_scale);
            pace.send = order.send.unwrap_or(pace.send);
            pace.online_after = order.online_after.unwrap_or(pace.online_after);
        });
        match (&order.scenario, &order.session) {
            (Some(scenario), Some(session)) => self.play_on(session, scenario)?,
            (Some(scenario), None) => self.play(scenario),
            (None, _) => {}
        }
        Ok(())
    }

    /// Everything but messages and calls, for the control API. Tokens are not shown.
    fn summary(&self) -> Value {
        self.now(|world, now| world.summary(now))
    }

    /// Whether a connection is refused.
    fn is_shut(&self) -> bool {
        self.now(|world, _| world.back_at.is_some() && world.proxy.is_none())
    }

    fn process(&self) -> watch::Receiver<u64> {
        self.0.process.subscribe()
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

    /// Looks at the world as it is now, with every due move made, and perhaps changes it.
    fn now<T>(&self, act: impl FnOnce(&mut World, Instant) -> T) -> T {
        let now = Instant::now();
        let mut world = self.0.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.settle(now);
        let answer = act(&mut world, now);
        self.0.process.send_if_modified(|process| {
            let ended = *process != world.process;
            *process = world.process;
            ended
        });
        answer
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Simulator")
    }
}

/// The digits of a phone that is named in any form; what is no phone number keeps its digits.
fn digits_of(phone: &str) -> String {
    match Phone::parse(phone) {
        Ok(phone) => phone.digits().to_owned(),
        Err(_) => phone.chars().filter(char::is_ascii_digit).collect(),
    }
}
