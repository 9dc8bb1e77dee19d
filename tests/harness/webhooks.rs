//! What a gateway posts by itself, in the forms of all its versions.
use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::hmac;
use serde_json::{Value, json};
use shared::model::keys::RingName;
use shared::model::webhook;
use shared::platform::timestamp::Timestamp;
use shared::runtime::settings::SYSTEM_SESSION;
use shared::store::keys::KeyRing;

use crate::{Reply, TestSystem};

/// A form of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// JSON, which versions B to D can be told to post.
    Json,
    /// A form, as A posts it.
    FormOfA,
    /// A form, as C and D post it.
    FormOfD,
    /// A form with a file, as C and D post it.
    WithFile,
}

impl Form {
    /// All forms.
    pub const ALL: [Self; 4] = [Self::Json, Self::FormOfA, Self::FormOfD, Self::WithFile];

    const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::FormOfA | Self::FormOfD => "application/x-www-form-urlencoded",
            Self::WithFile => "multipart/form-data; boundary=0f7a",
        }
    }

    fn fields(self, event: &Value) -> Vec<(&'static str, String)> {
        let event = ("jsonData", event.to_string());
        let (instance, user) = (("instanceName", "system".into()), ("userID", "1".into()));
        match self {
            Self::Json => vec![],
            Self::FormOfA => vec![event, ("token", "a-token-of-some-gateway".into())],
            Self::FormOfD => vec![instance, event, user],
            Self::WithFile => vec![("file", "/tmp/photo.jpeg".into()), instance, event, user],
        }
    }

    /// The body of a webhook about `event`.
    pub fn body(self, event: &Value) -> Vec<u8> {
        let fields = self.fields(event);
        match self {
            Self::Json => event.to_string().into_bytes(),
            Self::FormOfA | Self::FormOfD => {
                let mut form = form_urlencoded::Serializer::new(String::new());
                form.extend_pairs(fields).finish().into_bytes()
            }
            Self::WithFile => {
                let file = "filename=\"photo.jpeg\"\r\nContent-Type: image/jpeg";
                let fields = fields
                    .iter()
                    .map(|(name, value)| part(&format!("name=\"{name}\""), value));
                let file = part(&format!("name=\"file\"; {file}"), "no text");
                let parts: String = fields.chain([file]).collect();
                format!("{parts}--0f7a--\r\n").into_bytes()
            }
        }
    }

    /// What the gateway signs of that body.
    pub fn signed(self, event: &Value) -> Vec<u8> {
        if self != Self::WithFile {
            return self.body(event);
        }
        let fields = self.fields(event).into_iter();
        let fields: serde_json::Map<_, _> = fields
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        Value::Object(fields).to_string().into_bytes()
    }
}

fn part(head: &str, value: &str) -> String {
    format!("--0f7a\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n")
}

/// The path that the session of the system posts to.
///
/// # Panics
/// When the ring of its key cannot be read.
pub async fn path(system: &TestSystem) -> String {
    path_of(system, SYSTEM_SESSION).await
}

/// The path that a session posts to.
///
/// # Panics
/// When the ring of its key cannot be read.
pub async fn path_of(system: &TestSystem, session: &str) -> String {
    let ring = KeyRing::new(&system.without_faults(), RingName::Webhooks);
    let ring = ring.read(system.now()).await.expect("a ring");
    system.database().forget_calls();
    webhook::path(&ring, session, system.now()).expect("a key")
}

/// A receipt of messages: `Delivered`, `Read` or another state.
pub fn receipt(state: &str, ids: &[&str], at: Timestamp) -> Value {
    let kind = if state == "Delivered" { "" } else { "read" };
    json!({
        "type": "ReadReceipt",
        "state": state,
        "event": {
            "Chat": "628123456789@s.whatsapp.net", "Sender": "628123456789:24@s.whatsapp.net",
            "IsFromMe": false, "IsGroup": false, "MessageIDs": ids, "Timestamp": at.rfc3339(),
            "Type": kind, "MessageSender": "",
        },
    })
}

/// A message from a phone, of whose number these are the digits.
pub fn written(digits: &str, text: &str) -> Value {
    let jid = format!("{digits}@s.whatsapp.net");
    json!({
        "type": "Message",
        "event": {
            "Info": { "ID": "3A01", "Chat": jid, "Sender": jid, "IsFromMe": false, "IsGroup": false },
            "Message": { "conversation": text },
        },
    })
}

/// A change of the session's connection.
pub fn news(kind: &str) -> Value {
    json!({ "type": kind, "event": {} })
}

/// The signature of a body under a gateway's key.
pub fn signature(key: &str, signed: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let tag = hmac::sign(&key, signed);
    tag.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Posts an event to `path`.
pub async fn post(system: &TestSystem, path: &str, form: Form, event: &Value) -> Reply {
    let headers = [("content-type", form.content_type())];
    system
        .request("POST", path, &headers, form.body(event))
        .await
}

/// The same with the signature of a gateway that has `key`.
pub async fn post_signed(
    system: &TestSystem,
    path: &str,
    (form, key): (Form, &str),
    event: &Value,
) -> Reply {
    let signature = signature(key, &form.signed(event));
    let headers = [
        ("content-type", form.content_type()),
        ("x-hmac-signature", signature.as_str()),
    ];
    system
        .request("POST", path, &headers, form.body(event))
        .await
}

/// Has the gateway post its webhooks to the API.
pub async fn post_to_api(system: &TestSystem) {
    let mut paths = BTreeMap::new();
    for session in &system.backends().settings.sessions {
        let path = path_of(system, &session.name).await;
        paths.insert(session.name.clone(), path);
        let set = system
            .simulator()
            .set_webhook(&session.name, "http://127.0.0.1:9/hook");
        set.expect("a session");
    }
    let (api, paths) = (system.clone(), Arc::new(paths));
    system.simulator().post_hooks_to(move |hook| {
        let (api, paths) = (api.clone(), Arc::clone(&paths));
        async move {
            let headers = [("content-type", hook.content_type)];
            let path = &paths[&hook.session];
            let reply = api.request("POST", path, &headers, hook.body).await;
            Some(reply.status)
        }
    });
}
