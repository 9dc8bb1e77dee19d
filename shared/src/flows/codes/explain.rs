//! What would happen if somebody asked for a code now, for an operator who explains it. Nothing is sent, charged or written.
//!
//! Which session a phone without one would get is drawn with the key of codes. Whoever explains does not hold that key, so of
//! sessions that are equally fit the first one is not known then.
use std::sync::Arc;

use super::Codes;
use super::survey::Survey;
use crate::model::account::User;
use crate::model::challenge::{CODE_LIFE, Certainty, IssuedCode, NetworkHash, SendMade};
use crate::model::code::{Code, CodeLength, Purpose};
use crate::model::identifier::Identifier;
use crate::model::keys::Ring;
use crate::model::language::Language;
use crate::model::limits::{self, Asker, Limit, Way};
use crate::model::phone::Phone;
use crate::model::texts::{CodeMessage, MessageBody};
use crate::platform::timestamp::Timestamp;
use crate::sender::{Rank, Recipient as Reached, SessionForPhone};
use crate::store::StoreError;

/// Stands for a digit of a code that nobody has asked for.
const NO_DIGIT: char = '•';

/// A code that somebody might ask for.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The phone.
    pub phone: &'a Phone,
    /// What the code would be for.
    pub purpose: Purpose,
    /// Whether the phone is an operator's: only these get a code for the dashboard.
    pub is_operator: bool,
    /// The language of whoever asks; without one it is that of the phone's country.
    pub language: Option<Language>,
}

/// What would happen.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// When the account of the phone was made, if it has one.
    pub account_since: Option<Timestamp>,
    /// Who would get the code.
    pub recipient: Expected,
    /// What whoever asks from a network that the phone has signed in from would be answered; nothing where it has from none.
    pub at_home: Option<Verdict>,
    /// What everybody else would be answered. Their own address can be limited besides.
    pub elsewhere: Verdict,
    /// The code that is on the phone and still works.
    pub live_code: Option<LiveCode>,
    /// The last message for the purpose that went out within a day. One that was refused is not among them.
    pub last: Option<LastSend>,
    /// The sessions in the order in which they would be tried.
    pub sessions: Vec<SessionForPhone>,
    /// Whether that order is known, and not drawn among equals.
    pub order: OrderKnown,
    /// Whether whoever is refused because WhatsApp lets no session write to somebody new is offered a chat.
    pub opens_chat: bool,
    /// The language of the message.
    pub language: Language,
    /// Its text, without a code.
    pub text: String,
}

/// Who would get the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The user of the phone, or an operator.
    User,
    /// Whoever signs up with it.
    Applicant,
    /// Nobody: the phone has no account. The reply says that a code was sent, so that nobody finds out who has one.
    Nobody,
    /// Nobody: it has an account, so that nobody can sign up with it.
    HasAccount,
    /// Nobody: the phone has a fixed code, and gets no message.
    TestNumber,
}

impl Expected {
    /// The word for it in replies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Applicant => "applicant",
            Self::Nobody => "nobody",
            Self::HasAccount => "has_account",
            Self::TestNumber => "test_number",
        }
    }

    /// Whether somebody gets a message.
    pub const fn is_reached(self) -> bool {
        matches!(self, Self::User | Self::Applicant)
    }
}

/// What whoever asks would be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// That a code was sent.
    Sent,
    /// That a limit says no, until then.
    Limited(Limit, Timestamp),
    /// That the number is not on WhatsApp: it was not when it was looked up, and is not looked up again until then.
    NotOnWhatsApp(Timestamp),
    /// That there is an account.
    HasAccount,
    /// That a code was sent, if a session is locked for new contacts only and has a chat with the phone that this system does not
    /// know of. That none was, otherwise.
    KnownContacts,
    /// That the channel is down: no session is configured, none writes to somebody new, or each waits for a person.
    NoSession,
}

