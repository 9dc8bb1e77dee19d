//! People who sign up, sign in, forget, guess wrong and repeat.
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use shared::platform::entropy::Entropy;
use tokio::time::{Instant, sleep};

use super::book::{Begun, Book};
use super::system::{Answer, Ask, System};

/// How long a code may take to a phone once the API has said that it was sent.
const ARRIVES_WITHIN: Duration = Duration::from_secs(15);
/// How often a phone is looked at for it.
const LOOK: Duration = Duration::from_millis(250);
/// How long a person leaves the system alone after asking for a code: longer than the cooldown.
const PAUSE: Duration = Duration::from_secs(130);
/// How many codes a person asks for, below the limit of a day.
const CODES_MAX: u32 = 25;
/// Longer than a code is and shorter than anything else in digits.
const CODE_DIGITS: std::ops::RangeInclusive<usize> = 6..=8;

/// A user with a password.
#[derive(Debug)]
struct Person {
    number: u64,
    password: String,
    codes: u32,
    free_at: Instant,
    refresh_token: Option<String>,
}

impl Person {
    fn phone(&self) -> String {
        phone(self.number)
    }

    fn address(&self) -> String {
        let [_, b, c, d] = u32::try_from(self.number).unwrap_or_default().to_be_bytes();
        // Each has a network of their own.
        format!("10.{c}.{d}.{}", b + 1)
    }
}

fn phone(number: u64) -> String {
    format!("0812{:08}", 10_000_000 + number)
}

/// Everybody who has signed up and is not at it just now.
#[derive(Debug)]
pub struct People {
    entropy: Entropy,
    next: Mutex<u64>,
    idle: Mutex<Vec<Person>>,
}

impl People {
    /// Nobody yet.
    pub fn new(seed: u64) -> Self {
        Self {
            entropy: Entropy::seeded(seed),
            next: Mutex::new(0),
            idle: Mutex::default(),
        }
    }

    /// One person does something.
    pub async fn act(&self, system: &System, book: &Book) {
        let visit = Visit {
            people: self,
            system,
            book,
        };
        let person = match self.entropy.below(100) {
            0..18 => None,
            _ => self.somebody(),
        };
        let Some(mut person) = person else {
            return visit.sign_up().await;
        };
        match self.entropy.below(100) {
            0..50 => visit.sign_in_by_code(&mut person).await,
            50..65 => visit.sign_in_by_password(&mut person).await,
            65..73 => visit.reset(&mut person).await,
            73..90 => visit.refresh(&mut person).await,
            _ => visit.repeat(&mut person).await,
        }
        if person.codes < CODES_MAX {
            self.idle().push(person);
        }
    }

    fn somebody(&self) -> Option<Person> {
        let mut idle = self.idle();
        let now = Instant::now();
        let free: Vec<_> = (0..idle.len())
            .filter(|at| idle[*at].free_at <= now)
            .collect();
        let drawn = self.entropy.below(free.len().try_into().unwrap_or(1));
        let at = free.get(usize::try_from(drawn).unwrap_or_default())?;
        Some(idle.swap_remove(*at))
    }

