//! What is looked at each minute, whether or not anybody sends: every session and its gateway, the sessions' webhooks, and
//! whether messages arrive. What can be done is done; what is left for a person is in the report.
//!
//! Runs side by side are safe: whatever changes something is claimed first, as everywhere.
use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;

use crate::platform::clock::Clock;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::runtime::metrics::Meter;
use crate::sender::{Sender, Ward};
use crate::store::StoreError;

/// What one run has found.
mod report;

/// Whether a session posts its webhooks here.
mod webhook;

/// Whether a session's messages arrive.
mod silence;

/// When the incidents of sessions begin and end.
mod incidents;

/// Who is called when a session needs pairing.
mod pairing;

pub use self::report::{Found, NeedsHuman, WatchReport, WatchedGateway, WatchedSession};
pub use self::webhook::WebhookCheck;

use self::incidents::IncidentWatch;
use self::pairing::PairingCalls;
use self::silence::Silence;
pub(super) use self::webhook::WebhookWatch;

/// What a run leaves of its time, to report.
const RESERVE: Duration = Duration::from_secs(2);
/// What is left for the webhook and the messages of a session after it was looked at.
const AFTER_LOOK: Duration = Duration::from_secs(8);
/// The longest that one session is looked after. A dial or a login that does not end shows that within this.
const SESSION_MAX: Duration = Duration::from_secs(35);
/// How many sessions of one gateway are looked after at a time. Gateways do not wait for each other.
const SIDE_BY_SIDE: usize = 32;

/// Watches over the sessions.
#[derive(Clone, Debug)]
pub struct Watch {
    sender: Sender,
    webhooks: WebhookWatch,
    silence: Silence,
    incidents: IncidentWatch,
    calls: PairingCalls,
    meter: Meter,
    clock: Clock,
}

impl Watch {
    /// Over `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            sender: Sender::new(backends),
            webhooks: WebhookWatch::new(backends),
            silence: Silence::new(backends),
            incidents: IncidentWatch::new(backends),
            calls: PairingCalls::new(backends),
            meter: Meter::new(&backends.settings),
            clock: backends.clock.clone(),
        }
    }

    /// Looks after every session once, and is over before `deadline`.
    ///
    /// # Errors
    /// When the store does not say which sessions there are.
    pub async fn run(&self, deadline: Timestamp) -> Result<WatchReport, StoreError> {
        let began = self.clock.now();
        let ends = deadline.minus(RESERVE);
        let mut gateways: BTreeMap<String, Vec<Ward>> = BTreeMap::new();
        for ward in self.sender.wards().await? {
            gateways
                .entry(ward.gateway().to_owned())
                .or_default()
                .push(ward);
        }
        let looked_after = gateways
            .into_values()
            .map(|wards| self.look_after_all(wards, ends));
        let sessions = join_all(looked_after).await.into_iter().flatten();
        let now = self.clock.now();
        let report = WatchReport::new(sessions.collect(), now.since(began));
        report.log();
        self.meter.watched(&report.measured(now), now);
        Ok(report)
    }

    /// The sessions of one gateway. One that hangs holds up no other.
    async fn look_after_all(&self, wards: Vec<Ward>, ends: Timestamp) -> Vec<WatchedSession> {
        let wards = stream::iter(wards).map(|ward| self.look_after(ward, ends));
        wards.buffer_unordered(SIDE_BY_SIDE).collect().await
    }

    /// One session. What was not reached in time is missing in what was found.
    async fn look_after(&self, mut ward: Ward, ends: Timestamp) -> WatchedSession {
        let began = self.clock.now();
        let mut found = Found {
            mute_since: ward.item().mute_since,
            ..Found::default()
        };
        let work = Box::pin(self.work(&mut ward, &mut found, ends));
        let _ = tokio::time::timeout(ends.since(began), work).await;
        let now = self.clock.now();
        let watched = WatchedSession::new(&ward, found, began, now);
        tokio::join!(
            self.incidents.check(&ward, &watched, now),
            self.calls.check(&ward, &watched, now)
        );
        watched
    }

    async fn work(&self, ward: &mut Ward, found: &mut Found, ends: Timestamp) {
        let now = self.clock.now();
        let until = now.plus(SESSION_MAX).min(ends.minus(AFTER_LOOK));
        found.repair = self.sender.look_after(ward, until).await;
        let now = self.clock.now();
        let (webhook, silence) = tokio::join!(
            self.webhooks.check(ward, now),
            self.silence.check(ward, now)
        );
        found.webhook = webhook;
        found.counts = silence.counts;
        found.mute_since = silence.mute_since;
    }
}
