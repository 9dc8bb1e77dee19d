//! What can be asked about a session's webhook. None of it needs a client object.
use serde_json::{Value, json};

use super::profile::Profile;
use super::webhook;
use super::wire::{Reply, field, fields, text};
use super::world::World;

impl World {
    pub fn show_webhook(&self, session: usize) -> Reply {
        let known = &self.sessions[session].webhook;
        Profile::good(json!({"subscribe": known.stored(), "webhook": known.url}))
    }

    pub fn set_webhook(&mut self, session: usize, body: &[u8]) -> Reply {
        let profile = self.conditions.profile;
        let Some((body, events)) = webhook_fields(body, profile) else {
            return undecoded(profile);
        };
        let url = text(&body, "webhookurl");
        let known = &mut self.sessions[session].webhook;
        known.set(url.to_owned(), events.as_deref(), profile);
        Profile::good(json!({ "webhook": url }))
    }

    /// Like setting it, with another name for the address. What is not said to be active is taken away.
    pub fn update_webhook(&mut self, session: usize, body: &[u8]) -> Reply {
        let profile = self.conditions.profile;
        let Some((body, named)) = webhook_fields(body, profile) else {
            return undecoded(profile);
        };
        let active = field(&body, "active").and_then(Value::as_bool) == Some(true);
        let (url, events) = if active {
            (text(&body, "webhook"), named.clone())
        } else {
            ("", named.as_ref().map(|_| Vec::new()))
        };
        let known = &mut self.sessions[session].webhook;
        known.set(url.to_owned(), events.as_deref(), profile);
        Profile::good(json!({"webhook": url, "events": named, "active": active}))
    }

    pub fn delete_webhook(&mut self, session: usize) -> Reply {
        let profile = self.conditions.profile;
        self.sessions[session].webhook.delete(profile);
        Profile::good(json!({"Details": "Webhook and events deleted successfully"}))
    }
}

fn undecoded(profile: Profile) -> Reply {
    profile.error(400, "could not decode payload")
}

/// The fields of a request, and its events; an empty list counts as none.
fn webhook_fields(body: &[u8], profile: Profile) -> Option<(Value, Option<Vec<String>>)> {
    let body = fields(body)?;
    let events = known_events(&body, "events", profile)?;
    Some((body, events.filter(|events| !events.is_empty())))
}

/// The known events that a list of a body names, if there is such a list; nothing at all when it is no list.
pub(super) fn known_events(
    body: &Value,
    list: &str,
    profile: Profile,
) -> Option<Option<Vec<String>>> {
    match field(body, list) {
        None | Some(Value::Null) => Some(None),
        Some(Value::Array(events)) => {
            let events = events.iter().filter_map(Value::as_str);
            let known = events.filter(|event| webhook::is_known(event, profile));
            Some(Some(known.map(str::to_owned).collect()))
        }
        Some(_) => None,
    }
}
