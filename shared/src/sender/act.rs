//! The one loop that runs the steps of a message: wait, send, see what happened, decide, again.
use std::time::Duration;

use super::classify::{Observation, classify};
use super::decide::{Progress, Step, decide};
use super::{
    Content, Delivery, HUMAN_TAKES, Outcome, Outgoing, Place, Reason, Sender, StepTaken, assess,
};
use crate::gateway::{GatewayError, Jid, TextMessage, UserCheck};
use crate::model::phone::Phone;
use crate::platform::timestamp::Timestamp;
use crate::store::StoreError;
use crate::store::whatsapp_sessions::{
    REMEMBERED, RecentSend, Seen, SendEnd, SendShown, SessionState, Slot, TakenSend,
};

/// No send starts with less time than this.
const SEND_MIN: Duration = Duration::from_secs(3);
/// What everything before a send leaves of the time.
pub(super) const SEND_ROOM: Duration = Duration::from_millis(3_100);
/// No send takes longer than this.
const SEND_MAX: Duration = Duration::from_secs(10);

/// How long the end of one message speaks for those that go to nobody.
const END_SPEAKS: Duration = Duration::from_secs(600);

/// How long a question whether a number is on WhatsApp may take.
const CHECK_MAX: Duration = Duration::from_millis(1_500);

/// One message on its way.
pub(super) struct Run<'a> {
    pub(super) sender: &'a Sender,
    pub(super) place: Place,
    pub(super) message: Outgoing,
    pub(super) deadline: Timestamp,
    pub(super) steps: Vec<StepTaken>,
    /// How long until something new can be tried, when the session did not come back.
    pub(super) retry_after: Option<Duration>,
    /// When the first send began.
    first_sent_at: Option<Timestamp>,
    /// When the last send began.
    sent_at: Timestamp,
    /// A recovery found the session as unusable as any status shows it.
    trouble_shown: bool,
    /// The recipient's account, where it is known under another number.
    jid: Option<Jid>,
    /// How long the send took that was taken.
    taken_in: Option<Duration>,
}

pub(super) async fn deliver(
    sender: &Sender,
    place: Place,
    message: Outgoing,
    deadline: Timestamp,
) -> Delivery {
    let started = sender.clock.now();
    let mut run = Run {
        sender,
        place,
        message,
        deadline,
        steps: Vec::new(),
        retry_after: None,
        first_sent_at: None,
        sent_at: started,
        trouble_shown: false,
        jid: None,
        taken_in: None,
    };
    let mut observation = run.begin().await;
    let mut progress = Progress::default();
    // `decide` ends every story after a stated number of observations.
    loop {
        let (next, step) = decide(progress, observation);
        progress = next;
        observation = match step {
            Step::Finish(outcome) => {
                if observation == Observation::Unanswered {
                    run.note_unanswered().await;
                }
                return run.finish(outcome, started);
            }
            Step::Recover { gateway_was_down } => {
                let found = run.recover(gateway_was_down).await;
                run.trouble_shown |= found != Observation::UsableAtOnce;
                found
            }
            Step::Send { after } => match run.queue_again(after).await {
                Some(refusal) => refusal,
                None => run.send().await,
            },
        };
    }
}

