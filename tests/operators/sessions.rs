//! The list of WhatsApp sessions, as an operator keeps it.
use shared::sender::{Recipient, Sender};
use shared::store::session_list::SessionListChanges;
use shared::store::whatsapp_sessions::{SeenState, SessionItem, SessionState, WhatsAppSessions};
use tests::TestSystem;

use super::act::*;

const TOKEN: &str = "a-token-that-nobody-may-see";
/// That of the configured session.
const SYSTEM_TOKEN: &str = "system-session-token";

async fn system() -> TestSystem {
    TestSystem::start().await
}

fn file(text: &str) -> TempFile {
    TempFile::new("token", text)
}

/// Types a command about sessions; no answer may tell a token.
async fn sessions(system: &TestSystem, typed: &[&str]) -> Result<String, String> {
    let typed: Vec<_> = ["sessions"].iter().chain(typed).copied().collect();
    let said = operate(system, &typed).await;
    let (Ok(text) | Err(text)) = &said;
    assert!(!text.contains(TOKEN), "{text}");
    said
}

async fn listed(system: &TestSystem) -> String {
    sessions(system, &["list"]).await.expect("a list")
}

#[tokio::test]
async fn a_session_is_added_listed_changed_and_removed() {
    let (system, token) = (system().await, file(&format!("{TOKEN}\n")));
    let path = token.0.to_str().expect("a path");
    let said = sessions(
        &system,
        &["add", "sales", path, "--new-chats-per-day", "50"],
    )
    .await;
    assert!(said.expect("added").starts_with("`sales` is added."));
    let again = sessions(
        &system,
        &["add", "sales", path, "--new-chats-per-day", "50"],
    )
    .await;
    assert!(again.expect("no change").contains("is there already"));
    let text = listed(&system).await;
    let expected = "sales  send, on the gateway of WHATSAPP_SERVER_API, 0 of 50 new chats today; nobody has looked yet";
    assert!(text.contains(expected), "{text}");
    assert!(text.starts_with("system  send"), "{text}");

    let set = ["set", "sales", "--weight", "30"];
    sessions(&system, &set).await.expect("changed");
    let text = listed(&system).await;
    assert!(text.contains(" new chats today, weight 30; "), "{text}");
    for given in ["0", "101"] {
        let set = ["local", "sessions", "set", "sales", "--weight", given];
        let refused = <local::cli::Cli as clap::Parser>::try_parse_from(set)
            .expect_err("a refusal")
            .to_string();
        assert!(refused.contains("from 1 to 100"), "{given}: {refused}");
    }

    let set = [
        "set",
        "sales",
        "--weight",
        "10",
        "--use",
        "off",
        "--new-chats-per-day",
        "none",
        "--gateway",
        "https://me:hush@other.example:8443/hush",
    ];
    sessions(&system, &set).await.expect("changed");
    let text = listed(&system).await;
    assert!(
        text.contains("sales  off, on other.example:8443; "),
        "{text}"
    );
    assert!(
        !text.contains("hush"),
        "an address may hold a secret: {text}"
    );
    let same = sessions(&system, &set).await.expect("no change");
    assert!(same.contains("is like this already"), "{same}");

    sessions(&system, &["remove", "sales"])
        .await
        .expect("removed");
    assert!(!listed(&system).await.contains("sales"));
    let gone = sessions(&system, &["remove", "sales"]).await;
    let gone = gone.expect_err("nothing to remove");
    assert!(gone.contains("there is no session `sales`"), "{gone}");
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let (system, token) = (system().await, file(TOKEN));
    let path = token.0.to_str().expect("a path");
    let said = sessions(&system, &["add", "sales", path, "--dry-run"]).await;
    assert!(said.expect("a plan").contains("dry run"));
    assert!(!listed(&system).await.contains("sales"));
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_changes_nothing() {
    let (system, token) = (system().await, file(TOKEN));
    let path = token.0.to_str().expect("a path");
    sessions(&system, &["add", "sales", path])
        .await
        .expect("added");
    let third = file("of-a-third-one");
    let third = third.0.to_str().expect("a path");
    sessions(&system, &["add", "third", third])
        .await
        .expect("added");
    let before = listed(&system).await;
    let (other, empty, long) = (file("another"), file(" \n"), file(&"a".repeat(2_000)));
    let words = file("two words");
    let of = |file: &TempFile| file.0.to_str().expect("a path").to_owned();
    for (typed, fix) in [
        (vec!["add", "sales", &of(&other)], "sessions set sales"),
        (
            vec!["add", "second", path],
            "this is the token of the session `sales`",
        ),
        (vec!["add", "second", "/no/such/file"], "/no/such/file"),
        (vec!["add", "second", &of(&empty)], "and nothing else"),
        (vec!["add", "second", &of(&long)], "and nothing else"),
        (vec!["add", "second", &of(&words)], "and nothing else"),
        (vec!["set", "second", "--use", "off"], "no session `second`"),
        (
            vec!["set", "third", "--token", path],
            "this is the token of the session `sales`",
        ),
    ] {
        let refused = sessions(&system, &typed).await.expect_err("a refusal");
        assert!(refused.contains(fix), "{typed:?}: {refused}");
    }
    assert_eq!(listed(&system).await, before);
}

#[tokio::test]
async fn no_account_is_added_twice_whatever_its_address_is_called() {
    let (system, token, of_system) = (system().await, file(TOKEN), file(SYSTEM_TOKEN));
    let mut backends = system.backends().clone();
    let mut settings = (*backends.settings).clone();
    settings.gateway_url = Some("https://gateway.example".into());
    backends.settings = settings.into();
    let add = ["sessions", "add", "sales", token.path()];
    let west = ["--gateway", "https://west.example"];
    let added = operate_with(&backends, &[&add[..], &west].concat()).await;
    added.expect("added");
    let before = listed(&system).await;
    for gateway in [
        "none",
        "https://gateway.example",
        "HTTPS://Gateway.Example:443/",
        "https://me:hush@gateway.example",
        "https://west.example/",
        "https://other.example",
    ] {
        for (file, twin) in [(&token, "sales"), (&of_system, "system")] {
            let typed = ["sessions", "add", "twin", file.path(), "--gateway", gateway];
            let refused = operate_with(&backends, &typed).await;
            let refused = refused.expect_err(gateway);
            let expected = format!("this is the token of the session `{twin}`");
            assert!(refused.contains(&expected), "{gateway}: {refused}");
        }
    }
    let set = ["sessions", "set", "sales", "--token", of_system.path()];
    let refused = operate_with(&backends, &set).await.expect_err("a refusal");
    assert!(refused.contains("of the session `system`"), "{refused}");
    assert_eq!(listed(&system).await, before);
}

#[tokio::test]
async fn whoever_does_not_know_the_configured_token_is_told_that_it_was_not_compared() {
    let (system, token) = (system().await, file(TOKEN));
    let items = WhatsAppSessions::new(system.dynamodb(), "WhatsAppSessionsTable".into());
    let mut backends = system.backends().clone();
    let mut settings = (*backends.settings).clone();
    settings.sessions.clear();
    backends.settings = settings.into();
    let note = "WHATSAPP_USER_TOKEN is not set here";
    let add = ["sessions", "add", "sales", token.path()];
    let alone = operate_with(&backends, &add).await.expect("added");
    assert!(!alone.contains(note), "there is no such session: {alone}");
    let remove = ["sessions", "remove", "sales"];
    operate_with(&backends, &remove).await.expect("removed");
    let usable = SeenState::beginning(SessionState::Usable, system.now());
    let seen = items.record_state("system", usable).await;
    seen.expect("the store");
    let said = operate_with(&backends, &add).await.expect("added");
    assert!(said.contains(note), "{said}");
}

#[tokio::test]
async fn a_byte_order_mark_before_a_token_is_no_part_of_it() {
    let system = system().await;
    let (marked, plain) = (file(&format!("\u{feff}{TOKEN}\r\n")), file(TOKEN));
    let add = sessions(&system, &["add", "sales", marked.path()]).await;
    add.expect("added");
    let again = sessions(&system, &["add", "sales", plain.path()]).await;
    let again = again.expect("no change");
    assert!(again.contains("is there already"), "{again}");
}

#[test]
fn a_number_below_zero_is_refused_with_what_to_give() {
    use clap::Parser;
    for (typed, fix) in [
        (
            &["sessions", "set", "sales", "--new-chats-per-day", "-1"][..],
            "give a whole number, or `none`",
        ),
        (
            &["callers", "add", "shop", "--daily-cap", "-1"],
            "-1 is not in",
        ),
    ] {
        let typed = ["local"].iter().chain(typed);
        let refused = local::cli::Cli::try_parse_from(typed)
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains(fix) && !refused.contains("tip:"),
            "{refused}"
        );
    }
}

