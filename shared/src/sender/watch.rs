//! Looks after sessions that no message needs now, so that they are found well, or their trouble is known, before one does.
use std::sync::Arc;
use std::time::Duration;

use super::assess;
use super::pool::{Candidate, Choice, Pool};
use super::queue::Place;
use super::rank::Contact;
use super::recover::{self, Care, HandConnect, Repair, tend};
use super::services::Services;
use crate::gateway::{GatewayError, WebhookSetup};
use crate::platform::timestamp::Timestamp;
use crate::store::StoreError;
use crate::store::session_list::ListedSession;
use crate::store::whatsapp_sessions::SessionItem;

/// A session that somebody found open so lately is not asked for again.
const FRESH: Duration = Duration::from_secs(5);
/// The longest wait for an answer about a webhook.
const WEBHOOK_MAX: Duration = Duration::from_secs(3);

/// A session to look after.
#[derive(Clone, Debug)]
pub struct Ward {
    place: Place,
    /// Whether messages are sent from it. Otherwise it is only looked at.
    pub sends: bool,
}

impl Ward {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.place.session
    }

    /// The name of its gateway's item.
    pub fn gateway(&self) -> &str {
        &self.place.gateway_item
    }

    /// What is known about it.
    pub const fn item(&self) -> &SessionItem {
        &self.place.item
    }

    /// Where it posts its webhooks.
    ///
    /// # Errors
    /// When there is no good answer.
    pub async fn webhook(&self) -> Result<WebhookSetup, GatewayError> {
        let (gateway, token) = (&self.place.gateway, &self.place.token);
        gateway.webhook(token, WEBHOOK_MAX).await
    }

    /// Has it post its webhooks to `address`.
    ///
    /// # Errors
    /// When there is no good answer.
    pub async fn set_webhook(&self, address: &str) -> Result<(), GatewayError> {
        let (gateway, token) = (&self.place.gateway, &self.place.token);
        gateway.set_webhook(token, address, WEBHOOK_MAX).await
    }
}

/// What is needed to do something for `listed`, whose item is `item`.
pub(super) fn ward(services: &Services, listed: &ListedSession, item: SessionItem) -> Ward {
    let choice = Choice::new(candidate(listed), item, services.clock.now());
    Ward {
        place: Place::without_a_turn(services, &choice),
        sends: listed.sends,
    }
}

/// `listed` as one that no message is sent from.
fn candidate(listed: &ListedSession) -> Candidate {
    Candidate {
        session: listed.session.clone(),
        phone: None,
        is_nobody: false,
        contact: Contact::Known,
        new_chats_max: None,
    }
}

/// Connects the session for a person. Over before `until`.
///
/// # Errors
/// When the store fails.
pub(super) async fn connect_by_hand(
    services: &Services,
    ward: &mut Ward,
    until: Timestamp,
) -> Result<HandConnect, StoreError> {
    recover::connect_by_hand(services, &mut ward.place, until).await
}

/// Every session of `pool`, those that were seen the longest ago first.
///
/// # Errors
/// When the store fails.
pub(super) async fn wards(services: &Services, pool: &Pool) -> Result<Vec<Ward>, StoreError> {
    let now = services.clock.now();
    let listed = pool.every_session(now).await?;
    let names = listed.iter().map(|listed| listed.session.name.as_str());
    let items = services.read_all(names).await?;
    let items = items.into_iter().map(|(_, item)| item);
    let choices = listed.iter().zip(items);
    let choices = choices.map(|(listed, item)| Choice::new(candidate(listed), item, now));
    let all: Arc<[Choice]> = choices.collect();
    let ward = |(choice, sends): (&Choice, bool)| Ward {
        place: Place::without_a_turn(services, choice).of(&all, &Arc::default()),
        sends,
    };
    let sends = listed.iter().map(|listed| listed.sends);
    let mut wards: Vec<_> = all.iter().zip(sends).map(ward).collect();
    wards.sort_by_key(|ward| ward.item().seen.map(|seen| seen.at));
    Ok(wards)
}

/// Looks at the session, and does what can be done for it until `until`.
pub(super) async fn look_after(services: &Services, ward: &mut Ward, until: Timestamp) -> Repair {
    if is_fresh(ward.item(), services.clock.now()) {
        return Repair::None;
    }
    if ward.sends {
        suspect_if_unanswered(services, &mut ward.place).await;
    }
    let care = if ward.sends { Care::Mend } else { Care::Look };
    tend(services, &mut ward.place, care, until).await
}

/// Makes a session suspect whose last send ended without an answer, so that it is reset.
async fn suspect_if_unanswered(services: &Services, place: &mut Place) {
    let Some(seen) = assess::suspect_at_rest(&place.item, services.clock.now()) else {
        return;
    };
    match services.sessions.record_state(&place.session, seen).await {
        Ok(item) => place.item = item,
        Err(error) => services.store_failed_beside_send(&place.session, "", &error),
    }
}

/// Whether somebody has just found the session open, and nothing speaks against that.
fn is_fresh(item: &SessionItem, now: Timestamp) -> bool {
    let seen = item.seen.filter(|seen| seen.state.is_open());
    !item.over_library && seen.is_some_and(|seen| now.since(seen.at) < FRESH)
}
