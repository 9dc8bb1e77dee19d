//! One message over several sessions: while it certainly was not sent, the next one is tried, before anybody waits for the one
//! that failed.
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::act::{self, Aftermath};
use super::delivery::{Content, Delivery, Effort, OnceUnknown, Outgoing, StepTaken};
use super::finish::{self, End};
use super::missed::{self, Countable};
use super::outcome::{Outcome, Reason};
use super::pool::{Candidate, Choice};
use super::queue::{self, Place, Taken, Wanted};
use super::run::{Patience, Run, SEND_ROOM};
use super::services::Services;
use crate::platform::timestamp::Timestamp;
use crate::store::whatsapp_sessions::gateway_item;

/// The most sessions that a message is tried on.
const SESSIONS_MAX: usize = 3;

/// The longest wait for a place in the queue of another session.
const PLACE_WAIT_MAX: Duration = Duration::from_secs(1);

/// Sends one message over the session of `place`, and over others of its recipient while it certainly was not sent.
pub(super) async fn deliver(
    services: &Services,
    place: Place,
    message: Outgoing,
    deadline: Timestamp,
) -> Delivery {
    let started = services.clock.now();
    let relay = Relay {
        services,
        message,
        deadline,
    };
    let countable = Countable::of(&relay.message, &place);
    let ends = relay.run(place).await;
    let mut delivery = relay.delivery(ends, started);
    delivery.missed = missed::missed(&delivery, countable.as_ref());
    finish::log(&delivery);
    delivery
}

/// A message, and what it is sent with.
struct Relay<'a> {
    services: &'a Services,
    message: Outgoing,
    deadline: Timestamp,
}

/// A message that has ended on one session, which may still need something.
struct Tried<'a> {
    run: Run<'a>,
    outcome: Outcome,
    aftermath: Aftermath,
}

/// How a message ended on one session.
struct Ended {
    end: End,
    /// Where it may go out after all: nobody has waited for the session yet, which may come back.
    hope: Option<Place>,
}

impl Tried<'_> {
    /// Does for the session what is left to do.
    async fn end(mut self) -> Ended {
        self.run.look_after(self.aftermath).await;
        let has_hope = self.aftermath == Aftermath::Nudge;
        Ended {
            hope: has_hope.then(|| self.run.place.clone()),
            end: self.run.finish(self.outcome),
        }
    }
}

impl<'a> Relay<'a> {
    /// Tries one session after the other, and in the end waits for the first that may come back. How the message ended on
    /// each, in order.
    async fn run(&self, first: Place) -> Vec<End> {
        let mut others = Others::of(&first);
        let mut ended: Vec<Ended> = Vec::new();
        let mut tried = self.send(self.start(first, others.patience())).await;
        while ended.len() + 1 < SESSIONS_MAX
            && self.is_worth_another(tried.outcome, &ended)
            && let Some(place) = self.next_place(others.after(&tried)).await
        {
            let place = place.of(&tried.run.place.all, &tried.run.place.unread);
            let mut next = self.start(place, others.patience());
            next.looked_up = tried.run.looked_up;
            next.jid.clone_from(&tried.run.jid);
            // The session that failed is looked after while the next one sends.
            let (end, next) = tokio::join!(tried.end(), self.send(next));
            ended.push(end);
            tried = next;
        }
        ended.push(tried.end().await);
        let last_hope = self.last_hope(&ended).await;
        let ends = ended.into_iter().map(|ended| ended.end);
        ends.chain(last_hope).collect()
    }

