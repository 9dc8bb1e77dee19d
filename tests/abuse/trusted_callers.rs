//! A backend that calls for its users, and a CDN before the API: the limits of an address count where the users are.
use serde_json::json;
use shared::model::caller::TrustedCallers;
use shared::model::payment_caller::{PaymentCaller, Scope, hash_of};
use shared::store::caller_list::CallerListChanges;
use tests::{Reply, TestSystem};

use super::act::*;

const OLD: &str = "the key of last year";
const NEW: &str = "the key of this year";

/// The SHA-256 of both.
const KEYS: &str = "91053aa444e050afcb2dbdf9e2e92de4171e5f7c6de339c73e378be950267ec0,7b107a1390ac048617145c07f0686d49bf39d1c2990c2ce513a06700fbc59133";

/// A system that knows two keys and lets an address have one code and one wrong password.
async fn system() -> TestSystem {
    let system = TestSystem::builder().settings(|settings| {
        settings.trusted_callers = TrustedCallers::parse(KEYS).unwrap();
        settings.policy.codes_per_address.places = 1;
        settings.policy.passwords_per_address.places = 1;
    });
    system.build().await
}

/// Asks for the code of the `number`th phone, with what headers say of the caller.
async fn ask(system: &TestSystem, number: u64, headers: &[(&str, &str)]) -> Reply {
    let body = json!({ "identifier": phone(number) }).to_string();
    let path = "/api/auth/sso-signin";
    let headers = [&[("content-type", "application/json")], headers].concat();
    system.request("POST", path, &headers, body).await
}

#[tokio::test(start_paused = true)]
async fn a_trusted_callers_clients_are_limited_each_for_itself() {
    let system = system().await;
    for (number, (key, address)) in (1..).zip([
        (OLD, "198.51.100.1"),
        (NEW, "198.51.100.2"),
        (NEW, "2001:db8:1:2::7"),
    ]) {
        let headers = [("x-caller-key", key), ("x-client-address", address)];
        check_ok(&ask(&system, number, &headers).await);
    }
    for address in ["198.51.100.1", "::ffff:198.51.100.2", "2001:db8:1:2::8"] {
        let headers = [("x-caller-key", OLD), ("x-client-address", address)];
        let refused = ask(&system, 4, &headers).await;
        check_error(&refused, 429, "RATE_LIMITED", Some("address"));
    }
    // The caller itself is still free, and is limited like anybody.
    check_ok(&ask(&system, 4, &[("x-caller-key", NEW)]).await);
    let refused = ask(&system, 5, &[("x-caller-key", NEW)]).await;
    check_error(&refused, 429, "RATE_LIMITED", Some("address"));
}

