//! What comes back from the gateway, read the same way for every version of it.
//!
//! Keys are matched in any case, values may be enveloped or bare, and what is not the gateway's own JSON is told apart:
//! a proxy's page is `GatewayError::Proxy`, an answer that should have been good and cannot be read is
//! `GatewayError::Broken`.
use serde_json::{Map, Value};

use super::facts::{
    Accepted, GatewayError, GatewayUser, GatewayVersion, Jid, SessionStatus, SessionToken,
    UserCheck, WebhookSetup,
};

/// How much of somebody else's text an error keeps.
const TEXT_CHARS_MAX: usize = 300;

/// An HTTP answer as it came.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, not longer than the reader allowed.
    pub body: Vec<u8>,
}

impl Answer {
    /// The flags of a session. The oldest version answers "no session" where the others answer two cleared flags.
    ///
    /// # Errors
    /// When the gateway refused, or the answer is not its own.
    pub fn session_status(&self) -> Result<SessionStatus, GatewayError> {
        match self.data() {
            Err(GatewayError::Refused { error, .. }) if error == "no session" => {
                Ok(SessionStatus::default())
            }
            data => status_in(&object(data?)?),
        }
    }

    /// That a command was taken.
    ///
    /// # Errors
    /// When the gateway refused, or the answer is not its own.
    pub fn taken(&self) -> Result<(), GatewayError> {
        object(self.data()?).map(drop)
    }

    /// The QR code, once there is one.
    ///
    /// # Errors
    /// When the gateway refused, or the answer is not its own.
    pub fn qr(&self) -> Result<Option<String>, GatewayError> {
        let data = object(self.data()?)?;
        let code = text(&data, "qrcode").ok_or_else(|| lacks("QRCode"))?;
        Ok(Some(code).filter(|code| !code.is_empty()))
    }

    /// The code to type on the phone.
    ///
    /// # Errors
    /// When the gateway refused, or the answer is not its own.
    pub fn linking_code(&self) -> Result<String, GatewayError> {
        let data = object(self.data()?)?;
        text(&data, "linkingcode")
            .filter(|code| !code.is_empty())
            .ok_or_else(|| lacks("LinkingCode"))
    }

    /// That WhatsApp took a message. The time stamp, a number or a text by version, is not needed.
    ///
    /// # Errors
    /// When the gateway refused, or the answer is not its own.
    pub fn accepted(&self) -> Result<Accepted, GatewayError> {
        let data = object(self.data()?)?;
        text(&data, "id")
            .filter(|id| !id.is_empty())
            .map(|id| Accepted { id })
            .ok_or_else(|| lacks("Id"))
    }

    /// Which numbers are on WhatsApp; a `null` list is an empty one.
    ///
    /// # Errors
    /// When the gateway refused, or the answer is not its own.
    pub fn user_checks(&self) -> Result<Vec<UserCheck>, GatewayError> {
        let data = object(self.data()?)?;
        let users = get(&data, "users").ok_or_else(|| lacks("Users"))?;
        Ok(objects(users)?
            .filter_map(|user| {
                let query = text(user, "query")?;
                Some(UserCheck {
                    query: query.chars().filter(char::is_ascii_digit).collect(),
                    on_whatsapp: flag(user, "isinwhatsapp")?,
                    jid: text(user, "jid").filter(|jid| jid.contains('@')).map(Jid),
                })
            })
            .collect())
    }

    /// Where webhooks are posted. Where no event is, some versions list an empty one.
    ///
    /// # Errors
    /// When the gateway refused, or the answer is not its own.
    pub fn webhook(&self) -> Result<WebhookSetup, GatewayError> {
        let data = object(self.data()?)?;
        Ok(WebhookSetup {
            address: text(&data, "webhook").ok_or_else(|| lacks("webhook"))?,
            events: events_in(&data, "subscribe"),
        })
    }

    /// Every session of the gateway; `null` is none. A session without a token cannot be addressed and is left out.
    ///
    /// # Errors
    /// When the gateway refused, or the answer is not its own.
    pub fn users(&self) -> Result<Vec<GatewayUser>, GatewayError> {
        let data = self.data()?;
        Ok(objects(&data)?
            .filter_map(|user| {
                Some(GatewayUser {
                    id: text(user, "id")?,
                    name: text(user, "name").unwrap_or_default(),
                    token: SessionToken::new(text(user, "token").filter(|t| !t.is_empty())?),
                    status: status_in(user).ok()?,
                })
            })
            .collect())
    }

    /// The `data` of a good answer, or the answer itself where a version has no envelope.
    fn data(&self) -> Result<Value, GatewayError> {
        match serde_json::from_slice::<Value>(&self.body) {
            Ok(Value::Object(answer)) => self.data_of(answer),
            Ok(answer) if self.is_good() => Ok(answer),
            Err(_) if self.is_good() || looks_like_json(&self.body) => Err(GatewayError::Broken(
                format!("the body of a {} is not whole JSON", self.status),
            )),
            _ => Err(self.proxy(&String::from_utf8_lossy(&self.body))),
        }
    }

