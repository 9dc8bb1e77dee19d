//! What the gateway does with a request: who asks, which command, and what is answered, whichever face it came through.
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::Simulator;
use super::commands::Command;
use super::profile::Profile;
use super::session::SessionState;
use super::wire::{Reply, Request, field, fields, text};
use super::world::World;

/// The QR code's picture without its last part: base64 of a PNG whose length is a multiple of three bytes.
const QR_PICTURE: &str = include_str!("qr.txt");

/// How long a connect that does not return at once waits, in seconds.
const CONNECT_WAIT: f64 = 10.0;
/// After this time, in seconds, the library gives up a query.
const QUERY_TIMEOUT: f64 = 75.0;

/// What the gateway's router says to a path that it does not know.
const NOT_FOUND: &str = "404 page not found\n";

impl Simulator {
    /// Does one request in the gateway process, to its end.
    pub(super) async fn work(&self, request: &Request) -> Reply {
        if !request.post && request.path == "/health" {
            return self.now(|world, now| world.health(now));
        }
        let session = match self.now(|world, _| world.admit(request)) {
            Ok(session) => session,
            Err(reply) => return reply,
        };
        match (request.post, request.path.as_str()) {
            (true, "/session/connect") => self.connect(session, &request.body).await,
            (true, "/session/disconnect") => self.now(|world, now| {
                let profile = world.profile;
                let done = world.sessions[session].disconnect(now, profile);
                reply(done, profile, "Disconnected").unwrap_or(Reply::Silent)
            }),
            (true, "/session/logout") => self.logout(session).await,
            (true, "/session/pairphone") => self.now(|world, _| world.pair(session, &request.body)),
            (true, "/chat/send/text") => self.send(session, &request.body).await,
            (true, "/user/check") => self.check(session, &request.body).await,
            (false, "/session/status") => self.now(|world, now| {
                let qr = world.qr(session, now).unwrap_or_default();
                world.profile.status(&world.sessions[session], &qr)
            }),
            (false, "/session/qr") => self.now(|world, now| match world.qr(session, now) {
                Ok(code) => Profile::good(json!({"QRCode": code})),
                Err(text) => world.profile.error(500, text),
            }),
            (false, "/admin/users") => self.now(|world, _| {
                let profile = world.profile;
                let users = world.sessions.iter().map(|known| profile.user(known));
                Profile::good(users.collect())
            }),
            _ => Reply::Answer {
                status: 404,
                content_type: "text/plain",
                body: NOT_FOUND.into(),
            },
        }
    }

    async fn connect(&self, session: usize, body: &[u8]) -> Reply {
        let Some(body) = fields(body) else {
            return self.now(|world, _| world.profile.error(400, "could not decode Payload"));
        };
        let immediate = field(&body, "Immediate").and_then(Value::as_bool) == Some(true);
        let started = self.now(|world, now| world.connect(session, &body, now));
        if immediate || !matches!(&started, Reply::Answer { status: 200, .. }) {
            return started;
        }
        let wait = self.now(|world, _| world.pace.of(CONNECT_WAIT));
        sleep(wait).await;
        self.now(|world, _| {
            let state = world.sessions[session].state();
            match (state.has_object(), state.socket_open()) {
                (true, true) => started,
                (true, false) => world.profile.error(500, "failed to Connect"),
                (false, _) => world.profile.error(500, "failed to connect"),
            }
        })
    }

    async fn logout(&self, session: usize) -> Reply {
        let (done, profile, query) = self.now(|world, now| {
            let done = world.sessions[session].logout(now, world.profile);
            (done, world.profile, world.pace.of(QUERY_TIMEOUT))
        });
        if let Command::RefusedAfterQuery(_) = done {
            sleep(query).await;
        }
        reply(done, profile, "Logged out").unwrap_or(Reply::Silent)
    }