impl Run<'_> {
    /// Waits for the place and sends. A session that is known not to answer is not sent to before it was reset. A number that
    /// took no message lately is looked up, and so is one that WhatsApp may have under another spelling.
    async fn begin(&mut self) -> Observation {
        if let Some(refusal) = self.wait_for(self.place.at).await {
            return refusal;
        }
        if self.place.item.seen.map(|seen| seen.state) == Some(SessionState::Suspect) {
            return Observation::SessionTrouble;
        }
        let first = self.message.first_contact;
        if self.sender.check_first_contact && (first || self.message.phone.former().is_some()) {
            match self.look_up().await {
                LookUp::NotThere if first => return Observation::NotOnWhatsApp,
                LookUp::There(jid) => self.jid = jid,
                LookUp::NotThere | LookUp::Unlisted | LookUp::NoAnswer => {}
            }
        }
        self.send().await
    }

    /// Sends the message, once.
    async fn send(&mut self) -> Observation {
        let began = self.sender.clock.now();
        let left = self.deadline.since(began);
        if left < SEND_MIN {
            return Observation::OutOfTime;
        }
        self.first_sent_at.get_or_insert(began);
        self.sent_at = began;
        let sent = self.hand_over(began, left.min(SEND_MAX)).await;
        let took = self.sender.clock.now().since(began);
        match sent {
            Ok(observation) => {
                self.taken_in = (observation == Observation::Sent).then_some(took);
                self.add_step(
                    match observation {
                        Observation::Sent => "send: taken",
                        Observation::LikeTheLast(_) => "send: like the last one",
                        _ => "send: the session is not usable",
                    },
                    took,
                );
                observation
            }
            Err(error) => {
                self.add_step(format!("send: {error}"), took);
                let observation = classify(&error);
                if observation != Observation::NotOnWhatsApp {
                    return observation;
                }
                let confirmed = self.confirm_not_on_whatsapp().await;
                // It is known sooner than a message is sent, and would tell that the number has an account.
                self.pass_the_cost(began).await;
                confirmed
            }
        }
    }

    async fn hand_over(
        &self,
        began: Timestamp,
        within: Duration,
    ) -> Result<Observation, GatewayError> {
        let (gateway, token) = (&self.sender.gateway, &self.place.token);
        match &self.message.content {
            Content::Text(body) => {
                let message = TextMessage {
                    phone: self.message.phone.clone(),
                    jid: self.jid.clone(),
                    body: body.clone(),
                    id: self.message.message_id.clone(),
                };
                gateway.send_text(token, &message, within).await?;
                Ok(Observation::Sent)
            }
            Content::Nobody => {
                if !gateway.status(token, within).await?.usable() {
                    return Ok(Observation::SessionTrouble);
                }
                Ok(self.pretend_to_send(began, within).await)
            }
        }
    }

    /// Takes the time and the end of the session's last real messages, so that neither tells that there is nobody: the last
    /// one's, if that was not taken lately, and otherwise the time of one of those that were.
    async fn pretend_to_send(&self, began: Timestamp, within: Duration) -> Observation {
        let recent = &self.place.item.recent;
        if let Some(last) = recent.last()
            && let Some(outcome) = not_taken(last.end)
            && began.since(last.at) < END_SPEAKS
        {
            let end = began.plus(last.took).min(self.deadline);
            tokio::time::sleep(self.sender.clock.until(end)).await;
            return Observation::LikeTheLast(outcome);
        }
        let taken = recent.iter().filter(|send| send.end == SendEnd::Taken);
        let times: Vec<Duration> = taken.map(|send| send.took).collect();
        let drawn = match times.len() as u64 {
            0 => None,
            count => times.get(self.sender.entropy.below(count) as usize),
        };
        match drawn {
            Some(took) => {
                let end = began.plus((*took).min(within));
                tokio::time::sleep(self.sender.clock.until(end)).await;
            }
            None => self.pass_the_cost(began).await,
        }
        Observation::Sent
    }

    /// Asks the gateway whether the recipient is on WhatsApp. That does not wait in the queue of the sends.
    async fn look_up(&mut self) -> LookUp {
        let began = self.now();
        let within = CHECK_MAX.min(self.deadline.since(began).saturating_sub(SEND_ROOM));
        let phone = &self.message.phone;
        let spellings: Vec<_> = [phone.clone()].into_iter().chain(phone.former()).collect();
        let (gateway, token) = (&self.sender.gateway, &self.place.token);
        let asked = gateway.check_users(token, &spellings, within);
        let answer = match asked.await {
            Ok(checks) => LookUp::new(&checks, &spellings),
            Err(_) => LookUp::NoAnswer,
        };
        self.add_step(answer.step(), self.now().since(began));
        answer
    }

    /// A send said that the number is not on WhatsApp, which is a hint and not a fact. What the gateway says when it is
    /// asked decides.
    async fn confirm_not_on_whatsapp(&mut self) -> Observation {
        match self.look_up().await {
            LookUp::NotThere | LookUp::Unlisted => Observation::NotOnWhatsApp,
            LookUp::There(Some(jid)) if self.jid.as_ref() != Some(&jid) => {
                self.jid = Some(jid);
                Observation::OtherNumber
            }
            LookUp::There(_) | LookUp::NoAnswer => Observation::Rejected,
        }
    }

    /// Counts a send without an answer. If it was not the first one in a row, the session is suspect: the others are told,
    /// and it is reset.
    async fn note_unanswered(&mut self) {
        if !matches!(self.message.content, Content::Text(_)) {
            return;
        }
        let sessions = &self.sender.sessions;
        let name = self.place.session.clone();
        let now = self.now();
        let marked = async {
            let item = sessions
                .note_unanswered(&name, (self.sent_at, now), assess::UNANSWERED_LIFE)
                .await?;
            match assess::suspect(&item, now) {
                Some(seen) => sessions.saw(&name, seen).await.map(Some),
                None => Ok(None),
            }
        };
        match tokio::time::timeout(self.deadline.since(now), marked).await {
            Ok(Ok(Some(item))) => self.leave_cured(item).await,
            Ok(Ok(None)) | Err(_) => {}
            Ok(Err(error)) => self.store_failed(&error),
        }
    }

    /// Waits until a message that began at `began` would have been sent.
    async fn pass_the_cost(&self, began: Timestamp) {
        let end = began.plus(self.place.cost).min(self.deadline);
        tokio::time::sleep(self.sender.clock.until(end)).await;
    }

    /// Pauses, then waits in a new place of the queue: a crowd that a recovery releases must not send all at once.
    /// Answers why there is no such place.
    async fn queue_again(&mut self, pause: Duration) -> Option<Observation> {
        let sender = self.sender;
        if let Some(refusal) = self.wait_for(self.now().plus(pause)).await {
            return Some(refusal);
        }
        let now = self.now();
        let wait_max = self.deadline.since(now).saturating_sub(SEND_ROOM);
        let cost = self.place.cost;
        let slot = sender
            .sessions
            .take_slot(&self.place.session, None, now, wait_max, cost);
        match tokio::time::timeout(sender.clock.until(self.deadline), slot).await {
            Ok(Ok(Slot::At(at, cost))) => {
                self.place.cost = cost;
                self.wait_for(at).await
            }
            Ok(Ok(Slot::Full(_))) => Some(Observation::QueueFull),
            // The queue keeps the pace and nothing else, so a message goes without it when the store fails.
            Ok(Err(error)) => {
                self.store_failed(&error);
                None
            }
            Err(_) => Some(Observation::OutOfTime),
        }
    }

    /// Sleeps until `at`, unless no send could follow.
    async fn wait_for(&mut self, at: Timestamp) -> Option<Observation> {
        let began = self.now();
        let wait = at.since(began);
        if self.deadline.since(began) < wait + SEND_MIN {
            return Some(Observation::OutOfTime);
        }
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
            self.add_step("wait", self.now().since(began));
        }
        None
    }

    /// The present time: read again after every wait, for the process may have been frozen meanwhile.
    pub(super) fn now(&self) -> Timestamp {
        self.sender.clock.now()
    }

    /// Adds to the story of the message.
    pub(super) fn add_step(&mut self, what: impl Into<String>, took: Duration) {
        self.steps.push(StepTaken {
            what: what.into(),
            elapsed_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        });
    }

    /// The store only keeps the pace of a send and the knowledge about a session, so a failure stops nothing.
    pub(super) fn store_failed(&self, error: &StoreError) {
        tracing::error!(
            session = self.place.session,
            message_id = self.message.message_id,
            error = error as &dyn std::error::Error,
            "[WhatsApp System] the store failed beside a send"
        );
    }

    fn finish(self, outcome: Outcome, started: Timestamp) -> Delivery {
        let now = self.sender.clock.now();
        let to_nobody = matches!(self.message.content, Content::Nobody);
        let shown = self.shown(outcome, now);
        let item = self.place.item;
        let seen = state_shown(outcome, item.seen, to_nobody, now);
        let delivery = Delivery {
            outcome,
            session: self.place.session,
            message_id: self.message.message_id,
            purpose: self.message.purpose,
            phone: self.message.phone,
            started,
            steps: self.steps,
            retry_after: retry_after(outcome, self.retry_after),
            to_nobody,
            place_cost: self.place.cost,
            shown,
            seen,
        };
        log(&delivery, now.since(started));
        delivery
    }

    /// What the message has shown about its session; nothing if it went to nobody or was not sent at all.
    fn shown(&self, outcome: Outcome, now: Timestamp) -> Option<SendShown> {
        let first_sent_at = self.first_sent_at?;
        if matches!(self.message.content, Content::Nobody) {
            return None;
        }
        let item = &self.place.item;
        let taken = self.taken_in.map(|took| TakenSend {
            began: self.sent_at,
            ended: self.sent_at.plus(took),
            may_have_waited: took > self.place.cost,
            cost_max: self.place.cost * 2,
        });
        let end = send_end(outcome).filter(|_| taken.is_some() || !self.trouble_shown)?;
        let send = RecentSend {
            at: now,
            took: self.taken_in.unwrap_or_else(|| now.since(first_sent_at)),
            end,
        };
        let mut recent = item.recent.clone();
        if speaks_for_others(&send, self.message.first_contact, &recent) {
            recent.push(send);
        }
        Some(SendShown {
            recent,
            taken,
            connect_after: assess::window_after_success(item, now).filter(|_| taken.is_some()),
        })
    }
}

