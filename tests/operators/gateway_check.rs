//! `gateway check`, against a simulated gateway and an API that are served over HTTP: what each line says when all is well and
//! when it is not, and that nothing is changed and no token told.
use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use clap::Parser;
use local::cli::Cli;
use local::machine::Machine;
use local::operate;
use local::simulator::{Profile, Scenario, Simulator, router};
use shared::gateway::wuzapi::Wuzapi;
use shared::gateway::{Gateway, SessionToken};
use shared::runtime::Backends;
use shared::runtime::settings::Settings;
use shared::runtime::settings::vars::Vars;
use shared::sender::Recipient;
use tests::TestSystem;
use tokio::net::TcpListener;
use tower::ServiceExt;

use super::act::*;

/// What is advised about a session that is down.
mod advice;

/// What is said of a URL that leads to no gateway, or to one whose certificate is not trusted.
mod fronts;

/// Where a PUBLIC_BASE_URL leads that is wrong.
mod strangers;

const SYSTEM: &str = "system-session-token";
const SECOND: &str = "session-2-session-token";
/// What no line may tell: tokens, and the secret part of addresses.
const SECRETS: [&str; 5] = [SYSTEM, SECOND, "hush", "system.", "session-2."];
const VERSIONS: [(&str, Profile); 4] = [
    ("a", Profile::A),
    ("b", Profile::B),
    ("c", Profile::C),
    ("d", Profile::D),
];

/// The system of `cargo run` with two sessions, and what an operator of it has in the environment.
struct Site {
    simulator: Simulator,
    gateway: String,
    api: String,
    data: TempFile,
    vars: BTreeMap<String, String>,
}

/// How a check ended: what it said, and its exit status.
#[derive(Debug)]
struct Checked {
    said: String,
    status: u8,
}

impl Site {
    async fn new(profile: &str) -> Self {
        Self::with(profile, &[]).await
    }

    /// With these settings of the deployment, which the operator has, too.
    async fn with(profile: &str, settings: &[(&str, &str)]) -> Self {
        let data = TempFile::new("gateway.db", "");
        std::fs::remove_file(&data.0).unwrap();
        let options = ["local", "--port=0", "--sim-port=0", "--sessions=2"];
        let options = options
            .into_iter()
            .chain(["--data", data.path(), "--sim-profile", profile]);
        let named = settings.iter();
        let named = named.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut vars: BTreeMap<_, _> = named.collect();
        let deployed = Settings::from_vars(&Vars(vars.clone())).unwrap();
        let machine = Machine::prepare(Cli::parse_from(options), deployed);
        let machine = machine.await.unwrap();
        let environment = machine.environment().into_iter();
        let gateway = environment.filter(|(name, _)| name.starts_with("WHATSAPP_"));
        vars.extend(gateway.map(|(name, value)| (name.to_owned(), value)));
        let api = format!("http://{}", machine.api_address().unwrap());
        vars.insert("PUBLIC_BASE_URL".into(), api.clone());
        let site = Self {
            simulator: machine.simulator().unwrap().clone(),
            gateway: vars["WHATSAPP_SERVER_API"].clone(),
            api,
            data,
            vars,
        };
        tokio::spawn(machine.serve(std::future::pending()));
        site
    }

    /// The same for an operator with another variable.
    fn set(mut self, name: &str, value: &str) -> Self {
        self.vars.insert(name.into(), value.into());
        self
    }

    fn unset(mut self, names: &[&str]) -> Self {
        self.vars.retain(|name, _| !names.contains(&name.as_str()));
        self
    }

