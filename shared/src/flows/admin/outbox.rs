//! The payment notices that wait, and those that ended unsent, as operators see them and act on them.
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use futures_util::stream;
use futures_util::{StreamExt, TryStreamExt};

use super::audit::Audit;
use super::sessions::Operator;
use crate::model::notice::plan::{Plan, plan};
use crate::model::notice::{Notice, NoticeId, Priority, State, Story};
use crate::model::payment::PaymentId;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::store::StoreError;
use crate::store::payments::operators::NoticeChanged;
use crate::store::payments::{Due, Payments};

/// How many notices are shown at most.
pub const NOTICES_MAX: usize = 50;
/// How many payments are read at a time.
const SIDE_BY_SIDE: usize = 8;
/// How far ahead a notice that waits is shown: warnings are accepted long before their time.
const AHEAD: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Which notices are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboxState {
    /// Those that wait for their next attempt.
    Waiting,
    /// Those that ended unsent.
    Dead,
}

impl OutboxState {
    /// The word for it in addresses and replies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Dead => "dead",
        }
    }

    /// The state of that name.
    pub fn parse(name: &str) -> Option<Self> {
        let all = [Self::Waiting, Self::Dead];
        all.into_iter().find(|state| state.as_str() == name)
    }
}

/// Between the payment and the notice in a key. No payment's name has it.
const BETWEEN: char = ':';

/// What one notice is called by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeKey {
    payment: PaymentId,
    notice: NoticeId,
}

impl NoticeKey {
    /// Reads what [`Display`](fmt::Display) wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let (payment, notice) = text.split_once(BETWEEN)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        let can_be = (1..=128).contains(&notice.len()) && notice.bytes().all(plain);
        Some(Self {
            payment: PaymentId::parse(payment)?,
            notice: can_be.then(|| NoticeId::stored(notice))?,
        })
    }
}

impl fmt::Display for NoticeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{BETWEEN}{}", self.payment.as_str(), self.notice)
    }
}

impl NoticeKey {
    /// Its payment.
    pub fn payment(&self) -> &str {
        self.payment.as_str()
    }
}

/// Where a notice stands, for whoever decides what to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Its time has come, and it has not gone out.
    Late,
    /// Somebody sends it just now.
    BeingSent,
    /// Its time has not come yet.
    Scheduled,
    /// What happened to the payment has made it needless, or its time is over: whoever looks at it next drops it.
    NotNeeded,
    /// It has ended.
    Ended,
}

impl Stage {
    /// The word for it in replies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::BeingSent => "being_sent",
            Self::Scheduled => "scheduled",
            Self::NotNeeded => "not_needed",
            Self::Ended => "ended",
        }
    }

    fn of(story: &Story, notice: &Notice, now: Timestamp) -> Self {
        if notice.state.is_end() {
            return Self::Ended;
        }
        match plan(story, notice, now) {
            Plan::End(_) => Self::NotNeeded,
            _ if notice.state == State::Sending => Self::BeingSent,
            _ if now < notice.not_before => Self::Scheduled,
            _ => Self::Late,
        }
    }
}

/// A notice, as an operator sees it.
#[derive(Clone, Debug)]
pub struct OutboxItem {
    /// What its acts call it by.
    pub key: NoticeKey,
    /// Its payment.
    pub payment: String,
    /// What it is about, in a word.
    pub purpose: &'static str,
    /// Whom it is for, masked.
    pub phone: String,
    /// How far it is.
    pub state: State,
    /// Where it stands.
    pub stage: Stage,
    /// Which notices it is tried with.
    pub priority: Priority,
    /// Since when it could have gone out.
    pub since: Timestamp,
    /// When it is tried next; of one that ended unsent, when it ended.
    pub at: Timestamp,
    /// Until when it is of use.
    pub deliver_by: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// Why it did not go out the last time.
    pub last_error: Option<String>,
    /// Its message.
    pub message_id: String,
}

/// Notices, and whether there are more.
#[derive(Clone, Debug)]
pub struct OutboxPage {
    /// The notices: those that are late, facts before reminders, then the first to be tried; or the last to have ended first.
    pub items: Vec<OutboxItem>,
    /// Whether there may be others.
    pub more_left: bool,
}

/// What an operator does with a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboxAct {
    /// Have it sent within a minute.
    SendNow,
    /// Let it be.
    Discard,
}

impl OutboxAct {
    const fn as_str(self) -> &'static str {
        match self {
            Self::SendNow => "notice-send-now",
            Self::Discard => "notice-discard",
        }
    }
}

