//! Makes a session usable again: looks at it, shares what it sees through the session's item, and connects if it wins
//! the right to. However many functions wait for a session, one asks the gateway and one connects; when that one is
//! frozen or killed, another takes over as soon as the look or the right has passed.
use std::pin::pin;
use std::time::Duration;

use super::act::{Run, SEND_ROOM};
use super::assess::{self, Advice, Glance, Outlook};
use super::classify::{Observation, classify};
use crate::gateway::GatewayError;
use crate::platform::timestamp::Timestamp;
use crate::store::StoreError;
use crate::store::whatsapp_sessions::{
    ConnectClaim, ConnectRight, GATEWAY, Look, Seen, SessionItem, SessionState,
};

/// How long a look at the gateway is good enough for everybody.
const LOOK_LIFE: Duration = Duration::from_millis(400);
/// Whoever asks the gateway shares the answer at least this often, so that nobody else needs to ask.
const SHARE_EVERY: Duration = Duration::from_millis(200);
/// The time from one look at the item or the gateway to the next: this, and up to a half more.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The time from a connect to the first look.
const FIRST_LOOK: Duration = Duration::from_millis(150);
/// The longest wait for the answer of a command. The status tells what came of it.
const COMMAND_MAX: Duration = Duration::from_secs(2);
/// The same when the reply waits for nothing else any more.
const LAST_COMMAND_MAX: Duration = Duration::from_secs(1);
/// Whoever wins the right connects within this, or not at all: long before the next right.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long a gateway may take no connect of a session that it has just closed.
const CLOSES_FOR: Duration = Duration::from_millis(1_100);
/// The time between two connects to one gateway.
const GATEWAY_WAIT: Duration = Duration::from_secs(2);
/// The same after a connect that left no gateway behind: an outage must not outlast WhatsApp's.
const GATEWAY_WAIT_AFTER_DEATH: Duration = Duration::from_secs(30);
/// Nobody takes the right of a session longer than this before its gateway takes a connect.
const GATEWAY_OPENS_SOON: Duration = Duration::from_millis(500);
/// A gateway that is gone this soon after a connect died of it.
const DIES_WITHIN: Duration = Duration::from_secs(5);

/// What one recovery knows.
struct Recovery {
    /// Tells its claims from everybody else's.
    attempt_id: String,
    began: Timestamp,
    item: SessionItem,
    /// The gateway's own item, once it was read.
    gateway: SessionItem,
    /// It asks the gateway; otherwise it reads what another shares.
    asks: bool,
    shared_at: Option<Timestamp>,
    /// When it made the connect, which it does once.
    connected_at: Option<Timestamp>,
    /// It looked last at a session that reconnected and now seems usable, which can be a flicker.
    flickers: bool,
    /// It looked last at a front that answered for the gateway.
    disturbed: bool,
}

/// What a recovery does when it has won the connect right.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cure {
    Connect,
    /// Closes the session first.
    Reset,
}

