//! What sessions tell their webhooks. Pure; the time is handed in.
use std::mem;

use shared::platform::timestamp::Timestamp;
use tokio::time::Instant;

use super::event::{Addressing, Event, Written};
use super::hook::{self, Hook, Sender};
use super::listing;
use super::profile::Profile;
use super::world::{Due, World};

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
        self.hand_out(now);
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

    /// A message got to a phone, which answers it.
    pub fn plan_receipts(&mut self, session: usize, written: &Written, now: Instant) {
        let known = &mut self.sessions[session];
        known.contacts.insert(written.phone.clone());
        if known.webhook.url.is_empty() {
            return;
        }
        let receipts = self.answering.receipts(written, &mut known.faults.receipts);
        self.orders += 1;
        self.due
            .extend(receipts.into_iter().map(|(after, receipt)| Due {
                at: now + after,
                session,
                event: Event::Receipt(receipt),
            }));
    }

    /// An id for what a phone writes.
    pub fn next_message_id(&mut self) -> String {
        self.orders += 1;
        format!("3A{:018X}", self.orders)
    }

    /// A phone writes to an account.
    pub fn receive(&mut self, session: usize, written: Written, now: Instant) {
        self.orders += 1;
        self.sessions[session]
            .contacts
            .insert(written.phone.clone());
        self.due.push(Due {
            at: now,
            session,
            event: Event::Message(written),
        });
    }

    /// Tells the devices what is due, or keeps it until they are there. One that was unlinked gets nothing any more.
    fn hand_out(&mut self, now: Instant) {
        let (mut due, later): (Vec<_>, _) = mem::take(&mut self.due)
            .into_iter()
            .partition(|due| due.at <= now);
        self.due = later;
        due.sort_by_key(|due| due.at);
        for Due { at, session, event } in due {
            self.sessions[session].held.push((at, event));
        }
        let process_is_up = self.back_at.is_none();
        for session in &mut self.sessions {
            if !session.paired {
                session.held.clear();
            } else if process_is_up && session.hears() {
                let held = mem::take(&mut session.held);
                session.news.extend(merged(held));
            }
        }
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
        let event = event.json(kind, at, self.addressing());
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

    /// How people are known. A and B know phone numbers only.
    fn addressing(&self) -> Addressing {
        let knows_lids = matches!(self.conditions.profile, Profile::C | Profile::D);
        if self.lid && knows_lids {
            Addressing::Lid
        } else {
            Addressing::Phone
        }
    }
}

/// What one device says of several messages in a row comes as one receipt.
fn merged(events: Vec<(Instant, Event)>) -> Vec<(Instant, Event)> {
    let mut merged: Vec<(Instant, Event)> = Vec::new();
    for (at, event) in events {
        match (merged.last_mut(), event) {
            (Some((last_at, Event::Receipt(last))), Event::Receipt(next))
                if last.is_beside(&next) =>
            {
                *last_at = at;
                last.ids.extend(next.ids);
            }
            (_, event) => merged.push((at, event)),
        }
    }
    merged
}
