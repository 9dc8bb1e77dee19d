//! Signing in as an operator, with a code.
//!
//! A phone that is no operator's gets the same answers, in the same time, and no message. Whether a phone has a user account
//! makes no difference.
use super::audit::{Audit, AuditEntry, Who};
use super::logins::{AdminLogins, login_of};
use crate::flows::codes::check::{Answer, AnswerFor, CountedGuess, RightGuess};
use crate::flows::codes::order::{Alone, CodeSent, Order, Recipient};
use crate::flows::codes::{Codes, SendError, VerifyError};
use crate::model::admin::{AdminHash, AdminName, AdminPhones, AdminSecret};
use crate::model::caller::Caller;
use crate::model::challenge::{ChallengeId, Used};
use crate::model::code::{Code, Purpose};
use crate::model::identifier::Identifier;
use crate::model::language::Language;
use crate::model::phone::Phone;
use crate::platform::entropy::Entropy;
use crate::platform::report::Chain;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::store::StoreError;
use crate::store::admins::StoredAdminLogin;

/// A request for a code.
#[derive(Debug)]
pub struct AdminCodeRequest {
    /// The phone that somebody says is theirs.
    pub phone: Phone,
    /// The challenge id of an earlier request, which the code is bound to again if that is possible.
    pub keep: Option<ChallengeId>,
    /// The language of the message.
    pub language: Language,
}

/// What somebody gives to sign in.
#[derive(Debug)]
pub struct AdminAnswer<'a> {
    /// The phone that they say is theirs.
    pub phone: Phone,
    /// The challenge id that their request for the code was answered with.
    pub challenge: ChallengeId,
    /// The code.
    pub code: Code,
    /// The login that the new one takes the place of, if they are signed in.
    pub before: Option<&'a AdminHash>,
}

/// Sends codes to operators, and opens logins with them.
#[derive(Clone, Debug)]
pub struct AdminSignIns {
    codes: Codes,
    phones: AdminPhones,
    logins: AdminLogins,
    audit: Audit,
    entropy: Entropy,
}

impl AdminSignIns {
    /// Over `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            codes: Codes::new(backends),
            phones: backends.settings.admins.clone(),
            logins: AdminLogins::new(backends),
            audit: Audit::new(backends),
            entropy: backends.entropy.clone(),
        }
    }

    /// Reads the keys before they are needed, in a single attempt.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self, now: Timestamp) -> Result<(), StoreError> {
        self.codes.warm_up(now).await
    }

    /// Sends a code to a phone, if it is an operator's.
    ///
    /// # Errors
    /// When no code went out. Nothing was charged then.
    pub async fn send_code(
        &self,
        request: &AdminCodeRequest,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<CodeSent, SendError> {
        let phone = &request.phone;
        let who = &Identifier::Phone(phone.clone());
        let purpose = Purpose::Admin;
        let mut survey = self.codes.survey(phone, caller, now).await?;
        let keep = request.keep.clone();
        let order = Order {
            phone,
            who,
            purpose,
            caller,
            account_since: None,
            recipient: if self.phones.contains(phone) {
                Recipient::User
            } else {
                Recipient::Nobody
            },
            language: request.language,
            keep: keep.filter(|id| survey.is_bound(purpose, &id.hash(who))),
            answers: None,
        };
        self.codes.listen(&mut survey, &order).await;
        self.codes.send(&survey, &order, &Alone).await
    }

    /// Checks a code and opens a login with it. Answers the cookie of the login. The same answer once more within a minute opens
    /// another one in the place of the first, as long as that lives: a code opens one login at a time.
    ///
    /// # Errors
    /// When the code is not right, or the store fails.
    pub async fn sign_in(
        &self,
        given: AdminAnswer<'_>,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<AdminSecret, VerifyError> {
        let opening = Opening {
            flow: self,
            phone: &given.phone,
            caller,
            now,
        };
        let answer = Answer {
            who: Identifier::Phone(given.phone.clone()),
            challenge: Some(given.challenge),
            code: given.code,
            address: caller.address,
        };
        let opened = opening.open(&answer).await;
        match &opened {
            Err(error) => opening.record_refusal(error).await,
            Ok(_) => {
                if let Some(before) = given.before {
                    self.logins.replace(before).await;
                }
            }
        }
        opened
    }
}