/// What came of sending all that are late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LateSent {
    /// How many are tried next.
    pub notices: usize,
    /// Whether there may be others.
    pub more_left: bool,
}

/// Why an act was not done.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// There is no such notice.
    #[error("there is no such notice")]
    NoSuchNotice,
    /// Somebody sends it just now, or it has ended.
    #[error("the notice is being sent, or has ended")]
    Changed,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The outbox, for operators.
#[derive(Clone, Debug)]
pub struct AdminOutbox {
    payments: Payments,
    audit: Audit,
}

impl AdminOutbox {
    /// Over `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            payments: Payments::new(backends),
            audit: Audit::new(backends),
        }
    }

    /// The notices in `state`. One or two reads of the index, and one of each payment that it names.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, state: OutboxState, now: Timestamp) -> Result<OutboxPage, StoreError> {
        let most = i32::try_from(NOTICES_MAX).unwrap_or(i32::MAX);
        let mut found = match state {
            OutboxState::Dead => self.payments.dead(most).await?,
            OutboxState::Waiting => {
                let until = now.plus(AHEAD);
                let (facts, reminders) = tokio::try_join!(
                    self.payments.due(Priority::Facts, until, most),
                    self.payments.due(Priority::Reminders, until, most)
                )?;
                let mut both = [facts, reminders].concat();
                both.sort_by_key(|due| due.due_at);
                both
            }
        };
        let more_left = found.len() >= NOTICES_MAX;
        found.truncate(NOTICES_MAX);
        let items = found.iter().map(|due| self.item(due, state, now));
        let items: Vec<_> = items.collect();
        let items = stream::iter(items).buffered(SIDE_BY_SIDE);
        let items: Vec<_> = items.try_collect().await?;
        let mut items: Vec<_> = items.into_iter().flatten().collect();
        if state == OutboxState::Waiting {
            let is_reminder = |item: &OutboxItem| item.priority == Priority::Reminders;
            items.sort_by_key(|item| (item.stage, is_reminder(item), item.at));
        }
        Ok(OutboxPage { items, more_left })
    }

    /// The notices of a payment, in the order of their acceptance; nothing where there is no such payment.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn of_payment(
        &self,
        payment: &PaymentId,
        now: Timestamp,
    ) -> Result<Option<Vec<OutboxItem>>, StoreError> {
        let story = self.story(payment).await?;
        Ok(story.map(|story| {
            let notices = story.notices.iter();
            let items = notices.map(|notice| shown(&story, notice, (notice.accepted_at, now)));
            items.collect()
        }))
    }

    /// Which of `messages`, each with its payment, belong to a notice that still waits. One read of each payment.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn waiting<'m>(
        &self,
        messages: impl Iterator<Item = (&'m str, &'m str)>,
    ) -> Result<HashSet<String>, StoreError> {
        let mut of_payments: HashMap<PaymentId, Vec<&str>> = HashMap::new();
        for (payment, message) in messages {
            if let Some(payment) = PaymentId::parse(payment) {
                of_payments.entry(payment).or_default().push(message);
            }
        }
        let reads = of_payments.iter().map(|(payment, messages)| async move {
            let story = self.story(payment).await?;
            let notices = story.map(|story| story.notices).unwrap_or_default();
            let waiting = notices.into_iter().filter(|notice| !notice.state.is_end());
            let waiting = waiting.map(|notice| notice.message_id);
            let waiting = waiting.filter(|message| messages.contains(&message.as_str()));
            Ok(waiting.collect::<Vec<_>>())
        });
        let reads: Vec<_> = reads.collect();
        let found = stream::iter(reads).buffered(SIDE_BY_SIDE);
        let found: Vec<Vec<_>> = found.try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Does `act` with a notice, and keeps that in the audit.
    ///
    /// # Errors
    /// When it was not done, or the store fails. If the audit cannot be written, it may have been done.
    pub async fn act(
        &self,
        key: &NoticeKey,
        act: OutboxAct,
        operator: Operator<'_>,
    ) -> Result<(), OutboxError> {
        let done = self.perform(key, act, operator.now).await;
        let result = match &done {
            Ok(()) => "done",
            Err(OutboxError::NoSuchNotice) => "no such notice",
            Err(OutboxError::Changed) => "being sent, or ended",
            Err(OutboxError::Store(_)) => "the store failed",
        };
        let whom = key.to_string();
        let entry = operator.did(act.as_str(), &whom, result);
        self.audit.record(entry, operator.now).await?;
        done
    }

    /// Makes every notice due that is late, as far as one page of them goes, and keeps that in the audit. One that somebody sends
    /// meanwhile is left out.
    ///
    /// # Errors
    /// When the store fails. Some may be due then.
    pub async fn send_late(&self, operator: Operator<'_>) -> Result<LateSent, StoreError> {
        let sent = self.make_late_due(operator.now).await;
        let (notices, result) = match &sent {
            Ok(sent) if sent.more_left => (sent.notices, "done, more is left"),
            Ok(sent) => (sent.notices, "done"),
            Err(_) => (0, "the store failed"),
        };
        let whom = format!("{notices} notices");
        let entry = operator.did("notices-send-now", &whom, result);
        self.audit.record(entry, operator.now).await?;
        sent
    }

    async fn make_late_due(&self, now: Timestamp) -> Result<LateSent, StoreError> {
        let page = self.list(OutboxState::Waiting, now).await?;
        let late = page.items.iter().filter(|item| item.stage == Stage::Late);
        let acts = late.map(|item| self.perform(&item.key, OutboxAct::SendNow, now));
        let acts: Vec<_> = acts.collect();
        let done: Vec<_> = stream::iter(acts).buffered(SIDE_BY_SIDE).collect().await;
        let mut notices = 0;
        for done in done {
            match done {
                Ok(()) => notices += 1,
                Err(OutboxError::NoSuchNotice | OutboxError::Changed) => {}
                Err(OutboxError::Store(error)) => return Err(error),
            }
        }
        Ok(LateSent {
            notices,
            more_left: page.more_left,
        })
    }

    async fn perform(
        &self,
        key: &NoticeKey,
        act: OutboxAct,
        now: Timestamp,
    ) -> Result<(), OutboxError> {
        let story = self.story(&key.payment).await?;
        let notice = story.as_ref().and_then(|story| story.notice(&key.notice));
        let notice = notice.ok_or(OutboxError::NoSuchNotice)?;
        let waits = matches!(notice.state, State::Queued | State::Unknown | State::Dead);
        if !waits {
            return Err(OutboxError::Changed);
        }
        let changed = match act {
            OutboxAct::SendNow => self.payments.send_now(&key.payment, notice, now).await?,
            OutboxAct::Discard => self.payments.discard(&key.payment, notice).await?,
        };
        match changed {
            NoticeChanged::Done => Ok(()),
            NoticeChanged::Lost => Err(OutboxError::Changed),
        }
    }

    async fn story(&self, payment: &PaymentId) -> Result<Option<Story>, StoreError> {
        Ok(self.payments.read(payment).await?.map(|kept| kept.story))
    }

    /// The notice that the index names, if it is still in `wanted`: the index may lag.
    async fn item(
        &self,
        due: &Due,
        wanted: OutboxState,
        now: Timestamp,
    ) -> Result<Option<OutboxItem>, StoreError> {
        let Some(story) = self.story(&due.payment).await? else {
            return Ok(None);
        };
        let Some(notice) = story.notice(&due.notice) else {
            return Ok(None);
        };
        let is_wanted = match wanted {
            OutboxState::Dead => notice.state == State::Dead,
            OutboxState::Waiting => !notice.state.is_end(),
        };
        Ok(is_wanted.then(|| shown(&story, notice, (due.due_at, now))))
    }
}

