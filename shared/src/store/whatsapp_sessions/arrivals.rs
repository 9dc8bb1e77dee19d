//! Whether a session's messages arrive, as their records show it.
use std::time::Duration;

use super::item::{SessionItem, millis, time};
use super::{WhatsAppSessions, write};
use crate::platform::timestamp::Timestamp;
use crate::store::StoreError;

/// What an item says about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrivals {
    /// When the last message is known to have been delivered.
    pub delivered_at: Option<Timestamp>,
    /// Since when messages are taken and none is delivered.
    pub mute_since: Option<Timestamp>,
    /// How long receipts take, as most of the last ones did.
    pub receipts_take: Option<Duration>,
}

impl Arrivals {
    /// What `item` says.
    pub const fn of(item: &SessionItem) -> Self {
        Self {
            delivered_at: item.delivered_at,
            mute_since: item.mute_since,
            receipts_take: item.receipts_take,
        }
    }
}

impl WhatsAppSessions {
    /// Keeps what the records of the messages of `name` have shown. Written side by side, the last one stays: each has read the
    /// same records.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn record_arrivals(&self, name: &str, arrivals: Arrivals) -> Result<(), StoreError> {
        let (mut set, mut remove) = (Vec::new(), Vec::new());
        let mut update = self.update(name);
        for (attribute, value) in [
            ("delivered_at", arrivals.delivered_at.map(time)),
            ("mute_since", arrivals.mute_since.map(time)),
            ("receipt_ms", arrivals.receipts_take.map(millis)),
        ] {
            match value {
                None => remove.push(attribute),
                Some(value) => {
                    set.push(format!("{attribute} = :{attribute}"));
                    update = update.expression_attribute_values(format!(":{attribute}"), value);
                }
            }
        }
        let part = |word: &str, parts: &[String]| match parts {
            [] => String::new(),
            parts => format!("{word} {} ", parts.join(", ")),
        };
        let remove: Vec<_> = remove.into_iter().map(str::to_owned).collect();
        let expression = part("SET", &set) + &part("REMOVE", &remove);
        let update = update.update_expression(expression.trim_end());
        write("keep whether messages arrive", update)
            .await
            .map(drop)
    }
}
