//! What a recovery tells the gateway to do, once it has won the right to.
use std::time::Duration;

use super::recovery::{Asker, Recovery};
use crate::gateway::GatewayError;
use crate::platform::timestamp::Timestamp;
use crate::sender::classify::{Observation, classify};
use crate::sender::spacing;
use crate::store::StoreError;
use crate::store::whatsapp_sessions::connects::{ConnectClaim, ConnectRight};
use crate::store::whatsapp_sessions::{SeenState, SessionState};

/// Whoever wins the right connects within this, or not at all: long before the next right.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long a gateway may take no connect of a session that it has just closed.
const CLOSES_FOR: Duration = Duration::from_millis(1_100);
/// The time between two connects to one gateway.
const GATEWAY_WAIT: Duration = Duration::from_secs(2);
/// Nobody takes the right of a session longer than this before its gateway takes a connect.
const GATEWAY_OPENS_SOON: Duration = Duration::from_millis(500);

/// What is done with the connect right.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cure {
    Connect,
    /// Closes the session first.
    Reset,
}

/// What the gateway is told to do.
#[derive(Clone, Copy)]
enum Command {
    Connect,
    Disconnect,
    Restart,
}

impl Command {
    /// Its word in a message's story.
    const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Disconnect => "disconnect",
            Self::Restart => "restart of the gateway",
        }
    }
}

