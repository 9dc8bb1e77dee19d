//! What people do with accounts: they sign up, confirm that with a code, sign in with passwords, set new ones, and refresh tokens.
use std::sync::Arc;

use serde_json::{Value, json};

use crate::facts::{Confirmed, Refreshed, SignedIn, SignedUp};
use crate::people::{For, address, digits, login_of, post};
use crate::schedule::Schedule;
use crate::stage::Answer;

/// Who signs up with a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Whoever has the phone, and reads its codes.
    Owner,
    /// Somebody who only knows the number.
    Stranger,
}

impl Who {
    /// The password that they sign up with.
    pub const fn password(self) -> &'static str {
        match self {
            Self::Owner => "kuda-lari-kencang-sekali",
            Self::Stranger => "gajah-tidur-siang-sekali",
        }
    }

    const fn from(self) -> u8 {
        match self {
            Self::Owner => 0,
            Self::Stranger => 1,
        }
    }
}

/// The password that the owner sets with a code.
pub const NEW_PASSWORD: &str = "burung-terbang-tinggi-sekali";

async fn send(
    schedule: &Arc<Schedule>,
    step: u32,
    who: Who,
    (function, path): (&'static str, &str),
    body: &Value,
) -> Answer {
    let ask = post(function, path, address(who.from()), body);
    schedule.stage.ask(step, ask).await
}

/// Somebody signs up with a phone.
pub async fn sign_up(schedule: &Arc<Schedule>, step: u32, person: u32, who: Who) {
    let body = json!({ "name": "Siti", "phone": digits(person), "password": who.password() });
    let route = ("auth-signup", "/api/auth/signup");
    let answer = send(schedule, step, who, route, &body).await;
    let challenge = answer.json["data"]["challengeId"].as_str();
    schedule.facts().signed_up.push(SignedUp {
        process: step,
        person,
        who,
        status: answer.status,
        challenge: challenge.map(str::to_owned),
    });
}

/// Sends a code that confirms something, and keeps what came of it.
async fn send_code(
    schedule: &Arc<Schedule>,
    step: u32,
    (person, who): (u32, Who),
    route: (&'static str, &str),
    body: &Value,
) {
    let answer = send(schedule, step, who, route, body).await;
    schedule.facts().confirmed.push(Confirmed {
        process: step,
        person,
        who,
        status: answer.status,
    });
}

/// Somebody confirms the last sign-up of theirs: the owner with the newest code on the phone, a stranger with one that is guessed.
pub async fn confirm(schedule: &Arc<Schedule>, step: u32, person: u32, who: Who) {
    let challenge = {
        let facts = schedule.facts();
        let mut own = facts.signed_up.iter().rev();
        own.find(|one| (one.person, one.who) == (person, who) && one.challenge.is_some())
            .and_then(|one| one.challenge.clone())
    };
    let code = match who {
        Who::Owner => schedule.codes_on(person).pop(),
        Who::Stranger => Some(format!("{:06}", step * 7_919)),
    };
    let (Some(challenge), Some(code)) = (challenge, code) else {
        return;
    };
    let body = json!({ "identifier": digits(person), "otp": code, "challengeId": challenge });
    let route = ("auth-verify-otp", "/api/auth/verify-otp");
    send_code(schedule, step, (person, who), route, &body).await;
}

/// The owner of a phone sets a new password with the newest code on it.
pub async fn set_password(schedule: &Arc<Schedule>, step: u32, person: u32) {
    let challenge = {
        let facts = schedule.facts();
        let mut asked = facts.asked.iter().rev();
        asked
            .find(|asked| asked.person == person && asked.purpose == For::Reset)
            .and_then(|asked| asked.challenge.clone())
    };
    let (Some(challenge), Some(code)) = (challenge, schedule.codes_on(person).pop()) else {
        return;
    };
    let body = json!({
        "identifier": digits(person), "otp": code, "challengeId": challenge, "newPassword": NEW_PASSWORD,
    });
    let route = (
        "auth-verify-password-reset-otp",
        "/api/auth/verify-password-reset-otp",
    );
    send_code(schedule, step, (person, Who::Owner), route, &body).await;
}

/// Somebody signs in with a password.
pub async fn sign_in(
    schedule: &Arc<Schedule>,
    step: u32,
    person: u32,
    (who, password): (Who, &'static str),
) {
    let body = json!({ "identifier": digits(person), "password": password });
    let route = ("auth-signin", "/api/auth/signin");
    let answer = send(schedule, step, who, route, &body).await;
    schedule.facts().signed_in.push(SignedIn {
        process: step,
        person,
        who,
        status: answer.status,
    });
}

/// Somebody refreshes the newest token of theirs, several times at once.
pub async fn refresh(schedule: &Arc<Schedule>, step: u32, person: u32, times: u32) {
    let newest = schedule.facts().refresh_token(person);
    let Some((login, token)) = newest else {
        return;
    };
    let mut all = Vec::new();
    for number in 0..times {
        let (schedule, login, token) = (Arc::clone(schedule), login.clone(), token.clone());
        all.push(tokio::spawn(async move {
            let body = json!({ "refreshToken": token });
            let route = ("auth-refresh", "/api/auth/refresh");
            let process = step + 1_000 * number;
            let answer = send(&schedule, process, Who::Owner, route, &body).await;
            let data = &answer.json["data"];
            schedule.facts().refreshed.push(Refreshed {
                process,
                login,
                spent: token,
                at: answer.at,
                status: answer.status,
                next: data["refreshToken"].as_str().map(str::to_owned),
                next_login: data["token"].as_str().and_then(login_of),
            });
        }));
    }
    for one in all {
        let _ = one.await;
    }
}
