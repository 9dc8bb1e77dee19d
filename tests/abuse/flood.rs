//! Ten thousand requests of every kind from one address, fifty at a time, about many phones, on a bad database and with
//! functions that are killed at work: no more messages leave than the limits allow.
//!
//! The limits are written out here once more, and held against what the phones received; nothing of the code that keeps
//! them is asked.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use local::database::{Fault, Faults};
use local::simulator::InboxMessage;
use serde_json::{Value, json};
use shared::model::phone::Phone;
use tests::{Reply, TestSystem};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::act::*;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

/// Eight bursts of fifty requests take less than the window of ten minutes; the next ones come in a window of their own.
const ROUNDS: u64 = 25;
const BURSTS: u32 = 8;
const AT_ONCE: u64 = 50;
const BETWEEN_BURSTS: Duration = Duration::from_secs(62);
const BETWEEN_ROUNDS: Duration = Duration::from_secs(660);

/// Those below have an account from the beginning, those from `NEVER` on never get one, the others sign up if they can.
const ACCOUNTS: u64 = 15;
const NEVER: u64 = 30;
const PHONES: u64 = 45;

/// What a purpose is called in requests, where its code is asked for and given, and how its text is known on the phone.
const PURPOSES: [(&str, &str, &str, &str); 3] = [
    ("sso", "sso-signin", "sso-verify", "kode masuk"),
    ("signup", "signup", "verify-otp", "kode pendaftaran"),
    (
        "password-reset",
        "send-password-reset-otp",
        "verify-password-reset-otp",
        "mengganti kata sandi",
    ),
];

/// What the people of all phones have heard.
#[derive(Default)]
struct Heard {
    challenges: BTreeMap<(u64, usize), Value>,
    logins: Vec<(String, Value)>,
    replies: BTreeMap<(u16, String), usize>,
    limits: BTreeSet<String>,
    killed: usize,
}

/// One request of somebody.
struct Ask {
    method: &'static str,
    path: String,
    token: Option<String>,
    body: String,
    about: Option<(u64, usize)>,
}

/// Some of those who have an account, may get one, or never do.
const FEW: [u64; 4] = [0, 1, ACCOUNTS, NEVER];

fn any_ask(system: &TestSystem, heard: &Heard, phones: &[u64], rng: &mut Rng) -> Ask {
    // A sign-up takes the most time, for its password.
    let (number, purpose) = (
        phones[rng.usize(..phones.len())],
        [0, 0, 0, 1, 2, 2][rng.usize(..6)],
    );
    let typed = phone(number);
    let (name, send, verify, _) = PURPOSES[purpose];
    let challenge = heard.challenges.get(&(number, purpose));
    let post = |path: &str, body: Value| Ask {
        method: "POST",
        path: format!("/api/auth/{path}"),
        token: None,
        body: body.to_string(),
        about: Some((number, purpose)),
    };
    let get = |path: &str| Ask {
        method: "GET",
        path: path.into(),
        token: None,
        body: String::new(),
        about: None,
    };
    let login = match heard.logins.len() {
        0 => None,
        many => Some(heard.logins[rng.usize(..many)].clone()),
    };
    match rng.u8(..100) {
        ..45 => {
            let mut body = applicant(&typed);
            body["identifier"] = typed.into();
            body.as_object_mut().unwrap().remove("phone");
            post(send, body)
        }
        45..60 => post(
            "send-otp",
            json!({ "identifier": typed, "purpose": name, "challengeId": challenge }),
        ),
        60..78 => {
            let right = code_on(system, &typed, purpose);
            // Nobody confirms a sign-up with a phone that is never to have an account.
            let give = rng.bool() && !(name == "signup" && number >= NEVER);
            let code = right.filter(|_| give).unwrap_or("000000".into());
            let challenge = challenge.filter(|_| rng.u8(..5) > 0);
            post(
                verify,
                json!({
                    "identifier": typed, "otp": code, "challengeId": challenge, "newPassword": PASSWORD,
                }),
            )
        }
        78..80 => post(
            "signin",
            json!({ "identifier": phone(0), "password": "a wrong one" }),
        ),
        80..82 => post(
            "signin",
            json!({ "identifier": typed, "password": PASSWORD }),
        ),
        82..88 => post(
            "refresh",
            json!({ "refreshToken": login.map(|(_, refresh)| refresh) }),
        ),
        88..94 => Ask {
            method: if rng.bool() { "GET" } else { "DELETE" },
            token: login.map(|(token, _)| token),
            ..get(["/api/auth/session", "/api/auth/session?all=true"][rng.usize(..2)])
        },
        94..97 => Ask {
            body: "{".into(),
            ..post(send, Value::Null)
        },
        _ => get([
            "/api/health",
            "/api/status",
            "/.well-known/jwks.json",
            "/nowhere",
        ][rng.usize(..4)]),
    }
}