    fn start(&self, place: Place, patience: Patience) -> Run<'a> {
        let mut run = Run::new(self.services, place, self.message.clone(), self.deadline);
        run.patience = patience;
        run
    }

    async fn send(&self, mut run: Run<'a>) -> Tried<'a> {
        let (outcome, aftermath) = act::send_over(&mut run).await;
        Tried {
            run,
            outcome,
            aftermath,
        }
    }

    /// Whether a message that ended with `outcome` may go over one more session. Once it may have been sent, one more only: the
    /// phone would show the same code twice, and not more often.
    fn is_worth_another(&self, outcome: Outcome, before: &[Ended]) -> bool {
        let once_unknown = before
            .iter()
            .any(|ended| ended.end.outcome == Outcome::Unknown);
        let may = match outcome {
            Outcome::Sent => false,
            Outcome::Unknown => self.message.once_unknown == OnceUnknown::GoesElsewhere,
            Outcome::NotSent(reason) => concerns_the_session(reason),
        };
        may && !once_unknown && self.has_time()
    }

    /// Whether there is time for one more send.
    fn has_time(&self) -> bool {
        self.services.clock.until(self.deadline) > SEND_ROOM
    }

    /// A place in the queue of the next of `others` that has one soon.
    async fn next_place(&self, others: &mut Others) -> Option<Place> {
        loop {
            if others.lead_nowhere() {
                self.read_more(others).await;
            }
            let now = self.services.clock.now();
            let (other, latest, is_last_try) = match others.take() {
                Some(other) => (other, now.plus(PLACE_WAIT_MAX), false),
                // A place that comes free late is better than the session that has failed.
                None => (
                    others.full.pop_front()?,
                    self.deadline.minus(SEND_ROOM),
                    true,
                ),
            };
            let wanted = Wanted {
                free_at: other.item.free_at,
                latest,
            };
            match queue::take_slot(self.services, &other, wanted).await {
                Ok(Taken::Place(place)) => return Some(*place),
                Ok(Taken::OnTrial) => {}
                Ok(Taken::Full(_)) if is_last_try => {}
                Ok(Taken::Full(_)) => others.full.push_back(other),
                Err(error) => {
                    let (session, id) = (&other.session.name, &self.message.message_id);
                    self.services.store_failed_beside_send(session, id, &error);
                }
            }
        }
    }

    /// Reads the sessions that were not read yet.
    async fn read_more(&self, others: &mut Others) {
        let id = self.message.message_id.as_str();
        let unread = std::mem::take(&mut others.unread);
        let names = unread.iter().map(|one| one.session.name.as_str());
        match self.services.read_all(names).await {
            Ok(items) => {
                let items = items.into_iter().collect();
                let mut choices = Choice::of_each(&unread, &items, self.services.clock.now());
                choices.retain(|choice| choice.rank.may_send());
                choices.sort_by_key(|choice| choice.rank.order());
                others.known.extend(choices);
            }
            Err(error) => self.services.store_failed_beside_send("", id, &error),
        }
    }

    /// When every session has failed: the first one that nobody has waited for yet and that may come back, with patience.
    async fn last_hope(&self, ended: &[Ended]) -> Option<End> {
        let certainly_not = |ended: &Ended| matches!(ended.end.outcome, Outcome::NotSent(_));
        if !ended.iter().all(certainly_not) || !self.has_time() {
            return None;
        }
        let hope = ended.iter().find_map(|ended| ended.hope.clone())?;
        let mut run = self.start(hope, Patience::Waits);
        run.looked_up = true;
        let (outcome, aftermath) = act::recover_and_send(&mut run).await;
        let tried = Tried {
            run,
            outcome,
            aftermath,
        };
        Some(tried.end().await.end)
    }

    /// All of it as one delivery.
    fn delivery(self, ends: Vec<End>, started: Timestamp) -> Delivery {
        let speaking = speaking(&ends);
        let efforts = ends.iter().map(|end| end.effort);
        let outcome = speaking.map_or(Outcome::NotSent(Reason::SessionDown), |end| end.outcome);
        let Outgoing {
            purpose,
            message_id,
            phone,
            content,
            code_asked_at,
            cause,
            ..
        } = self.message;
        Delivery {
            outcome,
            session: speaking
                .map(|end| end.shown.session.clone())
                .unwrap_or_default(),
            message_id,
            purpose,
            phone,
            cause,
            started,
            ended: self.services.clock.now(),
            code_asked_at,
            effort: efforts.fold(Effort::default(), Effort::and),
            retry_after: speaking.and_then(|end| end.retry_after),
            refused_by_whatsapp: ends.iter().any(End::is_of_whatsapp),
            to_nobody: matches!(content, Content::Nobody),
            missed: None,
            steps: story(&ends),
            shown: ends.into_iter().map(|end| end.shown).collect(),
        }
    }
}

