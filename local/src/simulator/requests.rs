//! What the gateway does with a request: who asks, which command, and what is answered, whichever face it came through.
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::commands::Refusal;
use super::directory::Listing;
use super::handle::Simulator;
use super::listing;
use super::profile::Profile;
use super::sends::NotLetIn;
use super::session::Process;
use super::state::SessionState;
use super::wire::{Reply, Request, field, fields, text};
use super::world::World;

/// The QR code's picture without its last part: base64 of a PNG whose length is a multiple of three bytes.
const QR_PICTURE: &str = include_str!("qr.txt");

/// How long a connect that does not return at once waits, in seconds.
const CONNECT_WAIT: f64 = 10.0;
/// After this time, in seconds, the library gives up a query.
const QUERY_TIMEOUT: f64 = 75.0;
/// How long A and B wait for a session's loop when they close it, in seconds.
const LOOP_ENDS: f64 = 0.5;

const CHECK_FAILED: &str = "failed to check if users are on WhatsApp: failed to send usync query:";
const CUT_OFF: &str = "websocket disconnected before info query returned response";
const TIMED_OUT: &str = "info query timed out";
const NOT_CONNECTED: &str = "websocket not connected";

/// The events that a connect can name; others are dropped unseen.
const EVENTS: [&str; 6] = [
    "All",
    "Message",
    "ReadReceipt",
    "Presence",
    "ChatPresence",
    "HistorySync",
];

/// What can be asked for.
#[derive(Clone, Copy)]
enum Ask {
    Connect,
    Disconnect,
    Logout,
    PairPhone,
    Send,
    Check,
    Status,
    Qr,
    Users,
    Health,
}

impl Ask {
    fn of(request: &Request) -> Option<Self> {
        Some(match (request.post, request.path.as_str()) {
            (true, "/session/connect") => Self::Connect,
            (true, "/session/disconnect") => Self::Disconnect,
            (true, "/session/logout") => Self::Logout,
            (true, "/session/pairphone") => Self::PairPhone,
            (true, "/chat/send/text") => Self::Send,
            (true, "/user/check") => Self::Check,
            (false, "/session/status") => Self::Status,
            (false, "/session/qr") => Self::Qr,
            (false, "/admin/users") => Self::Users,
            (false, "/health") => Self::Health,
            _ => return None,
        })
    }
}

impl Simulator {
    /// Does one request in the gateway process, to its end.
    pub(super) async fn work(&self, request: &Request) -> Reply {
        let ask = match Ask::of(request) {
            None => return Reply::not_found(),
            Some(Ask::Health) => return self.health().await,
            Some(ask) => ask,
        };
        let session = match self.now(|world, _| world.admit(request)) {
            Ok(session) => session,
            Err(reply) => return reply,
        };
        match ask {
            Ask::Connect => self.connect(session, &request.body).await,
            Ask::Send => self.send(session, &request.body).await,
            Ask::Users => self.users().await,
            Ask::Health => Reply::not_found(),
            Ask::Disconnect | Ask::Logout => self.close(session, ask).await,
            Ask::PairPhone => self.pair(session, &request.body).await,
            Ask::Check => self.check(session, &request.body).await,
            Ask::Status | Ask::Qr => {
                self.dialled(session).await;
                self.now(|world, now| world.look(session, ask, now))
            }
        }
    }

    /// Waits while the session dials: the library holds its lock meanwhile.
    pub(super) async fn dialled(&self, session: usize) {
        self.wait_for(|world| (!world.holds_up(session)).then_some(()))
            .await;
    }

    /// Waits while any session dials.
    async fn all_dialled(&self) {
        self.now(|world, _| world.lists_waiting += 1);
        self.wait_for(|world| (!world.any_dials()).then_some(()))
            .await;
        self.now(|world, _| world.lists_waiting = world.lists_waiting.saturating_sub(1));
    }

    async fn users(&self) -> Reply {
        self.all_dialled().await;
        self.now(|world, _| {
            let profile = world.conditions.profile;
            let users = world.sessions.iter();
            Profile::good(users.map(|known| listing::user(profile, known)).collect())
        })
    }

    /// The health page: the proxy's own, or that of the newer versions.
    async fn health(&self) -> Reply {
        let (behind_proxy, profile) =
            self.now(|world, _| (world.proxy.is_some(), world.conditions.profile));
        if behind_proxy {
            return Reply::Answer {
                status: 200,
                content_type: "text/plain",
                body: "healthy\n".into(),
            };
        }
        if !profile.has_health() {
            return Reply::not_found();
        }
        self.all_dialled().await;
        self.now(|world, now| listing::health(profile, &world.sessions, world.at_ms(now)))
    }

