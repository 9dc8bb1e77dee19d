//! What one request of a browser does: the steps of signing in and out.
use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use shared::edge::admin::{self, CookieChange, Form, Layout, set_cookie};
use shared::edge::fields;
use shared::edge::problem::Problem;
use shared::edge::request::Incoming;
use shared::flows::admin::links::LinkError;
use shared::flows::admin::logins::{AdminLogin, AdminLoginError, AdminSignOut};
use shared::flows::admin::sign_in::{AdminAnswer, AdminCodeRequest};
use shared::flows::codes::VerifyError;
use shared::model::admin::{AdminPath, AdminSecret, CsrfToken};
use shared::model::caller::Caller;
use shared::model::challenge::ChallengeId;
use shared::model::identifier::Identifier;
use shared::model::language::Language;
use shared::model::replies;

use crate::App;
use crate::pages::{CodePage, LinkPage, PhonePage, respond};
use crate::words::Words;

/// One request of a browser.
pub struct Visit<'a> {
    app: &'a App,
    incoming: &'a Incoming<'a>,
    /// Who is counted as the caller.
    caller: Caller,
    /// The cookie of whoever is about to sign in. Nothing where the browser has none yet.
    form_cookie: Option<AdminSecret>,
}

impl<'a> Visit<'a> {
    /// Takes a request.
    ///
    /// # Errors
    /// When a trusted caller names its client wrongly, or the keys of callers cannot be read.
    pub async fn new(app: &'a App, incoming: &'a Incoming<'a>) -> Result<Self, Problem> {
        Ok(Self {
            app,
            incoming,
            caller: app.intake.caller(incoming).await?,
            form_cookie: admin::form_cookie(incoming.request),
        })
    }

    const fn language(&self) -> Language {
        self.caller.language
    }

