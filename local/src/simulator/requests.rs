//! What the gateway does with a request: who asks, which command, and what is answered, whichever face it came through.
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::commands::Refusal;
use super::handle::Simulator;
use super::listing;
use super::profile::Profile;
use super::session::Process;
use super::waits::QUERY_TIMEOUT;
use super::wire::{Reply, Request, field, fields};
use super::world::World;

/// The QR code's picture without its last part: base64 of a PNG whose length is a multiple of three bytes.
const QR_PICTURE: &str = include_str!("qr.txt");

/// How long a connect that does not return at once waits, in seconds.
const CONNECT_WAIT: f64 = 10.0;
/// How long A and B wait for a session's loop when they close it, in seconds.
const LOOP_ENDS: f64 = 0.5;

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
    fn new(request: &Request) -> Option<Self> {
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
        let ask = match Ask::new(request) {
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
                self.now(|world, now| world.status_or_qr(session, ask, now))
            }
        }
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
        let wait = self.now(|world, _| world.conditions.pace.scaled(CONNECT_WAIT));
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
                    sleep(on.pace.scaled(QUERY_TIMEOUT)).await;
                }
                refusal.reply(on.profile)
            }
            (Ok(()), Ask::Logout) => Profile::good(json!({"Details": "Logged out"})),
            (Ok(()), _) => {
                if matches!(on.profile, Profile::A | Profile::B) {
                    sleep(on.pace.scaled(LOOP_ENDS)).await;
                }
                Profile::good(json!({"Details": "Disconnected"}))
            }
        }
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

    fn status_or_qr(&self, session: usize, ask: Ask, now: Instant) -> Reply {
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