/// How a message begins that tells of a new password. It follows a right code, and no limit counts it.
const TOLD: &str = "Kata sandi Anda telah diganti";

/// The messages with codes on a phone, or on all.
fn codes_on(system: &TestSystem, phone: Option<&Phone>) -> Vec<InboxMessage> {
    let messages = system.simulator().messages(phone).into_iter();
    messages
        .filter(|message| !message.text.starts_with(TOLD))
        .collect()
}

/// The newest code of a purpose on a phone.
fn code_on(system: &TestSystem, phone: &str, purpose: usize) -> Option<String> {
    let messages = codes_on(system, Some(&Phone::parse(phone).unwrap()));
    let newest = messages
        .iter()
        .rfind(|message| purpose_of(message) == purpose);
    let code = newest.and_then(|message| message.text.split(' ').next());
    code.map(str::to_owned)
}

fn purpose_of(message: &InboxMessage) -> usize {
    let known = PURPOSES
        .iter()
        .position(|(.., words)| message.text.contains(words));
    known.expect("a text of some purpose")
}

/// Makes one request; now and then its function is killed meanwhile.
async fn make(system: TestSystem, heard: Arc<Mutex<Heard>>, phones: Vec<u64>, mut rng: Rng) {
    sleep(SECOND.mul_f64(rng.f64())).await;
    let ask = any_ask(&system, &heard.lock().unwrap(), &phones, &mut rng);
    let bearer = ask.token.map(|token| format!("Bearer {token}"));
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(
        bearer
            .iter()
            .map(|bearer| ("authorization", bearer.as_str())),
    );
    let request = system.request(ask.method, &ask.path, &headers, ask.body);
    let life = match rng.u8(..50) {
        0 => SECOND.mul_f64(rng.f64()),
        _ => HOUR,
    };
    let reply = timeout(life, request).await;
    let mut heard = heard.lock().unwrap();
    match reply {
        Ok(reply) => heard.hear(ask.about, &reply),
        Err(_) => heard.killed += 1,
    }
}

impl Heard {
    fn hear(&mut self, about: Option<(u64, usize)>, reply: &Reply) {
        // The harness has held it against openapi.yaml, where API Gateway may answer 500; a function never does.
        assert_ne!(reply.status, 500, "{}", reply.json);
        let text = |name: &str| reply.json[name].as_str().map(str::to_owned);
        *self
            .replies
            .entry((reply.status, text("error").unwrap_or_default()))
            .or_default() += 1;
        self.limits.extend(text("limit"));
        let data = &reply.json["data"];
        if let (Some(about), true) = (about, data["challengeId"].is_string()) {
            self.challenges.insert(about, data["challengeId"].clone());
        }
        if let Some(token) = data["token"].as_str() {
            self.logins
                .push((token.into(), data["refreshToken"].clone()));
        }
    }
}

/// No `time` long stretch of `messages`, given by their milliseconds in order, has more than `at_most`.
#[track_caller]
fn check_rate(messages: &[u64], at_most: usize, time: Duration, what: &str) {
    for some in messages.windows(at_most + 1) {
        let took = Duration::from_millis(some[at_most] - some[0]);
        assert!(took >= time, "{what}: {} messages in {took:?}", some.len());
    }
}

