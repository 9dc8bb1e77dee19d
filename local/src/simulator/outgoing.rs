//! A text on its way: what refuses it, and where it ends. Nothing waits here, and the time is handed in.
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::directory::{Listing, ToStranger};
use super::event::{Event, Written};
use super::faults::SendFault;
use super::inbox::Arrival;
use super::profile::Profile;
use super::state::SessionState;
use super::wire::{Reply, field, fields, text};
use super::world::World;

const NOT_PAIRED: &str = "the store doesn't contain a device JID";
const UNKNOWN_AND_CLOSED: &str =
    "failed to get device list: failed to send usync query: websocket not connected";
const KNOWN_AND_CLOSED: &str = "failed to send message node: websocket not connected";
const NO_ACK: &str = "timed out waiting for message send response";
const BUSY_STORE: &str = "failed to fetch LID mappings: database is locked (5) (SQLITE_BUSY)";
const SOCKET_BROKE: &str = "failed to send message node: write tcp 127.0.0.1:52944->127.0.0.1:443: write: connection reset by peer";
const SOCKET_BROKE_SINCE_C: &str = "failed to send message node: frame socket is closed";
const DEVICE_PART: &str = "message recipient must be a user JID with no device part";
const NO_GROUP: &str =
    "failed to get group members: missing <groups> element in response to group info query";

/// A text on its way.
pub(super) struct Outgoing {
    pub session: usize,
    pub phone: String,
    pub server: String,
    pub body: String,
    pub id: String,
    pub process: u64,
    /// The client object that has it.
    pub client: u64,
    /// How often the session had lost its socket when the text's turn came.
    pub losses: u64,
}

impl Outgoing {
    fn written(&self) -> Written {
        Written {
            phone: self.phone.clone(),
            id: self.id.clone(),
            text: self.body.clone(),
        }
    }
}

/// What a text finds when it is its turn.
pub(super) enum Turn {
    /// WhatsApp takes it, and this goes wrong.
    Written(Option<SendFault>),
    /// The connection is dead and nobody noticed.
    Unanswered,
    /// The session is not let in yet.
    Waits,
}

impl World {
    /// The text of a request, checked in the gateway's order, and the queue that it waits in.
    pub fn outgoing(
        &self,
        session: usize,
        body: &[u8],
    ) -> Result<(Arc<Mutex<()>>, Outgoing), Reply> {
        let known = &self.sessions[session];
        let profile = self.conditions.profile;
        if !known.state().has_object() {
            return Err(profile.error(500, "no session"));
        }
        let body = decoded(profile, body)?;
        let phone = text(&body, "Phone").trim_start_matches('+');
        let (phone, server) = phone.split_once('@').unwrap_or((phone, "s.whatsapp.net"));
        let number = self.calls.begun();
        let id = match text(&body, "Id") {
            "" => format!("3EB0{number:018X}"),
            id => id.to_owned(),
        };
        let outgoing = Outgoing {
            session,
            phone: phone.to_owned(),
            server: server.to_owned(),
            body: text(&body, "Body").to_owned(),
            id,
            process: self.process,
            client: known.client,
            losses: known.losses,
        };
        Ok((known.queue.clone(), outgoing))
    }

    /// The checks when it is a send's turn, and what will go wrong with it.
    pub fn begin_send(&mut self, outgoing: &mut Outgoing) -> Result<Turn, Reply> {
        self.pass_library(outgoing)?;
        let known = &mut self.sessions[outgoing.session];
        // It goes out on the socket of its turn, so what was lost while it waited does not count. The client object is still
        // the one that took it: `pass_library` has refused it otherwise.
        outgoing.losses = known.losses;
        match known.state() {
            SessionState::LoggingIn => return Ok(Turn::Waits),
            SessionState::HalfOpen => return Ok(Turn::Unanswered),
            _ => {}
        }
        // The other versions lose the text instead: see `arrived`.
        let refuses_when_busy = !self.conditions.profile.loses_texts_when_busy();
        let faults = &mut self.sessions[outgoing.session].faults;
        if refuses_when_busy && faults.busy.takes_next() {
            return Err(self.fail(BUSY_STORE));
        }
        self.pass_whatsapp(outgoing)?;
        let known = &mut self.sessions[outgoing.session];
        known.known_phones.insert(outgoing.phone.clone());
        Ok(Turn::Written(known.faults.sends.pop_front()))
    }

