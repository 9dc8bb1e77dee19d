//! The way of a text through the gateway: one at a time per client object, on to the end even when the caller hung up.
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use super::directory::{Listing, ToStranger};
use super::faults::{LostAnswer, SendFault};
use super::handle::Simulator;
use super::profile::Profile;
use super::proxy::Proxy;
use super::state::SessionState;
use super::wire::{Reply, field, fields, text};
use super::world::World;

const NOT_PAIRED: &str = "the store doesn't contain a device JID";
const UNKNOWN_AND_CLOSED: &str =
    "failed to get device list: failed to send usync query: websocket not connected";
const KNOWN_AND_CLOSED: &str = "failed to send message node: websocket not connected";
const CUT_OFF_BEFORE: &str = "failed to get device list: failed to send usync query: websocket disconnected before info query returned response";
const NO_LOOK_UP: &str =
    "failed to get device list: failed to send usync query: info query timed out";
const NO_ACK: &str = "timed out waiting for message send response";
const CUT_OFF: &str = "websocket disconnected before message send returned response";
const CUT_OFF_AGAIN: &str = "websocket disconnected before message send (retry) returned response";
const BUSY_STORE: &str = "failed to fetch LID mappings: database is locked (5) (SQLITE_BUSY)";
const SOCKET_BROKE: &str = "failed to send message node: write tcp 127.0.0.1:52944->127.0.0.1:443: write: connection reset by peer";
const SOCKET_BROKE_D: &str = "failed to send message node: frame socket is closed";
const DEVICE_PART: &str = "message recipient must be a user JID with no device part";
const NO_GROUP: &str =
    "failed to get group members: missing <groups> element in response to group info query";

/// How long a send waits for its acknowledgement, and its look-up for an answer, in seconds.
const ACK_TIMEOUT: f64 = 75.0;
/// How long a cut-off send waits for its socket, in seconds.
const RESEND_WAIT: f64 = 5.0;

/// A text on its way.
struct Outgoing {
    session: usize,
    phone: String,
    server: String,
    body: String,
    id: String,
    process: u64,
    /// The client object that has it, and how often that had lost its socket.
    client: u64,
    losses: u64,
}

/// What a text finds when it is its turn.
enum Turn {
    /// WhatsApp takes it, and this goes wrong.
    Written(Option<SendFault>),
    /// The connection is dead and nobody noticed.
    Unanswered,
    /// The session is not let in yet.
    Waits,
}

impl Simulator {
    pub(super) async fn send(&self, session: usize, body: &[u8]) -> Reply {
        self.dialled(session).await;
        let reply = match self.now(|world, _| world.outgoing(session, body)) {
            Ok((queue, outgoing)) => self.send_in_turn(queue, outgoing).await,
            Err(reply) => Err(reply),
        };
        reply.unwrap_or_else(|refusal| refusal)
    }

    async fn send_in_turn(
        &self,
        queue: Arc<Mutex<()>>,
        mut outgoing: Outgoing,
    ) -> Result<Reply, Reply> {
        let place = queue.lock().await;
        let fault = match self.turn(&mut outgoing).await? {
            Turn::Written(fault) => fault,
            Turn::Unanswered | Turn::Waits => {
                self.unanswered(&outgoing).await?;
                None
            }
        };
        self.write(&outgoing, fault).await?;
        let answer = self.now(|world, now| world.arrived(&outgoing, now));
        drop(place);
        let Some(SendFault::AnswerLost { how, after }) = fault else {
            return Ok(answer);
        };
        sleep(after).await;
        Ok(match how {
            LostAnswer::Closed => Reply::Cut,
            LostAnswer::Proxy504 => Proxy::page(504),
        })
    }

    /// What the text finds once its session is let in.
    async fn turn(&self, outgoing: &mut Outgoing) -> Result<Turn, Reply> {
        loop {
            self.dialled(outgoing.session).await;
            let turn = self.now(|world, _| world.begin_send(outgoing))?;
            if !matches!(turn, Turn::Waits) {
                return Ok(turn);
            }
            self.let_in(outgoing.session, |why| {
                let text = match why {
                    NotLetIn::Lost => CUT_OFF_BEFORE,
                    NotLetIn::TimedOut => NO_LOOK_UP,
                };
                self.now(|world, _| world.fail(text))
            })
            .await?;
        }
    }

