//! A database, a gateway to break, and as many senders as a test wants: each is a function of its own.
use std::sync::Arc;
use std::time::Duration;

use local::database::{EmbeddedDynamoDb, Faults};
use local::simulator::{Scenario, Simulator, SimulatorOptions};
use local::template::Template;
use shared::gateway::RestartUrl;
use shared::gateway::SessionToken;
use shared::model::phone::Phone;
use shared::model::texts::MessageBody;
use shared::platform::clock::Clock;
use shared::platform::entropy::Entropy;
use shared::platform::timestamp::Timestamp;
use shared::runtime::Backends;
use shared::runtime::settings::{SessionSettings, Settings};
use shared::sender::{
    Busy, Cause, Content, Delivery, OnceUnknown, Outgoing, PlaceError, Recipient, Sender,
    message_id,
};
use shared::store::whatsapp_sessions::sends::{SendRecord, TakenSend};
use shared::store::whatsapp_sessions::{SessionItem, WhatsAppSessions};
use tokio::time::Instant;

/// How long a code waits for its place at most.
pub const WAIT_MAX: Duration = Duration::from_secs(6);
/// How long a code takes altogether at most.
pub const DEADLINE: Duration = Duration::from_secs(15);
pub const SESSION: &str = "system";
pub const TOKEN: &str = "system-session-token";

#[derive(Clone)]
pub struct Stage {
    pub database: EmbeddedDynamoDb,
    pub gateway: Simulator,
    pub clock: Clock,
}

/// What a send came to.
#[derive(Debug)]
pub struct Sent {
    pub delivery: Delivery,
    pub took: Duration,
}

impl Stage {
    pub async fn new() -> Self {
        Self::with(SimulatorOptions {
            send_duration: Duration::from_millis(200),
            ..SimulatorOptions::default()
        })
        .await
    }

    pub async fn with(options: SimulatorOptions) -> Self {
        let database = EmbeddedDynamoDb::memory().expect("a database");
        let template = Template::compiled_in().expect("a template");
        let tables = database.create_tables(&template).await;
        tables.expect("tables");
        Self {
            database,
            gateway: Simulator::new(options),
            clock: Clock::following_runtime(Timestamp::from_seconds(1_795_000_000)),
        }
    }

    /// The same with a session that is in trouble.
    pub async fn in_trouble(scenario: &Scenario) -> Self {
        let stage = Self::new().await;
        stage.gateway.play(scenario);
        stage
    }

    /// A function of its own: nothing is shared with another but the database and the gateway.
    pub fn sender(&self, seed: u64) -> Sender {
        self.sender_with(seed, Faults::none())
    }

    pub fn sender_with(&self, seed: u64, faults: Faults) -> Sender {
        self.sender_on(SESSION, TOKEN, seed, faults)
    }

    pub fn sender_on(&self, name: &str, token: &str, seed: u64, faults: Faults) -> Sender {
        let session = SessionSettings::new(name, SessionToken::new(token));
        self.sender_of(vec![session], seed, faults)
    }

    /// A function that may have the gateway restarted.
    pub fn restarting_sender(&self, seed: u64) -> Sender {
        let settings = Settings {
            sessions: vec![SessionSettings::new(SESSION, SessionToken::new(TOKEN))],
            restart_url: Some(RestartUrl::new("https://deploy.example/restart")),
            ..Settings::default()
        };
        self.sender_in(settings, seed, Faults::none())
    }

    /// A function that may not send, only look.
    pub fn onlooker(&self) -> Sender {
        self.sender_of(Vec::new(), 0, Faults::none())
    }

    pub fn sender_of(&self, sessions: Vec<SessionSettings>, seed: u64, faults: Faults) -> Sender {
        let settings = Settings {
            sessions,
            ..Settings::default()
        };
        self.sender_in(settings, seed, faults)
    }

    pub fn sender_in(&self, settings: Settings, seed: u64, faults: Faults) -> Sender {
        Sender::new(&Backends {
            dynamodb: self.database.client_with(faults),
            entropy: Entropy::seeded(seed),
            settings: Arc::new(settings),
            ..self.backends()
        })
    }

    /// What a function of its own holds.
    pub fn backends(&self) -> Backends {
        Backends {
            dynamodb: self.database.client(),
            gateway: self.gateway.gateway(),
            clock: self.clock.clone(),
            entropy: Entropy::seeded(0),
            settings: Arc::new(Settings::default()),
        }
    }

    /// Sends one code, as a flow does: all four calls.
    pub async fn send(&self) -> Sent {
        let seed = self.gateway.calls().count("/chat/send/text") + 1;
        send(&self.sender(seed), &self.clock, outgoing(seed))
            .await
            .expect("a place")
    }

    pub async fn item(&self) -> SessionItem {
        self.sessions().read(SESSION).await.expect("an item")
    }

    pub fn sessions(&self) -> WhatsAppSessions {
        WhatsAppSessions::new(self.database.client(), "WhatsAppSessionsTable".into())
    }

    /// The session is known to take `cost` for a send.
    pub async fn take_cost_as(&self, cost: Duration) {
        self.take_cost_of(SESSION, cost).await;
    }

    /// The same of another session.
    pub async fn take_cost_of(&self, session: &str, cost: Duration) {
        let ended = self.clock.now();
        let record = SendRecord {
            taken: Some(TakenSend {
                began: ended.minus(cost),
                ended,
                may_have_waited: false,
                cost_max: cost,
            }),
            ..SendRecord::default()
        };
        let recorded = self.sessions().record_send(session, &record).await;
        recorded.expect("the store");
    }

    pub fn connects(&self) -> u64 {
        self.gateway.calls().count("/session/connect")
    }

    /// How many messages the phones show, and how many of those are there twice.
    pub fn arrived(&self) -> (usize, usize) {
        let messages = self.gateway.messages(None);
        let twice = messages.iter().filter(|message| message.duplicate).count();
        (messages.len(), twice)
    }
}

/// A code for the `number`th phone.
pub fn outgoing(number: u64) -> Outgoing {
    Outgoing {
        purpose: "sso",
        message_id: message_id(&Entropy::seeded(1_000_000 + number)),
        phone: phone(number),
        content: Content::Text(MessageBody(format!("Your code is {:06}", 100_000 + number))),
        first_contact: false,
        code_asked_at: None,
        once_unknown: OnceUnknown::GoesElsewhere,
        is_repeat: false,
        cause: Cause::default(),
    }
}

pub fn phone(number: u64) -> Phone {
    Phone::parse(&format!("+62812{:08}", 10_000_000 + number)).expect("a phone")
}

pub async fn send(sender: &Sender, clock: &Clock, message: Outgoing) -> Result<Sent, Busy> {
    let began = Instant::now();
    let deadline = clock.now().plus(DEADLINE);
    let picked = sender
        .pick(&Recipient::of(&message.phone))
        .await
        .expect("a session");
    let place = match sender.take_place(&picked, WAIT_MAX).await {
        Ok(place) => place,
        Err(PlaceError::Busy(busy)) => return Err(busy),
        Err(error) => panic!("the store: {error}"),
    };
    let delivery = sender.deliver(place, message, deadline).await;
    let took = began.elapsed();
    assert!(clock.now() <= deadline, "{delivery:?} took {took:?}");
    sender.record(&delivery).await;
    Ok(Sent { delivery, took })
}