    /// The `data` of an answer that is an object, if the gateway did not refuse.
    fn data_of(&self, mut answer: Map<String, Value>) -> Result<Value, GatewayError> {
        if let Some(error) = text(&answer, "error").filter(|error| !error.is_empty()) {
            return Err(GatewayError::Refused {
                status: self.status,
                error: clip(&error).to_lowercase(),
            });
        }
        if !self.is_good() || flag(&answer, "success") == Some(false) {
            let message = text(&answer, "message").unwrap_or_default();
            return Err(self.proxy(&message));
        }
        let key = answer.keys().find(|key| key.eq_ignore_ascii_case("data"));
        Ok(match key.cloned().and_then(|key| answer.remove(&key)) {
            Some(data) => data,
            None => Value::Object(answer),
        })
    }

    const fn is_good(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    fn proxy(&self, message: &str) -> GatewayError {
        GatewayError::Proxy {
            status: self.status,
            message: clip(message),
        }
    }
}

fn status_in(data: &Map<String, Value>) -> Result<SessionStatus, GatewayError> {
    Ok(SessionStatus {
        connected: flag(data, "connected").ok_or_else(|| lacks("connected"))?,
        logged_in: flag(data, "loggedin").ok_or_else(|| lacks("loggedIn"))?,
        jid: text(data, "jid").filter(|jid| !jid.is_empty()),
        events: events_in(data, "events"),
        has_qr_code: text(data, "qrcode").map(|code| !code.is_empty()),
        signs_webhooks: flag(data, "hmac_configured"),
        version: version_in(data),
    })
}

/// The version, by what it says of a session.
fn version_in(data: &Map<String, Value>) -> GatewayVersion {
    let has = |key| get(data, key).is_some();
    if has("has_active_session") {
        GatewayVersion::GuardsStart
    } else if has("hmac_configured") {
        GatewayVersion::Since105
    } else if has("qrcode") {
        GatewayVersion::V101
    } else {
        GatewayVersion::Spring2025
    }
}

/// The events under `key`: one text in one version and a list in the others.
fn events_in(data: &Map<String, Value>, key: &str) -> Vec<String> {
    let mut events: Vec<_> = match get(data, key) {
        Some(Value::String(events)) => events.split(',').map(|event| event.trim().into()).collect(),
        Some(Value::Array(events)) => events.iter().filter_map(string).collect(),
        _ => Vec::new(),
    };
    events.retain(|event: &String| !event.is_empty());
    events
}

fn object(value: Value) -> Result<Map<String, Value>, GatewayError> {
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(lacks("an object")),
    }
}

fn objects(value: &Value) -> Result<impl Iterator<Item = &Map<String, Value>>, GatewayError> {
    let list = match value {
        Value::Null => &[],
        Value::Array(list) => list.as_slice(),
        _ => return Err(lacks("a list")),
    };
    Ok(list.iter().filter_map(Value::as_object))
}

/// The value under `key`, whatever the case of the key.
fn get<'a>(data: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    data.iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(key))
        .map(|(_, value)| value)
}

fn text(data: &Map<String, Value>, key: &str) -> Option<String> {
    get(data, key).and_then(string)
}

