//! What the gateway's administrator asks about sessions.
use serde_json::json;
use tokio::time::Instant;

use super::listing;
use super::options::SessionOptions;
use super::profile::Profile;
use super::session::Session;
use super::state::SessionState;
use super::webhook;
use super::wire::{Reply, fields, text};
use super::world::World;

impl World {
    /// Every session.
    pub fn users(&self) -> Reply {
        let profile = self.conditions.profile;
        let users = self.sessions.iter();
        Profile::good(users.map(|known| listing::user(profile, known)).collect())
    }

    /// Makes one more session, which nobody has paired.
    pub fn add_user(&mut self, body: &[u8], now: Instant) -> Reply {
        let profile = self.conditions.profile;
        let Some(body) = fields(body) else {
            return profile.error(400, "invalid request payload");
        };
        let (name, token) = (text(&body, "name"), text(&body, "token"));
        let mut events = text(&body, "events").split(',');
        if name.is_empty() || token.is_empty() {
            return profile.error(400, "invalid request payload");
        }
        if !events.all(|event| webhook::is_known(event, profile)) {
            return profile.error(400, "invalid event type");
        }
        if self.by_token(token).is_some() {
            return profile.error(409, taken(profile));
        }
        let options = SessionOptions::new(name, token).with_webhook(text(&body, "webhook"));
        let mut session = Session::new(&options, self.sessions.len() + 1, now);
        session.put(SessionState::Absent, now);
        (session.paired, session.autostart) = (false, false);
        session.jid.clear();
        let added = added(profile, &session);
        self.sessions.push(session);
        self.orders += 1;
        added
    }
}

const fn taken(profile: Profile) -> &'static str {
    match profile {
        Profile::A => "User with the same token already exists",
        Profile::B | Profile::C | Profile::D => "user with this token already exists",
    }
}

/// A gives a number and nothing around it; the others give what they know, without flags.
fn added(profile: Profile, session: &Session) -> Reply {
    if profile == Profile::A {
        return Reply::Answer {
            status: 200,
            content_type: "text/plain; charset=utf-8",
            body: format!("{}\n", json!({"id": session.number})),
        };
    }
    let mut user = listing::user(profile, session);
    if let Some(user) = user.as_object_mut() {
        for shown_later in ["connected", "jid", "loggedIn", "qrcode"] {
            user.remove(shown_later);
        }
    }
    Reply::json(201, &json!({"code": 201, "data": user, "success": true}))
}