/// The ends that say something about other messages. Missing are those of one recipient, and those that every status shows.
const ENDS: [(Outcome, SendEnd); 8] = [
    (Outcome::Sent, SendEnd::Taken),
    (Outcome::Unknown, SendEnd::Unknown),
    (Outcome::NotSent(Reason::Busy), SendEnd::Busy),
    (Outcome::NotSent(Reason::SessionDown), SendEnd::Down),
    (Outcome::NotSent(Reason::NeedsPairing), SendEnd::Unpaired),
    (Outcome::NotSent(Reason::Rejected), SendEnd::Rejected),
    (Outcome::NotSent(Reason::Restricted), SendEnd::Restricted),
    (Outcome::NotSent(Reason::Deadline), SendEnd::Late),
];

/// The end that `outcome` is, if it is one of [`ENDS`].
fn send_end(outcome: Outcome) -> Option<SendEnd> {
    let mut ends = ENDS.into_iter();
    ends.find_map(|(of, end)| (of == outcome).then_some(end))
}

/// The outcome of a message that ends so; nothing if it is taken.
fn not_taken(end: SendEnd) -> Option<Outcome> {
    let mut ends = ENDS.into_iter().filter(|(of, _)| *of != Outcome::Sent);
    ends.find_map(|(outcome, of)| (of == end).then_some(outcome))
}

