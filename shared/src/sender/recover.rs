//! Makes a session usable again. However many functions wait for a session, one asks the gateway and one connects; when
//! that one is frozen or killed, another takes over as soon as the look or the right has passed. What they see they share
//! through the session's item.
use std::time::Duration;

use super::advise::{self, Advice, Outlook};
use super::assess::Glance;
use super::classify::Observation;
use super::queue::Place;
use super::run::{Run, SEND_ROOM};
use super::services::Services;
use super::spacing;
use crate::gateway::GatewayError;
use crate::platform::timestamp::Timestamp;
use crate::store::StoreError;
use crate::store::whatsapp_sessions::{SeenState, SessionItem, SessionState};

// In reading order: each file uses only what stands above it.

/// What one recovery knows.
mod recovery;

/// What came of one that no message waited for.
mod repair;

/// How it learns the session's state.
mod look;

/// What it tells the gateway to do.
mod connect;

use self::connect::Cure;
use self::look::LOOK_EVERY;
use self::recovery::{Asker, Patient, Recovery};

pub use self::repair::Repair;

/// The time from a connect to the first look.
const FIRST_LOOK: Duration = Duration::from_millis(150);
/// The longest wait for the answer of a command. The status tells what came of it.
const COMMAND_MAX: Duration = Duration::from_secs(2);
/// The same when the reply waits for nothing else any more.
const LAST_COMMAND_MAX: Duration = Duration::from_secs(1);

/// The longest that is looked after a session that the message does not wait for.
const NUDGE_MAX: Duration = Duration::from_millis(2_500);

/// The time from one look to the next at a session that no message waits for.
const TEND_EVERY: Duration = Duration::from_millis(500);
/// How long such a session is watched while it comes back by itself, or its gateway is gone.
const WATCHES_OTHERS: Duration = Duration::from_secs(5);
/// A connect that may have made two clients is looked at again for so long.
const SETTLES: Duration = Duration::from_secs(7);
/// How often a session that somebody has to pair is connected while no message needs it.
const ASKS_FOR_QR_CODES_EVERY: Duration = Duration::from_secs(60 * 60);

/// How a recovery that succeeded is called in the message's story.
const USABLE: &str = "usable";

/// Waits until the session of `run` is usable, and does what can be done for it. Ends while a send is still possible.
pub(super) async fn recover(run: &mut Run<'_>, gateway_was_down: bool) -> Observation {
    let (deadline, last_look) = (run.deadline, run.deadline.minus(SEND_ROOM));
    let mut recovery = Recovery::new(patient(run), last_look, COMMAND_MAX);
    recovery.log_attempt();
    let left = deadline.since(recovery.began);
    let watched = recovery.watch(gateway_was_down);
    let observation = match tokio::time::timeout(left, watched).await {
        Ok(observation) => observation,
        Err(_) => Observation::OutOfTime,
    };
    run.retry_after = Some(recovery.end(observation));
    observation
}

/// The session of `run`, which the message waits for.
fn patient<'r>(run: &'r mut Run<'_>) -> Patient<'r> {
    Patient {
        services: run.services,
        place: &mut run.place,
        message_id: Some(&run.message.message_id),
        steps: &mut run.steps,
    }
}