    /// Types `gateway check`, as the program does it.
    async fn check(&self, typed: &[&str]) -> Checked {
        let check = ["local", "gateway", "check", "--data", self.data.path()];
        let cli = Cli::try_parse_from(check.iter().chain(typed)).unwrap();
        let mut out = Vec::new();
        let done = async {
            let command = cli.command.unwrap();
            let settings = operate::settings(Some(&command), Vars(self.vars.clone()))?;
            let backends = operate::backends(&command, &cli.data, settings).await?;
            operate::run(&command, &backends, &mut out).await
        };
        let done = done.await;
        let mut said = String::from_utf8(out).unwrap();
        let status = match &done {
            Ok(()) => 0,
            Err(error) => operate::exit_status(error),
        };
        if let Err(error) = done {
            said.push_str(&format!("error: {error:#}"));
        }
        for secret in SECRETS {
            assert!(!said.contains(secret), "{secret} in {said}");
        }
        Checked { said, status }
    }

    fn client(&self) -> Gateway {
        let gateway = Wuzapi::new(&self.gateway, None);
        Gateway::new(gateway.unwrap())
    }

    /// How often the gateway was told to do something.
    fn commands(&self) -> [u64; 4] {
        let calls = self.simulator.calls();
        [
            "/session/connect",
            "/session/disconnect",
            "/session/logout",
            "/chat/send/text",
        ]
        .map(|path| calls.count(path))
    }
}

impl Checked {
    /// Checks that there is a line which begins like this, and has this in it.
    #[track_caller]
    fn has(&self, case: &str, (grade, what, text): (&str, &str, &str)) {
        let begin = format!("  {grade:<9} {what}: ");
        let mut lines = self.said.lines().filter(|line| line.starts_with(&begin));
        let found = lines.any(|line| line.contains(text));
        assert!(found, "{case}: no `{begin}…{text}` in\n{}", self.said);
    }
}

#[tokio::test]
async fn of_a_gateway_that_is_well_every_line_says_so_in_every_version() {
    for (typed, profile) in VERSIONS {
        let site = Site::new(typed).await;
        let checked = site.check(&[]).await;
        assert_eq!(checked.status, 0, "{typed}: {}", checked.said);
        let version = match profile {
            Profile::A => "spring 2025",
            Profile::B => "1.0.1",
            Profile::C => "1.0.5 or newer",
            Profile::D => "a fork of 1.0.6",
        };
        for line in [
            ("ok", "reachable", "without TLS, in "),
            ("ok", "version", version),
            ("ok", "token", " ms"),
            (
                "ok",
                "paired",
                if profile == Profile::A {
                    "yes"
                } else {
                    "with 62"
                },
            ),
            ("ok", "logged in", "connected"),
            ("ok", "webhook", "set here, to 127.0.0.1:"),
            ("ok", "webhook's address", "answers"),
            ("ok", "signature", "none"),
        ] {
            checked.has(typed, line);
        }
        match profile {
            Profile::A => checked.has(typed, ("left out", "look-up", "--to")),
            _ => checked.has(typed, ("ok", "look-up", "is on WhatsApp; asked in ")),
        }
        let heads = checked.said.lines().filter(|line| !line.starts_with(' '));
        let names: Vec<_> = heads.map(|head| head.split(' ').next().unwrap()).collect();
        assert_eq!(names, ["system", "session-2"], "{}", checked.said);
        let one = site.check(&["session-2"]).await;
        assert_eq!(
            (one.status, one.said.lines().count()),
            (0, 10),
            "{}",
            one.said
        );
        assert_eq!(site.commands(), [0; 4], "{typed}");
    }
}