/// `notice` of `story` at the second of two times. The first one is when it is due, as far as the index knows.
fn shown(story: &Story, notice: &Notice, (due_at, now): (Timestamp, Timestamp)) -> OutboxItem {
    let payment = &story.payment.id;
    OutboxItem {
        key: NoticeKey {
            payment: payment.clone(),
            notice: notice.id.clone(),
        },
        payment: payment.as_str().to_owned(),
        purpose: notice.kind.purpose(),
        phone: story.payment.phone.to_string(),
        state: notice.state,
        stage: Stage::of(story, notice, now),
        priority: notice.kind.priority(),
        since: notice.accepted_at.max(notice.not_before),
        at: notice.due_at.unwrap_or(due_at),
        deliver_by: notice.deliver_by,
        attempts: notice.attempts,
        last_error: notice.last_error.clone(),
        message_id: notice.message_id.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_a_payment_and_a_notice_and_no_path() {
        for text in ["INV-0042:success", "a.b~c:expiry-warning.60"] {
            let key = NoticeKey::parse(text).map(|key| key.to_string());
            assert_eq!(key.as_deref(), Some(text));
        }
        for text in [
            "",
            "INV-1",
            ":success",
            "INV-1:",
            "../x:success",
            "INV-1:a/b",
            "INV-1:<b>",
        ] {
            assert_eq!(NoticeKey::parse(text), None, "{text:?}");
        }
    }
}
