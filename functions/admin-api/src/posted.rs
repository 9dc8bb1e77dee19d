//! What is posted, as JSON or as a form, and the answer to either.
use std::borrow::Cow;

use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use shared::edge::admin::{self, CookieChange, Form, is_form, set_cookie};
use shared::edge::operators::Refusal;
use shared::edge::problem::Problem;
use shared::edge::reply::Reply;
use shared::edge::request::Incoming;
use shared::flows::admin::outbox::{LateSent, OutboxAct};
use shared::flows::admin::pairing_links::PairingLink;
use shared::flows::admin::sessions::key::SessionKey;
use shared::flows::erasure::{Erased, Stored};
use shared::model::admin::{AdminPath, AdminSecret};
use shared::model::code::Purpose;
use shared::model::language::Language;
use shared::model::replies;
use shared::platform::timestamp::Timestamp;

use crate::linking_code;

/// The longest text that a field gets back.
const TYPED_MAX: usize = 64;

/// The fields of a JSON body. A request without a body has none.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fields {
    name: Option<String>,
    phone: Option<String>,
    sends: Option<bool>,
    #[serde(default, deserialize_with = "in_digits")]
    weight: Option<String>,
    sought: Option<String>,
    page: Option<String>,
    purpose: Option<String>,
    login: Option<String>,
    confirm: Option<String>,
}

impl Fields {
    fn field(&self, field: &str) -> Option<&str> {
        match field {
            "name" => self.name.as_deref(),
            "phone" => self.phone.as_deref(),
            "sends" => self.sends.map(|sends| if sends { "yes" } else { "no" }),
            "weight" => self.weight.as_deref(),
            "sought" => self.sought.as_deref(),
            "page" => self.page.as_deref(),
            "purpose" => self.purpose.as_deref(),
            "login" => self.login.as_deref(),
            "confirm" => self.confirm.as_deref(),
            _ => None,
        }
    }
}

/// A number, as a form has it.
fn in_digits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let number: Option<i64> = Option::deserialize(deserializer)?;
    Ok(number.map(|number| number.to_string()))
}

/// What is posted.
#[derive(Debug)]
pub enum Posted {
    /// By a program.
    Json(Fields),
    /// By a page.
    Form(Form),
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    data: Value,
    status: StatusCode,
    shown: Shown,
}