#[tokio::test]
async fn a_gateway_is_checked_by_its_url_before_anything_of_a_deployment_is_there() {
    let site = Site::new("d").await;
    let (token, wrong) = (
        TempFile::new("token", format!("{SECOND}\n")),
        TempFile::new("token", "hush"),
    );
    let strange = site.gateway.replace("http://", "http://me:hush@");
    let at = |url: &str| ["--url".to_owned(), url.to_owned()];
    let by_file = |file: &TempFile| ["--token".to_owned(), file.path().to_owned()];
    let nothing = Vars::default().0;
    let stranger = Site {
        vars: nothing,
        data: TempFile::new("no.db", ""),
        ..site
    };
    let check = async |typed: &[&[String]]| {
        let typed: Vec<_> = typed.concat();
        let typed: Vec<_> = typed.iter().map(String::as_str).collect();
        stranger.check(&typed).await
    };
    let well = check(&[&at(&strange), &by_file(&token)]).await;
    assert_eq!(well.status, 0, "{}", well.said);
    for line in [
        ("ok", "webhook", "set to 127.0.0.1:"),
        (
            "left out",
            "webhook's address",
            "a session of the deployment",
        ),
        ("ok", "signature", "no key"),
        ("ok", "look-up", "on WhatsApp"),
    ] {
        well.has("a URL", line);
    }
    let refused = check(&[&at(&stranger.gateway), &by_file(&wrong)]).await;
    assert_eq!(refused.status, 1);
    refused.has(
        "another token",
        ("wrong", "token", "Give another file with --token"),
    );
    let nobody = check(&[&at("http://127.0.0.1:1"), &by_file(&token)]).await;
    assert_eq!(nobody.status, 1);
    nobody.has("nobody there", ("wrong", "reachable", "Check the URL"));
    let api = check(&[&at(&stranger.api), &by_file(&token)]).await;
    api.has("no gateway", ("wrong", "version", "no wuzapi at this URL"));
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let hangs = check(&[&at(&address), &by_file(&token)]).await;
    hangs.has(
        "takes and answers nothing",
        ("wrong", "reachable", "in time"),
    );
    for (typed, fix) in [
        (&[&at(&stranger.gateway)[..]][..], "WHATSAPP_USER_TOKEN"),
        (
            &[
                &at(&stranger.gateway),
                &["--token".into(), "/no/such/file".into()],
            ],
            "/no/such/file",
        ),
    ] {
        let asked = check(typed).await;
        assert_eq!(asked.status, 2, "{}", asked.said);
        assert!(asked.said.contains(fix), "{}", asked.said);
    }
    let from_environment = stranger.set("WHATSAPP_USER_TOKEN", SECOND);
    let url = from_environment.gateway.clone();
    let checked = from_environment.check(&["--url", &url]).await;
    assert_eq!(checked.status, 0, "{}", checked.said);
}

#[tokio::test]
async fn a_session_out_of_service_is_checked_only_by_its_name() {
    let site = Site::new("b").await;
    let cli = [
        "local",
        "--data",
        site.data.path(),
        "sessions",
        "set",
        "session-2",
        "--use",
        "off",
    ];
    let cli = Cli::parse_from(cli);
    let command = cli.command.unwrap();
    let backends = operate::backends(&command, &cli.data, Settings::default())
        .await
        .unwrap();
    operate::run(&command, &backends, &mut Vec::new())
        .await
        .unwrap();
    let played = site.simulator.play_on("session-2", &Scenario::ColdSession);
    played.unwrap();
    let all = site.check(&[]).await;
    assert_eq!(all.status, 0, "{}", all.said);
    all.has("all", ("left out", "session", "check it by its name"));
    assert!(
        all.said.contains("which nothing is sent from"),
        "{}",
        all.said
    );
    let named = site.check(&["session-2"]).await;
    assert_eq!(named.status, 1, "{}", named.said);
    named.has("named", ("wrong", "logged in", "closed"));
}