/// The sessions that a message was not tried on yet.
struct Others {
    /// Those that may be tried, the best first.
    known: VecDeque<Choice>,
    /// Those that may send and whose queues are full.
    full: VecDeque<Choice>,
    /// Those that nothing was read of, until they are.
    unread: Arc<[Candidate]>,
    /// The items of the gateways that do not answer.
    silent_gateways: Vec<String>,
}

impl Others {
    fn of(first: &Place) -> Self {
        let others = first.others().filter(|other| other.may_be_tried());
        Self {
            known: others.cloned().collect(),
            full: VecDeque::new(),
            unread: first.unread.clone(),
            silent_gateways: Vec::new(),
        }
    }

    /// The same once a message has ended as `tried`: what its gateway does not answer to one session, it will not to another.
    fn after(&mut self, tried: &Tried<'_>) -> &mut Self {
        let no_answer = tried.outcome == Outcome::Unknown
            || tried.outcome == Outcome::NotSent(Reason::GatewayUnreachable);
        if no_answer {
            self.silent_gateways
                .push(tried.run.place.gateway_item.clone());
        }
        self
    }

    fn is_silent(&self, other: &Choice) -> bool {
        let gateway = gateway_item(other.session.gateway.as_ref());
        self.silent_gateways.contains(&gateway)
    }

    /// Whether none of those that were read is on a gateway that answers.
    fn lead_nowhere(&self) -> bool {
        self.known.iter().all(|other| self.is_silent(other))
    }

    /// The best that is left: those on gateways that answer come first.
    fn take(&mut self) -> Option<Choice> {
        let answers = self.known.iter().position(|other| !self.is_silent(other));
        self.known.remove(answers.unwrap_or(0))
    }

    /// While there are others, a message waits for no session.
    fn patience(&self) -> Patience {
        if self.known.len() + self.full.len() + self.unread.len() > 0 {
            Patience::GoesElsewhere
        } else {
            Patience::Waits
        }
    }
}

/// Whether a message that was not sent for `reason` may be sent by another session.
const fn concerns_the_session(reason: Reason) -> bool {
    reason.concerns_the_channel() && !matches!(reason, Reason::Deadline)
}

/// The end that says how the whole message ended: the one that sent it, or may have; else what concerns the recipient; else
/// the first that nobody has to end by hand. Of a session that was tried twice the second end counts, which knows more.
fn speaking(ends: &[End]) -> Option<&End> {
    let is_last = |number: usize, end: &End| {
        let mut later = ends.iter().skip(number + 1);
        !later.any(|later| later.shown.session == end.shown.session)
    };
    let last = ends.iter().enumerate();
    let last: Vec<_> = last
        .filter_map(|(number, end)| is_last(number, end).then_some(end))
        .collect();
    let with = |wanted: fn(Outcome) -> bool| last.iter().copied().find(|end| wanted(end.outcome));
    let recipient = |outcome: Outcome| {
        let reason = outcome.reason();
        reason.is_some_and(|reason| !reason.concerns_the_channel())
    };
    let by_itself = |outcome: Outcome| outcome.reason().is_some_and(|reason| !reason.needs_human());
    with(|outcome| outcome == Outcome::Sent)
        .or_else(|| with(|outcome| outcome == Outcome::Unknown))
        .or_else(|| with(recipient))
        .or_else(|| with(by_itself))
        .or(ends.last())
}

/// What was done on all sessions, in order. Where there was more than one, each begins with its name.
fn story(ends: &[End]) -> Vec<StepTaken> {
    let several = ends.len() > 1;
    let of_end = |end: &End| {
        let name = several.then(|| StepTaken {
            what: format!("over {}", end.shown.session),
            elapsed_ms: 0,
        });
        name.into_iter()
            .chain(end.steps.clone())
            .collect::<Vec<_>>()
    };
    ends.iter().flat_map(of_end).collect()
}
