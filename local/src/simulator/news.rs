//! What sessions tell their webhooks. Pure; the time is handed in.
use std::mem;

use shared::platform::timestamp::Timestamp;
use tokio::time::Instant;

use super::event::Event;
use super::hook::{self, Hook, Sender};
use super::listing;
use super::world::World;

impl World {
    /// What time it was at that instant.
    pub fn time_of(&self, at: Instant, now: Instant) -> Timestamp {
        self.clock.now().minus(now.duration_since(at))
    }

    /// Whether anything can be told.
    pub fn has_webhooks(&self) -> bool {
        self.sessions
            .iter()
            .any(|session| !session.webhook.url.is_empty())
    }

    /// What goes to webhooks now.
    pub fn take_hooks(&mut self, now: Instant) -> Vec<Hook> {
        let mut hooks = Vec::new();
        for session in 0..self.sessions.len() {
            let news = mem::take(&mut self.sessions[session].news);
            hooks.extend(
                news.iter()
                    .filter_map(|(at, event)| self.hook(session, event, self.time_of(*at, now))),
            );
        }
        hooks
    }

    /// An event as it is posted, if the session's webhook takes it.
    fn hook(&self, session: usize, event: &Event, at: Timestamp) -> Option<Hook> {
        let known = &self.sessions[session];
        let profile = self.conditions.profile;
        let kind = event.kind(profile)?;
        if !known.webhook.takes(kind) {
            return None;
        }
        let sender = Sender {
            name: &known.name,
            token: &known.token,
            id: &listing::id(&known.name),
        };
        let event = event.json(kind, at, self.addressing);
        let (content_type, body) = hook::written(event, &sender, (profile, self.webhook_format));
        let key = known.webhook.key.as_deref();
        let key = key.filter(|_| profile.signs_webhooks());
        Some(Hook {
            number: 0,
            session: known.name.clone(),
            url: known.webhook.url.clone(),
            kind,
            content_type,
            signature: key.map(|key| hook::signature(key, &body)),
            body,
            attempt: 1,
            at_ms: 0,
            answer: None,
            process: self.process,
        })
    }
}
