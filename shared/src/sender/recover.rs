//! Makes a session usable again: looks at it, shares what it sees through the session's item, and connects if it wins
//! the right to. However many functions wait for a session, one asks the gateway and one connects; when that one is
//! frozen or killed, another takes over as soon as the look or the right has passed.
use std::time::Duration;

use super::act::{Run, SEND_ROOM};
use super::assess::{self, Advice, Glance};
use super::classify::{Observation, classify};
use crate::store::StoreError;
use crate::store::whatsapp_sessions::{
    ConnectRight, GATEWAY, Look, Seen, SessionItem, SessionState,
};
use crate::timestamp::Timestamp;

/// How long a look at the gateway is good enough for everybody.
const LOOK_LIFE: Duration = Duration::from_millis(400);
/// Whoever asks the gateway shares the answer at least this often, so that nobody else needs to ask.
const SHARE_EVERY: Duration = Duration::from_millis(200);
/// The time from one look at the item or the gateway to the next: this, and up to a half more.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The time from a connect to the first look.
const FIRST_LOOK: Duration = Duration::from_millis(250);
const STATUS_MAX: Duration = Duration::from_secs(2);
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// Whoever wins the right connects within this, or not at all: long before the next right.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// The time between two connects to one gateway. It doubles while a connect leaves no gateway behind.
const GATEWAY_WAIT: Duration = Duration::from_secs(2);
const GATEWAY_WAIT_MAX: Duration = Duration::from_secs(64);

/// What one recovery knows.
struct Recovery {
    /// Tells its claims from everybody else's.
    attempt_id: String,
    item: SessionItem,
    /// It asks the gateway; otherwise it reads what another shares.
    asks: bool,
    shared_at: Option<Timestamp>,
    /// It made the connect, which it does once.
    connected: bool,
}

