//! What people do, and what they know: their challenge ids, and what is on their phones.
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use shared::model::phone::Phone;

use crate::chats;
use crate::facts::{Asked, Guessed};
use crate::plan::Guess;
use crate::schedule::Schedule;
use crate::stage::{Answer, Ask};
use crate::universe::Purpose;

/// A code request or a guess, by what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum For {
    /// To sign in.
    SignIn,
    /// To reset a password.
    Reset,
}

/// The `number`th phone, as digits.
pub fn digits(number: u32) -> String {
    format!("62812{:08}", 10_000_000 + number)
}

/// The same, parsed.
pub fn phone(number: u32) -> Phone {
    Phone::parse(&format!("+{}", digits(number))).expect("a phone")
}

/// An address that people ask from.
pub fn address(number: u8) -> IpAddr {
    Ipv4Addr::new(203, 0, 113, 1 + number).into()
}

/// The code in a message: its first word of digits.
pub fn code_in(text: &str) -> Option<&str> {
    let is_code = |word: &&str| word.len() >= 6 && word.bytes().all(|byte| byte.is_ascii_digit());
    text.split_ascii_whitespace().find(is_code)
}

/// A request with a JSON body.
pub fn post(function: &'static str, path: &str, from: IpAddr, body: &Value) -> Ask {
    Ask {
        function,
        path: path.to_owned(),
        payment: None,
        headers: Vec::new(),
        content_type: "application/json",
        body: Some(body.to_string()),
        from,
    }
}

/// Somebody asks for a code.
pub async fn ask_code(schedule: &Arc<Schedule>, step: u32, person: u32, reset: bool, from: u8) {
    let identifier = digits(person);
    let (ask, purpose) = if reset {
        let body = json!({ "identifier": identifier });
        let path = "/api/auth/send-password-reset-otp";
        let function = "auth-send-password-reset-otp";
        (post(function, path, address(from), &body), For::Reset)
    } else {
        let body = json!({ "identifier": identifier, "method": "whatsapp" });
        let path = "/api/auth/sso-signin";
        (
            post("auth-sso-signin", path, address(from), &body),
            For::SignIn,
        )
    };
    let answer = schedule.stage.ask(step, ask).await;
    note_asked(schedule, (step, person, purpose, from), None, &answer);
}

/// Somebody asks once more, with the challenge id of the last answer.
pub async fn ask_again(schedule: &Arc<Schedule>, step: u32, person: u32, from: u8) {
    let last = schedule.facts().last_challenge(person);
    let Some((purpose, challenge)) = last else {
        return;
    };
    let word = match purpose {
        For::SignIn => "sso",
        For::Reset => "password-reset",
    };
    let body = json!({ "identifier": digits(person), "purpose": word, "challengeId": challenge });
    let ask = post("auth-send-otp", "/api/auth/send-otp", address(from), &body);
    let answer = schedule.stage.ask(step, ask).await;
    note_asked(
        schedule,
        (step, person, purpose, from),
        Some(challenge),
        &answer,
    );
}

fn note_asked(
    schedule: &Schedule,
    (step, person, purpose, from): (u32, u32, For, u8),
    shown: Option<String>,
    answer: &Answer,
) {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let data = &answer.json["data"];
    chats::note_offer(schedule, (step, person), data);
    schedule.facts().asked.push(Asked {
        process: step,
        person,
        purpose,
        from,
        at: answer.at,
        done: answer.done,
        status: answer.status,
        limit: text(&answer.json["limit"]),
        charged: answer.json["charged"].as_bool(),
        shown,
        challenge: text(&data["challengeId"]),
        delivery: text(&data["delivery"]),
    });
}

/// Somebody types a code, several times at once.
pub async fn guess(schedule: &Arc<Schedule>, step: u32, person: u32, guess: Guess, times: u32) {
    let mut dice = schedule.universe.dice(Purpose::Step, step, 0);
    let known: Vec<_> = {
        let facts = schedule.facts();
        let asked = facts.asked.iter().filter(|asked| asked.person == person);
        let asked = asked.filter(|asked| asked.purpose == For::SignIn);
        asked.filter_map(|asked| asked.challenge.clone()).collect()
    };
    let codes = schedule.codes_on(person);
    let challenge = match known.last() {
        Some(last) if dice.chance(0.85) => last.clone(),
        Some(_) => dice.one_of(&known).clone(),
        None => return,
    };
    let code = match (guess, codes.last()) {
        (Guess::Newest, Some(newest)) => newest.clone(),
        (Guess::Any, Some(_)) => dice.one_of(&codes).clone(),
        _ => format!("{:06}", dice.below(1_000_000)),
    };
    let mut all = Vec::new();
    for number in 0..times {
        let (schedule, challenge) = (Arc::clone(schedule), challenge.clone());
        let code = if guess == Guess::Wrong && number > 0 {
            format!("{:06}", dice.below(1_000_000))
        } else {
            code.clone()
        };
        all.push(tokio::spawn(async move {
            one_guess(&schedule, step + 1_000 * number, (person, challenge, code)).await;
        }));
    }
    for one in all {
        let _ = one.await;
    }
}

/// Somebody types the newest code on the phone, under the newest challenge id.
pub async fn guess_newest(schedule: &Arc<Schedule>, number: u32, person: u32) {
    let last = schedule.facts().last_challenge(person);
    let code = schedule.codes_on(person).pop();
    if let (Some((_, challenge)), Some(code)) = (last, code) {
        one_guess(schedule, number, (person, challenge, code)).await;
    }
}

async fn one_guess(
    schedule: &Arc<Schedule>,
    number: u32,
    (person, challenge, code): (u32, String, String),
) {
    let body = json!({ "identifier": digits(person), "otp": code, "challengeId": challenge });
    let ask = post("auth-sso-verify", "/api/auth/sso-verify", address(0), &body);
    let answer = schedule.stage.ask(number, ask).await;
    let token = answer.json["data"]["token"].as_str();
    let refresh = answer.json["data"]["refreshToken"].as_str();
    schedule.facts().guessed.push(Guessed {
        process: number,
        person,
        challenge,
        code,
        status: answer.status,
        compared: answer.json["message"]
            .as_str()
            .is_some_and(|message| message.starts_with("The code is wrong.")),
        login: token.and_then(login_of),
        refresh: refresh.map(str::to_owned),
    });
}

/// The login that a token belongs to.
pub fn login_of(token: &str) -> Option<String> {
    let claims = token.split('.').nth(1)?;
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    claims["sid"].as_str().map(str::to_owned)
}