impl Verdict {
    /// The word for it in replies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Limited(..) => "limited",
            Self::NotOnWhatsApp(_) => "not_on_whatsapp",
            Self::HasAccount => "has_account",
            Self::KnownContacts => "known_contacts",
            Self::NoSession => "no_session",
        }
    }

    /// The limit that says no.
    pub const fn limit(self) -> Option<Limit> {
        match self {
            Self::Limited(limit, _) => Some(limit),
            _ => None,
        }
    }

    /// Until when.
    pub const fn until(self) -> Option<Timestamp> {
        match self {
            Self::Limited(_, until) | Self::NotOnWhatsApp(until) => Some(until),
            Self::Sent | Self::HasAccount | Self::KnownContacts | Self::NoSession => None,
        }
    }

    /// Whether a message goes out, or may.
    pub const fn sends(self) -> bool {
        matches!(self, Self::Sent | Self::KnownContacts)
    }
}

/// A code that works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveCode {
    /// When it ends.
    pub expires_at: Timestamp,
    /// How many digits it has.
    pub digits: usize,
    /// How many challenge ids it works with.
    pub ids: usize,
    /// How many of them have tries left.
    pub ids_with_tries: usize,
}

/// The last message for a purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastSend {
    /// When it went out, or at the latest.
    pub at: Timestamp,
    /// How sure that is.
    pub certainty: Certainty,
    /// Whether it seems not to have arrived: its session's receipts come sooner.
    pub is_silent: bool,
}

/// Whether the order of sessions is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderKnown {
    /// It is: one comes first.
    Known,
    /// The first of those that are equally fit is drawn with a key that is not read here.
    Drawn,
}

impl OrderKnown {
    /// The word for it in replies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Drawn => "drawn",
        }
    }
}