    fn words(&self) -> &'static Words {
        Words::of(self.language())
    }

    fn layout(&self) -> Layout<'static> {
        Layout {
            language: self.language(),
            title: self.words().title,
        }
    }

    /// Who is signed in, if anybody is.
    async fn login(&self) -> Result<Option<AdminLogin>, Problem> {
        let cookie = admin::login_cookie(self.incoming.request);
        let logins = &self.app.logins;
        match logins.current(cookie.as_ref(), self.incoming.now).await {
            Ok(login) => Ok(Some(login)),
            Err(AdminLoginError::SignedOut) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A page with a form, for a browser that may have no cookie yet.
    fn with_form(
        &self,
        page: impl FnOnce(&CsrfToken) -> Result<Response<Body>, Problem>,
    ) -> Result<Response<Body>, Problem> {
        if let Some(cookie) = &self.form_cookie {
            return page(&cookie.csrf());
        }
        let cookie = AdminSecret::draw(&self.app.entropy);
        let mut response = page(&cookie.csrf())?;
        set_cookie(&mut response, &CookieChange::BeginForm(&cookie));
        Ok(response)
    }

    /// The form that was posted by whoever is about to sign in.
    fn posted(&self) -> Result<Posted, Problem> {
        let form = Form::read(self.incoming.request)?;
        let cookie = self.form_cookie.as_ref().ok_or_else(admin::another_site)?;
        let token = cookie.csrf();
        self.check(&token, &form)?;
        Ok(Posted { form, token })
    }

    fn check(&self, token: &CsrfToken, form: &Form) -> Result<(), Problem> {
        let public = self.app.public_base_url.as_deref();
        admin::check_csrf(self.incoming.request, token, form.field("csrf"), public)
    }

    /// Asks for a phone, or sends whoever is signed in on.
    ///
    /// # Errors
    /// What no page with a form can tell.
    pub async fn show_login(&self) -> Result<Response<Body>, Problem> {
        let query = self.incoming.request.uri().query().unwrap_or_default();
        let page_of = |wanted: &str| {
            let mut fields = form_urlencoded::parse(query.as_bytes());
            let (_, path) = fields.find(|(name, _)| name == wanted)?;
            AdminPath::parse(&path)
        };
        let (next, again) = (page_of("next"), page_of("again"));
        if again.is_none() && self.login().await?.is_some() {
            return Ok(admin::redirect(&next.unwrap_or_else(AdminPath::home)));
        }
        let is_undone = admin::told_field(self.incoming.request, admin::UNDONE).is_some();
        self.with_form(|token| {
            let words = self.words();
            let undone = match &again {
                Some(_) => words.not_done_yet,
                None => words.ended,
            };
            let page = PhonePage {
                layout: self.layout(),
                words,
                csrf: token.expose(),
                undone: is_undone.then_some(undone),
                asked_again: again.is_some(),
                next: again.as_ref().or(next.as_ref()),
                phone: "",
                error: None,
            };
            respond(&page, None)
        })
    }

    /// Sends a code, and asks for it.
    ///
    /// # Errors
    /// What no page with a form can tell.
    pub async fn send_code(&self) -> Result<Response<Body>, Problem> {
        let posted = self.posted()?;
        let earlier = posted.form.field("challenge");
        match self.try_to_send(&posted.form, earlier).await {
            Ok(challenge) => self.code_page(&posted, &challenge, None),
            // The earlier code may be on the phone.
            Err(problem) => match earlier {
                Some(challenge) => self.code_page(&posted, challenge, Some(&problem)),
                None => self.phone_page(&posted, &problem),
            },
        }
    }

    /// Sends a code, and answers its challenge id.
    async fn try_to_send(&self, form: &Form, earlier: Option<&str>) -> Result<String, Problem> {
        let phone = fields::phone(form.field("phone"), "phone")?;
        let who = Identifier::Phone(phone.clone());
        let request = AdminCodeRequest {
            language: self.incoming.message_language(None, &who),
            phone,
            keep: earlier.map(ChallengeId::presented),
        };
        let sign_ins = &self.app.sign_ins;
        let sent = sign_ins.send_code(&request, &self.caller, self.incoming.now);
        Ok(sent.await?.challenge.expose().to_owned())
    }

    /// Signs in with a code.
    ///
    /// # Errors
    /// What no page with a form can tell.
    pub async fn sign_in(&self) -> Result<Response<Body>, Problem> {
        let posted = self.posted()?;
        let form = &posted.form;
        let Some(challenge) = form.field("challenge") else {
            let message = replies::FIELD_MISSING.with("field", "challenge");
            let problem = Problem::bad_request("MISSING_CHALLENGE_ID", message);
            return self.phone_page(&posted, &problem);
        };
        match self.try_code(form, challenge).await {
            Ok(cookie) => {
                let next = posted.next().unwrap_or_else(AdminPath::home);
                Ok(signed_in(&cookie, &next))
            }
            Err(problem) => self.code_page(&posted, challenge, Some(&problem)),
        }
    }

    /// Signs in with a code, and answers the cookie of the login.
    async fn try_code(&self, form: &Form, challenge: &str) -> Result<AdminSecret, Problem> {
        let phone = fields::phone(form.field("phone"), "phone")?;
        let code = fields::code(form.field("code"))?;
        let before = self.login().await?;
        let answer = AdminAnswer {
            phone,
            challenge: ChallengeId::presented(challenge),
            code,
            before: before.as_ref().map(|login| &login.hash),
        };
        let sign_ins = &self.app.sign_ins;
        let signed_in = sign_ins.sign_in(answer, &self.caller, self.incoming.now);
        signed_in.await.map_err(|error| match error {
            // A page has no other challenge id that it could use.
            VerifyError::Unknown => Problem::wrong_code(replies::CODE_EXPIRED),
            error => error.into(),
        })
    }

    /// Asks whether to use a link.
    ///
    /// # Errors
    /// What no page with a form can tell.
    pub fn show_link(&self) -> Result<Response<Body>, Problem> {
        self.with_form(|token| {
            let page = LinkPage {
                layout: self.layout(),
                words: self.words(),
                csrf: token.expose(),
            };
            respond(&page, None)
        })
    }

    /// Signs in with a link.
    ///
    /// # Errors
    /// What no page with a form can tell.
    pub async fn use_link(&self, link: &str) -> Result<Response<Body>, Problem> {
        self.posted()?;
        let link = AdminSecret::parse(link).ok_or_else(link_gone)?;
        let before = self.login().await?;
        let before = before.as_ref().map(|login| &login.hash);
        let from = (&self.caller, self.incoming.now);
        let used = self.app.links.sign_in(&link, before, from).await;
        let cookie = used.map_err(|error| match error {
            LinkError::Gone => link_gone(),
            LinkError::Store(error) => Problem::internal(&error),
        })?;
        Ok(signed_in(&cookie, &AdminPath::home()))
    }

    /// Ends a login, or all of its operator.
    ///
    /// # Errors
    /// What no page with a form can tell.
    pub async fn sign_out(&self) -> Result<Response<Body>, Problem> {
        let form = Form::read(self.incoming.request)?;
        // Also where the login has ended: its cookie is taken away, which no other site may have done.
        let cookie = admin::login_cookie(self.incoming.request);
        let cookie = cookie.ok_or(AdminLoginError::SignedOut)?;
        self.check(&cookie.csrf(), &form)?;
        if let Some(login) = self.login().await? {
            let how = if form.field("everywhere") == Some("yes") {
                AdminSignOut::Everywhere
            } else {
                AdminSignOut::ThisLogin
            };
            let from = (&self.caller, self.incoming.now);
            let ended = self.app.logins.sign_out(&login, how, from).await;
            ended.map_err(|error| Problem::internal(&error))?;
        }
        let mut response = admin::redirect(&AdminPath::sign_in());
        set_cookie(&mut response, &CookieChange::SignOut);
        Ok(response)
    }

    fn phone_page(&self, posted: &Posted, problem: &Problem) -> Result<Response<Body>, Problem> {
        let told = problem.told_on_page(self.language());
        let next = posted.next();
        let page = PhonePage {
            layout: self.layout(),
            words: self.words(),
            csrf: posted.token.expose(),
            next: next.as_ref(),
            undone: None,
            asked_again: false,
            phone: posted.form.field("phone").unwrap_or_default(),
            error: Some(&told),
        };
        respond(&page, Some(problem))
    }

    fn code_page(
        &self,
        posted: &Posted,
        challenge: &str,
        problem: Option<&Problem>,
    ) -> Result<Response<Body>, Problem> {
        let told = problem.map(|problem| problem.told_on_page(self.language()));
        let next = posted.next();
        let page = CodePage {
            layout: self.layout(),
            words: self.words(),
            csrf: posted.token.expose(),
            next: next.as_ref(),
            phone: posted.form.field("phone").unwrap_or_default(),
            challenge,
            error: told.as_deref(),
        };
        respond(&page, problem)
    }
}

/// A form of whoever is about to sign in, which came from a page of ours.
struct Posted {
    form: Form,
    /// What the next form has to bring.
    token: CsrfToken,
}

impl Posted {
    /// Where the way leads after signing in, where the form names it.
    fn next(&self) -> Option<AdminPath> {
        self.form.field("next").and_then(AdminPath::parse)
    }
}

fn signed_in(cookie: &AdminSecret, next: &AdminPath) -> Response<Body> {
    let mut response = admin::redirect(next);
    set_cookie(&mut response, &CookieChange::SignIn(cookie));
    response
}

fn link_gone() -> Problem {
    Problem::new(StatusCode::GONE, "GONE", replies::ADMIN_LINK_GONE)
}