impl Run<'_> {
    /// Waits until the session is usable, and does what can be done for it. Ends while a send is still possible.
    pub(super) async fn recover(&mut self, gateway_was_down: bool) -> Observation {
        let mut recovery = self.begin_recovery();
        tracing::info!(
            session = self.place.session,
            message_id = self.message.message_id,
            "[WhatsApp System] recovery attempted"
        );
        let left = self.deadline.since(recovery.began);
        let watched = self.watch(&mut recovery, gateway_was_down);
        let observation = match tokio::time::timeout(left, watched).await {
            Ok(observation) => observation,
            Err(_) => Observation::OutOfTime,
        };
        self.end_recovery(&recovery, observation);
        observation
    }

    /// Does for a session that turned out to be suspect what can be done before the reply: closes it and connects it, if
    /// nobody else does. Waits for nothing, since the message is not sent again.
    pub(super) async fn leave_cured(&mut self, item: SessionItem) {
        let mut recovery = self.begin_recovery();
        recovery.item = item;
        let left = self.deadline.since(recovery.began);
        let cured = self.connect(&mut recovery, Cure::Reset, self.deadline, LAST_COMMAND_MAX);
        match tokio::time::timeout(left, cured).await {
            Ok(Ok(_)) | Err(_) => {}
            Ok(Err(error)) => self.store_failed(&error),
        }
    }

    fn begin_recovery(&self) -> Recovery {
        Recovery {
            attempt_id: self.sender.attempt_id(),
            began: self.now(),
            item: SessionItem::default(),
            gateway: SessionItem::default(),
            asks: false,
            shared_at: None,
            connected_at: None,
            flickers: false,
            disturbed: false,
        }
    }

    /// Tells how the recovery ended: in the message's story, and in the log.
    fn end_recovery(&mut self, recovery: &Recovery, observation: Observation) {
        const USABLE: &str = "usable";
        let now = self.now();
        let took = now.since(recovery.began);
        let end = match observation {
            Observation::UsableAtOnce | Observation::Recovered => USABLE,
            Observation::Unpaired => "needs pairing",
            Observation::Stuck => "needs a restart of the gateway",
            Observation::Misconfigured => "misconfigured",
            Observation::GatewayStaysDown => "the gateway stays down",
            _ => "the session stays down",
        };
        self.add_step(format!("recovery: {end}"), took);
        if recovery.item != SessionItem::default() {
            self.place.item = recovery.item.clone();
        }
        let gateway_opens = recovery.gateway.connect_after;
        self.retry_after = Some(assess::retry_after(&recovery.item, gateway_opens, now));
        let (session, message_id) = (&self.place.session, &self.message.message_id);
        let (connected, elapsed_ms) = (recovery.connected_at.is_some(), took.as_millis() as u64);
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
    }

    /// Bounded by the time that a send needs before the deadline, and by `assess::advise`, which gives up earlier.
    async fn watch(&mut self, recovery: &mut Recovery, gateway_was_down: bool) -> Observation {
        if gateway_was_down && let Err(error) = self.share_no_gateway(recovery).await {
            self.store_failed(&error);
        }
        let mut usable = Observation::UsableAtOnce;
        let last_look = self.deadline.minus(SEND_ROOM);
        while self.now() < last_look {
            match self.look(recovery, last_look).await {
                Ok(Glance::Misconfigured) => return Observation::Misconfigured,
                Ok(_) => {}
                Err(error) => self.store_failed(&error),
            }
            let advice = assess::advise(&recovery.item, &self.outlook(recovery, last_look));
            let pause = match self.follow(recovery, advice, last_look).await {
                Ok(Some(pause)) => pause,
                Ok(None) => self.look_pause(),
                Err(error) => {
                    self.store_failed(&error);
                    self.look_pause()
                }
            };
            match advice {
                Advice::Send => return usable,
                Advice::GiveUp(observation) => return observation,
                _ => usable = Observation::Recovered,
            }
            tokio::time::sleep(pause).await;
        }
        match recovery.item.seen.map(|seen| seen.state) {
            Some(SessionState::Unreachable) => Observation::GatewayStaysDown,
            _ => Observation::SessionStaysDown,
        }
    }

    /// Does what was advised. Answers how long to wait for what comes of it.
    async fn follow(
        &mut self,
        recovery: &mut Recovery,
        advice: Advice,
        last_look: Timestamp,
    ) -> Result<Option<Duration>, StoreError> {
        let cure = match advice {
            Advice::Connect => Cure::Connect,
            Advice::Reset => Cure::Reset,
            Advice::Restart => return self.restart(recovery).await,
            Advice::Send | Advice::Watch | Advice::GiveUp(_) => return Ok(None),
        };
        if recovery.connected_at.is_some() {
            return Ok(None);
        }
        let connected = self.connect(recovery, cure, last_look, COMMAND_MAX).await?;
        Ok(connected.then_some(FIRST_LOOK))
    }

    fn outlook(&self, recovery: &Recovery, last_look: Timestamp) -> Outlook {
        let now = self.now();
        Outlook {
            began: recovery.began,
            now,
            last_connect: last_look,
            gateway_opens: recovery.gateway.connect_after,
            may_restart: self.sender.can_restart
                && assess::may_restart(&recovery.gateway.restarts, now),
        }
    }

    /// Learns the session's state: from the gateway if it is this recovery's turn to ask, else from the item.
    async fn look(
        &mut self,
        recovery: &mut Recovery,
        last_look: Timestamp,
    ) -> Result<Glance, StoreError> {
        if !self.may_ask(recovery).await? {
            return Ok(Glance::Nothing);
        }
        let glance = self.glance(recovery, last_look).await;
        let glance = recovery.believed(glance);
        let now = self.now();
        let Some(seen) = assess::see(&recovery.item, glance, now) else {
            return Ok(glance);
        };
        let before = recovery.item.seen.replace(seen);
        let changed = before.is_none_or(|before| before.state != seen.state);
        let shared = |at| now.since(at) < SHARE_EVERY;
        if changed || !recovery.shared_at.is_some_and(shared) {
            self.share(recovery, seen).await?;
        }
        if changed && seen.state == SessionState::Unreachable {
            self.blame_connect(recovery).await?;
        }
        if changed && seen.state == SessionState::NeedsRestart {
            recovery.gateway = self.sender.sessions.read(GATEWAY).await?;
        }
        Ok(glance)
    }

    /// Whether it is this recovery's turn to ask the gateway. Otherwise the item was read.
    async fn may_ask(&self, recovery: &mut Recovery) -> Result<bool, StoreError> {
        if recovery.asks {
            return Ok(true);
        }
        let (sessions, name) = (&self.sender.sessions, self.place.session.as_str());
        let now = self.now();
        let fresh = |asked| now.since(asked) < LOOK_LIFE;
        if recovery.item.asked_at.is_some_and(fresh) {
            recovery.item = sessions.read(name).await?;
            return Ok(false);
        }
        recovery.shared_at = None;
        let claim = sessions.claim_look(name, now, LOOK_LIFE, &recovery.attempt_id);
        match claim.await? {
            Look::Yours(item) => {
                recovery.item = item;
                recovery.asks = true;
            }
            Look::Anothers(item) => recovery.item = item,
        }
        Ok(recovery.asks)
    }

    /// Asks the gateway how the session is. While the gateway holds its answer back, which it does while it dials, the
    /// others are told so, and nobody asks beside this call.
    async fn glance(&self, recovery: &mut Recovery, last_look: Timestamp) -> Glance {
        let (gateway, token) = (&self.sender.gateway, &self.place.token);
        let within = last_look.since(self.now()).max(LOOK_EVERY);
        let mut status = pin!(gateway.status(token, within));
        let answer = loop {
            match tokio::time::timeout(SHARE_EVERY, &mut status).await {
                Ok(answer) => break answer,
                Err(_) => self.share_held_back(recovery).await,
            }
        };
        let glance = Glance::new(&answer);
        let tells_qr_code = answer.is_ok_and(|status| status.has_qr_code.is_some());
        let opening = Glance::Flags {
            connected: true,
            logged_in: false,
        };
        if glance != opening || tells_qr_code {
            return glance;
        }
        // This version's status does not tell a login from a wait for somebody who scans.
        let within = last_look.since(self.now()).clamp(LOOK_EVERY, COMMAND_MAX);
        match gateway.qr(token, within).await {
            Ok(Some(_)) => Glance::QrCode,
            _ => glance,
        }
    }

    async fn share_held_back(&self, recovery: &mut Recovery) {
        let Some(seen) = assess::see(&recovery.item, Glance::HeldBack, self.now()) else {
            return;
        };
        recovery.item.seen = Some(seen);
        if let Err(error) = self.share(recovery, seen).await {
            self.store_failed(&error);
        }
    }

    /// Writes what was seen for everybody who waits, and learns whether somebody else has taken over the asking.
    async fn share(&self, recovery: &mut Recovery, seen: Seen) -> Result<(), StoreError> {
        recovery.shared_at = Some(seen.at);
        recovery.item = self.sender.sessions.saw(&self.place.session, seen).await?;
        let asked_by = recovery.item.asked_by.as_deref();
        recovery.asks =
            recovery.connected_at.is_some() || asked_by == Some(recovery.attempt_id.as_str());
        Ok(())
    }

    /// Writes that there is no gateway. It starts its sessions by itself when it comes back, which a look that finds it
    /// back could not know.
    async fn share_no_gateway(&self, recovery: &mut Recovery) -> Result<(), StoreError> {
        recovery.item = self.sender.sessions.read(&self.place.session).await?;
        match assess::see(&recovery.item, Glance::NoGateway, self.now()) {
            Some(seen) => self.share(recovery, seen).await,
            None => Ok(()),
        }
    }

    /// Spaces connects further apart when this recovery's own connect has just ended the gateway's process.
    async fn blame_connect(&self, recovery: &mut Recovery) -> Result<(), StoreError> {
        let now = self.now();
        let died = recovery
            .connected_at
            .is_some_and(|connect| now.since(connect) <= DIES_WITHIN);
        if !died {
            return Ok(());
        }
        tracing::error!(
            session = self.place.session,
            "[WhatsApp System] a connect ended the gateway's process: it does so while WhatsApp cannot be reached"
        );
        self.space_connects(recovery, GATEWAY_WAIT_AFTER_DEATH)
            .await
    }

    async fn space_connects(
        &self,
        recovery: &mut Recovery,
        wait: Duration,
    ) -> Result<(), StoreError> {
        let now = self.now();
        recovery.gateway.connect_after = Some(now.plus(wait));
        self.sender.sessions.pace_connects(now, wait).await
    }

    /// Connects the session, if this recovery wins the right to. Answers whether it did.
    async fn connect(
        &mut self,
        recovery: &mut Recovery,
        cure: Cure,
        last_look: Timestamp,
        command_max: Duration,
    ) -> Result<bool, StoreError> {
        if !self.win_session(recovery, last_look).await?
            || !self.win_gateway(recovery, last_look).await?
        {
            return Ok(false);
        }
        recovery.connected_at = Some(self.now());
        recovery.asks = true;
        if cure == Cure::Reset {
            // Refused when it closed meanwhile: then the connect is all that is needed.
            let _ = self.command(Command::Disconnect, command_max).await;
        }
        let mut answer = self.command(Command::Connect, command_max).await;
        if cure == Cure::Reset && matches!(answer, Err(GatewayError::Refused { .. })) {
            // Some versions take no connect for a second after they closed a session.
            tokio::time::sleep(CLOSES_FOR).await;
            answer = self.command(Command::Connect, command_max).await;
        }
        self.note_answer(recovery, cure, &answer).await?;
        Ok(true)
    }

    /// Takes the connect right of the session, unless the gateway takes no connect soon: a right that is not used keeps
    /// everybody from connecting until it has passed.
    async fn win_session(
        &self,
        recovery: &mut Recovery,
        last_look: Timestamp,
    ) -> Result<bool, StoreError> {
        let sessions = &self.sender.sessions;
        recovery.gateway = sessions.read(GATEWAY).await?;
        let now = self.now();
        let opens = recovery.gateway.connect_after.unwrap_or(now);
        if opens.since(now) > GATEWAY_OPENS_SOON || opens.plus(GATEWAY_OPENS_SOON) > last_look {
            return Ok(false);
        }
        let item = &recovery.item;
        let state = item.seen.map(|seen| seen.state);
        let claim = ConnectClaim {
            attempt_id: &recovery.attempt_id,
            now,
            wait: assess::connect_wait(item),
            early: assess::may_connect_early(item, now),
            over_library: state == Some(SessionState::Reconnecting),
        };
        let right = sessions.take_connect_right(&self.place.session, item, &claim);
        match right.await? {
            ConnectRight::Won(_) => Ok(true),
            ConnectRight::Lost(item) => {
                recovery.asks = false;
                recovery.item = *item;
                Ok(false)
            }
        }
    }

    /// Waits for the gateway's own connect right. Whatever happens, the right of the session is used up and passes by
    /// itself. Bounded by `CONNECT_WITHIN`.
    async fn win_gateway(
        &self,
        recovery: &mut Recovery,
        last_look: Timestamp,
    ) -> Result<bool, StoreError> {
        let last = self.now().plus(CONNECT_WITHIN).min(last_look);
        loop {
            let now = self.now();
            let opens = recovery.gateway.connect_after.unwrap_or(now);
            if now.max(opens) >= last {
                return Ok(false);
            }
            tokio::time::sleep(opens.since(now)).await;
            let claim = ConnectClaim {
                attempt_id: &recovery.attempt_id,
                now: self.now(),
                wait: GATEWAY_WAIT,
                early: false,
                over_library: false,
            };
            let gateway = &recovery.gateway;
            let right = self
                .sender
                .sessions
                .take_connect_right(GATEWAY, gateway, &claim);
            match right.await? {
                ConnectRight::Won(_) => return Ok(self.now() < last),
                ConnectRight::Lost(item) => recovery.gateway = *item,
            }
        }
    }

    /// One command to the gateway, as a step of the message's story.
    async fn command(
        &mut self,
        command: Command,
        command_max: Duration,
    ) -> Result<(), GatewayError> {
        let began = self.now();
        let (gateway, token) = (&self.sender.gateway, &self.place.token);
        let answer = match command {
            Command::Connect => gateway.connect(token, command_max).await,
            Command::Disconnect => gateway.disconnect(token, command_max).await,
            Command::Restart => gateway.restart(command_max).await,
        };
        let name = command.name();
        let step = match &answer {
            Ok(()) => name.to_owned(),
            Err(error) => format!("{name}: {error}"),
        };
        self.add_step(step, self.now().since(began));
        answer
    }

    /// What the answer of a connect shows. "Already connected" is none: the next look tells.
    async fn note_answer(
        &self,
        recovery: &mut Recovery,
        cure: Cure,
        answer: &Result<(), GatewayError>,
    ) -> Result<(), StoreError> {
        let (sessions, name) = (&self.sender.sessions, self.place.session.as_str());
        let was_down = recovery.item.seen.is_some_and(|seen| {
            matches!(
                seen.state,
                SessionState::Down | SessionState::Reconnecting | SessionState::NeedsRestart
            )
        });
        match answer {
            Err(error) if classify(error) == Observation::GatewayDown => {
                self.share_no_gateway(recovery).await?;
                self.blame_connect(recovery).await
            }
            Err(GatewayError::Refused { .. }) if was_down => {
                let seen = recovery.item.seen;
                recovery.item = sessions.note_refusal(name, self.now()).await?;
                recovery.item.seen = recovery.item.seen.or(seen);
                Ok(())
            }
            // From here on good flags can be believed again.
            _ if cure == Cure::Reset => {
                let now = self.now();
                let seen = Seen {
                    state: SessionState::Opening,
                    since: now,
                    at: now,
                };
                self.share(recovery, seen).await
            }
            _ => Ok(()),
        }
    }

    /// Has the gateway restarted, if nobody else does. It starts its sessions by itself.
    async fn restart(&mut self, recovery: &mut Recovery) -> Result<Option<Duration>, StoreError> {
        let sessions = &self.sender.sessions;
        if !sessions
            .take_restart_right(&recovery.gateway, self.now())
            .await?
        {
            recovery.gateway = sessions.read(GATEWAY).await?;
            return Ok(None);
        }
        recovery.gateway.restarts.push(self.now());
        tracing::warn!(
            session = self.place.session,
            "[WhatsApp System] the gateway is restarted, since nothing else helps"
        );
        let answer = self.command(Command::Restart, COMMAND_MAX).await;
        if answer.is_err() {
            tracing::error!(
                session = self.place.session,
                "[WhatsApp System] the gateway could not be restarted: check GATEWAY_RESTART_URL"
            );
            return Ok(None);
        }
        self.sender
            .sessions
            .forget_refusals(&self.place.session)
            .await?;
        self.share_no_gateway(recovery).await?;
        Ok(Some(FIRST_LOOK))
    }

    fn look_pause(&self) -> Duration {
        let half = LOOK_EVERY.as_millis() as u64 / 2;
        LOOK_EVERY + Duration::from_millis(self.sender.entropy.below(half))
    }
}

impl Recovery {
    /// A glance that may be believed. A session that was reconnecting can seem usable for a moment when its login is
    /// refused, and a front can fail for a moment: both have to be seen twice in a row.
    fn believed(&mut self, glance: Glance) -> Glance {
        let usable = Glance::Flags {
            connected: true,
            logged_in: true,
        };
        let reconnecting = self
            .item
            .seen
            .is_some_and(|seen| seen.state == SessionState::Reconnecting);
        let flickered = std::mem::replace(&mut self.flickers, glance == usable && reconnecting);
        let was_disturbed = std::mem::replace(&mut self.disturbed, glance == Glance::Disturbed);
        if self.flickers && !flickered {
            return Glance::Nothing;
        }
        if self.disturbed && was_disturbed {
            return Glance::NoGateway;
        }
        glance
    }
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