/// Looks at the session of `run` once and does what can be done for it, although the message goes out from another one. Waits
/// for nothing that comes of it. Answers whether it is usable, as far as its status shows.
pub(super) async fn nudge(run: &mut Run<'_>) -> bool {
    let deadline = run.deadline.min(run.now().plus(NUDGE_MAX));
    let mut recovery = Recovery::new(patient(run), deadline, LAST_COMMAND_MAX);
    let nudged = async {
        recovery.look().await?;
        let advice = advise::advise(&recovery.item, &recovery.outlook());
        recovery.follow(advice).await;
        Ok(advice == Advice::Send)
    };
    let nudged = tokio::time::timeout(NUDGE_MAX, nudged).await;
    if recovery.item != SessionItem::default() {
        recovery.patient.place.item = recovery.item;
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
    let mut recovery = Recovery::new(patient(run), deadline, LAST_COMMAND_MAX);
    recovery.item = suspect;
    let left = deadline.since(recovery.began);
    let connected = recovery.connect(Cure::Reset);
    match tokio::time::timeout(left, connected).await {
        Ok(Ok(_)) | Err(_) => {}
        Ok(Err(error)) => run.store_failed(&error),
    }
}

/// What came of a connect that a person wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandConnect {
    /// The gateway was told to, and this is its answer.
    Told(Result<(), GatewayError>),
    /// Somebody has connected it a moment ago, or its gateway takes no connect yet: possible from then on.
    NotBefore(Timestamp),
}

/// Connects the session of `place` for a person, under the same right as everybody, so that no two clients come of it.
pub(super) async fn connect_by_hand(
    services: &Services,
    place: &mut Place,
    until: Timestamp,
) -> Result<HandConnect, StoreError> {
    let mut steps = Vec::new();
    let patient = Patient {
        services,
        place,
        message_id: None,
        steps: &mut steps,
    };
    let mut recovery = Recovery::new(patient, until, COMMAND_MAX);
    recovery.item = recovery.patient.place.item.clone();
    recovery.asker = Asker::Person;
    recovery.connect(Cure::Connect).await?;
    let (gateway_opens, now) = (recovery.gateway.connect_after, recovery.patient.now());
    Ok(match recovery.connect_answer {
        Some(answer) => HandConnect::Told(answer),
        None => {
            let opens = spacing::next_by_hand(&recovery.item, gateway_opens);
            HandConnect::NotBefore(opens.max(now))
        }
    })
}

/// What may be done for a session that no message waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Care {
    /// Whatever brings it back.
    Mend,
    /// Nothing: nobody sends from it.
    Look,
}

/// Looks at the session of `place`, which no message waits for, and does what can be done for it until `until`. Answers what
/// came of that.
pub(super) async fn tend(
    services: &Services,
    place: &mut Place,
    care: Care,
    until: Timestamp,
) -> Repair {
    let mut steps = Vec::new();
    let patient = Patient {
        services,
        place,
        message_id: None,
        steps: &mut steps,
    };
    let mut recovery = Recovery::new(patient, until, COMMAND_MAX);
    let left = until.since(recovery.began);
    // What was seen by then is in the item, and the next run goes on from there.
    let _ = tokio::time::timeout(left, recovery.tend(care)).await;
    let now = recovery.patient.now();
    let (took, item) = (now.since(recovery.began), recovery.item);
    if item != SessionItem::default() {
        place.item = item;
    }
    let repair = Repair::of(&place.item, !steps.is_empty(), now);
    repair.log(&place.session, &steps, took);
    repair
}