impl Recovery<'_> {
    /// Connects the session, if this recovery wins the right to. Answers whether it did.
    pub(super) async fn connect(&mut self, cure: Cure) -> Result<bool, StoreError> {
        if !self.win_session().await? || !self.win_gateway().await? {
            return Ok(false);
        }
        self.connected_at = Some(self.patient.now());
        self.asks = true;
        let answer = match cure {
            Cure::Connect => self.command(Command::Connect).await,
            Cure::Reset => self.close_and_connect().await,
        };
        self.connect_answer = Some(answer.clone());
        self.note_answer(cure, &answer).await?;
        Ok(true)
    }

    async fn close_and_connect(&mut self) -> Result<(), GatewayError> {
        // Refused when it closed meanwhile: then the connect is all that is needed.
        let _ = self.command(Command::Disconnect).await;
        let answer = self.command(Command::Connect).await;
        if !matches!(answer, Err(GatewayError::Refused { .. })) {
            return answer;
        }
        // Some versions take no connect for a second after they closed a session.
        tokio::time::sleep(CLOSES_FOR).await;
        self.command(Command::Connect).await
    }

    /// Takes the connect right of the session, unless the gateway takes no connect soon: a right that is not used keeps
    /// everybody from connecting until it has passed.
    async fn win_session(&mut self) -> Result<bool, StoreError> {
        self.gateway = self.read_gateway().await?;
        let sessions = &self.patient.services.sessions;
        let now = self.patient.now();
        let opens = self.gateway.connect_after.unwrap_or(now);
        if opens.since(now) > GATEWAY_OPENS_SOON || opens.plus(GATEWAY_OPENS_SOON) > self.last_look
        {
            return Ok(false);
        }
        let item = &self.item;
        let state = item.seen.map(|seen| seen.state);
        let claim = ConnectClaim {
            attempt_id: &self.attempt_id,
            now,
            wait: spacing::connect_wait(item),
            early: self.may_connect_early(now),
            over_library: state == Some(SessionState::Reconnecting),
        };
        let right = sessions.take_connect_right(&self.patient.place.session, item, &claim);
        match right.await? {
            ConnectRight::Won(_) => Ok(true),
            ConnectRight::Lost(item) => {
                self.asks = false;
                self.item = *item;
                Ok(false)
            }
        }
    }

    /// Whether the connect right may be taken before it passes.
    fn may_connect_early(&self, now: Timestamp) -> bool {
        let by_hand = self.asker == Asker::Person && !spacing::stabilising(&self.item, now);
        by_hand || spacing::may_connect_early(&self.item, now)
    }

    /// Waits for the gateway's own connect right. Whatever happens, the right of the session is used up and passes by
    /// itself. Bounded by `CONNECT_WITHIN`.
    async fn win_gateway(&mut self) -> Result<bool, StoreError> {
        let last = self.patient.now().plus(CONNECT_WITHIN).min(self.last_look);
        loop {
            let now = self.patient.now();
            let opens = self.gateway.connect_after.unwrap_or(now);
            if now.max(opens) >= last {
                return Ok(false);
            }
            tokio::time::sleep(opens.since(now)).await;
            let claim = ConnectClaim {
                attempt_id: &self.attempt_id,
                now: self.patient.now(),
                wait: GATEWAY_WAIT,
                early: false,
                over_library: false,
            };
            let sessions = &self.patient.services.sessions;
            let name = &self.patient.place.gateway_item;
            let right = sessions.take_connect_right(name, &self.gateway, &claim);
            match right.await? {
                ConnectRight::Won(_) => return Ok(self.patient.now() < last),
                ConnectRight::Lost(item) => self.gateway = *item,
            }
        }
    }

    /// One command to the gateway, as a step of the message's story.
    async fn command(&mut self, command: Command) -> Result<(), GatewayError> {
        let began = self.patient.now();
        let (gateway, token) = (&self.patient.place.gateway, &self.patient.place.token);
        let answer = match command {
            Command::Connect => gateway.connect(token, self.command_max).await,
            Command::Disconnect => gateway.disconnect(token, self.command_max).await,
            Command::Restart => match &self.patient.place.restart_url {
                Some(hook) => gateway.restart(hook, self.command_max).await,
                None => Err(GatewayError::Unreachable("nothing restarts it".into())),
            },
        };
        let name = command.name();
        let step = match &answer {
            Ok(()) => name.to_owned(),
            Err(error) => format!("{name}: {error}"),
        };
        let took = self.patient.now().since(began);
        self.patient.add_step(step, took);
        answer
    }

    /// What the answer of a connect shows. "Already connected" shows nothing: the next look tells.
    async fn note_answer(
        &mut self,
        cure: Cure,
        answer: &Result<(), GatewayError>,
    ) -> Result<(), StoreError> {
        match answer {
            Err(error) if classify(error) == Observation::GatewayDown => {
                self.share_no_gateway().await?;
                self.blame_connect().await
            }
            Err(GatewayError::Refused { .. }) if self.was_down() => self.count_refusal().await,
            _ if cure == Cure::Reset => self.share_opening().await,
            _ => Ok(()),
        }
    }

    /// Whether the session was last seen down, so that a connect should not have been refused.
    fn was_down(&self) -> bool {
        let down = [
            SessionState::Down,
            SessionState::Reconnecting,
            SessionState::NeedsRestart,
        ];
        self.item
            .seen
            .is_some_and(|seen| down.contains(&seen.state))
    }

    async fn count_refusal(&mut self) -> Result<(), StoreError> {
        let seen = self.item.seen;
        let (sessions, now) = (&self.patient.services.sessions, self.patient.now());
        let name = &self.patient.place.session;
        self.item = sessions.count_refused_connect(name, now).await?;
        self.item.seen = self.item.seen.or(seen);
        Ok(())
    }

    /// Writes that the session was reset: from here on good flags can be believed again.
    async fn share_opening(&mut self) -> Result<(), StoreError> {
        let now = self.patient.now();
        self.share(SeenState::beginning(SessionState::Opening, now))
            .await
    }

    /// Has the gateway restarted, if nobody else does. It starts its sessions by itself. Answers whether it did.
    pub(super) async fn restart(&mut self) -> Result<bool, StoreError> {
        let (sessions, now) = (&self.patient.services.sessions, self.patient.now());
        let name = &self.patient.place.gateway_item;
        if !sessions
            .take_restart_right(name, &self.gateway, now)
            .await?
        {
            self.gateway = self.read_gateway().await?;
            return Ok(false);
        }
        self.gateway.restarts.push(self.patient.now());
        let session = self.patient.place.session.clone();
        tracing::warn!(
            session,
            "[WhatsApp System] the gateway is restarted, since nothing else helps"
        );
        if self.command(Command::Restart).await.is_err() {
            tracing::error!(
                session,
                "[WhatsApp System] the gateway could not be restarted: check its restart hook"
            );
            return Ok(false);
        }
        sessions.forget_refusals(&session).await?;
        self.share_no_gateway().await?;
        Ok(true)
    }
}
