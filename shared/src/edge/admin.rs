//! Requests of operators, and the pages that answer them.
//!
//! A browser sends cookies along with whatever another site makes it send. So a form counts only with the token that its page
//! had, and not where the browser says that another site sent it.
use lambda_http::http::header::{self, HeaderName};
use lambda_http::http::{HeaderValue, StatusCode};
use lambda_http::{Body, Request, Response};

use super::body::BODY_BYTES_MAX;
use super::headers;
use super::problem::Problem;
use super::response::HTTPS_ONLY;
use crate::flows::admin::logins::AdminLoginError;
use crate::model::admin::{AdminPath, AdminSecret, CsrfToken};
use crate::model::language::Language;
use crate::model::replies;

/// The cookie of a login. Its prefix makes browsers refuse it without `Secure`, with a domain, or for a part of the site.
const LOGIN_COOKIE: &str = "__Host-admin";

/// The cookie of whoever is about to sign in.
const FORM_COOKIE: &str = "__Host-admin-form";

/// The cookie of a browser that has opened a pairing link, or is about to.
const PAIRING_COOKIE: &str = "__Host-pairing";

/// The cookie that brings a pairing link to the page that shows it, once. In the page's address it would stay in histories.
const SHOWN_COOKIE: &str = "__Host-admin-shown";

/// What the pages may load and send: only what this site has, and no script in a page.
const CONTENT_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

/// The secret of the login cookie, if there is one that can be read.
pub fn login_cookie(request: &Request) -> Option<AdminSecret> {
    headers::cookie(request, LOGIN_COOKIE).and_then(AdminSecret::parse)
}

/// The secret of the cookie of whoever is about to sign in.
pub fn form_cookie(request: &Request) -> Option<AdminSecret> {
    headers::cookie(request, FORM_COOKIE).and_then(AdminSecret::parse)
}

/// The secret of the cookie of a browser that has opened a pairing link.
pub fn pairing_cookie(request: &Request) -> Option<AdminSecret> {
    headers::cookie(request, PAIRING_COOKIE).and_then(AdminSecret::parse)
}

/// The secret of a pairing link that was just made, for the page that shows it.
pub fn shown_cookie(request: &Request) -> Option<AdminSecret> {
    headers::cookie(request, SHOWN_COOKIE).and_then(AdminSecret::parse)
}