/// Opening a login with a code.
struct Opening<'a> {
    flow: &'a AdminSignIns,
    phone: &'a Phone,
    caller: &'a Caller,
    now: Timestamp,
}

impl Opening<'_> {
    async fn open(&self, answer: &Answer) -> Result<AdminSecret, VerifyError> {
        let codes = &self.flow.codes;
        let answer_for = AnswerFor {
            purpose: Purpose::Admin,
            phone: self.phone,
            answer,
        };
        match codes.check(answer_for, self.now).await? {
            RightGuess::First(right) => {
                let opened = self.first(&right, answer).await;
                codes.settle_guess(&right, opened).await
            }
            RightGuess::Again(used, right) => {
                let (again, ()) = tokio::join!(self.again(&used), codes.uncharge_address(&right));
                again
            }
        }
    }

    async fn first(
        &self,
        right: &CountedGuess,
        answer: &Answer,
    ) -> Result<AdminSecret, VerifyError> {
        let AdminSignIns { codes, logins, .. } = self.flow;
        let (cookie, login) = self.new_login()?;
        let ours = Used {
            at: self.now,
            by: answer.challenge.as_ref().map(|id| id.hash(&answer.who)),
            login: login.hash.0.clone(),
        };
        let entry = self.entry(Who::Admin(&login.who, &login.hash), "done");
        let also = vec![
            logins.table().opening(&login)?,
            self.flow.audit.recording(entry, self.now)?,
        ];
        let used = codes.redeem(right, ours.clone(), also).await?;
        if used == ours {
            Ok(cookie)
        } else {
            self.again(&used).await
        }
    }

    /// The same answer once more: its reply may have been lost, and with it the cookie.
    async fn again(&self, used: &Used) -> Result<AdminSecret, VerifyError> {
        let table = self.flow.logins.table();
        let first = AdminHash(used.login.clone());
        if table.login(&first, self.now).await?.is_none() {
            return Err(VerifyError::Expired);
        }
        let (cookie, login) = self.new_login()?;
        let entry = self.entry(Who::Admin(&login.who, &login.hash), "done again");
        let writes = vec![
            table.opening(&login)?,
            self.flow.audit.recording(entry, self.now)?,
        ];
        if table.replace(&first, writes).await? {
            Ok(cookie)
        } else {
            Err(VerifyError::Expired)
        }
    }

    /// A login that is not stored yet. Nobody was sent the code of a phone that is no operator's, so it opens nothing.
    fn new_login(&self) -> Result<(AdminSecret, StoredAdminLogin), VerifyError> {
        if !self.flow.phones.contains(self.phone) {
            return Err(VerifyError::Expired);
        }
        let cookie = AdminSecret::draw(&self.flow.entropy);
        let who = AdminName::Phone(self.phone.clone());
        let login = login_of(&cookie, who, self.now);
        Ok((cookie, login))
    }

    /// Keeps why a code opened nothing. What anybody can bring about without a code being out is in the log alone, as are the
    /// refusals of a limit: nobody fills the audit with them.
    async fn record_refusal(&self, error: &VerifyError) {
        let result = match error {
            VerifyError::Wrong { .. } => "wrong code",
            VerifyError::Exhausted => "no tries left",
            VerifyError::Overtaken => "somebody else was faster",
            VerifyError::Expired
            | VerifyError::Unknown
            | VerifyError::Limited(_)
            | VerifyError::Store(_) => return,
        };
        let entry = self.entry(Who::Claimed(self.phone), result);
        if let Err(error) = self.flow.audit.record(entry, self.now).await {
            tracing::error!(error = %Chain(&error), "a refused sign-in is not in the audit");
        }
    }

    const fn entry<'a>(&'a self, who: Who<'a>, result: &'a str) -> AuditEntry<'a> {
        AuditEntry {
            who,
            what: "sign-in",
            whom: None,
            result,
            caller: self.caller,
        }
    }
}
