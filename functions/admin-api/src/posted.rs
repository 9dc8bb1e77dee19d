//! What is posted, as JSON or as a form, and the answer to either.
use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::edge::admin::{self, Form, is_form};
use shared::edge::problem::Problem;
use shared::edge::reply::Reply;
use shared::edge::request::Incoming;
use shared::flows::admin::sessions::key::SessionKey;
use shared::model::admin::AdminPath;
use shared::model::replies;

/// The fields of a JSON body. A request without a body has none.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fields {
    name: Option<String>,
    phone: Option<String>,
    sends: Option<bool>,
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
            "sought" => self.sought.as_deref(),
            "page" => self.page.as_deref(),
            "purpose" => self.purpose.as_deref(),
            "login" => self.login.as_deref(),
            "confirm" => self.confirm.as_deref(),
            _ => None,
        }
    }
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
    /// The page that shows it, where that is not the one that the form came from.
    page: Option<AdminPath>,
    /// What the page shows, as fields of its query.
    shown: Vec<(&'static str, String)>,
}

impl Outcome {
    /// It was done.
    pub fn done() -> Self {
        Self {
            data: json!({}),
            status: StatusCode::OK,
            page: None,
            shown: vec![("done", "done".into())],
        }
    }

    /// Somebody has to type this code on the phone.
    pub fn linking_code(code: String) -> Self {
        Self {
            data: json!({ "linkingCode": code }),
            shown: vec![("code", code)],
            ..Self::done()
        }
    }

    /// A phone was erased, wholly or as far as one act goes.
    pub fn erased(more_left: bool) -> Self {
        let done = if more_left {
            "erased-in-part"
        } else {
            "erased"
        };
        Self {
            data: json!({ "moreLeft": more_left }),
            shown: vec![("done", done.into())],
            ..Self::done()
        }
    }

    /// This page shows it.
    pub fn found(page: &AdminPath) -> Self {
        Self {
            data: json!({ "page": page.as_str() }),
            page: Some(page.clone()),
            shown: Vec::new(),
            ..Self::done()
        }
    }

    /// There is one session more.
    pub fn added(key: &SessionKey) -> Self {
        Self {
            data: json!({ "id": key.to_string() }),
            status: StatusCode::CREATED,
            page: AdminPath::parse(&format!("/admin/dashboard/whatsapp-sessions/{key}")),
            shown: vec![("done", "added".into())],
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
        match done {
            Ok(outcome) => {
                let page = outcome.page.unwrap_or(back);
                admin::redirect(&page.with_query(&outcome.shown))
            }
            Err(problem) => refused(incoming, &back, problem),
        }
    }
}

/// The answer to a form that was refused.
fn refused(incoming: &Incoming<'_>, back: &AdminPath, problem: Problem) -> Response<Body> {
    match problem.code() {
        "UNAUTHORIZED" => admin::redirect(&admin::sign_in_path(back)),
        "SUDO_REQUIRED" => admin::redirect(&admin::prove_again_path(back)),
        // It may come from another site, which gets nothing but this.
        "CSRF" => incoming.respond(Err(problem)),
        code => {
            problem.told_on_page(incoming.caller.language);
            admin::redirect(&back.with_query(&[("problem", code.to_owned())]))
        }
    }
}