#[tokio::test]
async fn each_trouble_of_a_session_has_its_line() {
    let hanging = Scenario::WhatsappBlackHole { lasts_ms: None };
    for (case, profile, scenarios, line) in [
        (
            "closed",
            "b",
            &[Scenario::ColdSession][..],
            ("wrong", "logged in", "the session is closed"),
        ),
        (
            "closed, so no look-up",
            "b",
            &[Scenario::ColdSession],
            ("left out", "look-up", "until it is logged in"),
        ),
        (
            "closed in the oldest version",
            "a",
            &[Scenario::ColdSession],
            ("left out", "paired", "only a connect"),
        ),
        (
            "waits for a scan",
            "d",
            &[Scenario::QrNotScanned],
            ("wrong", "paired", "waits for a scan. Scan the code"),
        ),
        (
            "waits for a scan in the oldest version",
            "a",
            &[Scenario::QrNotScanned],
            ("wrong", "paired", "waits for a scan. Scan the code"),
        ),
        (
            "lost its connection",
            "b",
            &[Scenario::NetworkBlip { lasts_ms: 60_000 }],
            ("wrong", "logged in", "the connection to WhatsApp is lost"),
        ),
        (
            "dials in vain",
            "b",
            &[hanging, Scenario::Drop],
            ("wrong", "status", "dials WhatsApp in vain"),
        ),
        (
            "look-ups are throttled",
            "c",
            &[Scenario::CheckThrottled],
            ("wrong", "look-up", "rate-overlimit"),
        ),
        (
            "the process is down",
            "b",
            &[Scenario::GatewayDown { lasts_ms: 60_000 }],
            (
                "wrong",
                "reachable",
                "Check the URL, whether the gateway's process runs",
            ),
        ),
        (
            "a proxy answers",
            "b",
            &[Scenario::Proxy, Scenario::GatewayDown { lasts_ms: 60_000 }],
            ("wrong", "reachable", "a proxy answers 502"),
        ),
    ] {
        let site = Site::new(profile).await;
        for scenario in scenarios {
            site.simulator.play(scenario);
        }
        let checked = site.check(&["system"]).await;
        assert_eq!(checked.status, 1, "{case}: {}", checked.said);
        checked.has(case, line);
        assert_eq!(site.commands(), [0; 4], "{case}");
    }
}

#[tokio::test]
async fn each_fault_of_a_webhook_has_its_line_and_is_mended_only_when_that_is_asked_for() {
    for (case, profile, body, fault) in [
        (
            "none",
            "b",
            r#"{"webhookurl":"","events":["Message","ReadReceipt"]}"#,
            "there is none",
        ),
        (
            "another address",
            "c",
            r#"{"webhookurl":"https://other.example/hush","events":["Message","ReadReceipt"]}"#,
            "it goes to other.example, and not",
        ),
        (
            "no receipts",
            "d",
            r#"{"webhookurl":"HOME","events":["Message"]}"#,
            "without ReadReceipt",
        ),
        (
            "all events",
            "b",
            r#"{"webhookurl":"HOME","events":["Message","ReadReceipt","All"]}"#,
            "`All`",
        ),
        (
            "muted",
            "b",
            r#"{"webhookurl":"HOME"}"#,
            "listed and not posted",
        ),
        (
            "none in the oldest version",
            "a",
            r#"{"webhookurl":""}"#,
            "there is none",
        ),
    ] {
        let site = Site::new(profile).await;
        let client = site.client();
        let token = SessionToken::new(SYSTEM);
        let within = Duration::from_secs(5);
        let home = client.webhook(&token, within).await.unwrap().address;
        let body = body.replace("HOME", &home);
        set_by_hand(&site.simulator, &body).await;
        let found = async || client.webhook(&token, within).await.unwrap();
        let faulty = found().await;
        let bad = site.check(&["system"]).await;
        assert_eq!(bad.status, 1, "{case}: {}", bad.said);
        bad.has(case, ("wrong", "webhook", fault));
        bad.has(
            case,
            ("wrong", "webhook", "gateway check system --set-webhook"),
        );
        let dry = site.check(&["system", "--set-webhook", "--dry-run"]).await;
        dry.has(case, ("left out", "webhook", "dry run"));
        assert_eq!(found().await, faulty, "{case}");
        let mended = site.check(&["system", "--set-webhook"]).await;
        assert_eq!(mended.status, 0, "{case}: {}", mended.said);
        mended.has(case, ("ok", "webhook", "it was set"));
        mended.has(case, ("ok", "webhook", "set here"));
        assert_eq!(found().await.address, home, "{case}");
        let again = site.check(&["system"]).await;
        assert_eq!(again.status, 0, "{case}: {}", again.said);
        assert_eq!(site.commands(), [0; 4], "{case}");
    }
}

