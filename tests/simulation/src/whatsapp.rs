//! The way to the gateways: the simulator's direct face, with what goes wrong on the way, and a ledger of what went over it.
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use shared::gateway::answer::Answer;
use shared::gateway::call::Call;
use shared::gateway::transport::Credential;
use shared::gateway::{GatewayAddress, GatewayError, RestartUrl, SessionToken, Transport};
use tokio::time::{sleep, timeout};

use crate::dice::Dice;
use crate::ledger::{ConnectCall, Seen, SendCall};
use crate::process::{self, Process};
use crate::universe::{Purpose, Universe};

/// What happens to one call of a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// No connection comes about.
    Unreachable,
    /// The request is lost, and nobody says so.
    RequestLost,
    /// The connection breaks after the effect.
    Broken,
    /// The answer is lost, and nobody says so.
    AnswerLost,
    /// The request arrives twice.
    Doubled(Duration),
    /// It takes so much longer to get there.
    Slow(Duration),
}

/// The ways to all gateways of a schedule.
#[derive(Debug)]
pub struct Way {
    inner: Arc<dyn Transport>,
    universe: Arc<Universe>,
}

impl Way {
    /// The way over `inner`.
    pub fn new(inner: Arc<dyn Transport>, universe: &Arc<Universe>) -> Self {
        Self {
            inner,
            universe: Arc::clone(universe),
        }
    }
}

/// The name of a session, by its token, which is made of it.
fn session_of(credential: Credential<'_>) -> String {
    let token = credential.token().expose();
    token.trim_end_matches("-session-token").to_owned()
}

#[async_trait]
impl Transport for Way {
    async fn exchange(
        &self,
        call: Call,
        credential: Credential<'_>,
        within: Duration,
    ) -> Result<Answer, GatewayError> {
        let Some(process) = process::current() else {
            return self.inner.exchange(call, credential, within).await;
        };
        let (who, number) = (process.number, process.next_call());
        let session = session_of(credential);
        let mut dice = self.universe.dice(Purpose::Call, who, number);
        let way = dice.millis(1..=12);
        let fault = dice.chance(self.universe.odds.gateway);
        let fault = fault.then(|| draw(&mut dice));
        let fault = fault.filter(|_| self.universe.strikes((who, number)));
        let path = call.path;
        let entry = self.enter(&call, &process, &session);
        let on_the_way = self.on_the_way(call, credential, (way, fault, within), entry);
        let answer = match timeout(within, on_the_way).await {
            Ok(answer) => answer,
            Err(_) => Err(GatewayError::TimedOut),
        };
        self.note_answer(entry, &answer);
        if path == "/session/status" && answer.as_ref().is_ok_and(|answer| answer.status == 200) {
            let seen = (who, session.clone());
            self.universe.ledger().statuses.insert(seen);
        }
        let word = word(&answer);
        match fault {
            Some(fault) => {
                let line = format_args!("{number} {path} of {session}: {word}, {fault:?}");
                self.universe.note(who, line);
            }
            None => {
                let line = format_args!("{number} {path} of {session}: {word}");
                self.universe.note(who, line);
            }
        }
        answer
    }

    fn elsewhere(&self, address: &GatewayAddress) -> Arc<dyn Transport> {
        Arc::new(Self::new(self.inner.elsewhere(address), &self.universe))
    }

    async fn restart(&self, hook: &RestartUrl, within: Duration) -> Result<(), GatewayError> {
        if let Some(process) = process::current() {
            process.next_call();
            let restart = format_args!("asks for a restart of a gateway");
            self.universe.note(process.number, restart);
        }
        self.inner.restart(hook, within).await
    }
}

impl Way {
    async fn on_the_way(
        &self,
        call: Call,
        credential: Credential<'_>,
        (way, fault, within): (Duration, Option<Fault>, Duration),
        entry: Option<usize>,
    ) -> Result<Answer, GatewayError> {
        sleep(way).await;
        match fault {
            Some(Fault::Unreachable) => {
                return Err(GatewayError::Unreachable("refused, by order".into()));
            }
            Some(Fault::RequestLost) => return std::future::pending().await,
            Some(Fault::Slow(by)) => sleep(by).await,
            Some(Fault::Doubled(by)) => {
                if let Some(entry) = entry {
                    self.universe.ledger().sends[entry].doubled = true;
                }
                self.again(&call, credential, by);
            }
            Some(Fault::Broken | Fault::AnswerLost) | None => {}
        }
        let answer = self.inner.exchange(call, credential, within).await;
        match fault {
            Some(Fault::Broken) => Err(GatewayError::Broken("cut, by order".into())),
            Some(Fault::AnswerLost) => std::future::pending().await,
            _ => answer,
        }
    }

