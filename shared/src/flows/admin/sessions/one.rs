//! One session, with what only its own page shows: how many of its last messages arrived.
use super::key::SessionKey;
use super::view::{GatewayAnswer, SessionView};
use super::{AdminSessions, Ours, customers_views};
use crate::platform::report::Chain;
use crate::platform::timestamp::Timestamp;
use crate::sender::mute::{self, Counts};
use crate::store::StoreError;

impl AdminSessions {
    /// The session called by `key`, as it is now; `None` when there is none, or the gateway does not say. Of one of ours: three
    /// reads of the store, however many sessions there are, and a question to the session.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn one(
        &self,
        key: &SessionKey,
        now: Timestamp,
    ) -> Result<Option<SessionView>, StoreError> {
        match key {
            SessionKey::Ours(name) => {
                let Some(ours) = self.our(name).await? else {
                    return Ok(None);
                };
                let session = &ours.listed.session;
                let (answer, arrivals) =
                    tokio::join!(self.answer(session), self.arrivals(&ours, now));
                Ok(Some(self.view_with(&ours, (answer, arrivals), now)))
            }
            SessionKey::Customers(_) => self.customers(key).await,
        }
    }

    fn view_with(
        &self,
        ours: &Ours,
        (answer, arrivals): (GatewayAnswer, Option<Counts>),
        now: Timestamp,
    ) -> SessionView {
        SessionView {
            arrivals,
            ..self.view(ours, answer, now)
        }
    }

    /// How many of the last messages arrived. A page is of use without them.
    async fn arrivals(&self, ours: &Ours, now: Timestamp) -> Option<Counts> {
        match self.receipts.of(&ours.item, now).await {
            Ok(checked) => Some(mute::count(&checked, now)),
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "whether messages arrive is not known");
                None
            }
        }
    }

    /// A session of a customer, from the gateway's list.
    async fn customers(&self, key: &SessionKey) -> Result<Option<SessionView>, StoreError> {
        let (ours, users) = tokio::join!(self.ours(), self.users());
        let users = match users {
            None => return Ok(None),
            Some(Ok(users)) => users,
            Some(Err(error)) => {
                tracing::warn!(error = %Chain(&error), "the gateway did not list its sessions");
                return Ok(None);
            }
        };
        let mut theirs = customers_views(&ours?, &users).into_iter();
        Ok(theirs.find(|view| view.key == *key))
    }
}
