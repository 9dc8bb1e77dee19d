//! Makes a session usable again. However many functions wait for a session, one asks the gateway and one connects; when
//! that one is frozen or killed, another takes over as soon as the look or the right has passed. What they see they share
//! through the session's item.
use std::time::Duration;

use super::advise::{self, Advice, Outlook};
use super::assess::Glance;
use super::classify::Observation;
use super::run::{Run, SEND_ROOM};
use super::spacing;
use crate::store::StoreError;
use crate::store::whatsapp_sessions::{GATEWAY, SessionItem, SessionState};

// In reading order: each file uses only what stands above it.

/// What one recovery knows.
mod recovery;

/// How it learns the session's state.
mod look;

/// What it tells the gateway to do.
mod connect;

use self::connect::Cure;
use self::look::LOOK_EVERY;
use self::recovery::Recovery;

/// The time from a connect to the first look.
const FIRST_LOOK: Duration = Duration::from_millis(150);
/// The longest wait for the answer of a command. The status tells what came of it.
const COMMAND_MAX: Duration = Duration::from_secs(2);
/// The same when the reply waits for nothing else any more.
const LAST_COMMAND_MAX: Duration = Duration::from_secs(1);

/// The longest that is looked after a session that the message does not wait for.
const NUDGE_MAX: Duration = Duration::from_millis(2_500);

/// How a recovery that succeeded is called in the message's story.
const USABLE: &str = "usable";

/// Waits until the session of `run` is usable, and does what can be done for it. Ends while a send is still possible.
pub(super) async fn recover(run: &mut Run<'_>, gateway_was_down: bool) -> Observation {
    let last_look = run.deadline.minus(SEND_ROOM);
    let mut recovery = Recovery::new(run, last_look, COMMAND_MAX);
    tracing::info!(
        session = recovery.run.place.session,
        message_id = recovery.run.message.message_id,
        "[WhatsApp System] recovery attempted"
    );
    let left = recovery.run.deadline.since(recovery.began);
    let watched = recovery.watch(gateway_was_down);
    let observation = match tokio::time::timeout(left, watched).await {
        Ok(observation) => observation,
        Err(_) => Observation::OutOfTime,
    };
    recovery.end(observation);
    observation
}

/// Looks at the session of `run` once and does what can be done for it, although the message goes out from another one. Waits
/// for nothing that comes of it. Answers whether it is usable, as far as its status shows.
pub(super) async fn nudge(run: &mut Run<'_>) -> bool {
    let deadline = run.deadline.min(run.now().plus(NUDGE_MAX));
    let mut recovery = Recovery::new(run, deadline, LAST_COMMAND_MAX);
    let nudged = async {
        recovery.look().await?;
        let advice = advise::advise(&recovery.item, &recovery.outlook());
        recovery.follow(advice).await;
        Ok(advice == Advice::Send)
    };
    let nudged = tokio::time::timeout(NUDGE_MAX, nudged).await;
    if recovery.item != SessionItem::default() {
        recovery.run.place.item = recovery.item;
    }
    match nudged {
        Ok(Ok(usable)) => usable,
        Ok(Err(error)) => {
            run.store_failed(&error);
            false
        }
        Err(_) => false,
    }
}

/// Closes and connects a session that turned out to be `suspect`, if nobody else does. Waits for nothing that comes of it,
/// since the message is not sent again.
pub(super) async fn reset(run: &mut Run<'_>, suspect: SessionItem) {
    let deadline = run.deadline;
    let mut recovery = Recovery::new(run, deadline, LAST_COMMAND_MAX);
    recovery.item = suspect;
    let left = deadline.since(recovery.began);
    let connected = recovery.connect(Cure::Reset);
    match tokio::time::timeout(left, connected).await {
        Ok(Ok(_)) | Err(_) => {}
        Ok(Err(error)) => run.store_failed(&error),
    }
}