impl Codes {
    /// What would happen. Reads what a send reads, but for the keys.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn explain(
        &self,
        question: &Question<'_>,
        now: Timestamp,
    ) -> Result<Explanation, StoreError> {
        let mut survey = self.survey_to_explain(question.phone, now).await?;
        let recipient = self.expected(question, survey.user.as_ref());
        let home = survey.state.known_networks.first().copied();
        let asker = |from| question.asker(survey.user.as_ref(), from);
        let (at_home, elsewhere) = (home.map(asker), asker(unknown_network(&survey)));
        let (last, live_code) = on_the_phone(&survey, question.purpose, recipient);
        self.listen_as(&mut survey, at_home.unwrap_or(elsewhere))
            .await;
        let sessions = self
            .sessions_to_explain(question, &survey, recipient)
            .await?;
        let is_full = self.is_country_full(question, recipient, now).await?;
        let verdict = |asker: Asker| {
            self.verdict(question, &survey, (asker, recipient))
                .or_else(|| is_full.map(|until| Verdict::Limited(Limit::Country, until)))
                .or_else(|| told_by_channel(&sessions, recipient))
                .unwrap_or(Verdict::Sent)
        };
        let (language, text) = self.text(question, survey.state.failures);
        Ok(Explanation {
            account_since: survey.user.as_ref().map(|user| user.created_at),
            recipient,
            at_home: at_home.map(verdict),
            elsewhere: verdict(elsewhere),
            live_code,
            last: last.map(|last| LastSend {
                is_silent: survey.silent.is_some(),
                ..last
            }),
            order: order_known(&sessions),
            opens_chat: opens_chat(&sessions, question.purpose, recipient),
            sessions,
            language,
            text,
        })
    }

    async fn survey_to_explain(&self, phone: &Phone, now: Timestamp) -> Result<Survey, StoreError> {
        let mut batch = self.batches.begin();
        let user = batch.add(self.users.reading(phone));
        let state = batch.add(self.challenges.reading(phone, now));
        let found = batch.read("read what a code is decided on").await?;
        Ok(Survey {
            at: now,
            user: user.from(&found)?,
            state: state.from(&found)?,
            window: None,
            sessions: self.test_numbers.code(phone).is_none().then(Vec::new),
            ring: Arc::new(Ring { keys: Vec::new() }),
            silent: None,
        })
    }

    fn expected(&self, question: &Question<'_>, user: Option<&User>) -> Expected {
        if self.test_numbers.code(question.phone).is_some() {
            return Expected::TestNumber;
        }
        match (question.purpose, user) {
            (Purpose::Signup, Some(_)) => Expected::HasAccount,
            (Purpose::Signup, None) => Expected::Applicant,
            (Purpose::Admin, _) if question.is_operator => Expected::User,
            (Purpose::Sso | Purpose::PasswordReset, Some(_)) => Expected::User,
            (Purpose::Sso | Purpose::PasswordReset | Purpose::Admin, _) => Expected::Nobody,
        }
    }

    /// What refuses a code to `asker`, of what the phone's own state says.
    fn verdict(
        &self,
        question: &Question<'_>,
        survey: &Survey,
        (asker, recipient): (Asker, Expected),
    ) -> Option<Verdict> {
        if recipient == Expected::HasAccount {
            return Some(Verdict::HasAccount);
        }
        let missing = survey.state.not_on_whatsapp;
        let missing = missing.filter(|missing| missing.holds_for(asker.from, survey.at));
        if let Some(missing) = missing.filter(|_| recipient == Expected::Applicant) {
            return Some(Verdict::NotOnWhatsApp(missing.until));
        }
        let policy = self.policy_of(question.phone);
        let limited = limits::decide(&survey.state, asker, &policy, survey.at).err()?;
        let until = survey.at.plus(limited.retry_after);
        Some(Verdict::Limited(limited.limit, until))
    }

    /// The sessions in the order in which a send would try them.
    async fn sessions_to_explain(
        &self,
        question: &Question<'_>,
        survey: &Survey,
        recipient: Expected,
    ) -> Result<Vec<SessionForPhone>, StoreError> {
        if recipient == Expected::TestNumber {
            return Ok(Vec::new());
        }
        let state = &survey.state;
        let signs_up = recipient == Expected::Applicant;
        let reached = Reached {
            served_by: match recipient {
                Expected::Nobody => state.pretender(),
                _ => state.writer(),
            },
            signs_up,
            first_contact: signs_up && !state.took_a_message(survey.at),
            unserved: recipient == Expected::User && state.taken_at.is_none(),
            silent: survey.silent.as_ref().map(|silent| silent.session.as_str()),
            ..Reached::of(question.phone)
        };
        self.sender.explain(&reached).await
    }

    /// When the day of a full country ends, where that refuses the code.
    async fn is_country_full(
        &self,
        question: &Question<'_>,
        recipient: Expected,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        match recipient {
            Expected::Applicant => self.countries.full_until(question.phone, now).await,
            _ => Ok(None),
        }
    }

    /// The text of the message, and its language.
    fn text(&self, question: &Question<'_>, failures: i64) -> (Language, String) {
        let of_country = || Identifier::Phone(question.phone.clone()).language();
        let language = question.language.unwrap_or_else(of_country);
        let digits = CodeLength::new(question.purpose, failures).digits();
        let zeros = "0".repeat(digits);
        let Some(code) = Code::parse(&zeros) else {
            return (language, String::new());
        };
        let MessageBody(text) = self.brand.code_message(&CodeMessage {
            purpose: question.purpose,
            language,
            code: &code,
            life: CODE_LIFE,
        });
        let without_code = NO_DIGIT.to_string().repeat(digits);
        (language, text.replace(&zeros, &without_code))
    }
}

impl Question<'_> {
    fn asker(&self, user: Option<&User>, from: NetworkHash) -> Asker {
        Asker {
            purpose: self.purpose,
            // The code of an operator is not one of an account.
            account_since: user
                .filter(|_| self.purpose != Purpose::Admin)
                .map(|user| user.created_at),
            from,
            way: Way::FromAClient,
        }
    }
}

impl LiveCode {
    fn of(code: &IssuedCode) -> Self {
        let spent = code.bound.keys().filter(|id| code.is_spent(id));
        let ids = code.bound.len();
        Self {
            expires_at: code.expires_at,
            digits: code.length.digits(),
            ids,
            ids_with_tries: ids - spent.count(),
        }
    }
}