/// Sets the webhook of the first session as somebody may have done it.
async fn set_by_hand(simulator: &Simulator, body: &str) {
    let request = http::Request::builder()
        .method("POST")
        .uri("/webhook")
        .header("token", SYSTEM)
        .body(Body::from(body.to_owned()))
        .unwrap();
    let answer = router(simulator.clone()).oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 200, "{body}");
}

#[tokio::test]
async fn an_address_that_leads_elsewhere_or_nowhere_has_its_line() {
    const KEY: &str = "a key of 32 characters or more, hush";
    const WHAT: &str = "webhook's address";
    let other = Site::new("b").await;
    let key = ("WHATSAPP_WEBHOOK_HMAC_KEY", KEY);
    for (case, site, line) in [
        (
            "nobody there",
            Site::new("b")
                .await
                .set("PUBLIC_BASE_URL", "http://127.0.0.1:1"),
            (
                "wrong",
                WHAT,
                "cannot be reached from here. Set PUBLIC_BASE_URL",
            ),
        ),
        (
            "the API of another deployment",
            Site::new("b").await.set("PUBLIC_BASE_URL", &other.api),
            ("wrong", WHAT, "does not know it. Check the deployment"),
        ),
        (
            "something else",
            Site::new("b").await.set("PUBLIC_BASE_URL", &other.gateway),
            (
                "wrong",
                WHAT,
                "it answers 404, and not as this API does. Set PUBLIC_BASE_URL",
            ),
        ),
        (
            "another key",
            Site::with("d", &[key])
                .await
                .set(key.0, &KEY.replace("key", "word")),
            (
                "wrong",
                WHAT,
                "wants another signature. Set WHATSAPP_WEBHOOK_HMAC_KEY",
            ),
        ),
        (
            "the same key",
            Site::with("d", &[key]).await,
            ("ok", WHAT, "answers from here"),
        ),
        (
            "no address",
            Site::new("b").await.unset(&["PUBLIC_BASE_URL"]),
            ("left out", WHAT, "PUBLIC_BASE_URL is not set"),
        ),
        (
            "no address, and the webhook is this session's all the same",
            Site::new("b").await.unset(&["PUBLIC_BASE_URL"]),
            ("ok", "webhook", "set here"),
        ),
    ] {
        let checked = site.check(&["system"]).await;
        checked.has(case, line);
        assert_eq!(
            checked.status == 1,
            line.0 == "wrong",
            "{case}: {}",
            checked.said
        );
    }
}

#[tokio::test]
async fn a_signature_that_only_one_side_wants_has_its_line() {
    const WHAT: &str = "signature";
    let key = (
        "WHATSAPP_WEBHOOK_HMAC_KEY",
        "another key of 32 characters or more, hush",
    );
    for (profile, wanted, given, line) in [
        ("b", false, false, ("ok", WHAT, "none")),
        ("c", false, false, ("ok", WHAT, "none")),
        ("b", true, false, ("wrong", WHAT, "signs nothing")),
        (
            "c",
            true,
            false,
            ("warning", WHAT, "WUZAPI_GLOBAL_HMAC_KEY"),
        ),
        ("d", true, true, ("ok", WHAT, "both sides")),
        (
            "d",
            false,
            true,
            ("warning", WHAT, "Set WHATSAPP_WEBHOOK_HMAC_KEY"),
        ),
    ] {
        let case = format!("{profile}, wanted: {wanted}, given: {given}");
        let settings = if wanted { &[key][..] } else { &[] };
        let site = Site::with(profile, settings).await;
        if given {
            let set = site.simulator.set_webhook_key("system", key.1);
            set.unwrap();
        }
        let checked = site.check(&["system"]).await;
        checked.has(&case, line);
        let status = u8::from(line.0 == "wrong");
        assert_eq!(checked.status, status, "{case}: {}", checked.said);
    }
}