/// Ids are a number in one version and a text in the others.
fn string(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn flag(data: &Map<String, Value>, key: &str) -> Option<bool> {
    get(data, key).and_then(Value::as_bool)
}

fn lacks(what: &str) -> GatewayError {
    GatewayError::Broken(format!("it lacks {what}"))
}

fn looks_like_json(body: &[u8]) -> bool {
    matches!(body.trim_ascii_start().first(), Some(b'{' | b'['))
}

/// The text on one line, not too long, and with phone numbers masked: some of the gateway's errors name the recipient.
fn clip(text: &str) -> String {
    let mut line = String::new();
    let mut digits = String::new();
    for char in text.chars().take(TEXT_CHARS_MAX).chain(['\n']) {
        if char.is_ascii_digit() {
            digits.push(char);
            continue;
        }
        match digits.len() {
            0..8 => line.push_str(&digits),
            long => {
                line.push_str(&digits[..4]);
                line.push_str("****");
                line.push_str(&digits[long - 2..]);
            }
        }
        digits.clear();
        line.push(if char.is_whitespace() || char.is_control() {
            ' '
        } else {
            char
        });
    }
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            body: body.into(),
        }
    }

    fn refused(status: u16, error: &str) -> GatewayError {
        GatewayError::Refused {
            status,
            error: error.into(),
        }
    }

    #[test]
    fn the_flags_are_read_in_every_form() {
        for body in [
            r#"{"code":200,"data":{"connected":true,"loggedIn":true,"jid":"62@s","events":"Message,ReadReceipt"},"success":true}"#,
            r#"{"code":200,"data":{"Connected":true,"LoggedIn":true,"Jid":"62@s","Events":["Message","ReadReceipt"]},"success":true}"#,
            r#"{"CONNECTED":true,"LOGGEDIN":true,"jid":"62@s","events":" Message, ReadReceipt,"}"#,
        ] {
            assert_eq!(
                answer(200, body).session_status(),
                Ok(SessionStatus {
                    has_qr_code: None,
                    connected: true,
                    logged_in: true,
                    jid: Some("62@s".into()),
                    events: vec!["Message".into(), "ReadReceipt".into()],
                    signs_webhooks: None,
                    version: GatewayVersion::Spring2025,
                }),
                "{body}"
            );
        }
    }

    #[test]
    fn a_version_is_told_by_what_it_says_of_a_session() {
        for (fields, version, signs) in [
            ("", GatewayVersion::Spring2025, None),
            (r#""qrcode":"","#, GatewayVersion::V101, None),
            (
                r#""qrcode":"","hmac_configured":false,"#,
                GatewayVersion::Since105,
                Some(false),
            ),
            (
                r#""qrcode":"","hmac_configured":true,"has_active_session":false,"#,
                GatewayVersion::GuardsStart,
                Some(true),
            ),
        ] {
            let body = format!(r#"{{"data":{{{fields}"connected":true,"loggedIn":true}}}}"#);
            let status = answer(200, &body).session_status().expect("a status");
            assert_eq!(
                (status.version, status.signs_webhooks),
                (version, signs),
                "{fields}"
            );
        }
    }

    #[test]
    fn no_session_as_a_status_is_two_cleared_flags() {
        let body = r#"{"code":500,"error":"No session","success":false}"#;
        assert_eq!(
            answer(500, body).session_status(),
            Ok(SessionStatus::default())
        );
        assert_eq!(
            answer(500, body).accepted(),
            Err(refused(500, "no session"))
        );
    }

    #[test]
    fn a_time_stamp_may_be_a_number_or_a_text() {
        for stamp in ["1755436294", r#""2022-04-20T12:49:08-03:00""#, "null"] {
            let body =
                format!(r#"{{"data":{{"Details":"Sent","Id":"3EB0","Timestamp":{stamp}}}}}"#);
            assert_eq!(
                answer(200, &body).accepted(),
                Ok(Accepted { id: "3EB0".into() })
            );
        }
    }

    #[test]
    fn what_is_not_the_gateways_own_is_a_proxys() {
        let proxy = |status, message: &str| {
            Err(GatewayError::Proxy {
                status,
                message: message.into(),
            })
        };
        let page = "<html>\r\n<head><title>502 Bad Gateway</title>";
        assert_eq!(
            answer(502, page).taken(),
            proxy(502, "<html> <head><title>502 Bad Gateway</title>")
        );
        assert_eq!(
            answer(404, "404 page not found\n").taken(),
            proxy(404, "404 page not found")
        );
        assert_eq!(answer(503, "").taken(), proxy(503, ""));
        assert_eq!(
            answer(429, r#"{"message":"rate limit exceeded"}"#).taken(),
            proxy(429, "rate limit exceeded")
        );
    }

    #[test]
    fn an_answer_that_should_be_good_and_cannot_be_read_is_broken() {
        for (status, body) in [
            (200, ""),
            (200, "<html>welcome</html>"),
            (200, r#"{"code":200,"data":{"Id":"3E"#),
            (
                200,
                r#"{"code":200,"data":{"Details":"Sent"},"success":true}"#,
            ),
            (200, r#"{"code":200,"data":null,"success":true}"#),
            (200, "7"),
            (500, r#"{"code":500,"error":"no ses"#),
        ] {
            let read = answer(status, body).accepted();
            assert!(
                matches!(read, Err(GatewayError::Broken(_))),
                "{body}: {read:?}"
            );
        }
    }

    #[test]
    fn an_error_in_a_good_answer_is_a_refusal() {
        let body = r#"{"code":500,"error":"no session","success":false}"#;
        assert_eq!(answer(200, body).taken(), Err(refused(200, "no session")));
    }

    #[test]
    fn the_recipient_is_masked_in_errors() {
        let body = r#"{"error":"error sending message: no LID found for 628123456789@s.whatsapp.net from server"}"#;
        assert_eq!(
            answer(500, body).accepted(),
            Err(refused(
                500,
                "error sending message: no lid found for 6281****89@s.whatsapp.net from server"
            ))
        );
    }

    #[test]
    fn checks_and_users_may_be_null() {
        let none = answer(200, r#"{"data":{"Users":null}}"#);
        assert_eq!(none.user_checks(), Ok(vec![]));
        let users = answer(200, r#"{"data":null}"#).users().expect("no users");
        assert!(users.is_empty());
    }

    #[test]
    fn a_users_id_may_be_a_number() {
        let body = r#"{"data":[{"id":2,"name":"a","token":"t","connected":true,"loggedIn":false},{"id":3}]}"#;
        let users = answer(200, body).users().expect("one user");
        let ids: Vec<_> = users.iter().map(|user| user.id.as_str()).collect();
        assert_eq!(ids, ["2"]);
    }
}
