//! The log of every test, read as it is written: it may tell no secret that a request or a reply holds.
use std::collections::HashSet;
use std::io;
use std::sync::{Mutex, Once, PoisonError};

use serde_json::Value;
use shared::model::phone::Phone;
use shared::model::webhook;

/// What the log has said and what it must not say, of all tests of the process.
static KNOWN: Mutex<Option<Known>> = Mutex::new(None);

#[derive(Default)]
struct Known {
    /// Codes, tokens, challenge ids, phone numbers: each a word.
    words: HashSet<String>,
    /// Passwords, which may be several.
    passwords: HashSet<String>,
    /// Every word of the log that is long enough to be a secret, since some become known only with the reply.
    said: HashSet<String>,
    told: Vec<String>,
}

/// Everything that is logged from now on is read.
pub(crate) fn read() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_max_level(tracing::Level::INFO)
            .without_time()
            .with_writer(|| Reader)
            .finish();
        // A test that came first has a reader of its own.
        let _ = tracing::subscriber::set_global_default(subscriber);
    });
}

/// Keeps what a request or a reply holds, so that no line may tell it.
///
/// # Panics
/// When one has.
pub(crate) fn keep(authorization: Option<&str>, body: &[u8]) {
    let form = body;
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    with_known(|known| {
        if body.is_null() {
            keep_form(known, form);
        }
        for data in [&body, &body["data"]] {
            for field in ["phone", "identifier"] {
                let phone = data[field]
                    .as_str()
                    .and_then(|typed| Phone::parse(typed).ok());
                known.keep_word(phone.as_ref().map(Phone::digits));
            }
            for field in ["password", "newPassword"] {
                let password = data[field].as_str().filter(|password| is_telling(password));
                known.passwords.extend(password.map(str::to_owned));
            }
            known.keep_word(data["otp"].as_str().filter(|otp| otp.len() == 6));
            for field in ["challengeId", "captchaToken", "refreshToken", "token"] {
                known.keep_token(data[field].as_str());
            }
        }
        known.keep_token(authorization.and_then(|value| value.split(' ').next_back()));
        let told = known.told.join("\n");
        assert!(told.is_empty(), "the log tells a secret:\n{told}");
    });
}

/// Keeps the secret part of a path, if it has one.
pub(crate) fn keep_path(path: &str) {
    let webhook = path.strip_prefix(webhook::PATH);
    let link = path.strip_prefix("/admin/link/");
    with_known(|known| {
        known.keep_token(webhook);
        known.keep_token(link);
    });
}

/// Keeps the value of a cookie, such as `name=value; Secure`.
pub(crate) fn keep_cookie(cookie: &str) {
    let values = cookie.split(';').filter_map(|pair| pair.split_once('='));
    let secrets = values.map(|(_, value)| value.trim());
    with_known(|known| secrets.for_each(|secret| known.keep_token(Some(secret))));
}

/// Keeps what a form holds.
fn keep_form(known: &mut Known, body: &[u8]) {
    for (name, value) in form_urlencoded::parse(body) {
        match &*name {
            "phone" => {
                let phone = Phone::parse(&value).ok();
                known.keep_word(phone.as_ref().map(Phone::digits));
            }
            "code" => known.keep_word(Some(&*value).filter(|code| code.len() == 8)),
            "csrf" | "challenge" => known.keep_token(Some(&value)),
            _ => {}
        }
    }
}

/// Whether a line with this in it must have it from a request: it is no ordinary word.
fn is_telling(password: &str) -> bool {
    password.len() >= 8 && !password.chars().all(|c| c.is_ascii_lowercase())
}

/// Keeps the token of a gateway's session.
pub(crate) fn keep_token(token: &str) {
    with_known(|known| known.keep_token(Some(token)));
}

fn with_known(change: impl FnOnce(&mut Known)) {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    change(known.get_or_insert_default());
}

impl Known {
    fn keep_word(&mut self, secret: Option<&str>) {
        let Some(secret) = secret else { return };
        if self.said.contains(secret) {
            self.told.push(format!("some line has {secret}"));
        }
        self.words.insert(secret.to_owned());
    }

    /// The last part of a token is what makes it one.
    fn keep_token(&mut self, token: Option<&str>) {
        let secret = token.and_then(|token| token.split('.').next_back());
        self.keep_word(secret.filter(|secret| secret.len() >= 16));
    }

    fn read(&mut self, line: &str) {
        let words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
        for word in words.filter(|word| word.len() >= 6) {
            if self.words.contains(word) {
                self.told.push(line.to_owned());
            }
            if !self.said.contains(word) {
                self.said.insert(word.to_owned());
            }
        }
        if self
            .passwords
            .iter()
            .any(|password| line.contains(password))
        {
            self.told.push(line.to_owned());
        }
    }
}

/// Takes one line at a time.
struct Reader;

impl io::Write for Reader {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        with_known(|known| known.read(&String::from_utf8_lossy(line)));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use local::database::Faults;
    use serde_json::json;

    use super::*;
    use crate::TestSystem;

    #[tokio::test(start_paused = true)]
    async fn what_functions_log_is_read() {
        let system = TestSystem::builder().faults(Faults::down()).build().await;
        let body = json!({ "identifier": "08123456789" });
        system.post("/api/auth/sso-signin", body).await;
        with_known(|known| {
            assert!(known.said.contains("request") && known.words.contains("628123456789"));
        });
    }

    #[test]
    fn a_line_that_tells_a_secret_is_found_before_and_after_the_secret_is_known() {
        let check = |line: &str, secret: fn(&mut Known), told: bool| {
            for line_first in [true, false] {
                let mut known = Known::default();
                if line_first {
                    known.read(line);
                }
                secret(&mut known);
                if !line_first {
                    known.read(line);
                }
                assert_eq!(!known.told.is_empty(), told, "{line}");
            }
        };
        let code = |known: &mut Known| known.keep_word(Some("123456"));
        check(r#"{"message":"code 123456 sent"}"#, code, true);
        check(
            r#"{"message":"1234567 bytes","phone":"62812****456"}"#,
            code,
            false,
        );
        let token = |known: &mut Known| known.keep_token(Some("eyJ0.e30.c2lnbmF0dXJlIG9mIGl0"));
        check("token=eyJ0.e30.c2lnbmF0dXJlIG9mIGl0", token, true);
        check("token=eyJ0.e30.****", token, false);
    }
}
