//! An operator who signs in by the link that `cargo run` prints, and looks at the pages.
use anyhow::{Context, ensure};

use super::book::Book;
use super::system::{Answer, Ask, System};

/// What the operator looks at, in turn.
const PAGES: [&str; 8] = [
    "GET /admin/dashboard/whatsapp-sessions",
    "GET /admin/dashboard/incidents",
    "GET /admin/dashboard/outbox",
    "GET /admin/dashboard/deliveries",
    "GET /admin/dashboard/audit",
    "GET /admin/dashboard/people",
    "GET /api/admin/whatsapp/sessions",
    "GET /api/status",
];

/// A signed-in operator.
#[derive(Debug)]
pub struct Operator {
    cookie: String,
}

impl Operator {
    /// Signs in.
    ///
    /// # Errors
    /// When the link does not open.
    pub async fn sign_in(system: &System, book: &Book) -> anyhow::Result<Self> {
        let mut ask = Ask::get("GET /admin/link/{secret}");
        ask.path = Some(system.admin_link.clone());
        let page = system.ask(book, ask).await;
        ensure!(page.status == 200, "the operator's link: {}", page.status);
        let mut ask = Ask::get("POST /admin/link/{secret}");
        ask.path = Some(system.admin_link.clone());
        ask.headers = vec![
            ("content-type", "application/x-www-form-urlencoded".into()),
            ("cookie", page.cookies.join("; ")),
            ("origin", system.api.clone()),
        ];
        ask.body = Some(hidden_fields(&page.text).context("the link's form")?);
        let opened = system.ask(book, ask).await;
        ensure!(
            opened.status == 303,
            "the operator's link: {}",
            opened.status
        );
        let login = opened
            .cookies
            .iter()
            .find(|cookie| cookie.starts_with("__Host-admin="));
        Ok(Self {
            cookie: login.context("the cookie of a login")?.clone(),
        })
    }

    /// Looks at the page whose turn it is.
    pub async fn look(&self, system: &System, book: &Book, turn: usize) {
        let route = PAGES[turn % PAGES.len()];
        let mut ask = Ask::get(route);
        ask.headers.push(("cookie", self.cookie.clone()));
        let Answer { status, .. } = system.ask(book, ask).await;
        if status != 200 && !(route.ends_with("/status") && status == 503) {
            book.add_oddity(&format!("{route} answered {status} to an operator"));
        }
    }
}

/// The hidden fields of the page's form, as it sends them. Their values are letters and digits.
fn hidden_fields(page: &str) -> Option<String> {
    let form = page.split("<form ").nth(1)?.split("</form>").next()?;
    let inputs = form.split("<input type=\"hidden\" ").skip(1);
    let fields = inputs.filter_map(|input| {
        let value = |name: &str| {
            let (_, rest) = input.split_once(&format!("{name}=\""))?;
            rest.split('"').next()
        };
        Some(format!("{}={}", value("name")?, value("value")?))
    });
    Some(fields.collect::<Vec<_>>().join("&"))
}