/// A network that nobody has signed in from or asked from.
fn unknown_network(survey: &Survey) -> NetworkHash {
    let state = &survey.state;
    let is_known = |network: NetworkHash| {
        state.knows(network) || state.sends.iter().any(|send| send.from == Some(network))
    };
    let mut drawn = (0..=u8::MAX).map(|byte| NetworkHash([byte; 8]));
    let unknown = drawn.find(|network| !is_known(*network));
    unknown.unwrap_or(NetworkHash([0; 8]))
}

/// The last message and the code that works, of what was sent to somebody. What is kept for a phone that gets nothing only looks like
/// both, so that nobody can tell it apart.
fn on_the_phone(
    survey: &Survey,
    purpose: Purpose,
    recipient: Expected,
) -> (Option<LastSend>, Option<LiveCode>) {
    if recipient == Expected::Nobody {
        return (None, None);
    }
    let code = survey.state.live_code(purpose);
    let code = code.filter(|code| code.used.is_none() && survey.at < code.expires_at);
    (last_send(survey, purpose), code.as_ref().map(LiveCode::of))
}

fn last_send(survey: &Survey, purpose: Purpose) -> Option<LastSend> {
    let mut sends = survey.state.sends.iter().rev();
    let SendMade { at, certainty, .. } = *sends.find(|send| send.purpose == purpose)?;
    Some(LastSend {
        at,
        certainty,
        is_silent: false,
    })
}

/// How ready the sessions are for a code, as far as anybody has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// One sends.
    Ready,
    /// None surely does. A code is tried, and may be refused.
    Unsure,
    /// One sends to people that it has a chat with, and is not known to have one with this phone.
    KnownContacts,
    /// None does before a person helps, or each takes nobody new.
    Down,
}

impl Readiness {
    fn of(sessions: &[SessionForPhone]) -> Self {
        let readiness = |session: &SessionForPhone| match session.rank {
            Rank::Usable if session.is_for_others() => Self::KnownContacts,
            Rank::Usable => Self::Ready,
            Rank::Trial | Rank::Doubtful | Rank::Mute | Rank::Recovering => Self::Unsure,
            Rank::NeedsHuman | Rank::Closed => Self::Down,
        };
        let all: Vec<_> = sessions.iter().map(readiness).collect();
        let best = [Self::Ready, Self::Unsure, Self::KnownContacts];
        let best = best.into_iter().find(|one| all.contains(one));
        best.unwrap_or(Self::Down)
    }
}

impl Explanation {
    /// How ready the sessions are; nothing where no message would be sent.
    pub fn readiness(&self) -> Option<Readiness> {
        let is_reached = self.recipient.is_reached();
        is_reached.then(|| Readiness::of(&self.sessions))
    }
}

/// What the sessions say to a message, where one is needed.
fn told_by_channel(sessions: &[SessionForPhone], recipient: Expected) -> Option<Verdict> {
    if recipient == Expected::TestNumber {
        return None;
    }
    match Readiness::of(sessions) {
        Readiness::Ready | Readiness::Unsure => None,
        Readiness::KnownContacts => Some(Verdict::KnownContacts),
        Readiness::Down => Some(Verdict::NoSession),
    }
}

/// Whether whoever is refused as somebody new is offered a chat. Operators are not: they have links.
fn opens_chat(sessions: &[SessionForPhone], purpose: Purpose, recipient: Expected) -> bool {
    let may_be_refused = !matches!(recipient, Expected::HasAccount | Expected::TestNumber);
    let opens = sessions.iter().any(|session| session.opens_chat);
    purpose != Purpose::Admin && may_be_refused && opens
}

/// Whether one session comes first: the phone's own, or the only one that is so fit.
fn order_known(sessions: &[SessionForPhone]) -> OrderKnown {
    let is_drawn = match sessions {
        [first, second, ..] => !first.served_before && first.rank.order() == second.rank.order(),
        _ => false,
    };
    if is_drawn {
        OrderKnown::Drawn
    } else {
        OrderKnown::Known
    }
}