    /// Waits until a session that logs in is let in. Everything that asks WhatsApp for something waits like this.
    pub(super) async fn let_in<E>(
        &self,
        session: usize,
        refuse: impl FnOnce(NotLetIn) -> E,
    ) -> Result<(), E> {
        let (client, losses, patience) = self.now(|world, _| {
            let known = &world.sessions[session];
            let patience = world.conditions.pace.of(ACK_TIMEOUT);
            (known.client, known.losses, patience)
        });
        let comes = self.wait_for(|world| {
            let known = &world.sessions[session];
            let same = (known.client, known.losses) == (client, losses);
            match known.state() {
                SessionState::LoggingIn if same => None,
                _ => Some(same),
            }
        });
        match timeout(patience, comes).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(refuse(NotLetIn::Lost)),
            Err(_) => Err(refuse(NotLetIn::TimedOut)),
        }
    }

    /// Waits for an acknowledgement that does not come. When the library notices in time that the connection is dead,
    /// the text is sent again.
    async fn unanswered(&self, outgoing: &Outgoing) -> Result<(), Reply> {
        let patience = self.now(|world, _| world.conditions.pace.of(ACK_TIMEOUT));
        let lost = self.wait_for(|world| world.cut_off(outgoing).then_some(()));
        if timeout(patience, lost).await.is_ok() {
            return self.sent_again(outgoing).await;
        }
        Err(self.now(|world, now| world.half_open_for_one_less(outgoing, now)))
    }

    /// Writes the text and waits for WhatsApp's acknowledgement.
    async fn write(&self, outgoing: &Outgoing, fault: Option<SendFault>) -> Result<(), Reply> {
        let send = self.now(|world, _| world.conditions.pace.send);
        sleep(send).await;
        match fault {
            Some(SendFault::AckLost { delivered, down }) => self.now(|world, now| {
                world.deliver_if(delivered, outgoing, now);
                world.sessions[outgoing.session].lose_for(down, now);
            }),
            Some(SendFault::SocketBreaks) => {
                return Err(self.now(|world, now| world.socket_breaks(outgoing, now)));
            }
            Some(SendFault::ResendUnanswered { delivered }) => {
                self.now(|world, now| {
                    world.deliver_if(delivered, outgoing, now);
                    world.drop_socket(outgoing.session, now);
                });
                self.sent_again(outgoing).await?;
                return Err(self.never_acknowledged(outgoing).await);
            }
            Some(SendFault::AnswerLost { .. }) | None => {}
        }
        self.sent_again(outgoing).await
    }

    /// A text whose socket was lost is written again when the socket is back in time.
    async fn sent_again(&self, outgoing: &Outgoing) -> Result<(), Reply> {
        let (lost, patience) = self.now(|world, _| {
            let patience = world.conditions.pace.of(RESEND_WAIT);
            (world.cut_off(outgoing), patience)
        });
        if !lost {
            return Ok(());
        }
        let back = self.wait_for(|world| {
            let known = &world.sessions[outgoing.session];
            let same = known.client == outgoing.client;
            (same && known.state() == SessionState::Online).then_some(())
        });
        match timeout(patience, back).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.now(|world, _| world.fail(CUT_OFF))),
        }
    }

    /// The library's own second try is not acknowledged either, and it waits for that without limit.
    async fn never_acknowledged(&self, outgoing: &Outgoing) -> Reply {
        let session = outgoing.session;
        self.now(|world, _| world.sessions[session].faults.dead_queue = true);
        self.wait_for(|world| {
            let known = &world.sessions[session];
            let over = known.client != outgoing.client || !known.faults.dead_queue;
            over.then_some(())
        })
        .await;
        self.now(|world, _| world.fail(CUT_OFF_AGAIN))
    }
}

/// Why a call that waited for a login goes no further.
pub(super) enum NotLetIn {
    /// The socket was lost.
    Lost,
    /// It took too long.
    TimedOut,
}

