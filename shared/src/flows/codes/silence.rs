//! Whether the last code arrived. A gateway whose store is busy takes messages that leave without their text, and only the missing
//! receipt tells. So a code without one, of a session whose receipts come within seconds, counts as unconfirmed once
//! [`Policy::cooldown_unconfirmed`](crate::model::limits::Policy) is over: it may be asked for again at once, and goes through
//! another session if there is one.
//!
//! Whether a request that comes so early is served tells whether the phone had the message. A phone without an account gets none,
//! so that would tell the two apart, and no draw of chance hides it from somebody who asks twice. So it is for those only who know
//! already, or may: whoever signs up, and the networks that somebody has signed in from with that phone. Everybody else waits
//! for [`Policy::cooldown`](crate::model::limits::Policy), as after a message that arrived.
use super::order::Order;
use super::survey::{SilentSend, Survey};
use super::{Codes, log_store_error};
use crate::model::challenge::Certainty;
use crate::model::code::Purpose;
use crate::model::limits::Asker;
use crate::sender::mute;
use crate::store::StoreError;

impl Codes {
    /// Reads whether the last code for the purpose of `order` arrived, if a limit would say that it is too fresh and the reply may
    /// tell. One read more, then only. When the store fails, the code counts as one that did.
    pub async fn listen(&self, survey: &mut Survey, order: &Order<'_>) {
        self.listen_as(survey, order.asker()).await;
    }

    /// The same for whoever asks.
    pub(super) async fn listen_as(&self, survey: &mut Survey, asker: Asker) {
        let Some(last) = self.last_that_may_be_silent(survey, asker) else {
            return;
        };
        match self.is_silent(&last, survey).await {
            Ok(true) => {
                last.mark(&mut survey.state);
                survey.silent = Some(last);
            }
            Ok(false) => {}
            Err(error) => log_store_error("whether a code arrived is not known", &error),
        }
    }

    /// The last message for the purpose of `asker`, while it is too fresh for another one and not too fresh for its receipt.
    fn last_that_may_be_silent(&self, survey: &Survey, asker: Asker) -> Option<SilentSend> {
        let purpose = asker.purpose;
        let state = &survey.state;
        let may_tell = purpose == Purpose::Signup || survey.is_at_home(asker);
        let idle = survey.sessions.is_some() && state.open(purpose).is_none();
        let mut sends = state.sends.iter().rev();
        let last = sends.find(|send| send.purpose == purpose)?;
        let age = survey.at.since(last.at);
        let waits = self.policy.cooldown_unconfirmed <= age && age < self.policy.cooldown;
        if !(may_tell && idle && waits && last.certainty == Certainty::Sent) {
            return None;
        }
        let code = state.code(purpose).filter(|code| code.used.is_none())?;
        Some(SilentSend {
            purpose,
            at: last.at,
            message_id: code.message_id.clone()?,
            session: state.writer()?.to_owned(),
        })
    }

    async fn is_silent(&self, last: &SilentSend, survey: &Survey) -> Result<bool, StoreError> {
        let mut batch = self.batches.begin();
        let arrival = batch.add(self.deliveries.reading_arrival(&last.message_id));
        let session = batch.add(self.sender.reading(&last.session));
        let found = batch.read("read whether a code arrived").await?;
        let (_, session) = session.from(&found)?;
        let unheard = arrival.from(&found)?.is_some_and(|arrival| {
            arrival.session == last.session && arrival.delivered_at.is_none()
        });
        Ok(unheard && mute::receipts_come_soon(&session, survey.at))
    }
}
