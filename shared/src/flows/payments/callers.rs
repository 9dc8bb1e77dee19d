//! Who may post events of payments, and how many.
use crate::model::challenge::AttemptId;
use crate::model::country::{CountryCap, day_ends};
use crate::model::limits::{Limit, Limited};
use crate::model::notice::NoticeId;
use crate::model::payment::PaymentId;
use crate::model::payment_caller::{PaymentCaller, Scope, owner};
use crate::platform::report::Chain;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::store::StoreError;
use crate::store::caller_list::CallerList;
use crate::store::windows::{ClaimUntil, Grant, WindowKey, Windows, attempt_of_notice};

/// The callers of a deployment.
#[derive(Clone, Debug)]
pub struct Callers {
    list: CallerList,
}

/// Why somebody may not call.
#[derive(Debug, thiserror::Error)]
pub enum CallerError {
    /// Nobody has this key.
    #[error("nobody has this key")]
    UnknownKey,
    /// The key is known, and is for something else.
    #[error("the key of `{0}` is for something else")]
    WrongScope(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Callers {
    /// The callers of `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            list: CallerList::new(backends),
        }
    }

    /// Reads the callers before they are needed, in a single attempt.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self, now: Timestamp) -> Result<(), StoreError> {
        self.list.warm_up(now).await
    }

    /// Whose `key` it is, if it may do what `scope` says.
    ///
    /// # Errors
    /// When it may not, or the store fails.
    pub async fn authenticate(
        &self,
        key: &str,
        scope: Scope,
        now: Timestamp,
    ) -> Result<PaymentCaller, CallerError> {
        let callers = self.list.get(now).await?;
        let caller = owner(&callers, key, now).ok_or(CallerError::UnknownKey)?;
        if caller.scopes.contains(&scope) {
            Ok(caller.clone())
        } else {
            Err(CallerError::WrongScope(caller.name.clone()))
        }
    }
}

/// Why a notice does not count.
#[derive(Debug, thiserror::Error)]
pub(super) enum DayError {
    /// The cap is full.
    #[error("the cap of the caller is full")]
    Full(Limited),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The days of callers that have a cap.
#[derive(Clone, Debug)]
pub(super) struct CallerDays(Windows);

impl CallerDays {
    pub(super) fn new(backends: &Backends) -> Self {
        Self(Windows::new(backends))
    }

    /// Counts a notice against the day of its caller. The same event again holds the place that it has. Answers the shard that has
    /// the place, where there is a cap.
    ///
    /// # Errors
    /// When the cap is full, or the store fails.
    pub(super) async fn count(
        &self,
        caller: &PaymentCaller,
        notice: (&PaymentId, &NoticeId),
        now: Timestamp,
    ) -> Result<Option<DayPlace>, DayError> {
        let Some(cap) = caller.daily_cap else {
            return Ok(None);
        };
        let (attempt, ends) = (attempt_of_notice(notice.0, notice.1), day_ends(now));
        let cap = CountryCap {
            country: &caller.name,
            codes: usize::try_from(cap).unwrap_or(usize::MAX),
        };
        // The same notice looks at the same shards, so that it finds the place that it has.
        let draw = attempt.0.bytes().fold(0, |draw: u64, byte| {
            draw.wrapping_mul(31).wrapping_add(byte.into())
        });
        for shard in cap.shards(draw) {
            let claim = ClaimUntil {
                window: WindowKey::NoticesOf {
                    caller: &caller.name,
                    day: now.day(),
                    shard: shard.number,
                },
                attempt: &attempt,
                places: shard.places,
                ends,
            };
            if self.0.grant_until(claim).await? == Grant::Granted {
                return Ok(Some(DayPlace {
                    day: now.day(),
                    shard: shard.number,
                    attempt,
                }));
            }
        }
        Err(DayError::Full(Limited {
            limit: Limit::NoticesOfCaller,
            retry_after: ends.since(now),
        }))
    }

    /// Gives the place of an event back that came to nothing. When that fails, the event has cost its caller a place.
    pub(super) async fn uncount(&self, caller: &PaymentCaller, place: &DayPlace) {
        let window = WindowKey::NoticesOf {
            caller: &caller.name,
            day: place.day,
            shard: place.shard,
        };
        if let Err(error) = self.0.give_back(window, &place.attempt).await {
            tracing::warn!(
                caller = caller.name,
                error = %Chain(&error),
                "[WhatsApp System] an event that came to nothing counts for its caller"
            );
        }
    }
}

/// The place of an event in the day of its caller.
#[derive(Debug)]
pub(super) struct DayPlace {
    day: i64,
    shard: usize,
    attempt: AttemptId,
}
