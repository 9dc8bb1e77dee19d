//! What the gateway's versions say differently: error texts, envelopes, the forms of answers.
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::session::Session;
use super::wire::Reply;

/// A version of the gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// The oldest: capitalised texts, "no session" as a status, a dead object is "already connected" for ever.
    A,
    /// Version 1.0.1, as it was deployed.
    #[default]
    B,
    /// Version 1.0.9.
    D,
}

impl Profile {
    /// A good answer in its envelope.
    pub(super) fn good(data: Value) -> Reply {
        Reply::json(200, &json!({"code": 200, "data": data, "success": true}))
    }

    /// An error in its envelope. The text is given in the words of B.
    pub(super) fn error(self, status: u16, text: &str) -> Reply {
        let error = match self {
            Self::A => capitalised(text),
            Self::B | Self::D => text.to_owned(),
        };
        Reply::json(
            status,
            &json!({"code": status, "error": error, "success": false}),
        )
    }

    /// `GET /session/status` for a known token.
    pub(super) fn status(self, session: &Session, qr: &str) -> Reply {
        let (connected, logged_in) = session.flags();
        if self == Self::A {
            return if session.state().has_object() {
                Self::good(json!({"Connected": connected, "LoggedIn": logged_in}))
            } else {
                self.error(500, "no session")
            };
        }
        let mut data = self.user(session);
        data["qrcode"] = qr.into();
        Self::good(data)
    }

    /// A session as `GET /admin/users` and, but for A, `GET /session/status` show it.
    pub(super) fn user(self, session: &Session) -> Value {
        let (connected, logged_in) = session.flags();
        let mut user = json!({
            "id": id(&session.name), "name": session.name, "token": session.token, "jid": session.jid,
            "connected": connected, "loggedIn": logged_in, "events": session.events, "webhook": "",
            "qrcode": "", "proxy_url": "", "expiration": 0,
        });
        if self == Self::A {
            user["id"] = session.number.into();
            return user;
        }
        user["proxy_config"] = json!({"enabled": false, "proxy_url": ""});
        user["s3_config"] = json!({
            "enabled": false, "endpoint": "", "region": "", "bucket": "", "access_key": "***",
            "path_style": false, "public_url": "", "media_delivery": "base64", "retention_days": 30,
        });
        if self == Self::D {
            user["history"] = "0".into();
            user["hmac_configured"] = false.into();
            user["proxy_config"]["webhook_use_proxy"] = false.into();
        }
        user
    }

    /// The answer to an accepted text: A gives the time as a text, the others as whole seconds.
    pub(super) fn sent(self, id: &str, seconds: u64) -> Reply {
        let timestamp = match self {
            Self::A => json!("2022-04-20T12:49:08-03:00"),
            Self::B | Self::D => json!(1_755_436_294 + seconds),
        };
        Self::good(json!({"Details": "Sent", "Id": id, "Timestamp": timestamp}))
    }

    /// The events of a session whose connect named none.
    pub(super) fn events_unless_named(self, stored: &str) -> String {
        match self {
            Self::A => "All".into(),
            Self::B => String::new(),
            Self::D => stored.into(),
        }
    }
}

/// The words of A: a capital first, and three texts with one more.
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

/// 32 hex digits that belong to a name.
fn id(name: &str) -> String {
    let mut id: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
    id.truncate(32);
    format!("{id:0<32}")
}