#[tokio::test]
async fn a_test_message_goes_out_once_and_its_receipt_is_waited_for() {
    for (typed, profile) in VERSIONS {
        let site = Site::new(typed).await;
        let dry = site.check(&["session-2", "--to", PHONE, "--dry-run"]).await;
        dry.has(typed, ("left out", "test message", "dry run"));
        assert_eq!(site.commands(), [0; 4], "{typed}");
        let checked = site.check(&["session-2", "--to", PHONE]).await;
        assert_eq!(checked.status, 0, "{typed}: {}", checked.said);
        checked.has(
            typed,
            (
                "ok",
                "test message",
                "WhatsApp took it for 62812****789, in ",
            ),
        );
        checked.has(typed, ("…", "receipt", "waiting for up to 30 s"));
        checked.has(
            typed,
            ("ok", "receipt", "the phone has it; that was known here "),
        );
        if profile == Profile::A {
            checked.has(typed, ("ok", "look-up", "62812****789 is on WhatsApp"));
        }
        assert_eq!(site.commands(), [0, 0, 0, 1], "{typed}");
        let messages = site.simulator.messages(Some(&parsed(PHONE)));
        let session: Vec<_> = messages.iter().map(|one| one.session.as_str()).collect();
        assert_eq!(session, ["session-2"], "{typed}");
        assert!(messages[0].text.starts_with("Ini uji coba"), "{messages:?}");
    }
    let site = Site::new("b").await;
    set_by_hand(
        &site.simulator,
        r#"{"webhookurl":"https://other.example/","events":["Message"]}"#,
    )
    .await;
    let elsewhere = site.check(&["system", "--to", PHONE]).await;
    elsewhere.has("elsewhere", ("ok", "test message", "took it"));
    elsewhere.has("elsewhere", ("wrong", "receipt", "does not go here"));
    site.simulator.play(&Scenario::ColdSession);
    let closed = site.check(&["system", "--to", PHONE]).await;
    closed.has("closed", ("left out", "test message", "cannot send"));
    assert_eq!(site.commands(), [0, 0, 0, 1]);
}

/// A system without sockets, whose time can be waited for.
async fn unserved() -> (TestSystem, Backends) {
    let system = TestSystem::start().await;
    let mut backends = system.backends().clone();
    let mut settings = (*backends.settings).clone();
    settings.gateway_url = Some("http://gateway.example".into());
    backends.settings = settings.into();
    let path = operate::webhook_path(&backends, "system").await.unwrap();
    let (token, address) = (
        SessionToken::new(SYSTEM),
        format!("https://api.example{path}"),
    );
    let set = backends
        .gateway
        .set_webhook(&token, &address, Duration::from_secs(1));
    set.await.unwrap();
    (system, backends)
}