/// What a browser is shown of it.
#[derive(Debug)]
enum Shown {
    /// The page that the form came from, with this word for what was done, and with what it was done to.
    BackAbout(Cow<'static, str>, String),
    /// Another page, with such a word.
    Page(AdminPath, &'static str),
    /// A page that has what was looked for.
    Found(AdminPath),
    /// A code to type on a phone, which stands in no address, and the page of its session.
    LinkingCode(String, AdminPath),
    /// The page that the form came from, with a pairing link, which stands in no address either.
    PairingLink(AdminSecret),
}

impl Outcome {
    /// The act called `word` was done to `about`.
    pub fn done(word: impl Into<Cow<'static, str>>, about: &str) -> Self {
        Self {
            data: json!({}),
            status: StatusCode::OK,
            shown: Shown::BackAbout(word.into(), about.to_owned()),
        }
    }

    /// What a program is told of it, too.
    fn with_data(self, data: Value) -> Self {
        Self { data, ..self }
    }

    /// A notice of this payment is tried next, or let be.
    pub fn notice(act: OutboxAct, payment: &str) -> Self {
        let word = match act {
            OutboxAct::SendNow => "notice-sent-now",
            OutboxAct::Discard => "notice-discarded",
        };
        Self::done(word, payment)
    }

    /// So many notices are tried next.
    pub fn late_sent(sent: LateSent) -> Self {
        let LateSent { notices, more_left } = sent;
        Self::done("notices-sent-now", &notices.to_string())
            .with_data(json!({ "notices": notices, "moreLeft": more_left }))
    }

    /// Somebody has to type this code on the phone of the session that has the page `session`.
    pub fn linking_code(code: String, session: AdminPath) -> Self {
        Self {
            data: json!({ "linkingCode": code }),
            status: StatusCode::OK,
            shown: Shown::LinkingCode(code, session),
        }
    }

    /// Somebody has to open this link where the phone is.
    pub fn pairing_link(link: &PairingLink) -> Self {
        Self {
            data: json!({ "path": link.path(), "expiresAt": link.expires_at.rfc3339() }),
            status: StatusCode::OK,
            shown: Shown::PairingLink(link.secret().clone()),
        }
    }

    /// A phone was erased, wholly or as far as one act goes.
    pub fn erased(erased: &Erased) -> Self {
        let done = if erased.more_left {
            "erased-in-part"
        } else {
            "erased"
        };
        let Stored {
            payments, waiting, ..
        } = erased.stored;
        Self::done(done, &waiting.to_string()).with_data(json!({
            "moreLeft": erased.more_left,
            "logins": erased.logins,
            "payments": payments,
            "notices": waiting,
        }))
    }

    /// This page shows it.
    pub fn found(page: &AdminPath) -> Self {
        Self {
            data: json!({ "page": page.as_str() }),
            status: StatusCode::OK,
            shown: Shown::Found(page.clone()),
        }
    }

    /// There is one session more.
    pub fn added(key: &SessionKey) -> Self {
        let page = AdminPath::parse(&format!("/admin/dashboard/whatsapp-sessions/{key}"));
        Self {
            data: json!({ "id": key.to_string() }),
            status: StatusCode::CREATED,
            shown: Shown::Page(page.unwrap_or_else(AdminPath::home), "added"),
        }
    }
}

impl Shown {
    /// The answer to a form that came from `back`.
    fn answer(
        self,
        asked: (Language, Timestamp),
        back: &AdminPath,
    ) -> Result<Response<Body>, Problem> {
        let to = |page: &AdminPath, word: &str| {
            admin::redirect(&page.with_query(&[("done", word.to_owned())]))
        };
        match self {
            Self::BackAbout(word, about) => {
                let about = Some(("about", about)).filter(|(_, about)| !about.is_empty());
                let told: Vec<_> = [("done", word.into_owned())]
                    .into_iter()
                    .chain(about)
                    .collect();
                Ok(admin::redirect(&back.with_query(&told)))
            }
            Self::Page(page, word) => Ok(to(&page, word)),
            Self::Found(page) => Ok(admin::redirect(&page)),
            Self::LinkingCode(code, session) => linking_code::page(asked, &code, (&session, back)),
            Self::PairingLink(link) => {
                let mut response = to(back, "done");
                set_cookie(&mut response, &CookieChange::Show(&link));
                Ok(response)
            }
        }
    }
}

impl Posted {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// When it is neither a form nor JSON, too large, or has a field of the wrong type.
    pub fn read(incoming: &Incoming<'_>) -> Result<Self, Problem> {
        if is_form(incoming.request) {
            return Form::read(incoming.request).map(Self::Form);
        }
        if incoming.request.body().as_ref().is_empty() {
            return Ok(Self::Json(Fields::default()));
        }
        incoming.json().map(Self::Json)
    }

    /// A field. A program has its token in a header.
    pub fn field(&self, field: &str) -> Option<&str> {
        match self {
            Self::Form(form) => form.field(field),
            Self::Json(fields) => fields.field(field),
        }
    }

    /// The answer: JSON to a program, the way back to a page.
    pub fn answer(
        &self,
        incoming: &Incoming<'_>,
        done: Result<Outcome, Problem>,
    ) -> Response<Body> {
        let Self::Form(form) = self else {
            let reply = done.map(|outcome| {
                Reply::new(replies::ADMIN_DONE, outcome.data).status(outcome.status)
            });
            let mut response = incoming.respond(reply);
            admin::guard(&mut response);
            return response;
        };
        let back = form.field("back").and_then(AdminPath::parse);
        let back = back.unwrap_or_else(AdminPath::home);
        let asked = (incoming.caller.language, incoming.now);
        let answer = done.and_then(|outcome| outcome.shown.answer(asked, &back));
        answer.unwrap_or_else(|problem| refused(incoming, (form, &back), problem))
    }
}

/// The answer to a form that was refused.
fn refused(
    incoming: &Incoming<'_>,
    (form, back): (&Form, &AdminPath),
    problem: Problem,
) -> Response<Body> {
    match problem.code() {
        "UNAUTHORIZED" if admin::login_cookie(incoming.request).is_none() => {
            admin::redirect(&admin::sign_in_path(back))
        }
        "UNAUTHORIZED" => admin::redirect(&admin::undone(&admin::sign_in_path(back))),
        "SUDO_REQUIRED" => admin::redirect(&admin::undone(&admin::prove_again_path(back))),
        // It may come from another site, which gets nothing but this.
        "CSRF" => incoming.respond(Err(problem)),
        code => {
            problem.told_on_page(incoming.caller.language);
            let mut told = vec![("problem", code.to_owned())];
            if code == Refusal::NotRecognised.code() {
                told.extend(typed(incoming, form));
            }
            admin::redirect(&back.with_query(&told))
        }
    }
}

/// What somebody looked for and that nothing is found by, for the field of the page that they come back to. It may be a phone
/// with a slip in it, so it is sealed.
fn typed(incoming: &Incoming<'_>, form: &Form) -> Vec<(&'static str, String)> {
    let text = form.field("sought").unwrap_or_default();
    let text: String = text.chars().take(TYPED_MAX).collect();
    let cookie = admin::login_cookie(incoming.request);
    let sealed = cookie.and_then(|cookie| cookie.seal_text(&text));
    let purpose = form.field("purpose").and_then(Purpose::named);
    let typed = sealed.map(|sealed| ("typed", sealed));
    let purpose = purpose.map(|purpose| ("purpose", purpose.name().to_owned()));
    typed.into_iter().chain(purpose).collect()
}