impl Recovery<'_, '_> {
    /// Looks at the session and follows the advice, again and again. Bounded by the time that a send needs before the
    /// deadline, and by `advise`, which gives up earlier.
    async fn watch(&mut self, gateway_was_down: bool) -> Observation {
        if gateway_was_down && let Err(error) = self.share_no_gateway().await {
            self.run.store_failed(&error);
        }
        let mut usable = Observation::UsableAtOnce;
        while self.run.now() < self.last_look {
            match self.look().await {
                Ok(Glance::Misconfigured) => return Observation::Misconfigured,
                Ok(_) => {}
                Err(error) => self.run.store_failed(&error),
            }
            let advice = advise::advise(&self.item, &self.outlook());
            let pause = self.follow(advice).await;
            match advice {
                Advice::Send => return usable,
                Advice::GiveUp(observation) => return observation,
                _ => usable = Observation::Recovered,
            }
            tokio::time::sleep(pause).await;
        }
        match self.item.seen.map(|seen| seen.state) {
            Some(SessionState::Unreachable) => Observation::GatewayStaysDown,
            _ => Observation::SessionStaysDown,
        }
    }

    /// Does what was advised. Answers how long to wait for what comes of it.
    async fn follow(&mut self, advice: Advice) -> Duration {
        let acted = match advice {
            Advice::Connect => self.connect_once(Cure::Connect).await,
            Advice::Reset => self.connect_once(Cure::Reset).await,
            Advice::Restart => self.restart().await,
            Advice::Send | Advice::Watch | Advice::GiveUp(_) => Ok(false),
        };
        match acted {
            Ok(true) => return FIRST_LOOK,
            Ok(false) => {}
            Err(error) => self.run.store_failed(&error),
        }
        let half = LOOK_EVERY.as_millis() as u64 / 2;
        LOOK_EVERY + Duration::from_millis(self.run.services.entropy.below(half))
    }

    async fn connect_once(&mut self, cure: Cure) -> Result<bool, StoreError> {
        if self.connected_at.is_some() {
            return Ok(false);
        }
        self.connect(cure).await
    }

    fn outlook(&self) -> Outlook {
        let now = self.run.now();
        Outlook {
            began: self.began,
            now,
            // What comes of a connect is seen by a look.
            connect_deadline: self.last_look,
            gateway_opens: self.gateway.connect_after,
            may_restart: self.may_restart() && spacing::may_restart(&self.gateway.restarts, now),
        }
    }

    /// Whether somebody can be asked to restart the session's gateway, and no other session loses by it.
    fn may_restart(&self) -> bool {
        let place = &self.run.place;
        let can_restart = self.run.services.can_restart && place.gateway_item == GATEWAY;
        can_restart && !place.has_neighbours()
    }

    /// Writes how the recovery ended: into the message's story, and into the log.
    fn end(self, observation: Observation) {
        let now = self.run.now();
        let took = now.since(self.began);
        let end = end_step(observation);
        self.run.add_step(format!("recovery: {end}"), took);
        let gateway_opens = self.gateway.connect_after;
        let retry_after = spacing::retry_after(&self.item, gateway_opens, now);
        self.run.retry_after = Some(retry_after);
        self.log(end, took);
        if self.item != SessionItem::default() {
            self.run.place.item = self.item;
        }
    }

    fn log(&self, end: &str, took: Duration) {
        let session = &self.run.place.session;
        let message_id = &self.run.message.message_id;
        let (connected, elapsed_ms) = (self.connected_at.is_some(), took.as_millis() as u64);
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
}

/// The words for the end of a recovery.
const fn end_step(observation: Observation) -> &'static str {
    match observation {
        Observation::UsableAtOnce | Observation::Recovered => USABLE,
        Observation::Unpaired => "needs pairing",
        Observation::Stuck => "needs a restart of the gateway",
        Observation::Misconfigured => "misconfigured",
        Observation::GatewayStaysDown => "the gateway stays down",
        _ => "the session stays down",
    }
}