#[tokio::test(start_paused = true)]
async fn a_message_that_does_not_go_out_or_arrive_is_told_with_what_to_look_at() {
    for (case, scenario, expected) in [
        (
            "no receipt",
            Scenario::Healthy,
            "wrong     receipt: none came within 30 s. Look whether the phone",
        ),
        (
            "refused",
            Scenario::Restricted {
                code: 463,
                refusals: None,
            },
            "wrong     test message: WhatsApp lets the account write to nobody new, or to nobody: the gateway answered 500: error \
             sending message: server returned error 463. docs/gateway.md, \"Who writes first\"",
        ),
        (
            "not on WhatsApp",
            Scenario::NotOnWhatsapp {
                phones: vec![PHONE.into()],
                taken: false,
            },
            "wrong     test message: 62812****789 is not on WhatsApp. Give a phone that is",
        ),
    ] {
        let (system, backends) = unserved().await;
        system.simulator().play(&scenario);
        let typed = ["gateway", "check", "system", "--to", PHONE];
        let said = operate_with(&backends, &typed).await.unwrap_err();
        assert!(said.contains(expected), "{case}: {said}");
        assert!(said.ends_with("one thing is wrong"), "{case}: {said}");
        let plain = "warning   TLS: none, and it is another machine";
        assert!(said.contains(plain), "{case}: {said}");
        let waits = said.matches("receipt: waiting").count();
        assert_eq!(waits, if case == "no receipt" { 6 } else { 0 }, "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_environment_lacks_is_asked_for() {
    let (system, mut backends) = unserved().await;
    let mut settings = (*backends.settings).clone();
    settings.sessions.clear();
    backends.settings = settings.clone().into();
    let fix = "Set WHATSAPP_SERVER_API and WHATSAPP_USER_TOKEN as the deployment has them";
    let named = operate_with(&backends, &["gateway", "check", "system"]).await;
    let named = named.unwrap_err();
    assert!(named.contains(fix), "{named}");
    let none = operate_with(&backends, &["gateway", "check"]).await;
    let none = none.unwrap_err();
    assert!(none.contains("there is no session: set"), "{none}");
    let unknown = operate_with(&backends, &["gateway", "check", "sales"]).await;
    let unknown = unknown.unwrap_err();
    assert!(unknown.contains("there is no session `sales`"), "{unknown}");
    // Somebody has seen the session of WHATSAPP_USER_TOKEN, so it is one of this deployment.
    let sender = shared::sender::Sender::new(system.backends());
    let picked = sender.pick(&Recipient::of(&parsed(PHONE))).await.unwrap();
    sender
        .take_place(&picked, Duration::from_secs(1))
        .await
        .unwrap();
    let seen = operate_with(&backends, &["gateway", "check"]).await;
    let seen = seen.unwrap_err();
    assert!(seen.contains(fix), "{seen}");
}

#[test]
fn a_gateway_that_is_checked_by_its_url_is_not_taken_for_the_configured_one() {
    let typed = ["local", "gateway", "check", "--url", "http://10.0.0.7:8080"];
    let command = Cli::parse_from(typed).command;
    let token = ("WHATSAPP_USER_TOKEN".to_owned(), SYSTEM.to_owned());
    for (configured, expected) in [
        (None, None),
        (
            Some("https://gateway.example"),
            Some("https://gateway.example"),
        ),
    ] {
        let url = configured.map(|url| ("WHATSAPP_SERVER_API".to_owned(), url.to_owned()));
        let vars = Vars([Some(token.clone()), url].into_iter().flatten().collect());
        let settings = operate::settings(command.as_ref(), vars).unwrap();
        assert_eq!(settings.gateway_url.as_deref(), expected);
        assert_eq!(settings.sessions.len(), 1);
    }
}

#[tokio::test]
async fn what_is_asked_of_no_database_or_with_unreadable_settings_is_asked_wrongly() {
    let mut site = Site::new("b").await;
    site.data = TempFile::new("no.db", "");
    std::fs::remove_file(&site.data.0).unwrap();
    let checked = site.check(&["system"]).await;
    assert_eq!(checked.status, 2, "{}", checked.said);
    assert!(
        checked.said.contains("there is no database at"),
        "{}",
        checked.said
    );
    let odd = site
        .set("WHATSAPP_SERVER_API", "gateway")
        .check(&["system"])
        .await;
    assert_eq!(odd.status, 2, "{}", odd.said);
}

#[test]
fn what_is_typed_wrongly_is_refused_before_anything_is_asked() {
    for typed in [
        &["system", "--url", "https://gateway.example"][..],
        &["--url", "gateway.example"],
        &["--url", "https://gateway.example", "--set-webhook"],
        &["--token", "file"],
        &["--to", "12"],
        &["a", "b"],
    ] {
        let typed = ["local", "gateway", "check"].iter().chain(typed);
        let refused = Cli::try_parse_from(typed.clone()).unwrap_err();
        assert_eq!(refused.exit_code(), 2, "{refused}");
    }
    let help = Cli::try_parse_from(["local", "gateway", "check", "--help"]).unwrap_err();
    let help = help.to_string();
    for said in [
        "Exit status: 0",
        "--set-webhook",
        "--url",
        "--to",
        "PUBLIC_BASE_URL",
    ] {
        assert!(help.contains(said), "{said}: {help}");
    }
}