/// A change of the cookies of a browser.
#[derive(Clone, Debug)]
pub enum CookieChange<'a> {
    /// Somebody is signed in with this secret.
    SignIn(&'a AdminSecret),
    /// Nobody is signed in any more.
    SignOut,
    /// Somebody is about to sign in.
    BeginForm(&'a AdminSecret),
    /// Somebody is about to open a pairing link. It comes from a chat, so the cookie has to come along from other sites; what
    /// changes something needs the token of a form as well.
    BeginPairing(&'a AdminSecret),
    /// A pairing link was made, which the next page shows.
    Show(&'a AdminSecret),
    /// It was shown.
    Shown,
}

/// Changes a cookie of the browser that gets `response`. Cookies end with the browser, and here with their time.
pub fn set_cookie(response: &mut Response<Body>, change: &CookieChange<'_>) {
    const RULES: &str = "Path=/; HttpOnly; Secure; SameSite=Strict";
    let cookie = match change {
        CookieChange::SignIn(secret) => format!("{LOGIN_COOKIE}={}; {RULES}", secret.expose()),
        CookieChange::SignOut => format!("{LOGIN_COOKIE}=; Max-Age=0; {RULES}"),
        CookieChange::BeginForm(secret) => format!("{FORM_COOKIE}={}; {RULES}", secret.expose()),
        CookieChange::BeginPairing(secret) => format!(
            "{PAIRING_COOKIE}={}; Path=/; HttpOnly; Secure; SameSite=Lax",
            secret.expose()
        ),
        CookieChange::Show(secret) => {
            format!("{SHOWN_COOKIE}={}; Max-Age=60; {RULES}", secret.expose())
        }
        CookieChange::Shown => format!("{SHOWN_COOKIE}=; Max-Age=0; {RULES}"),
    };
    if let Ok(mut cookie) = HeaderValue::from_str(&cookie) {
        cookie.set_sensitive(true);
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

/// Whether the body is a form as a browser posts it.
pub fn is_form(request: &Request) -> bool {
    let media_type = headers::header(request, "content-type").unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// The field `name` of the query, without spaces around it. Nothing when it is missing or empty.
pub fn query_field(request: &Request, name: &str) -> Option<String> {
    let query = request.uri().query().unwrap_or_default();
    let mut fields = form_urlencoded::parse(query.as_bytes());
    let (_, value) = fields.find(|(key, _)| key == name)?;
    Some(value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// The field `name` of the query, which says what became of a form. Nothing where the browser says that its page is not led to by
/// one of this site: whoever sends a link makes no page say that something was done.
pub fn told_field(request: &Request, name: &str) -> Option<String> {
    query_field(request, name).filter(|_| is_from_same_origin(request))
}

/// The fields of a form as a browser posts it.
#[derive(Clone, Debug, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads the body of a request as a form.
    ///
    /// # Errors
    /// When it is no form, or too large.
    pub fn read(request: &Request) -> Result<Self, Problem> {
        if !is_form(request) {
            let (status, code) = (StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE");
            return Err(Problem::new(status, code, replies::NOT_A_FORM));
        }
        let body = request.body().as_ref();
        if body.len() > BODY_BYTES_MAX {
            let message = replies::TOO_LARGE.with("bytes", BODY_BYTES_MAX.to_string());
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            return Err(Problem::new(status, "PAYLOAD_TOO_LARGE", message));
        }
        let fields = form_urlencoded::parse(body);
        Ok(Self(fields.into_owned().collect()))
    }

    /// The field `name`, without spaces around it. Nothing when it is missing, empty, or there twice.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut found = self.0.iter().filter(|(key, _)| key == name);
        let (_, value) = found.next()?;
        let value = value.trim();
        (found.next().is_none() && !value.is_empty()).then_some(value)
    }
}

/// Refuses what another site may have sent: without the token of its cookie, or where the browser names another site. `given` is
/// the field `csrf` of a form; without one the header `X-CSRF-Token` counts. `public_base_url` is where this site is for others.
///
/// # Errors
/// When it may come from another site.
pub fn check_csrf(
    request: &Request,
    token: &CsrfToken,
    given: Option<&str>,
    public_base_url: Option<&str>,
) -> Result<(), Problem> {
    let given = given.or_else(|| headers::header(request, "x-csrf-token"));
    let has_token = given.is_some_and(|given| token.matches(given));
    if has_token && is_from_here(request, public_base_url) {
        return Ok(());
    }
    Err(another_site())
}

/// The refusal of what another site may have sent.
pub fn another_site() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "CSRF", replies::ANOTHER_SITE)
}

/// Whether the browser, where it says anything, says that a page of this site sends the request.
fn is_from_here(request: &Request, public_base_url: Option<&str>) -> bool {
    let origin_of = |url: &str| url.split('/').take(3).collect::<Vec<_>>().join("/");
    let public = public_base_url.map(origin_of);
    let host = headers::header(request, "host");
    let is_ours = |origin: &HeaderValue| {
        let Ok(origin) = origin.to_str() else {
            return false;
        };
        let named = origin.split_once("://").map(|(_, host)| host);
        public.as_deref() == Some(origin) || (named.is_some() && named == host)
    };
    let mut origins = request.headers().get_all("origin").into_iter();
    is_from_same_origin(request) && origins.all(is_ours)
}

/// The same by the one header that browsers send with every request.
fn is_from_same_origin(request: &Request) -> bool {
    let mut sites = request.headers().get_all("sec-fetch-site").into_iter();
    sites.all(|site| site == "same-origin")
}

/// A page. Nobody may cache it, show it in a frame, or make it load from elsewhere.
pub fn page_response(status: StatusCode, html: String) -> Response<Body> {
    let mut response = Response::new(Body::Text(html));
    *response.status_mut() = status;
    guard(&mut response);
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, html);
    response
}

/// What every page begins with; `shared/templates/admin/layout.html` has it.
#[derive(Clone, Copy, Debug)]
pub struct Layout<'a> {
    /// The language of the page.
    pub language: Language,
    /// The title, which is the heading as well.
    pub title: &'a str,
}

impl Layout<'_> {
    /// The link that leads past what every page begins with.
    pub const fn skip(&self) -> &'static str {
        match self.language {
            Language::English => "Skip to the content",
            Language::Indonesian => "Langsung ke isi",
        }
    }
}

/// The address of `path` of this site, for others: below `public_base_url`, or where the browser that asks is.
pub fn public_url(request: &Request, public_base_url: Option<&str>, path: &str) -> String {
    if let Some(base) = public_base_url {
        return format!("{}{path}", base.trim_end_matches('/'));
    }
    let host = headers::header(request, "host").unwrap_or_default();
    let name = host.split(':').next().unwrap_or_default();
    let is_this_machine = ["127.0.0.1", "localhost"].contains(&name);
    let scheme = if is_this_machine { "http" } else { "https" };
    format!("{scheme}://{host}{path}")
}

/// Where somebody signs in who is not signed in, and then comes back to `back`.
pub fn sign_in_path(back: &AdminPath) -> AdminPath {
    AdminPath::to_sign_in("next", back)
}

/// Where somebody who is signed in proves again that it is them, and then comes back to `back`.
pub fn prove_again_path(back: &AdminPath) -> AdminPath {
    AdminPath::to_sign_in("again", back)
}

/// What the address of the page that signs in says where an act was refused on the way.
pub const UNDONE: &str = "undone";

/// The page at `sign_in`, which says then that nothing was done.
pub fn undone(sign_in: &AdminPath) -> AdminPath {
    sign_in.with_query(&[(UNDONE, "yes".to_owned())])
}

/// Sends the browser on to another page of this site, which it gets with GET.
pub fn redirect(path: &AdminPath) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::SEE_OTHER;
    guard(&mut response);
    // An `AdminPath` has nothing that a header cannot carry.
    if let Ok(path) = HeaderValue::from_str(path.as_str()) {
        response.headers_mut().insert(header::LOCATION, path);
    }
    response
}