impl Run<'_> {
    /// Waits until the session is usable, and does what can be done for it. Ends while a send is still possible.
    pub(super) async fn recover(&mut self, gateway_was_down: bool) -> Observation {
        let began = self.now();
        tracing::info!(
            session = self.place.session,
            message_id = self.message.message_id,
            "[WhatsApp System] recovery attempted"
        );
        let mut recovery = Recovery {
            attempt_id: self.sender.attempt_id(),
            item: SessionItem::default(),
            asks: false,
            shared_at: None,
            connected: false,
        };
        let left = self.deadline.since(began);
        let watched = self.watch(&mut recovery, began, gateway_was_down);
        let observation = match tokio::time::timeout(left, watched).await {
            Ok(observation) => observation,
            Err(_) => Observation::OutOfTime,
        };
        let took = self.now().since(began);
        const USABLE: &str = "usable";
        let end = match observation {
            Observation::UsableAtOnce | Observation::Recovered => USABLE,
            Observation::Unpaired => "needs pairing",
            Observation::Misconfigured => "misconfigured",
            Observation::GatewayStaysDown => "the gateway stays down",
            _ => "the session stays down",
        };
        self.tell(format!("recovery: {end}"), took);
        self.place.seen = recovery.item.seen;
        let (session, message_id) = (&self.place.session, &self.message.message_id);
        let (connected, elapsed_ms) = (recovery.connected, took.as_millis() as u64);
        if end == USABLE {
            tracing::info!(
                session,
                message_id,
                connected,
                elapsed_ms,
                "[WhatsApp System] recovery succeeded"
            );
        } else {
            tracing::warn!(
                session,
                message_id,
                connected,
                elapsed_ms,
                "[WhatsApp System] recovery failed: {end}"
            );
        }
        observation
    }

    /// Bounded by `assess::advise`, which gives up in time, and by the deadline.
    async fn watch(
        &mut self,
        recovery: &mut Recovery,
        began: Timestamp,
        gateway_was_down: bool,
    ) -> Observation {
        if gateway_was_down && let Err(error) = self.share_no_gateway(recovery, began).await {
            self.store_failed(&error);
        }
        let mut usable = Observation::UsableAtOnce;
        while self.deadline.since(self.now()) > SEND_ROOM {
            match self.look(recovery).await {
                Ok(Glance::Misconfigured) => return Observation::Misconfigured,
                Ok(_) => {}
                Err(error) => self.store_failed(&error),
            }
            let pause = match assess::advise(&recovery.item, began, self.now()) {
                Advice::Send => return usable,
                Advice::GiveUp(observation) => return observation,
                Advice::Connect if !recovery.connected => match self.connect(recovery).await {
                    Ok(true) => FIRST_LOOK,
                    Ok(false) => self.look_pause(),
                    Err(error) => {
                        self.store_failed(&error);
                        self.look_pause()
                    }
                },
                Advice::Connect | Advice::Watch => self.look_pause(),
            };
            usable = Observation::Recovered;
            tokio::time::sleep(pause).await;
        }
        match recovery.item.seen.map(|seen| seen.state) {
            Some(SessionState::Unreachable) => Observation::GatewayStaysDown,
            _ => Observation::SessionStaysDown,
        }
    }

    /// Learns the session's state: from the gateway if it is this recovery's turn to ask, else from the item.
    async fn look(&mut self, recovery: &mut Recovery) -> Result<Glance, StoreError> {
        let (sessions, name) = (&self.sender.sessions, self.place.session.as_str());
        let now = self.now();
        let fresh = |asked| now.since(asked) < LOOK_LIFE;
        if !recovery.asks && recovery.item.asked_at.is_some_and(fresh) {
            recovery.item = sessions.read(name).await?;
            return Ok(Glance::Nothing);
        }
        if !recovery.asks {
            let claim = sessions.claim_look(name, now, LOOK_LIFE, &recovery.attempt_id);
            recovery.shared_at = None;
            match claim.await? {
                Look::Yours(item) => recovery.item = item,
                Look::Anothers(item) => {
                    recovery.item = item;
                    return Ok(Glance::Nothing);
                }
            }
            recovery.asks = true;
        }
        let within = self.sender.clock.until(self.deadline).min(STATUS_MAX);
        let answer = self.sender.gateway.status(&self.place.token, within).await;
        let glance = Glance::new(&answer);
        let now = self.now();
        if let Some(seen) = assess::see(&recovery.item, glance, now) {
            let before = recovery.item.seen.replace(seen);
            let changed = before.is_none_or(|before| before.state != seen.state);
            let shared = |at| now.since(at) < SHARE_EVERY;
            if changed || !recovery.shared_at.is_some_and(shared) {
                self.share(recovery, seen).await?;
            }
            if changed && recovery.connected && seen.state == SessionState::Unreachable {
                self.space_connects(true).await?;
            }
        }
        Ok(glance)
    }

    /// Writes what was seen for everybody who waits, and learns whether somebody else has taken over the asking.
    async fn share(&self, recovery: &mut Recovery, seen: Seen) -> Result<(), StoreError> {
        recovery.shared_at = Some(seen.at);
        recovery.item = self.sender.sessions.saw(&self.place.session, seen).await?;
        let asked_by = recovery.item.asked_by.as_deref();
        recovery.asks = recovery.connected || asked_by == Some(&recovery.attempt_id);
        Ok(())
    }

    /// Writes that there was no gateway at `at`. It starts its sessions by itself when it comes back, which a look that
    /// finds it back could not know.
    async fn share_no_gateway(
        &self,
        recovery: &mut Recovery,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        recovery.item = self.sender.sessions.read(&self.place.session).await?;
        match assess::see(&recovery.item, Glance::NoGateway, at) {
            Some(seen) => self.share(recovery, seen).await,
            None => Ok(()),
        }
    }

    /// Connects the session, if this recovery wins the right to. Answers whether it did.
    async fn connect(&mut self, recovery: &mut Recovery) -> Result<bool, StoreError> {
        let (sessions, clock) = (&self.sender.sessions, &self.sender.clock);
        let (item, attempt_id) = (&recovery.item, recovery.attempt_id.as_str());
        let mut gateway = sessions.read(GATEWAY).await?;
        let now = clock.now();
        let opens = |gateway: &SessionItem| gateway.connect_after.unwrap_or(now);
        if opens(&gateway).since(now) >= CONNECT_WITHIN {
            return Ok(false);
        }
        let wait = assess::connect_wait(item);
        let won_at = match sessions
            .take_connect_right(&self.place.session, item, now, wait, attempt_id)
            .await?
        {
            ConnectRight::Won(at) => at,
            ConnectRight::Lost(item) => {
                recovery.asks = false;
                recovery.item = item;
                return Ok(false);
            }
        };
        // From here on the right of the session is used up, whatever happens, and passes by itself.
        let last = won_at
            .plus(CONNECT_WITHIN)
            .min(self.deadline.minus(SEND_ROOM));
        loop {
            let now = clock.now();
            if now.max(opens(&gateway)) >= last {
                return Ok(false);
            }
            tokio::time::sleep(opens(&gateway).since(now)).await;
            let wait = gateway.connect_wait.unwrap_or(GATEWAY_WAIT);
            match sessions
                .take_connect_right(GATEWAY, &gateway, clock.now(), wait, attempt_id)
                .await?
            {
                ConnectRight::Won(_) => break,
                ConnectRight::Lost(item) => gateway = item,
            }
        }
        let began = clock.now();
        if began >= last {
            return Ok(false);
        }
        recovery.connected = true;
        recovery.asks = true;
        let answer = self
            .sender
            .gateway
            .connect(&self.place.token, CONNECT_MAX)
            .await;
        let took = clock.now().since(began);
        self.tell(
            match &answer {
                Ok(()) => "connect".to_owned(),
                Err(error) => format!("connect: {error}"),
            },
            took,
        );
        // Any other answer says little, "already connected" included: the next look tells.
        if let Err(Observation::GatewayDown) = answer.map_err(|error| classify(&error)) {
            self.share_no_gateway(recovery, clock.now()).await?;
            self.space_connects(true).await?;
        } else if gateway.connect_wait.is_some_and(|wait| wait > GATEWAY_WAIT) {
            self.space_connects(false).await?;
        }
        Ok(true)
    }

    /// Says how soon the gateway may see the next connect, of any session: later each time while it `went_down`.
    async fn space_connects(&self, went_down: bool) -> Result<(), StoreError> {
        let sessions = &self.sender.sessions;
        let wait = match went_down {
            true => {
                sessions
                    .read(GATEWAY)
                    .await?
                    .connect_wait
                    .unwrap_or(GATEWAY_WAIT)
                    * 2
            }
            false => GATEWAY_WAIT,
        };
        sessions
            .pace_connects(self.now(), wait.min(GATEWAY_WAIT_MAX))
            .await
    }

    fn look_pause(&self) -> Duration {
        let half = LOOK_EVERY.as_millis() as u64 / 2;
        LOOK_EVERY + Duration::from_millis(self.sender.entropy.below(half))
    }
}
