//! What the gateway does with a request: who asks, which command, and what is answered, whichever face it came through.
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::commands::Refusal;
use super::handle::Simulator;
use super::listing;
use super::picture;
use super::profile::Profile;
use super::session::Process;
use super::waits::QUERY_TIMEOUT;
use super::webhook_calls::known_events;
use super::wire::{Reply, Request, field, fields};
use super::world::World;

/// How long a connect that does not return at once waits, in seconds.
const CONNECT_WAIT: f64 = 10.0;
/// How long A and B wait for a session's loop when they close it, in seconds.
const LOOP_ENDS: f64 = 0.5;

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
    AddUser,
    Health,
    ShowWebhook,
    SetWebhook,
    UpdateWebhook,
    DeleteWebhook,
}

impl Ask {
    fn new(request: &Request) -> Option<Self> {
        Some(match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/session/connect") => Self::Connect,
            ("POST", "/session/disconnect") => Self::Disconnect,
            ("POST", "/session/logout") => Self::Logout,
            ("POST", "/session/pairphone") => Self::PairPhone,
            ("POST", "/chat/send/text") => Self::Send,
            ("POST", "/user/check") => Self::Check,
            ("GET", "/session/status") => Self::Status,
            ("GET", "/session/qr") => Self::Qr,
            ("GET", "/admin/users") => Self::Users,
            ("POST", "/admin/users") => Self::AddUser,
            ("GET", "/health") => Self::Health,
            ("GET", "/webhook") => Self::ShowWebhook,
            ("POST", "/webhook") => Self::SetWebhook,
            ("PUT", "/webhook") => Self::UpdateWebhook,
            ("DELETE", "/webhook") => Self::DeleteWebhook,
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
            Ask::AddUser => self.now(|world, now| world.add_user(&request.body, now)),
            Ask::Health => Reply::not_found(),
            Ask::Disconnect | Ask::Logout => self.close(session, ask).await,
            Ask::PairPhone => self.pair(session, &request.body).await,
            Ask::Check => self.check(session, &request.body).await,
            Ask::Status | Ask::Qr => {
                self.dialled(session).await;
                self.now(|world, now| world.status_or_qr(session, ask, now))
            }
            Ask::ShowWebhook => self.now(|world, _| world.show_webhook(session)),
            Ask::SetWebhook => self.now(|world, _| world.set_webhook(session, &request.body)),
            Ask::UpdateWebhook => self.now(|world, _| world.update_webhook(session, &request.body)),
            Ask::DeleteWebhook => self.now(|world, _| world.delete_webhook(session)),
        }
    }

    async fn users(&self) -> Reply {
        self.all_dialled().await;
        self.now(|world, _| world.users())
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
        let Some((events, immediate)) = connect_fields(body, profile) else {
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
            return listing::status(profile, known, &picture::data_url(qr));
        }
        match known.qr(now, pace) {
            Ok(number) => Profile::good(json!({"QRCode": picture::data_url(number)})),
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
        known.webhook.connected(events, on.profile);
        let data = json!({
            "details": "Connected!", "events": known.webhook.events, "jid": known.jid,
            "webhook": known.webhook.url,
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
fn connect_fields(body: &[u8], profile: Profile) -> Option<(Option<Vec<String>>, bool)> {
    let body = fields(body)?;
    let events = known_events(&body, "Subscribe", profile)?;
    let immediate = field(&body, "Immediate").and_then(Value::as_bool) == Some(true);
    Some((events.filter(|events| !events.is_empty()), immediate))
}