    async fn check(&self, session: usize, body: &[u8]) -> Reply {
        const FAILED: &str =
            "failed to check if users are on WhatsApp: failed to send usync query:";
        let wait = self.now(|world, _| {
            let half_open = world.sessions[session].state() == SessionState::HalfOpen;
            half_open.then(|| world.pace.of(QUERY_TIMEOUT))
        });
        if let Some(wait) = wait {
            sleep(wait).await;
            return self.now(|world, _| {
                let text = format!("{FAILED} info query timed out");
                world.profile.error(500, &text)
            });
        }
        self.now(|world, _| {
            let (state, profile) = (world.sessions[session].state(), world.profile);
            if !state.has_object() {
                return profile.error(500, "no session");
            }
            let Some(body) = fields(body) else {
                return profile.error(400, "could not decode Payload");
            };
            let Some(phones) = field(&body, "Phone").and_then(Value::as_array) else {
                return profile.error(400, "could not decode Payload");
            };
            if phones.is_empty() {
                return profile.error(400, "missing Phone in Payload");
            }
            if world.check_throttled {
                let text = format!("{FAILED} info query returned status 429: rate-overlimit");
                return profile.error(500, &text);
            }
            if !state.socket_open() {
                return profile.error(500, &format!("{FAILED} websocket not connected"));
            }
            let users = phones.iter().filter_map(Value::as_str).map(|phone| {
                let phone = phone.trim_start_matches('+');
                json!({
                    "Query": phone, "IsInWhatsapp": !world.strangers.contains(phone),
                    "JID": format!("{phone}@s.whatsapp.net"), "VerifiedName": "",
                })
            });
            Profile::good(json!({"Users": users.collect::<Vec<_>>()}))
        })
    }
}

impl World {
    /// The health page, which says "ok" whatever the sessions do: the proxy's own, or that of the newest version.
    fn health(&self, now: Instant) -> Reply {
        let (content_type, status, body) = match (&self.proxy, self.profile) {
            (Some(_), _) => ("text/plain", 200, "healthy\n".into()),
            (None, Profile::D) => {
                let health = json!({"status": "ok", "uptime": self.at_ms(now) / 1000, "total_users": self.sessions.len()});
                ("application/json", 200, format!("{health}\n"))
            }
            (None, _) => ("text/plain", 404, NOT_FOUND.into()),
        };
        Reply::Answer {
            status,
            content_type,
            body,
        }
    }

    /// Whose request it is.
    fn admit(&self, request: &Request) -> Result<usize, Reply> {
        let admin = request.path.starts_with("/admin/");
        let session = match admin {
            true => (request.credential == self.admin_token).then_some(0),
            false => self.by_token(&request.credential),
        };
        session.ok_or_else(|| self.profile.error(401, "unauthorized"))
    }

    fn connect(&mut self, session: usize, body: &Value, now: Instant) -> Reply {
        let (profile, pace) = (self.profile, self.pace);
        let known = &mut self.sessions[session];
        if let Command::Refused(text) = known.connect(now, pace, profile) {
            return profile.error(500, text);
        }
        known.events = match field(body, "Subscribe").and_then(Value::as_array) {
            Some(events) if !events.is_empty() => {
                let events: Vec<_> = events.iter().filter_map(Value::as_str).collect();
                events.join(",")
            }
            _ => profile.events_unless_named(&known.events),
        };
        let data = json!({
            "details": "Connected!", "events": known.events, "jid": known.jid, "webhook": "",
        });
        if let Some(life) = self.crash_on_connect {
            self.crash(life, now);
        }
        Profile::good(data)
    }

    fn pair(&self, session: usize, body: &[u8]) -> Reply {
        let (state, profile) = (self.sessions[session].state(), self.profile);
        if !state.has_object() {
            return profile.error(500, "no session");
        }
        let Some(body) = fields(body) else {
            return profile.error(400, "could not decode Payload");
        };
        let phone = text(&body, "Phone");
        let text = match (state, phone.trim_start_matches('+')) {
            (_, "") => "missing Phone in Payload",
            (SessionState::Online | SessionState::HalfOpen, _) => "already paired",
            (SessionState::QrWait, phone) if phone.len() <= 6 => "phone number too short",
            (SessionState::QrWait, phone) if phone.starts_with('0') => {
                "international phone number required (must not start with 0)"
            }
            (SessionState::QrWait, _) => {
                return Profile::good(json!({"LinkingCode": "SIMU-1234"}));
            }
            _ => "websocket not connected",
        };
        profile.error(400, text)
    }

    fn qr(&self, session: usize, now: Instant) -> Result<String, &'static str> {
        let code = self.sessions[session].qr(now, self.pace)?;
        Ok(code.map_or_else(String::new, |number| {
            // Four more digits of base64 stand behind the picture's end, so that each code differs and shows.
            format!("data:image/png;base64,{}{number:04}", QR_PICTURE.trim())
        }))
    }
}

fn reply(done: Command, profile: Profile, details: &str) -> Option<Reply> {
    match done {
        Command::Done => Some(Profile::good(json!({"Details": details}))),
        Command::Refused(text) | Command::RefusedAfterQuery(text) => Some(profile.error(500, text)),
        Command::Hangs => None,
    }
}
