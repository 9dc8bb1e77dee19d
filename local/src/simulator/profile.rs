//! What the gateway's versions say differently: error texts, envelopes, the forms of answers.
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::platform::timestamp::Timestamp;

use super::wire::Reply;

/// A version of the gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// The oldest: capitalised texts, "no session" as a status, a dead object is "already connected" for ever
    A,
    /// Version 1.0.1, as it was deployed
    #[default]
    B,
    /// Version 1.0.5
    C,
    /// A fork of version 1.0.6: a start guard answers 409
    D,
}

impl Profile {
    /// A good answer in its envelope.
    pub(super) fn good(data: Value) -> Reply {
        Reply::json(200, &json!({"code": 200, "data": data, "success": true}))
    }

    /// An error in its envelope. The text is given in the words of B.
    pub(super) fn error(self, status: u16, text: &str) -> Reply {
        let text = match self {
            Self::A => capitalised(text),
            Self::B | Self::C | Self::D => text.to_owned(),
        };
        Self::library_error(status, &text)
    }

    /// An error whose text is the library's own, the same in every version.
    pub(super) fn library_error(status: u16, text: &str) -> Reply {
        Reply::json(
            status,
            &json!({"code": status, "error": text, "success": false}),
        )
    }

    /// The answer to an accepted text: A gives the time as a text, the others as whole seconds.
    pub(super) fn sent(self, id: &str, at: Timestamp) -> Reply {
        let timestamp = match self {
            Self::A => json!(at.rfc3339()),
            Self::B | Self::C | Self::D => json!(at.seconds()),
        };
        Self::good(json!({"Details": "Sent", "Id": id, "Timestamp": timestamp}))
    }

    /// The events of a session whose connect named none.
    pub(super) fn events_unless_named(self, stored: &str) -> String {
        match self {
            Self::A => "All".into(),
            Self::B | Self::C => String::new(),
            Self::D => stored.into(),
        }
    }

    /// Whether the process dies of a paired session's first dial that fails.
    pub(super) const fn dies_of_a_failed_dial(self) -> bool {
        matches!(self, Self::A | Self::B)
    }

    /// Whether a text is lost unseen when the gateway's store is busy; the newer versions refuse it.
    pub(super) const fn loses_texts_when_busy(self) -> bool {
        matches!(self, Self::A | Self::B)
    }

    /// How often a webhook is posted until it is taken.
    pub(super) const fn webhook_tries(self) -> u32 {
        match self {
            Self::A | Self::B => 1,
            Self::C | Self::D => 5,
        }
    }

    /// Whether posts to a webhook carry a signature when there is a key.
    pub(super) const fn signs_webhooks(self) -> bool {
        matches!(self, Self::C | Self::D)
    }

    /// Whether there is a health page, which waits for dials as the list of users does.
    pub(super) const fn has_health(self) -> bool {
        matches!(self, Self::C | Self::D)
    }
}

/// The words of A: a capital first, and some texts with one more.
fn capitalised(text: &str) -> String {
    match text {
        "already connected" => return "Already Connected".into(),
        "already logged in" => return "Already Loggedin".into(),
        "failed to connect" => return "Failed to Connect".into(),
        _ => {}
    }
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}