    /// The same request once more, a moment later.
    fn again(&self, call: &Call, credential: Credential<'_>, by: Duration) {
        let (inner, call) = (Arc::clone(&self.inner), call.clone());
        let token = SessionToken::new(credential.token().expose());
        tokio::spawn(async move {
            sleep(by).await;
            let credential = Credential::Session(&token);
            let _ = inner
                .exchange(call, credential, Duration::from_secs(30))
                .await;
        });
    }

    /// Writes a send or a connect into the ledger; the place of a send.
    fn enter(&self, call: &Call, process: &Process, session: &str) -> Option<usize> {
        let mut ledger = self.universe.ledger();
        let (at, process) = (self.universe.time(), process.number);
        let session = session.to_owned();
        match call.path {
            "/session/connect" => {
                ledger.connects.push(ConnectCall {
                    at,
                    process,
                    session,
                });
                None
            }
            "/chat/send/text" => {
                let body = call.body.as_ref();
                let field = |name: &str| {
                    let field = body.and_then(|body| body[name].as_str());
                    field.unwrap_or_default().to_owned()
                };
                let (id, phone, text) = (field("Id"), field("Phone"), field("Body"));
                let sent = format_args!("sends {id} to {phone} over {session}: {text:?}");
                self.universe.note(process, sent);
                ledger.sends.push(SendCall {
                    at,
                    process,
                    id,
                    phone: phone.split('@').next().unwrap_or_default().to_owned(),
                    text,
                    doubled: false,
                    seen: Seen::Nothing,
                    done: None,
                });
                Some(ledger.sends.len() - 1)
            }
            _ => None,
        }
    }

    fn note_answer(&self, entry: Option<usize>, answer: &Result<Answer, GatewayError>) {
        if let Some(entry) = entry {
            let send = &mut self.universe.ledger().sends[entry];
            send.seen = seen(answer);
            send.done = Some(self.universe.time());
        }
    }
}

/// What an answer to a send tells its caller.
fn seen(answer: &Result<Answer, GatewayError>) -> Seen {
    /// Of answers that say no: those after which the message may be out all the same.
    const UNCLEAR: [&str; 5] = [
        "timed out waiting",
        "websocket disconnected",
        "websocket not connected",
        "frame socket is closed",
        "connection reset by peer",
    ];
    /// How a socket refuses that is not there.
    const SOCKET_GONE: [&str; 3] = [
        "websocket not connected",
        "frame socket is closed",
        "connection reset by peer",
    ];
    let error = match answer.as_ref().map(Answer::accepted) {
        Ok(Ok(_)) => return Seen::Taken,
        Ok(Err(error)) => error,
        Err(GatewayError::Unreachable(_)) => return Seen::NotLeft,
        Err(_) => return Seen::Unclear,
    };
    let GatewayError::Refused { error, .. } = error else {
        return Seen::Unclear;
    };
    // With the name of an inner step it is the socket's own refusal.
    let is_own =
        SOCKET_GONE.iter().any(|part| error.contains(part)) && error.contains("failed to ");
    if is_own || !UNCLEAR.iter().any(|part| error.contains(part)) {
        return Seen::Refused;
    }
    Seen::Unclear
}

/// An answer in a few words. Bodies have tokens and times in them.
fn word(answer: &Result<Answer, GatewayError>) -> String {
    match answer {
        Ok(Answer { status: 200, body }) => {
            let body: Value = serde_json::from_slice(body).unwrap_or_default();
            let data = &body["data"];
            let flag = |names: [&str; 2]| names.iter().find_map(|name| data[*name].as_bool());
            match (
                flag(["connected", "Connected"]),
                flag(["loggedIn", "LoggedIn"]),
            ) {
                (Some(connected), Some(logged_in)) => {
                    format!("connected {connected}, logged in {logged_in}")
                }
                _ => "200".into(),
            }
        }
        Ok(Answer { status, body }) => {
            let text = String::from_utf8_lossy(body);
            let text: String = text.chars().take(120).collect();
            format!("{status} {text}")
        }
        Err(error) => error.to_string(),
    }
}

fn draw(dice: &mut Dice) -> Fault {
    match dice.below(12) {
        0..=1 => Fault::Unreachable,
        2..=3 => Fault::RequestLost,
        4..=5 => Fault::Broken,
        6..=7 => Fault::AnswerLost,
        8..=9 => Fault::Doubled(dice.millis(0..=3_000)),
        _ => Fault::Slow(dice.millis(50..=4_000)),
    }
}
