//! One request from its arrival to its answer. Every endpoint begins and ends here.
use lambda_http::{Body, Request, Response};
use serde::de::DeserializeOwned;

use super::body;
use super::caller;
use super::fields::{self, ChallengeIds, Identifiers};
use super::headers;
use super::problem::Problem;
use super::reply::Reply;
use crate::model::caller::{Caller, TrustedCallers};
use crate::model::challenge::ChallengeId;
use crate::model::identifier::Identifier;
use crate::model::language::Language;
use crate::model::payment_caller::{self, Scope};
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::store::caller_list::CallerList;

/// A request, who sends it, and when it came.
#[derive(Debug)]
pub struct Incoming<'a> {
    /// The request as API Gateway passed it on.
    pub request: &'a Request,
    /// Who sends it, as API Gateway saw it.
    pub caller: Caller,
    /// When it came.
    pub now: Timestamp,
}

impl<'a> Incoming<'a> {
    /// Takes a request that came at `now`.
    pub fn new(request: &'a Request, now: Timestamp) -> Self {
        Self {
            request,
            caller: caller::read(request, now),
            now,
        }
    }

    /// Reads the body as one JSON object.
    ///
    /// # Errors
    /// As [`body::json_body`].
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        body::json_body(self.request)
    }

    /// The token of its `Authorization: Bearer` header.
    ///
    /// # Errors
    /// When there is none.
    pub fn bearer(&self) -> Result<&'a str, Problem> {
        headers::bearer(self.request)
    }

    /// The language that a client asks for: by the field `locale` of its body, otherwise by `Accept-Language`.
    pub fn asked_language(&self, locale: Option<&str>) -> Option<Language> {
        caller::asked_language(self.request, locale)
    }

    /// The language of a message to `who`: the one that was asked for, otherwise that of the phone's country.
    pub fn message_language(&self, locale: Option<&str>, who: &Identifier) -> Language {
        let asked = self.asked_language(locale);
        asked.unwrap_or_else(|| who.language())
    }

    /// Does `work`, and answers with what it gives.
    pub async fn answer(
        &self,
        work: impl Future<Output = Result<Reply, Problem>>,
    ) -> Response<Body> {
        self.respond(self.in_time(work).await)
    }

    /// Does `work` until half a second before Lambda would end the function, and then goes on without it. What was begun
    /// is left as a process that dies leaves it.
    ///
    /// # Errors
    /// Those of `work`, or that there was no time left.
    pub async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Problem> {
        let left = caller::time_left(&self.caller, self.now);
        // What a request does is large. On the heap it leaves the stack to what it calls.
        match tokio::time::timeout(left, Box::pin(work)).await {
            Ok(result) => result,
            Err(_) => {
                tracing::error!("request ran out of time");
                Err(Problem::out_of_time())
            }
        }
    }

    /// Puts an answer into the envelope, and into the log what of it belongs there.
    pub fn respond(&self, answer: Result<Reply, Problem>) -> Response<Body> {
        match answer {
            Ok(reply) => reply.into_response(&self.caller),
            Err(problem) => problem.into_response(&self.caller),
        }
    }
}

/// How an endpoint about accounts reads its requests: what the settings of the deployment say of that.
#[derive(Clone, Debug)]
pub struct Intake {
    trusted: TrustedCallers,
    callers: CallerList,
    identifiers: Identifiers,
    challenge_ids: ChallengeIds,
}

impl Intake {
    /// As the settings of `backends` say.
    pub fn new(backends: &Backends) -> Self {
        let settings = &backends.settings;
        Self {
            trusted: settings.trusted_callers.clone(),
            callers: CallerList::new(backends),
            identifiers: Identifiers::of(settings),
            challenge_ids: ChallengeIds::of(settings),
        }
    }

    /// Reads who is counted as the caller, then the body as one JSON object. The list of callers is read only where somebody names a
    /// client with a key that the settings do not know, and once a minute at most.
    ///
    /// # Errors
    /// When a trusted caller names its client wrongly, the list cannot be read, or as [`body::json_body`].
    pub async fn read<T: DeserializeOwned>(
        &self,
        incoming: &Incoming<'_>,
    ) -> Result<(Caller, T), Problem> {
        Ok((self.caller(incoming).await?, incoming.json()?))
    }

    /// Who is counted as the caller.
    ///
    /// # Errors
    /// When a trusted caller names its client wrongly, or the keys of callers cannot be read.
    pub async fn caller(&self, incoming: &Incoming<'_>) -> Result<Caller, Problem> {
        match caller::key_on_behalf(incoming.request) {
            Some(key) if self.is_trusted(key, incoming.now).await? => {
                caller::on_behalf(&incoming.caller, incoming.request)
            }
            _ => Ok(incoming.caller.clone()),
        }
    }

    /// Whether `key` is that of somebody who may name the client.
    async fn is_trusted(&self, key: &str, now: Timestamp) -> Result<bool, Problem> {
        if self.trusted.know(key) {
            return Ok(true);
        }
        let callers = self.callers.get(now).await;
        let callers = callers.map_err(|error| Problem::internal(&error))?;
        let owner = payment_caller::owner(&callers, key, now);
        Ok(owner.is_some_and(|owner| owner.scopes.contains(&Scope::OnBehalf)))
    }

    /// The account that the field `identifier` names.
    ///
    /// # Errors
    /// As [`fields::identifier`].
    pub fn identifier(&self, field: Option<&str>) -> Result<Identifier, Problem> {
        fields::identifier(field, self.identifiers)
    }

    /// The challenge id that a guess comes with.
    ///
    /// # Errors
    /// As [`fields::challenge_id`].
    pub fn challenge_id(&self, field: Option<&str>) -> Result<Option<ChallengeId>, Problem> {
        fields::challenge_id(field, self.challenge_ids)
    }
}