#[test]
fn what_is_typed_wrongly_is_refused_before_anything_is_read() {
    use clap::Parser;
    for typed in [
        vec!["add", "system", "-"],
        vec!["add", "two words", "-"],
        vec!["add", "#gateway", "-"],
        vec!["add", "sales", "-", "--gateway", "gateway"],
        vec!["add", "sales", "-", "--new-chats-per-day", "many"],
        vec!["add", "sales", "-", "--use", "sometimes"],
    ] {
        let typed = ["local", "sessions"].into_iter().chain(typed.clone());
        let typed: Vec<_> = typed.collect();
        assert!(
            local::cli::Cli::try_parse_from(&typed).is_err(),
            "{typed:?}"
        );
    }
}

#[tokio::test]
async fn the_sessions_of_a_gateway_share_one_restart_hook_that_is_never_shown() {
    const WEST: &str = "https://west.example";
    let system = system().await;
    let tokens = ["one", "two", "three"].map(file);
    let [one, two, three] = tokens.each_ref().map(TempFile::path);
    let hook = file("https://deploy.example/hook?key=hush\n");
    let newer = file("https://deploy.example/newer?key=hush");
    let type_all = async |all: &[&[&str]]| {
        for typed in all {
            let said = sessions(&system, typed).await.expect("done");
            assert!(!said.contains("hush"), "{said}");
        }
    };
    let hooks = async || {
        let list = SessionListChanges::new(system.backends()).read().await;
        let listed = list.expect("the list").sessions.into_iter();
        let hook = listed.map(|listed| listed.session.restart_url);
        hook.map(|hook| hook.map_or("none".into(), |hook| hook.expose().to_owned()))
            .collect::<Vec<_>>()
    };
    let (given, replaced) = (
        "https://deploy.example/hook?key=hush",
        "https://deploy.example/newer?key=hush",
    );
    type_all(&[
        &["add", "a", one, "--gateway", WEST],
        &["add", "b", two],
        &["set", "a", "--restart-hook", hook.path()],
    ])
    .await;
    assert_eq!(hooks().await, [given, "none"]);
    type_all(&[&["add", "c", three, "--gateway", WEST]]).await;
    assert_eq!(
        hooks().await,
        [given, "none", given],
        "it has the gateway's"
    );
    let text = listed(&system).await;
    let line = "a  send, on west.example, with a restart hook; ";
    assert!(text.contains(line) && !text.contains("hush"), "{text}");
    let again = ["set", "a", "--gateway", WEST, "--use", "send"];
    let same = sessions(&system, &again).await.expect("no change");
    assert!(same.contains("is like this already"), "{same}");
    type_all(&[&["set", "c", "--restart-hook", newer.path()]]).await;
    assert_eq!(hooks().await, [replaced, "none", replaced]);
    type_all(&[&["set", "b", "--gateway", WEST]]).await;
    assert_eq!(hooks().await, [replaced; 3]);
    type_all(&[&["set", "b", "--gateway", "https://other.example"]]).await;
    assert_eq!(
        hooks().await,
        [replaced, "none", replaced],
        "another gateway"
    );
    type_all(&[&["set", "a", "--gateway", "none"]]).await;
    assert_eq!(hooks().await, ["none", "none", replaced]);
    type_all(&[&["set", "c", "--restart-hook", "none"]]).await;
    assert_eq!(hooks().await, ["none"; 3]);
}