/// What every answer to an operator's browser carries.
pub fn guard(response: &mut Response<Body>) {
    let rules: [(HeaderName, HeaderValue); 5] = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("same-origin"),
        ),
        (header::STRICT_TRANSPORT_SECURITY, HTTPS_ONLY),
    ];
    response.headers_mut().extend(rules);
}

impl From<AdminLoginError> for Problem {
    fn from(error: AdminLoginError) -> Self {
        match error {
            AdminLoginError::SignedOut => {
                let status = StatusCode::UNAUTHORIZED;
                Self::new(status, "UNAUTHORIZED", replies::ADMIN_SIGNED_OUT)
            }
            AdminLoginError::Store(error) => Self::internal(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::entropy::Entropy;

    fn request(headers: &[(&str, &str)]) -> Request {
        let mut request = Request::new(Body::Empty);
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            let value = HeaderValue::from_str(value).expect("a value");
            request.headers_mut().append(name, value);
        }
        request
    }

    const HOST: (&str, &str) = ("host", "api.example.com");

    /// What the row shows, the headers of a form with the right token, and whether it counts.
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], bool);

    #[track_caller]
    fn check_right_token(rows: &[Row<'_>]) {
        let token = AdminSecret::draw(&Entropy::seeded(1)).csrf();
        let public = Some("https://public.example.com/base");
        for (case, headers, accepted) in rows {
            let checked = check_csrf(&request(headers), &token, Some(token.expose()), public);
            assert_eq!(checked.is_ok(), *accepted, "{case}");
        }
    }

    #[test]
    fn a_form_counts_only_where_the_browser_names_no_other_site() {
        let origin = |url| [HOST, ("origin", url)];
        let fetched = |site| [HOST, ("sec-fetch-site", site)];
        check_right_token(&[
            ("nothing said", &[HOST], true),
            ("this site", &origin("https://api.example.com"), true),
            ("public name", &origin("https://public.example.com"), true),
            ("another", &origin("https://evil.example"), false),
            (
                "begins alike",
                &origin("https://api.example.com.evil"),
                false,
            ),
            ("no site", &origin("null"), false),
            ("no host", &[("origin", "https://api.example.com")], false),
            ("same origin", &fetched("same-origin"), true),
            ("same site", &fetched("same-site"), false),
            ("cross site", &fetched("cross-site"), false),
        ]);
    }

    #[test]
    fn a_form_counts_only_with_the_token_of_its_cookie() {
        let secret = AdminSecret::draw(&Entropy::seeded(1));
        let token = secret.csrf();
        for (case, given, accepted) in [
            ("the token", token.expose(), true),
            ("none", "", false),
            ("the secret", &secret.expose(), false),
        ] {
            let checked = check_csrf(&request(&[HOST]), &token, Some(given), None);
            assert_eq!(checked.is_ok(), accepted, "{case}");
        }
        let by_header = request(&[HOST, ("x-csrf-token", token.expose())]);
        assert!(check_csrf(&by_header, &token, None, None).is_ok());
        assert!(check_csrf(&by_header, &token, Some("x"), None).is_err());
        assert!(check_csrf(&request(&[HOST]), &token, None, None).is_err());
    }

    #[test]
    fn a_cookie_is_read_alone_among_others_and_not_twice() {
        let secret = AdminSecret::draw(&Entropy::seeded(1));
        let ours = format!("__Host-admin={}", secret.expose());
        let among = format!("a=b; {ours}; __Host-admin-form=x");
        let twice = format!("{ours}; {ours}");
        for (case, cookie, found) in [
            ("alone", &ours, true),
            ("among others", &among, true),
            ("twice", &twice, false),
            ("another", &ours.replace("admin", "admim"), false),
        ] {
            let read = login_cookie(&request(&[("cookie", cookie)]));
            let hash = read.map(|secret| secret.hash());
            assert_eq!(hash, found.then(|| secret.hash()), "{case}");
        }
    }

    #[test]
    fn a_field_that_is_there_twice_is_none() {
        let mut posted = Request::new(Body::from("a=1&b=+2+&b=3&c=%3Cb%3E&d="));
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        posted.headers_mut().insert(header::CONTENT_TYPE, form);
        let form = Form::read(&posted).expect("a form");
        let read = ["a", "b", "c", "d", "e"].map(|name| form.field(name));
        assert_eq!(read, [Some("1"), None, Some("<b>"), None, None]);
        assert!(Form::read(&Request::new(Body::from("a=1"))).is_err());
    }
}