/// Whether messages to nobody may end like `send`, or take its time. They stand for messages to users: what WhatsApp says
/// to a first contact, which anybody can ask for, says nothing about those, and it takes longer.
fn speaks_for_others(send: &RecentSend, first_contact: bool, recent: &[RecentSend]) -> bool {
    let of_users =
        recent.len() >= REMEMBERED && recent.iter().all(|send| send.end == SendEnd::Taken);
    match send.end {
        SendEnd::Rejected | SendEnd::Restricted => !first_contact,
        SendEnd::Taken => !(first_contact && of_users),
        _ => true,
    }
}

/// What a look-up of a number came to.
enum LookUp {
    /// It is on WhatsApp, perhaps under another number.
    There(Option<Jid>),
    /// It is not on WhatsApp.
    NotThere,
    /// The answer does not name it.
    Unlisted,
    /// There was no answer, or an error.
    NoAnswer,
}

impl LookUp {
    /// What `checks` say of a phone in its `spellings`, of which the first one counts.
    fn new(checks: &[UserCheck], spellings: &[Phone]) -> Self {
        // A gateway that corrects the number may name it by the corrected one.
        let only = checks.first().filter(|_| checks.len() == 1);
        let of = |phone: &Phone| checks.iter().find(|check| check.query == phone.digits());
        let mut named: Vec<_> = spellings.iter().filter_map(of).collect();
        if let (true, Some(only)) = (named.is_empty(), only) {
            named.push(only);
        }
        match named.iter().find(|check| check.on_whatsapp) {
            Some(check) => Self::There(check.other_account(&spellings[0])),
            None if named.is_empty() => Self::Unlisted,
            None => Self::NotThere,
        }
    }