impl Recovery<'_> {
    /// Looks until nothing more can be done now, or the time is over.
    async fn tend(&mut self, care: Care) {
        while self.patient.now() < self.last_look {
            match self.look().await {
                Ok(Glance::Misconfigured) => return self.share_misconfigured().await,
                Ok(_) => {}
                Err(error) => self.patient.store_failed(&error),
            }
            let advice = advise::advise(&self.item, &self.outlook());
            if care == Care::Look || self.is_tended(advice) {
                return;
            }
            if matches!(advice, Advice::Connect | Advice::Reset) {
                // The right keeps connects apart: it is free again only when one more is due.
                self.connected_at = None;
            }
            let pause = self.follow(advice).await;
            tokio::time::sleep(pause.max(TEND_EVERY)).await;
        }
    }

    /// Whether nothing more has to be done for the session now, so that the next run is early enough.
    fn is_tended(&self, advice: Advice) -> bool {
        let now = self.patient.now();
        let state = self.item.seen.map(|seen| seen.state);
        let connected_within = |span| self.item.connect_at.is_some_and(|at| now < at.plus(span));
        match advice {
            // A client beside another one seems usable, until the two replace each other.
            Advice::Send => !(self.item.over_library && connected_within(SETTLES)),
            Advice::GiveUp(_) => true,
            // Each connect asks WhatsApp for QR codes, and nobody may be there to scan them.
            Advice::Connect if state == Some(SessionState::Unlinked) => {
                connected_within(ASKS_FOR_QR_CODES_EVERY)
            }
            Advice::Watch => {
                let by_itself = [SessionState::Reconnecting, SessionState::Unreachable];
                let comes_by_itself = state.is_some_and(|state| by_itself.contains(&state));
                comes_by_itself && now >= self.began.plus(WATCHES_OTHERS)
            }
            Advice::Connect | Advice::Reset | Advice::Restart => false,
        }
    }

    /// Writes that the gateway refuses the token. Where a message waits, the end of the message writes that.
    async fn share_misconfigured(&mut self) {
        let (state, now) = (SessionState::Misconfigured, self.patient.now());
        let seen = SeenState::after(self.item.seen, state, now);
        if let Err(error) = self.share(seen).await {
            self.patient.store_failed(&error);
        }
    }

    /// Looks at the session and follows the advice, again and again. Bounded by the time that a send needs before the
    /// deadline, and by `advise`, which gives up earlier.
    async fn watch(&mut self, gateway_was_down: bool) -> Observation {
        if gateway_was_down && let Err(error) = self.share_no_gateway().await {
            self.patient.store_failed(&error);
        }
        let mut usable = Observation::UsableAtOnce;
        while self.patient.now() < self.last_look {
            match self.look().await {
                Ok(Glance::Misconfigured) => return Observation::Misconfigured,
                Ok(_) => {}
                Err(error) => self.patient.store_failed(&error),
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
            Err(error) => self.patient.store_failed(&error),
        }
        let half = LOOK_EVERY.as_millis() as u64 / 2;
        LOOK_EVERY + Duration::from_millis(self.patient.services.entropy.below(half))
    }

    async fn connect_once(&mut self, cure: Cure) -> Result<bool, StoreError> {
        if self.connected_at.is_some() {
            return Ok(false);
        }
        self.connect(cure).await
    }

    fn outlook(&self) -> Outlook {
        let now = self.patient.now();
        Outlook {
            began: self.began,
            now,
            // What comes of a connect is seen by a look.
            connect_deadline: self.last_look,
            gateway_opens: self.gateway.connect_after,
            may_restart: self.can_restart() && spacing::may_restart(&self.gateway.restarts, now),
        }
    }

    /// Whether somebody can be asked to restart the session's gateway, and no other session loses by it.
    fn can_restart(&self) -> bool {
        let place = &self.patient.place;
        place.restart_url.is_some() && !place.has_neighbours()
    }

    /// Writes how the recovery ended: into the story, and into the log. Answers how long until something new can be tried.
    fn end(mut self, observation: Observation) -> Duration {
        let now = self.patient.now();
        let took = now.since(self.began);
        let end = end_step(observation);
        self.patient.add_step(format!("recovery: {end}"), took);
        let gateway_opens = self.gateway.connect_after;
        let retry_after = spacing::retry_after(&self.item, gateway_opens, now);
        self.log(end, took);
        if self.item != SessionItem::default() {
            self.patient.place.item = self.item;
        }
        retry_after
    }

    fn log_attempt(&self) {
        tracing::info!(
            session = self.patient.place.session,
            message_id = self.patient.message_id,
            "[WhatsApp System] recovery attempted"
        );
    }

    fn log(&self, end: &str, took: Duration) {
        let session = &self.patient.place.session;
        let message_id = self.patient.message_id;
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
        Observation::Restricted => "WhatsApp keeps the account out",
        Observation::GatewayStaysDown => "the gateway stays down",
        _ => "the session stays down",
    }
}