/// Holds what the phones received against the limits.
fn check_limits(messages: &[InboxMessage], killed: usize) {
    let mut early = 0;
    for number in 0..PHONES {
        let phone = Phone::parse(&phone(number)).unwrap();
        let of_phone = messages
            .iter()
            .filter(|message| message.phone == phone.digits());
        let times: Vec<u64> = of_phone.clone().map(|message| message.at_ms).collect();
        let per_day = if number >= NEVER { 10 } else { 30 };
        check_rate(&times, per_day, 24 * HOUR, "a phone's day");
        for (purpose, (name, ..)) in PURPOSES.iter().enumerate() {
            let of_purpose = of_phone
                .clone()
                .filter(|message| purpose_of(message) == purpose);
            let times: Vec<u64> = of_purpose.map(|message| message.at_ms).collect();
            check_rate(&times, 5, 600 * SECOND, name);
            early += times
                .windows(2)
                .filter(|pair| pair[1] - pair[0] < 60_000)
                .count();
        }
    }
    // Only what was sent by a function that did not live to say so asks for no wait.
    assert!(
        early <= killed,
        "{early} messages came within a minute, {killed} functions were killed"
    );
}

#[tokio::test(start_paused = true)]
async fn of_ten_thousand_requests_no_more_messages_leave_than_the_limits_allow() {
    let system = TestSystem::builder().simulator(|options| {
        options.send_duration = Duration::from_millis(20);
    });
    let system = system.build().await;
    for number in 0..ACCOUNTS {
        add_user(&system, &phone(number)).await;
    }
    let faults = Faults::seeded(1)
        .odds(Fault::Conflict, 0.04)
        .odds(Fault::ReplyLost, 0.04)
        .odds(Fault::RequestLost, 0.02)
        .odds(Fault::Throttled, 0.02)
        .sparing_last_attempts()
        .delay(0.3, SECOND / 20);
    let system = system.with_faults(faults);
    let heard = Arc::<Mutex<Heard>>::default();
    let mut rng = Rng::with_seed(1);
    for round in 0..ROUNDS {
        let before = codes_on(&system, None).len();
        let began = Instant::now();
        // Many phones fill the address's window, few ones their own.
        let phones: Vec<u64> = match round % 2 {
            0 => (0..PHONES).chain(FEW).collect(),
            _ => FEW.into(),
        };
        for burst in 0..BURSTS {
            sleep_until(began + burst * BETWEEN_BURSTS).await;
            let crowd = (0..AT_ONCE).map(|_| {
                tokio::spawn(make(
                    system.clone(),
                    heard.clone(),
                    phones.clone(),
                    rng.fork(),
                ))
            });
            for one in crowd.collect::<Vec<_>>() {
                one.await.unwrap();
            }
        }
        assert!(began.elapsed() < 590 * SECOND, "{:?}", began.elapsed());
        let messages = codes_on(&system, None).len() - before;
        assert!(messages <= 100, "{messages} messages for one address");
        // After the twelfth round a day passes.
        sleep(if round == 12 {
            24 * HOUR
        } else {
            BETWEEN_ROUNDS
        })
        .await;
    }

    let messages = codes_on(&system, None);
    let told = system.simulator().messages(None).len() - messages.len();
    let resets = messages
        .iter()
        .filter(|message| purpose_of(message) == 2)
        .count();
    assert!((1..=resets).contains(&told), "{told} told, {resets} codes");
    let heard = heard.lock().unwrap();
    check_limits(&messages, heard.killed);
    let requests = heard.killed + heard.replies.values().sum::<usize>();
    assert_eq!(requests, 10_000);
    // Not because nothing was sent at all.
    assert!(messages.len() > 500, "{}", messages.len());
    for limit in [
        "address",
        "cooldown",
        "day",
        "in_progress",
        "password",
        "window",
    ] {
        assert!(
            heard.limits.contains(limit),
            "{limit} stopped nobody: {:?}",
            heard.limits
        );
    }
}