    fn newcomer(&self) -> Person {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next += 1;
        Person {
            number: *next,
            password: format!("kuda lari kencang {next}"),
            codes: 0,
            free_at: Instant::now(),
            refresh_token: None,
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Person>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One act of one person.
struct Visit<'a> {
    people: &'a People,
    system: &'a System,
    book: &'a Book,
}

impl Visit<'_> {
    async fn post(&self, person: &Person, route: &'static str, body: Value) -> Answer {
        let mut ask = Ask::json(route, &body);
        ask.headers.extend(self.system.on_behalf(&person.address()));
        self.system.ask(self.book, ask).await
    }

    async fn sign_up(&self) {
        let mut person = self.people.newcomer();
        let body =
            json!({ "name": "Siti Soak", "phone": person.phone(), "password": person.password });
        let Some((code, challenge)) = self.code(&mut person, "POST /api/auth/signup", body).await
        else {
            return;
        };
        let body = json!({ "identifier": person.phone(), "otp": code, "challengeId": challenge });
        let confirmed = self.post(&person, "POST /api/auth/verify-otp", body).await;
        self.expect(&confirmed, "a right code did not complete a sign-up");
        if confirmed.status < 300 && confirmed.status != 0 {
            person.refresh_token = token(&confirmed);
            self.people.idle().push(person);
        }
    }

    async fn sign_in_by_code(&self, person: &mut Person) {
        let body = json!({ "identifier": person.phone(), "method": "whatsapp" });
        let Some((code, challenge)) = self.code(person, "POST /api/auth/sso-signin", body).await
        else {
            return;
        };
        const VERIFY: &str = "POST /api/auth/sso-verify";
        let answer = |otp: &str| json!({ "identifier": person.phone(), "otp": otp, "challengeId": challenge });
        if self.people.entropy.below(5) == 0 {
            let guessed = self.post(person, VERIFY, answer(&wrong(&code))).await;
            if guessed.status == 200 {
                self.book.add_oddity("a wrong code opened");
            }
        }
        let opened = self.post(person, VERIFY, answer(&code)).await;
        self.expect(&opened, "a right code did not open");
        person.refresh_token = token(&opened).or(person.refresh_token.take());
    }

    async fn sign_in_by_password(&self, person: &mut Person) {
        const SIGN_IN: &str = "POST /api/auth/signin";
        let body = |password: &str| json!({ "identifier": person.phone(), "password": password });
        if self.people.entropy.below(6) == 0 {
            let guessed = self.post(person, SIGN_IN, body("not the password")).await;
            if guessed.status == 200 {
                self.book.add_oddity("a wrong password opened");
            }
        }
        let opened = self.post(person, SIGN_IN, body(&person.password)).await;
        self.expect(&opened, "a right password did not open");
        person.refresh_token = token(&opened).or(person.refresh_token.take());
    }

    async fn reset(&self, person: &mut Person) {
        let body = json!({ "identifier": person.phone() });
        const ASK: &str = "POST /api/auth/send-password-reset-otp";
        let Some((code, challenge)) = self.code(person, ASK, body).await else {
            return;
        };
        let password = format!("sapi lari pelan {} {}", person.number, person.codes);
        let body = json!({
            "identifier": person.phone(), "otp": code, "challengeId": challenge, "newPassword": password,
        });
        let set = self
            .post(person, "POST /api/auth/verify-password-reset-otp", body)
            .await;
        self.expect(&set, "a right code did not set a password");
        // Without a reply nobody knows which one counts: asked for again by a code, later.
        if set.status == 200 {
            person.password = password;
            person.refresh_token = token(&set);
        } else if set.status == 0 || set.status >= 500 {
            person.codes = CODES_MAX;
        }
    }

    async fn refresh(&self, person: &mut Person) {
        let Some(refresh_token) = person.refresh_token.take() else {
            return self.sign_in_by_password(person).await;
        };
        let body = json!({ "refreshToken": refresh_token });
        let refreshed = self.post(person, "POST /api/auth/refresh", body).await;
        self.expect(&refreshed, "a refresh token did not refresh");
        person.refresh_token = token(&refreshed);
        let access = refreshed.json["data"]["accessToken"].as_str();
        let access = access.or_else(|| refreshed.json["data"]["tokens"]["accessToken"].as_str());
        if let Some(access) = access {
            let mut ask = Ask::get("GET /api/auth/session");
            ask.headers
                .push(("authorization", format!("Bearer {access}")));
            let shown = self.system.ask(self.book, ask).await;
            self.expect(&shown, "an access token was refused");
        }
        if self.people.entropy.below(8) == 0
            && let Some(refresh_token) = person.refresh_token.take()
        {
            let body = json!({ "refreshToken": refresh_token });
            let left = self.post(person, "POST /api/auth/signout", body).await;
            self.expect(&left, "a sign-out failed");
        }
    }

    /// Asks for a code twice: the second request is too soon.
    async fn repeat(&self, person: &mut Person) {
        let body = json!({ "identifier": person.phone(), "method": "whatsapp" });
        let again = self
            .code(person, "POST /api/auth/sso-signin", body.clone())
            .await;
        let repeated = self.post(person, "POST /api/auth/sso-signin", body).await;
        if again.is_some() && repeated.status == 200 {
            self.book
                .add_oddity("a code was sent again within the cooldown");
        }
    }

    /// Asks for a code; the code and its challenge id, if it came.
    async fn code(
        &self,
        person: &mut Person,
        route: &'static str,
        body: Value,
    ) -> Option<(String, String)> {
        let begun = self.book.now();
        let seen = self.newest(person).await;
        let asked = self.post(person, route, body).await;
        person.codes += 1;
        person.free_at = Instant::now() + PAUSE;
        if asked.status != 200 {
            return None;
        }
        let challenge = asked.json["data"]["challengeId"].as_str()?.to_owned();
        let code = self.arrival(person, begun, seen).await?;
        Some((code, challenge))
    }

    /// The code of a message that was not there before.
    async fn arrival(&self, person: &Person, begun: Begun, seen: i64) -> Option<String> {
        let asked = Instant::now();
        let until = asked + ARRIVES_WITHIN;
        while Instant::now() < until {
            let messages = self.messages(person).await;
            let fresh = messages.iter().filter(|message| at(message) > seen);
            if let Some(code) = fresh.rev().find_map(code_in) {
                self.book.add_code(begun, Some(asked.elapsed()));
                return Some(code);
            }
            sleep(LOOK).await;
        }
        self.book.add_code(begun, None);
        None
    }

    async fn newest(&self, person: &Person) -> i64 {
        if person.codes == 0 {
            return -1;
        }
        self.messages(person)
            .await
            .iter()
            .map(at)
            .max()
            .unwrap_or(-1)
    }

    async fn messages(&self, person: &Person) -> Vec<Value> {
        let path = format!("/sim/messages?phone={}", person.phone());
        let mut answer = self.system.ask_sim(&path, None).await;
        match answer.json["messages"].take() {
            Value::Array(messages) => messages,
            _ => Vec::new(),
        }
    }

    /// A refusal for which the person did nothing wrong, and which is neither a limit nor an outage.
    fn expect(&self, answer: &Answer, otherwise: &str) {
        if (400..500).contains(&answer.status) && answer.status != 429 {
            self.book
                .add_oddity(&format!("{otherwise}: {}", answer.error()));
        }
    }
}

fn at(message: &Value) -> i64 {
    message["at_ms"].as_i64().unwrap_or(-1)
}

fn code_in(message: &Value) -> Option<String> {
    let mut words = message["text"].as_str()?.split_ascii_whitespace();
    let is_code = |word: &&str| {
        CODE_DIGITS.contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_digit())
    };
    words.find(is_code).map(str::to_owned)
}

fn wrong(code: &str) -> String {
    let turned = |digit: char| if digit == '9' { '0' } else { '9' };
    code.chars().map(turned).collect()
}

fn token(answer: &Answer) -> Option<String> {
    let data = &answer.json["data"];
    let token = data["refreshToken"].as_str();
    token
        .or_else(|| data["tokens"]["refreshToken"].as_str())
        .map(str::to_owned)
}
