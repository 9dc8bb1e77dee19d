//! What asks WhatsApp something: whether phones are on it, and for a code to link a device.
use serde_json::{Value, json};
use tokio::time::sleep;

use super::directory::Listing;
use super::handle::Simulator;
use super::profile::Profile;
use super::state::SessionState;
use super::waits::{NotLetIn, QUERY_TIMEOUT};
use super::wire::{Reply, field, fields, text};
use super::world::World;

const CHECK_FAILED: &str = "failed to check if users are on WhatsApp: failed to send usync query:";
const CUT_OFF: &str = "websocket disconnected before info query returned response";
const TIMED_OUT: &str = "info query timed out";
const NOT_CONNECTED: &str = "websocket not connected";

impl Simulator {
    pub(super) async fn pair(&self, session: usize, body: &[u8]) -> Reply {
        self.dialled(session).await;
        if let Err(reply) = self.now(|world, _| world.may_pair(session, body)) {
            return reply;
        }
        let waited = self.let_in(session, |why| match why {
            NotLetIn::Lost => CUT_OFF,
            NotLetIn::TimedOut => TIMED_OUT,
        });
        match waited.await {
            Ok(()) => Profile::good(json!({"LinkingCode": "SIMU-1234"})),
            Err(text) => Profile::library_error(400, text),
        }
    }

    pub(super) async fn check(&self, session: usize, body: &[u8]) -> Reply {
        self.dialled(session).await;
        let (profile, phones) = match self.now(|world, _| world.may_check(session, body)) {
            Ok(asked) => asked,
            Err(reply) => return reply,
        };
        let fails = |text| profile.error(500, &format!("{CHECK_FAILED} {text}"));
        let half_open = self.now(|world, _| {
            let dead = world.sessions[session].state() == SessionState::HalfOpen;
            dead.then(|| world.conditions.pace.scaled(QUERY_TIMEOUT))
        });
        if let Some(wait) = half_open {
            sleep(wait).await;
            return fails(TIMED_OUT);
        }
        let waited = self.let_in(session, |why| match why {
            NotLetIn::Lost => CUT_OFF,
            NotLetIn::TimedOut => TIMED_OUT,
        });
        if let Err(text) = waited.await {
            return fails(text);
        }
        self.now(|world, _| {
            let users = phones.iter().map(|phone| world.known_of(phone));
            Profile::good(json!({"Users": users.collect::<Vec<_>>()}))
        })
    }
}

impl World {
    fn may_pair(&self, session: usize, body: &[u8]) -> Result<(), Reply> {
        let profile = self.conditions.profile;
        let known = &self.sessions[session];
        if !known.state().has_object() {
            return Err(profile.error(500, "no session"));
        }
        let Some(body) = fields(body) else {
            return Err(profile.error(400, "could not decode Payload"));
        };
        let phone = text(&body, "Phone").trim_start_matches('+');
        let (open, logged_in) = known.flags();
        if phone.is_empty() {
            Err(profile.error(400, "missing Phone in Payload"))
        } else if logged_in {
            Err(profile.error(400, "already paired"))
        } else if !open {
            Err(Profile::library_error(400, NOT_CONNECTED))
        } else if phone.len() <= 6 {
            Err(Profile::library_error(400, "phone number too short"))
        } else if phone.starts_with('0') {
            let text = "international phone number required (must not start with 0)";
            Err(Profile::library_error(400, text))
        } else {
            Ok(())
        }
    }

    /// The phones of a check, unless it is refused.
    fn may_check(&self, session: usize, body: &[u8]) -> Result<(Profile, Vec<String>), Reply> {
        let (state, profile) = (self.sessions[session].state(), self.conditions.profile);
        if !state.has_object() {
            return Err(profile.error(500, "no session"));
        }
        let input = |text| profile.error(400, text);
        let body = fields(body).ok_or_else(|| input("could not decode Payload"))?;
        let phones = match field(&body, "Phone") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(phones)) => phones.iter().filter_map(Value::as_str).collect(),
            Some(_) => return Err(input("could not decode Payload")),
        };
        if phones.is_empty() {
            return Err(input("missing Phone in Payload"));
        }
        let fails = |text| profile.error(500, &format!("{CHECK_FAILED} {text}"));
        if self.check_throttled {
            return Err(fails("info query returned status 429: rate-overlimit"));
        }
        if !state.socket_open() {
            return Err(fails(NOT_CONNECTED));
        }
        Ok((profile, phones.into_iter().map(str::to_owned).collect()))
    }

    /// What WhatsApp says of a phone.
    fn known_of(&self, query: &str) -> Value {
        let phone = query.trim_start_matches('+');
        let listing = self.phones.known().directory.listing(phone);
        let number = match &listing {
            Listing::Other(number) => number,
            Listing::Known | Listing::Stranger(_) => phone,
        };
        json!({
            "Query": query, "IsInWhatsapp": !matches!(listing, Listing::Stranger(_)),
            "JID": format!("{number}@s.whatsapp.net"), "VerifiedName": "",
        })
    }
}