#[tokio::test(start_paused = true)]
async fn behind_cloudfront_each_viewer_is_limited_for_itself() {
    let system = system().await;
    let viewer = |address| {
        [
            ("x-caller-key", NEW),
            ("cloudfront-viewer-address", address),
        ]
    };
    for (number, address) in (1..).zip([
        "198.51.100.1:46532",
        "198.51.100.2:1",
        "2001:db8:1:2::7:46532",
        "2001:0db8:0001:0003:0000:0000:0000:0007:65535",
    ]) {
        let sent = ask(&system, number, &viewer(address)).await;
        check_ok(&sent);
    }
    // Another port is the same viewer, and so is another address of the same network.
    for address in [
        "198.51.100.1:46533",
        "::ffff:198.51.100.2:443",
        "2001:db8:1:2::8:46532",
        "2001:db8:1:3:a:b:c:d:443",
    ] {
        let refused = ask(&system, 5, &viewer(address)).await;
        check_error(&refused, 429, "RATE_LIMITED", Some("address"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_viewer_s_address_that_is_none_is_told() {
    let system = system().await;
    for address in [
        "",
        "nowhere",
        "nowhere:443",
        "198.51.100.1",
        "198.51.100.1:",
        "198.51.100.1:65536",
        "198.51.100.1:443, 198.51.100.2:443",
        "2001:db8::1:46532:",
        "2001:db8:1:2:3:4:5:6",
    ] {
        let headers = [
            ("x-caller-key", NEW),
            ("cloudfront-viewer-address", address),
        ];
        let refused = ask(&system, 1, &headers).await;
        check_error(&refused, 400, "INVALID_CLIENT_ADDRESS", None);
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_behind_cloudfront_says_to_be_another_viewer() {
    let system = system().await;
    for (named, viewer) in [
        ("203.0.113.9", "198.51.100.1:46532"),
        ("nowhere", "198.51.100.1:46532"),
        ("198.51.100.1", "nowhere"),
    ] {
        let headers = [
            ("x-caller-key", NEW),
            ("x-client-address", named),
            ("cloudfront-viewer-address", viewer),
        ];
        let refused = ask(&system, 1, &headers).await;
        check_error(&refused, 400, "INVALID_CLIENT_ADDRESS", None);
    }
    let headers = [
        ("x-caller-key", NEW),
        ("x-client-address", "198.51.100.1"),
        ("cloudfront-viewer-address", "198.51.100.1:46532"),
    ];
    check_ok(&ask(&system, 1, &headers).await);
}

#[tokio::test(start_paused = true)]
async fn without_a_known_key_nobody_says_where_a_request_comes_from() {
    let system = system().await;
    check_ok(&ask(&system, 1, &[]).await);
    for key in [None, Some(""), Some("a guess"), Some(KEYS)] {
        for header in [
            ("x-client-address", "198.51.100.1"),
            ("x-client-address", "nowhere"),
            ("cloudfront-viewer-address", "198.51.100.1:46532"),
            ("cloudfront-viewer-address", "nowhere"),
        ] {
            let mut headers = vec![header];
            headers.extend(key.map(|key| ("x-caller-key", key)));
            let refused = ask(&system, 2, &headers).await;
            check_error(&refused, 429, "RATE_LIMITED", Some("address"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_trusted_caller_that_names_no_address_is_told() {
    let system = system().await;
    for address in [
        "",
        "nowhere",
        "198.51.100.1:80",
        "198.51.100.1, 198.51.100.2",
    ] {
        let headers = [("x-caller-key", NEW), ("x-client-address", address)];
        let refused = ask(&system, 1, &headers).await;
        check_error(&refused, 400, "INVALID_CLIENT_ADDRESS", None);
    }
    for viewer in [
        "198.51.100.1",
        "198.51.100.1:",
        "198.51.100.1:+443",
        "198.51.100.1:65536",
    ] {
        let headers = [("x-caller-key", NEW), ("cloudfront-viewer-address", viewer)];
        let refused = ask(&system, 1, &headers).await;
        check_error(&refused, 400, "INVALID_CLIENT_ADDRESS", None);
    }
}

#[tokio::test(start_paused = true)]
async fn every_route_that_limits_addresses_hears_a_trusted_caller() {
    let system = system().await;
    for (path, body) in [
        ("/api/auth/signup", applicant(&phone(1))),
        ("/api/auth/sso-signin", json!({ "identifier": phone(1) })),
        (
            "/api/auth/send-otp",
            json!({ "identifier": phone(1), "purpose": "sso" }),
        ),
        (
            "/api/auth/send-password-reset-otp",
            json!({ "identifier": phone(1) }),
        ),
        (
            "/api/auth/signin",
            json!({ "identifier": phone(1), "password": PASSWORD }),
        ),
    ] {
        let headers = [
            ("content-type", "application/json"),
            ("x-caller-key", NEW),
            ("x-client-address", "nowhere"),
        ];
        let refused = system
            .request("POST", path, &headers, body.to_string())
            .await;
        check_error(&refused, 400, "INVALID_CLIENT_ADDRESS", None);
    }
}

/// Makes a caller with `key`, who may do what `scopes` say.
async fn list_caller(system: &TestSystem, key: &str, scopes: &[Scope]) {
    let list = CallerListChanges::new(system.backends());
    let seen = list.read().await.unwrap();
    let caller = PaymentCaller {
        name: format!("caller-{}", seen.callers.len()),
        sha256: hash_of(key),
        scopes: scopes.to_vec(),
        daily_cap: None,
        retire_at: None,
    };
    let callers = [seen.callers.clone(), vec![caller]].concat();
    list.write(&seen, &callers).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn of_the_listed_callers_those_with_the_scope_on_behalf_are_trusted() {
    for (scopes, are_trusted) in [
        (&[Scope::OnBehalf][..], true),
        (&[Scope::Payments, Scope::OnBehalf], true),
        (&[Scope::Payments], false),
        (&[], false),
    ] {
        let system = system().await;
        list_caller(&system, "pay_listed", scopes).await;
        let headers = |address| {
            [
                ("x-caller-key", "pay_listed"),
                ("x-client-address", address),
            ]
        };
        check_ok(&ask(&system, 1, &headers("198.51.100.1")).await);
        let of_another_client = ask(&system, 2, &headers("198.51.100.2")).await;
        let status = if are_trusted { 200 } else { 429 };
        assert_eq!(of_another_client.status, status, "{scopes:?}");
        let nowhere = ask(&system, 3, &headers("nowhere")).await;
        let status = if are_trusted { 400 } else { 429 };
        assert_eq!(nowhere.status, status, "{scopes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_list_of_callers_is_read_only_for_whoever_names_a_client_with_a_key_that_is_not_configured()
 {
    let system = system().await;
    let address = ("x-client-address", "198.51.100.1");
    for (case, headers, reads) in [
        ("nothing", &[][..], 0),
        ("an address", &[address], 0),
        ("a key", &[("x-caller-key", "pay_listed")], 0),
        ("a configured key", &[("x-caller-key", NEW), address], 0),
        ("another key", &[("x-caller-key", "pay_listed"), address], 1),
    ] {
        system.database().forget_calls();
        ask(&system, 1, headers).await;
        let calls = system.database().calls();
        let of_list = calls
            .iter()
            .filter(|call| call.rings.iter().any(|ring| ring == "callers"));
        assert_eq!(of_list.count(), reads, "{case}");
    }
}
