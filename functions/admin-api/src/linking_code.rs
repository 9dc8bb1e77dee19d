//! The page that shows the code to type on a phone in the place of a scan.
use std::time::Duration;

use askama::Template;
use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use shared::edge::admin::{self, Layout};
use shared::edge::problem::Problem;
use shared::model::admin::AdminPath;
use shared::model::language::Language;
use shared::platform::timestamp::Timestamp;

/// How long WhatsApp takes such a code.
const CODE_LIFE: Duration = Duration::from_secs(120);

/// The page.
#[derive(Debug, Template)]
#[template(path = "linking-code.html")]
struct LinkingCodePage<'a> {
    /// What every page begins with.
    layout: Layout<'a>,
    /// What to do with the code.
    to_do: &'a str,
    /// The code.
    code: &'a str,
    /// The page that the form came from.
    back: &'a AdminPath,
    /// What the link to that page says.
    back_word: &'static str,
}

/// The page that shows `code`, with a link to `back`.
///
/// # Errors
/// When the page cannot be written.
pub fn page(
    (language, now): (Language, Timestamp),
    code: &str,
    back: &AdminPath,
) -> Result<Response<Body>, Problem> {
    let (title, to_do, back_word) = match language {
        Language::English => (
            "Code to type on the phone",
            "On the phone: Linked devices, Link a device, Link with phone number. Type this code before {}:",
            "Back to the session, which says when it is paired",
        ),
        Language::Indonesian => (
            "Kode untuk diketik di ponsel",
            "Di ponsel: Perangkat tertaut, Tautkan perangkat, Tautkan dengan nomor telepon. Ketik kode ini sebelum {}:",
            "Kembali ke sesi, yang menunjukkan kapan sudah tertaut",
        ),
    };
    let until = now.plus(CODE_LIFE).rfc3339();
    let clock = until.get(11..19).unwrap_or_default();
    let to_do = to_do.replace("{}", &format!("{clock} UTC"));
    let page = LinkingCodePage {
        layout: Layout { language, title },
        to_do: &to_do,
        code,
        back,
        back_word,
    };
    let html = page.render().map_err(|error| Problem::internal(&error))?;
    Ok(admin::page_response(StatusCode::OK, html))
}