#[tokio::test]
async fn what_others_could_read_on_the_way_is_refused_unless_it_is_meant() {
    let (system, token) = (system().await, file(TOKEN));
    let token = token.path();
    let plain_hook = file("http://deploy.example/hook?key=hush");
    let (hook, not_one) = (file("https://deploy.example/hook"), file("deploy.example"));
    let add = ["add", "sales", token];
    let here = ["--gateway", "http://127.0.0.1:8080"];
    let away = ["--gateway", "http://me:hush@10.0.0.7:8080"];
    let over_tls = ["--gateway", "https://west.example"];
    let hook_of = |file| ["--restart-hook", file];
    for (more, refusal) in [
        (&[&away[..]][..], Some("10.0.0.7:8080 is another machine")),
        (
            &[&over_tls, &hook_of(plain_hook.path())],
            Some("--plain-http"),
        ),
        (
            &[&over_tls, &hook_of(not_one.path())],
            Some("put a URL like"),
        ),
        (
            &[&over_tls, &hook_of("/no/such/file")],
            Some("/no/such/file"),
        ),
        (&[&hook_of(hook.path())], Some("GATEWAY_RESTART_URL")),
        (&[&here], None),
        (&[&away, &["--plain-http"]], None),
        (
            &[&away, &["--plain-http"], &hook_of(plain_hook.path())],
            None,
        ),
        (&[&over_tls, &hook_of(hook.path())], None),
    ] {
        let typed: Vec<_> = add.into_iter().chain(more.concat()).collect();
        let said = sessions(&system, &typed).await;
        let (Ok(text) | Err(text)) = &said;
        assert!(!text.contains("hush"), "{typed:?}: {text}");
        match (said, refusal) {
            (Err(said), Some(refusal)) => assert!(said.contains(refusal), "{typed:?}: {said}"),
            (Ok(_), None) => {
                let removed = sessions(&system, &["remove", "sales"]).await;
                removed.expect("it was added");
            }
            (said, _) => panic!("{typed:?}: {said:?}"),
        }
        assert!(!listed(&system).await.contains("sales"), "{typed:?}");
    }
    let set = [&["set", "sales"][..], &away].concat();
    sessions(&system, &add).await.expect("added");
    let refused = sessions(&system, &set).await.expect_err("a refusal");
    assert!(refused.contains("--plain-http"), "{refused}");
}

