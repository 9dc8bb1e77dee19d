//! The way of a text through the gateway: one at a time per session, on to the end even when the caller hung up.
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::Simulator;
use super::faults::SendFault;
use super::proxy::Proxy;
use super::scenario::LostAnswer;
use super::session::SessionState;
use super::wire::{Reply, field, fields, text};
use super::world::World;

const NOT_PAIRED: &str = "the store doesn't contain a device JID";
const NOT_CONNECTED: &str =
    "failed to get device list: failed to send usync query: websocket not connected";
const NO_ACK: &str = "timed out waiting for message send response";
const CUT_OFF: &str = "websocket disconnected before message send returned response";
/// How long a send waits for its acknowledgement, in seconds.
const ACK_TIMEOUT: f64 = 75.0;
/// How long a cut-off send waits for its socket, in seconds.
const RESEND_WAIT: f64 = 5.0;
/// How often a cut-off send looks whether its socket is back.
const LOOKS: u32 = 20;

/// A text on its way.
struct Outgoing {
    session: usize,
    phone: String,
    body: String,
    id: String,
    process: u64,
    losses: u64,
}

impl Simulator {
    pub(super) async fn send(&self, session: usize, body: &[u8]) -> Reply {
        let (queue, mut outgoing) = match self.now(|world, _| world.outgoing(session, body)) {
            Ok(outgoing) => outgoing,
            Err(reply) => return reply,
        };
        let place = queue.lock().await;
        let fault = match self.now(|world, _| world.begin_send(&mut outgoing)) {
            Ok(fault) => fault,
            Err(reply) => return reply,
        };
        let (send, ack, half_open) = self.now(|world, _| {
            let state = world.sessions[session].state();
            let pace = world.pace;
            (
                pace.send,
                pace.of(ACK_TIMEOUT),
                state == SessionState::HalfOpen,
            )
        });
        if half_open {
            sleep(ack).await;
            return self.now(|world, now| {
                if world.sessions[session].faults.half_open_delivers {
                    world.deliver(&outgoing, now);
                }
                let pace = world.pace;
                let known = &mut world.sessions[session];
                if let Some(left) = &mut known.faults.half_open_sends {
                    *left = left.saturating_sub(1);
                    if *left == 0 && known.state() == SessionState::HalfOpen {
                        known.faults.half_open_sends = None;
                        known.begin(SessionState::Online, now, pace);
                    }
                }
                world.fail(NO_ACK)
            });
        }
        sleep(send).await;
        if let Some(SendFault::AckLost { delivered, down }) = fault {
            self.now(|world, now| {
                if delivered {
                    world.deliver(&outgoing, now);
                }
                world.sessions[session].begin_for(SessionState::Reconnecting, down, now);
            });
        }
        if !self.same_socket_or_back(&outgoing).await {
            return self.now(|world, _| world.fail(CUT_OFF));
        }
        let answer = self.now(|world, now| {
            world.deliver_unless_swallowed(&outgoing, now);
            world.profile.sent(&outgoing.id, world.at_ms(now) / 1000)
        });
        drop(place);
        match fault {
            Some(SendFault::AnswerLost { how, after }) => {
                sleep(after).await;
                match how {
                    LostAnswer::Closed => Reply::Cut,
                    LostAnswer::Proxy504 => Proxy::page(504),
                }
            }
            _ => answer,
        }
    }

    /// Whether the socket is the one that the frame went out on, or is back in time to send the frame again.
    async fn same_socket_or_back(&self, outgoing: &Outgoing) -> bool {
        let wait = self.now(|world, _| {
            let lost = world.sessions[outgoing.session].losses != outgoing.losses;
            lost.then(|| world.pace.of(RESEND_WAIT) / LOOKS)
        });
        let Some(wait) = wait else { return true };
        for _ in 0..LOOKS {
            sleep(wait).await;
            if self.now(|world, _| world.sessions[outgoing.session].state()) == SessionState::Online
            {
                return true;
            }
        }
        false
    }
}

impl World {
    /// The text of a request, checked in the gateway's order.
    fn outgoing(&self, session: usize, body: &[u8]) -> Result<(Arc<Mutex<()>>, Outgoing), Reply> {
        let known = &self.sessions[session];
        if !known.state().has_object() {
            return Err(self.profile.error(500, "no session"));
        }
        let input = |text| self.profile.error(400, text);
        let body = fields(body).ok_or_else(|| input("could not decode Payload"))?;
        if ["Phone", "Body", "Id"]
            .iter()
            .any(|name| field(&body, name).is_some_and(|value| !value.is_string()))
        {
            return Err(input("could not decode Payload"));
        }
        let (phone, message) = (text(&body, "Phone"), text(&body, "Body"));
        if phone.is_empty() {
            return Err(input("missing Phone in Payload"));
        }
        if message.is_empty() {
            return Err(input("missing Body in Payload"));
        }
        if let Some(context) = field(&body, "ContextInfo").filter(|context| context.is_object()) {
            match (text(context, "StanzaID"), text(context, "Participant")) {
                ("", "") => {}
                ("", _) => return Err(input("missing StanzaID in ContextInfo")),
                (_, "") => return Err(input("missing Participant in ContextInfo")),
                _ => {}
            }
        }
        let phone = phone.trim_start_matches('+');
        let number = self.calls.begun();
        let id = match text(&body, "Id") {
            "" => format!("3EB0{number:018X}"),
            id => id.to_owned(),
        };
        let outgoing = Outgoing {
            session,
            phone: phone.split('@').next().unwrap_or_default().to_owned(),
            body: message.to_owned(),
            id,
            process: self.process,
            losses: known.losses,
        };
        Ok((known.queue.clone(), outgoing))
    }

    /// The checks when it is a send's turn, and what will go wrong with it.
    fn begin_send(&mut self, outgoing: &mut Outgoing) -> Result<Option<SendFault>, Reply> {
        let known = &mut self.sessions[outgoing.session];
        outgoing.losses = known.losses;
        match known.state() {
            SessionState::QrWait => return Err(self.fail(NOT_PAIRED)),
            state if !state.socket_open() => return Err(self.fail(NOT_CONNECTED)),
            SessionState::HalfOpen => return Ok(None),
            _ => {}
        }
        if self.strangers.contains(&outgoing.phone) && !self.strangers_taken {
            let phone = &outgoing.phone;
            return Err(self.fail(&format!(
                "no LID found for {phone}@s.whatsapp.net from server"
            )));
        }
        let new_chat = self.inbox.of(Some(&outgoing.phone)).next().is_none();
        if new_chat && let Some(code) = known.faults.refuses(&outgoing.phone) {
            return Err(self.fail(&format!("server returned error {code}")));
        }
        Ok(known.faults.sends.pop_front())
    }

    fn deliver_unless_swallowed(&mut self, outgoing: &Outgoing, now: Instant) {
        let swallowed = self.sessions[outgoing.session].faults.swallows();
        if !swallowed && !self.strangers.contains(&outgoing.phone) {
            self.deliver(outgoing, now);
        }
    }

    /// Puts the text on the phone, unless the process that had it is gone.
    fn deliver(&mut self, outgoing: &Outgoing, now: Instant) {
        if outgoing.process == self.process {
            let at_ms = self.at_ms(now);
            let session = &self.sessions[outgoing.session].name;
            let Outgoing {
                phone, id, body, ..
            } = outgoing;
            self.inbox.deliver(phone, id, body, session, at_ms);
        }
    }

    fn fail(&self, why: &str) -> Reply {
        self.profile
            .error(500, &format!("error sending message: {why}"))
    }
}