    /// Refuses what the library itself refuses.
    fn pass_library(&self, outgoing: &Outgoing) -> Result<(), Reply> {
        let known = &self.sessions[outgoing.session];
        let gone = known.client != outgoing.client;
        if !known.paired && !gone {
            return Err(self.fail(NOT_PAIRED));
        }
        match outgoing.server.as_str() {
            "s.whatsapp.net" if outgoing.phone.contains(':') => return Err(self.fail(DEVICE_PART)),
            "s.whatsapp.net" => {}
            "g.us" => return Err(self.fail(NO_GROUP)),
            server => {
                let text = format!("can't send message to unknown server {server}");
                return Err(self.fail(&text));
            }
        }
        if gone || !known.state().socket_open() {
            let text = if known.known_phones.contains(&outgoing.phone) {
                KNOWN_AND_CLOSED
            } else {
                UNKNOWN_AND_CLOSED
            };
            return Err(self.fail(text));
        }
        Ok(())
    }

    /// Refuses what WhatsApp refuses. A restriction counts whom it has refused.
    fn pass_whatsapp(&mut self, outgoing: &Outgoing) -> Result<(), Reply> {
        let phone = &outgoing.phone;
        if self.phones.known().directory.listing(phone) == Listing::Stranger(ToStranger::Refused) {
            let text = format!("no LID found for {phone}@s.whatsapp.net from server");
            return Err(self.fail(&text));
        }
        let known = &mut self.sessions[outgoing.session];
        let has_chat = known.contacts.contains(phone);
        if let Some(code) = known.faults.refuses(phone, has_chat) {
            return Err(self.fail(&format!("server returned error {code}")));
        }
        Ok(())
    }

    /// Whether the socket that a text went out on is lost.
    pub fn cut_off(&self, outgoing: &Outgoing) -> bool {
        let known = &self.sessions[outgoing.session];
        (known.client, known.losses) != (outgoing.client, outgoing.losses)
    }

    /// The answer to a text that WhatsApp took; what is swallowed does not reach the phone.
    pub fn arrived(&mut self, outgoing: &Outgoing, now: Instant) -> Reply {
        let profile = self.conditions.profile;
        let faults = &mut self.sessions[outgoing.session].faults;
        let busy = profile.loses_texts_when_busy() && faults.busy.takes_next();
        let swallowed = faults.silent.takes_next() || busy;
        let stranger = matches!(
            self.phones.known().directory.listing(&outgoing.phone),
            Listing::Stranger(_)
        );
        self.deliver_if(!swallowed && !stranger, outgoing, now);
        let taken = Event::MessageSent(outgoing.written());
        self.sessions[outgoing.session].news.push((now, taken));
        profile.sent(&outgoing.id, self.time_of(now, now))
    }

    /// A text to a half-open session was not acknowledged; after some of them the connection may be good again.
    pub fn not_acknowledged(&mut self, outgoing: &Outgoing, now: Instant) -> Reply {
        let conditions = self.conditions;
        let delivers = self.sessions[outgoing.session].faults.half_open_delivers;
        self.deliver_if(delivers, outgoing, now);
        let known = &mut self.sessions[outgoing.session];
        if let Some(left) = &mut known.faults.half_open_sends {
            *left = left.saturating_sub(1);
            if *left == 0 && known.state() == SessionState::HalfOpen {
                known.faults.half_open_sends = None;
                known.begin(SessionState::Online, now, &conditions);
            }
        }
        self.fail(NO_ACK)
    }

    /// The answer to a text whose socket broke while it was written.
    pub fn socket_breaks(&mut self, outgoing: &Outgoing, now: Instant) -> Reply {
        self.drop_socket(outgoing.session, now);
        self.fail(match self.conditions.profile {
            Profile::A | Profile::B => SOCKET_BROKE,
            Profile::C | Profile::D => SOCKET_BROKE_SINCE_C,
        })
    }

    /// Puts the text on the phone, unless the process that had it is gone.
    pub fn deliver_if(&mut self, arrives: bool, outgoing: &Outgoing, now: Instant) {
        if arrives && outgoing.process == self.process {
            let at_ms = self.at_ms(now);
            self.phones.known().inbox.deliver(&Arrival {
                phone: &outgoing.phone,
                id: &outgoing.id,
                text: &outgoing.body,
                session: &self.sessions[outgoing.session].name,
                at_ms,
            });
            self.plan_receipts(outgoing.session, &outgoing.written(), now);
        }
    }

    /// The answer to a text that was not sent, or perhaps not.
    pub fn fail(&self, why: &str) -> Reply {
        let text = format!("error sending message: {why}");
        self.conditions.profile.error(500, &text)
    }
}

/// The fields of a request, with a phone and a text.
fn decoded(profile: Profile, body: &[u8]) -> Result<Value, Reply> {
    let input = |text| profile.error(400, text);
    let body = fields(body).ok_or_else(|| input("could not decode Payload"))?;
    let mut texts = ["Phone", "Body", "Id"].into_iter();
    if texts.any(|name| field(&body, name).is_some_and(|value| !value.is_string())) {
        return Err(input("could not decode Payload"));
    }
    if text(&body, "Phone").is_empty() {
        return Err(input("missing Phone in Payload"));
    }
    if text(&body, "Body").is_empty() {
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
    Ok(body)
}