#[tokio::test]
async fn a_session_that_was_added_serves_some_of_the_phones() {
    let (system, token) = (system().await, file(TOKEN));
    let path = token.0.to_str().expect("a path");
    let typed = ["add", "sales", path];
    sessions(&system, &typed).await.expect("added");
    let sender = Sender::new(system.backends());
    let mut served = std::collections::BTreeSet::new();
    for number in 1..=40 {
        let phone = parsed(&format!("081200000{number:02}"));
        let picked = sender.pick(&Recipient::of(&phone)).await;
        served.insert(picked.expect("sessions").session().to_owned());
    }
    let served: Vec<_> = served.iter().map(String::as_str).collect();
    assert_eq!(served, ["sales", "system"]);
}

#[tokio::test]
async fn another_account_under_the_same_name_inherits_nothing() {
    let (system, token, other) = (system().await, file(TOKEN), file("another"));
    let (token, other) = (token.0.to_str(), other.0.to_str());
    let (token, other) = (token.expect("a path"), other.expect("a path"));
    let items = WhatsAppSessions::new(system.dynamodb(), "WhatsAppSessionsTable".into());
    let restricted = SeenState::beginning(SessionState::Restricted, system.now());
    sessions(&system, &["add", "sales", token])
        .await
        .expect("added");
    for typed in [
        vec!["set", "sales", "--token", other],
        vec!["set", "sales", "--gateway", "https://other.example"],
        vec!["remove", "sales"],
        vec!["add", "sales", token],
    ] {
        let seen = items.record_state("sales", restricted).await;
        seen.expect("the store");
        sessions(&system, &typed).await.expect("changed");
        let item = items.read("sales").await.expect("the store");
        assert_eq!(item, SessionItem::default(), "{typed:?}");
    }
}
