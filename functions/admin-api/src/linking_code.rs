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
    /// The page of the session, which says when it is paired.
    session: &'a AdminPath,
    /// The page that the form came from.
    back: &'a AdminPath,
    /// The rest of what it says.
    words: Words,
}

/// What the page says in one language.
#[derive(Debug)]
struct Words {
    title: &'static str,
    to_do: &'static str,
    back: &'static str,
    /// What the script says while it looks, when it could not, and when nobody is signed in any more.
    looks: &'static str,
    failed: &'static str,
    signed_out: &'static str,
}

const ENGLISH: Words = Words {
    title: "Code to type on the phone",
    to_do: "On the phone: Linked devices, Link a device, Link with phone number. Type this code before {}:",
    back: "Back to the session, which says when it is paired",
    looks: "This page says when it is paired, too",
    failed: "Could not look; trying again",
    signed_out: "You are signed out: go back to the session to sign in",
};

const INDONESIAN: Words = Words {
    title: "Kode untuk diketik di ponsel",
    to_do: "Di ponsel: Perangkat tertaut, Tautkan perangkat, Tautkan dengan nomor telepon. Ketik kode ini sebelum {}:",
    back: "Kembali ke sesi, yang menunjukkan kapan sudah tertaut",
    looks: "Halaman ini juga menunjukkannya",
    failed: "Tidak dapat memeriksa; mencoba lagi",
    signed_out: "Anda sudah keluar: kembali ke sesi untuk masuk",
};

/// The page that shows `code`, says when `session` says that it is paired, and has a link to `back`. Without the script it has
/// the link only: loaded again, it would ask for another code.
///
/// # Errors
/// When the page cannot be written.
pub fn page(
    (language, now): (Language, Timestamp),
    code: &str,
    (session, back): (&AdminPath, &AdminPath),
) -> Result<Response<Body>, Problem> {
    let words = match language {
        Language::English => ENGLISH,
        Language::Indonesian => INDONESIAN,
    };
    let until = now.plus(CODE_LIFE).rfc3339();
    let clock = until.get(11..19).unwrap_or_default();
    let to_do = words.to_do.replace("{}", &format!("{clock} UTC"));
    let page = LinkingCodePage {
        layout: Layout {
            language,
            title: words.title,
        },
        to_do: &to_do,
        code,
        session,
        back,
        words,
    };
    let html = page.render().map_err(|error| Problem::internal(&error))?;
    Ok(admin::page_response(StatusCode::OK, html))
}