    async fn connect(&self, session: usize, body: &[u8]) -> Reply {
        let profile = self.now(|world, _| world.conditions.profile);
        let Some((events, immediate)) = connect_fields(body) else {
            return profile.error(400, "could not decode Payload");
        };
        if profile != Profile::A {
            self.dialled(session).await;
        }
        let started = self.now(|world, now| world.connect(session, events, now));
        if immediate || !matches!(&started, Reply::Answer { status: 200, .. }) {
            return started;
        }
        let wait = self.now(|world, _| world.conditions.pace.of(CONNECT_WAIT));
        sleep(wait).await;
        self.now(|world, _| {
            let state = world.sessions[session].state();
            match (state.has_object(), state.socket_open()) {
                (true, true) => started,
                (true, false) => profile.error(500, "failed to Connect"),
                (false, _) => profile.error(500, "failed to connect"),
            }
        })
    }

    /// Disconnect or logout.
    async fn close(&self, session: usize, ask: Ask) -> Reply {
        self.dialled(session).await;
        let (done, on) = self.now(|world, now| {
            let on = world.conditions;
            let known = &mut world.sessions[session];
            let done = match ask {
                Ask::Logout => known.logout(now, &on),
                _ => known.disconnect(now, &on),
            };
            (done, on)
        });
        match (done, ask) {
            (Err(refusal), _) => {
                if let Refusal::SaysAfterQuery(_) = refusal {
                    sleep(on.pace.of(QUERY_TIMEOUT)).await;
                }
                refusal.reply(on.profile)
            }
            (Ok(()), Ask::Logout) => Profile::good(json!({"Details": "Logged out"})),
            (Ok(()), _) => {
                if matches!(on.profile, Profile::A | Profile::B) {
                    sleep(on.pace.of(LOOP_ENDS)).await;
                }
                Profile::good(json!({"Details": "Disconnected"}))
            }
        }
    }

    async fn pair(&self, session: usize, body: &[u8]) -> Reply {
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

    async fn check(&self, session: usize, body: &[u8]) -> Reply {
        self.dialled(session).await;
        let (profile, phones) = match self.now(|world, _| world.may_check(session, body)) {
            Ok(asked) => asked,
            Err(reply) => return reply,
        };
        let fails = |text| profile.error(500, &format!("{CHECK_FAILED} {text}"));
        let half_open = self.now(|world, _| {
            let dead = world.sessions[session].state() == SessionState::HalfOpen;
            dead.then(|| world.conditions.pace.of(QUERY_TIMEOUT))
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
    /// Whose request it is.
    fn admit(&self, request: &Request) -> Result<usize, Reply> {
        let session = if request.path.starts_with("/admin/") {
            (request.credential == self.admin_token).then_some(0)
        } else {
            self.by_token(&request.credential)
        };
        session.ok_or_else(|| self.conditions.profile.error(401, "unauthorized"))
    }

    fn look(&self, session: usize, ask: Ask, now: Instant) -> Reply {
        let (profile, pace) = (self.conditions.profile, self.conditions.pace);
        let known = &self.sessions[session];
        if let Ask::Status = ask {
            let qr = known.qr_in_status(now, pace);
            return listing::status(profile, known, &picture(qr));
        }
        match known.qr(now, pace) {
            Ok(number) => Profile::good(json!({"QRCode": picture(number)})),
            Err(refusal) => refusal.reply(profile),
        }
    }

    fn connect(&mut self, session: usize, events: Option<Vec<String>>, now: Instant) -> Reply {
        let on = self.conditions;
        let known = &mut self.sessions[session];
        let process = match known.connect(now, &on) {
            Ok(process) => process,
            Err(refusal) => return refusal.reply(on.profile),
        };
        known.events = match events {
            Some(events) => events.join(","),
            None => on.profile.events_unless_named(&known.events),
        };
        let data = json!({
            "details": "Connected!", "events": known.events, "jid": known.jid, "webhook": "",
        });
        if let Some(life) = self.crash_on_connect {
            self.crash(life, now);
        } else if process == Process::Dies {
            self.end_process(now);
        }
        Profile::good(data)
    }

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
        let listing = self.directory.listing(phone);
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

/// The events that a connect names, and whether it returns at once.
fn connect_fields(body: &[u8]) -> Option<(Option<Vec<String>>, bool)> {
    let body = fields(body)?;
    let events = match field(&body, "Subscribe") {
        None | Some(Value::Null) => None,
        Some(Value::Array(events)) => {
            let events = events.iter().filter_map(Value::as_str);
            let known = events.filter(|event| EVENTS.contains(event));
            Some(known.map(str::to_owned).collect::<Vec<_>>())
        }
        Some(_) => return None,
    };
    let immediate = field(&body, "Immediate").and_then(Value::as_bool) == Some(true);
    Some((events.filter(|events| !events.is_empty()), immediate))
}

/// The picture of a QR code. Four more digits of base64 stand behind the picture's end, so that each code differs and
/// shows.
fn picture(number: Option<u64>) -> String {
    number.map_or_else(String::new, |number| {
        format!("data:image/png;base64,{}{number:04}", QR_PICTURE.trim())
    })
}