    const fn step(&self) -> &'static str {
        match self {
            Self::There(None) => "look-up: on WhatsApp",
            Self::There(Some(_)) => "look-up: on WhatsApp under another number",
            Self::NotThere => "look-up: not on WhatsApp",
            Self::Unlisted => "look-up: not named",
            Self::NoAnswer => "look-up: no answer",
        }
    }
}

/// WhatsApp refuses for minutes, and takes who asks again and again for a sender of spam.
const REFUSED_FOR: Duration = Duration::from_secs(60);

/// How long to wait before the next request. What only a human can end is not asked for every few seconds.
fn retry_after(outcome: Outcome, next_try: Option<Duration>) -> Option<Duration> {
    match outcome.reason()? {
        reason if reason.needs_human() => Some(HUMAN_TAKES),
        Reason::Rejected => Some(REFUSED_FOR),
        _ => next_try,
    }
}

/// The state of the session that the end of a message shows, when that is news or lasts.
fn state_shown(
    outcome: Outcome,
    seen: Option<Seen>,
    to_nobody: bool,
    now: Timestamp,
) -> Option<Seen> {
    let before = seen.map(|seen| seen.state);
    let state = match outcome {
        // The status is all that a message to nobody has seen.
        Outcome::Sent
            if to_nobody
                && matches!(
                    before,
                    Some(SessionState::Restricted | SessionState::Suspect)
                ) =>
        {
            return None;
        }
        Outcome::Sent if before == Some(SessionState::Usable) => return None,
        Outcome::Sent => SessionState::Usable,
        Outcome::NotSent(Reason::Restricted) if to_nobody => return None,
        Outcome::NotSent(Reason::Restricted) => SessionState::Restricted,
        Outcome::NotSent(Reason::Misconfigured) => SessionState::Misconfigured,
        Outcome::NotSent(Reason::NeedsPairing) if to_nobody => return None,
        // The recovery has seen more, if there was one.
        Outcome::NotSent(Reason::NeedsPairing) if before == Some(SessionState::NeedsPairing) => {
            return None;
        }
        Outcome::NotSent(Reason::NeedsPairing) => SessionState::Unlinked,
        Outcome::NotSent(_) | Outcome::Unknown => return None,
    };
    let since = seen
        .filter(|seen| seen.state == state)
        .map_or(now, |seen| seen.since);
    let at = now;
    Some(Seen { state, since, at })
}

/// The message's line in the log.
fn log(delivery: &Delivery, took: Duration) {
    let steps: Vec<_> = delivery
        .steps
        .iter()
        .map(|step| format!("{} ({} ms)", step.what, step.elapsed_ms))
        .collect();
    let (session, message_id) = (&delivery.session, &delivery.message_id);
    let (purpose, outcome) = (delivery.purpose, delivery.outcome.as_str());
    let reason = delivery.outcome.reason().map(Reason::as_str);
    let (elapsed_ms, steps) = (took.as_millis() as u64, steps.join(", "));
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                session,
                message_id,
                purpose,
                outcome,
                reason,
                elapsed_ms,
                steps,
                "[WhatsApp System] message done"
            )
        };
    }
    match delivery.outcome {
        Outcome::NotSent(reason) if reason.needs_human() => line!(error),
        Outcome::NotSent(_) | Outcome::Unknown => line!(warn),
        Outcome::Sent => line!(info),
    }
}