impl World {
    /// The text of a request, checked in the gateway's order.
    fn outgoing(&self, session: usize, body: &[u8]) -> Result<(Arc<Mutex<()>>, Outgoing), Reply> {
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
    fn begin_send(&mut self, outgoing: &mut Outgoing) -> Result<Turn, Reply> {
        self.can_be_sent(outgoing)?;
        let known = &mut self.sessions[outgoing.session];
        outgoing.losses = known.losses;
        match known.state() {
            SessionState::LoggingIn => return Ok(Turn::Waits),
            SessionState::HalfOpen => return Ok(Turn::Unanswered),
            _ => {}
        }
        if self.conditions.profile == Profile::C || self.conditions.profile == Profile::D {
            let busy = self.sessions[outgoing.session].faults.busy.takes_next();
            if busy {
                return Err(self.fail(BUSY_STORE));
            }
        }
        self.is_taken(outgoing)?;
        let known = &mut self.sessions[outgoing.session];
        known.known_phones.insert(outgoing.phone.clone());
        Ok(Turn::Written(known.faults.sends.pop_front()))
    }

    /// What the library itself refuses.
    fn can_be_sent(&self, outgoing: &Outgoing) -> Result<(), Reply> {
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

    /// What WhatsApp refuses.
    fn is_taken(&mut self, outgoing: &Outgoing) -> Result<(), Reply> {
        let phone = &outgoing.phone;
        if self.directory.listing(phone) == Listing::Stranger(ToStranger::Refused) {
            let text = format!("no LID found for {phone}@s.whatsapp.net from server");
            return Err(self.fail(&text));
        }
        let new_chat = self.inbox.of(Some(phone)).next().is_none();
        let faults = &mut self.sessions[outgoing.session].faults;
        if new_chat && let Some(code) = faults.refuses(phone) {
            return Err(self.fail(&format!("server returned error {code}")));
        }
        Ok(())
    }

    /// Whether the socket that a text went out on is lost.
    fn cut_off(&self, outgoing: &Outgoing) -> bool {
        let known = &self.sessions[outgoing.session];
        (known.client, known.losses) != (outgoing.client, outgoing.losses)
    }

    /// The answer to a text that WhatsApp took; what is swallowed does not reach the phone.
    fn arrived(&mut self, outgoing: &Outgoing, now: Instant) -> Reply {
        let profile = self.conditions.profile;
        let faults = &mut self.sessions[outgoing.session].faults;
        let busy = profile.loses_texts_when_busy() && faults.busy.takes_next();
        let swallowed = faults.silent.takes_next() || busy;
        let stranger = matches!(
            self.directory.listing(&outgoing.phone),
            Listing::Stranger(_)
        );
        self.deliver_if(!swallowed && !stranger, outgoing, now);
        profile.sent(&outgoing.id, self.at_ms(now) / 1000)
    }

    /// A text to a half-open session was not acknowledged; after some of them the connection may be good again.
    fn half_open_for_one_less(&mut self, outgoing: &Outgoing, now: Instant) -> Reply {
        let on = self.conditions;
        let delivers = self.sessions[outgoing.session].faults.half_open_delivers;
        self.deliver_if(delivers, outgoing, now);
        let known = &mut self.sessions[outgoing.session];
        if let Some(left) = &mut known.faults.half_open_sends {
            *left = left.saturating_sub(1);
            if *left == 0 && known.state() == SessionState::HalfOpen {
                known.faults.half_open_sends = None;
                known.begin(SessionState::Online, now, &on);
            }
        }
        self.fail(NO_ACK)
    }

    fn socket_breaks(&mut self, outgoing: &Outgoing, now: Instant) -> Reply {
        self.drop_socket(outgoing.session, now);
        self.fail(match self.conditions.profile {
            Profile::A | Profile::B => SOCKET_BROKE,
            Profile::C | Profile::D => SOCKET_BROKE_D,
        })
    }

    /// Puts the text on the phone, unless the process that had it is gone.
    fn deliver_if(&mut self, arrives: bool, outgoing: &Outgoing, now: Instant) {
        if arrives && outgoing.process == self.process {
            let at_ms = self.at_ms(now);
            let session = &self.sessions[outgoing.session].name;
            let Outgoing {
                phone, id, body, ..
            } = outgoing;
            self.inbox.deliver(phone, id, body, session, at_ms);
        }
    }

    fn fail(&self, why: &str) -> Reply {
        let text = format!("error sending message: {why}");
        self.conditions.profile.error(500, &text)
    }
}

/// The fields of a request, with a phone and a text.
fn decoded(profile: Profile, body: &[u8]) -> Result<serde_json::Value, Reply> {
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
