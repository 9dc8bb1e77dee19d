//! Counting a code against the daily cap of its country.
use crate::model::challenge::AttemptId;
use crate::model::country::{CapMode, CountryCap, CountryCaps, day_ends};
use crate::model::limits::{Limit, Limited, WindowLimit};
use crate::model::phone::Phone;
use crate::platform::entropy::Entropy;
use crate::platform::report::Chain;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::store::StoreError;
use crate::store::batch::Batches;
use crate::store::windows::{Claim, Grant, Window, WindowKey, Windows};

/// Why a code may not go to a country.
#[derive(Debug, thiserror::Error)]
pub enum CapError {
    /// The country's cap is full.
    #[error("the cap of the country is full")]
    Full(Limited),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The days of all countries that have a cap.
#[derive(Clone, Debug)]
pub struct CountryDays {
    batches: Batches,
    windows: Windows,
    caps: CountryCaps,
    entropy: Entropy,
}

impl CountryDays {
    /// The days of `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            batches: Batches::new(backends),
            windows: Windows::new(backends),
            caps: backends.settings.country_caps.clone(),
            entropy: backends.entropy.clone(),
        }
    }

    /// Takes a place in the day of the phone's country, and answers which, so that it can be given back. Without a cap there
    /// is none to take, and the store is not asked. A cap that is only recorded refuses nothing.
    ///
    /// A request that dies keeps its place until midnight: a cap is rather reached early than passed.
    ///
    /// # Errors
    /// When the cap is full, or the store fails.
    pub async fn grant(
        &self,
        phone: &Phone,
        attempt: &AttemptId,
        now: Timestamp,
    ) -> Result<Option<WindowKey<'_>>, CapError> {
        let Some(cap) = self.caps.of(phone) else {
            return Ok(None);
        };
        let refusal = match self.take(cap, attempt, now).await {
            Ok(Some(place)) => return Ok(Some(place)),
            Ok(None) => CapError::Full(Limited {
                limit: Limit::Country,
                retry_after: day_ends(now).since(now),
            }),
            Err(error) => CapError::Store(error),
        };
        tracing::warn!(
            country = cap.country,
            cap = cap.codes,
            refused = self.caps.mode == CapMode::Enforce,
            error = %Chain(&refusal),
            "[WhatsApp System] no place in the day of a country"
        );
        match self.caps.mode {
            CapMode::Enforce => Err(refusal),
            CapMode::Record => Ok(None),
        }
    }

    /// When the day of the phone's country ends, if its cap is full and refuses codes. Nothing is taken. A read where there is a cap.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn full_until(
        &self,
        phone: &Phone,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let Some(cap) = self.caps.of(phone) else {
            return Ok(None);
        };
        if self.caps.mode == CapMode::Record {
            return Ok(None);
        }
        let mut batch = self.batches.begin();
        let shards = cap.shards(u64::from_be_bytes(self.entropy.bytes()));
        let reads = shards.map(|shard| {
            let place = WindowKey::CodesTo {
                country: cap.country,
                shard: shard.number,
            };
            (shard.places, batch.add(self.windows.reading(place, now)))
        });
        let reads: Vec<_> = reads.collect();
        let found = batch.read("read the day of a country").await?;
        for (places, read) in reads {
            let granted = read.from(&found)?.map_or(0, |window| window.granted);
            if granted < places {
                return Ok(None);
            }
        }
        Ok(Some(day_ends(now)))
    }

    /// Takes a place in the first shard that has one; `None` when all are full.
    async fn take<'a>(
        &self,
        cap: CountryCap<'a>,
        attempt: &AttemptId,
        now: Timestamp,
    ) -> Result<Option<WindowKey<'a>>, StoreError> {
        let ends = day_ends(now);
        // Only the first code of a day finds that the day has not begun.
        let begun = Window { granted: 0, ends };
        for shard in cap.shards(u64::from_be_bytes(self.entropy.bytes())) {
            let place = WindowKey::CodesTo {
                country: cap.country,
                shard: shard.number,
            };
            let limit = WindowLimit {
                places: shard.places,
                window: ends.since(now),
            };
            let claim = Claim {
                window: place,
                attempt,
                limit: &limit,
                now,
            };
            match self.windows.grant(claim, Some(begun)).await {
                Ok(Grant::Granted) => return Ok(Some(place)),
                Ok(Grant::Full(_)) => {}
                Err(error) => {
                    // It may be taken all the same.
                    self.give_back(Some(place), attempt).await;
                    return Err(error);
                }
            }
        }
        Ok(None)
    }

    /// Gives a place back: nothing was sent.
    pub async fn give_back(&self, place: Option<WindowKey<'_>>, attempt: &AttemptId) {
        if let Some(place) = place
            && let Err(error) = self.windows.give_back(place, attempt).await
        {
            tracing::error!(
                error = %Chain(&error),
                "[WhatsApp System] a country keeps a grant that it did not use"
            );
        }
    }
}
