//! What each endpoint asks of DynamoDB when its function is warm: round trips one after another, and units.
use std::time::Duration;

use anyhow::ensure;
use local::database::{Call, Faults};
use serde_json::Value;
use tests::{Reply, TestSystem};
use tokio::time::Instant;

use crate::journeys::{Asked, Journeys};
use crate::report::Findings;

/// How long one call takes. Time is paused, so the time of a request tells how many calls came one after another.
const CALL: Duration = Duration::from_millis(100);

/// The sends after which the sender knows what one costs, and writes it down no more.
const SENDS_TO_LEARN: usize = 20;

/// A request to an endpoint, the status of its answer, and its budget.
struct Case {
    function: &'static str,
    route: &'static str,
    twist: Twist,
    status: u16,
    round_trips_max: Option<f64>,
}

/// How a request differs from the one that all is well with.
#[derive(Clone, Copy, Debug)]
enum Twist {
    None,
    /// The code is another one.
    WrongCode,
    /// Nobody has this phone.
    UnknownPhone,
    /// The same was asked a moment ago.
    Again,
}

const fn case(
    function: &'static str,
    route: &'static str,
    twist: Twist,
    status: u16,
    round_trips_max: Option<f64>,
) -> Case {
    Case {
        function,
        route,
        twist,
        status,
        round_trips_max,
    }
}

const SIGN_UP: &str = "POST /api/auth/signup";
const CONFIRM: &str = "POST /api/auth/verify-otp";
const SEND_AGAIN: &str = "POST /api/auth/send-otp";
const SSO: &str = "POST /api/auth/sso-signin";
const SSO_VERIFY: &str = "POST /api/auth/sso-verify";
const RESET: &str = "POST /api/auth/send-password-reset-otp";
const RESET_VERIFY: &str = "POST /api/auth/verify-password-reset-otp";
const WEBHOOK: &str = "POST /api/webhooks/whatsapp/{session}";

const CASES: [Case; 22] = [
    case("auth-signup", SIGN_UP, Twist::None, 200, Some(3.0)),
    case("auth-verify-otp", CONFIRM, Twist::None, 200, Some(2.0)),
    case("auth-verify-otp", CONFIRM, Twist::WrongCode, 400, Some(1.0)),
    case("auth-send-otp", SEND_AGAIN, Twist::None, 200, Some(3.0)),
    case("auth-sso-signin", SSO, Twist::None, 200, Some(3.0)),
    case("auth-sso-signin", SSO, Twist::UnknownPhone, 200, Some(3.0)),
    case("auth-sso-signin", SSO, Twist::Again, 429, Some(1.0)),
    case("auth-sso-verify", SSO_VERIFY, Twist::None, 200, Some(2.0)),
    case(
        "auth-sso-verify",
        SSO_VERIFY,
        Twist::WrongCode,
        400,
        Some(1.0),
    ),
    case(
        "auth-send-password-reset-otp",
        RESET,
        Twist::None,
        200,
        Some(3.0),
    ),
    case(
        "auth-verify-password-reset-otp",
        RESET_VERIFY,
        Twist::None,
        200,
        Some(2.0),
    ),
    case(
        "auth-verify-password-reset-otp",
        RESET_VERIFY,
        Twist::WrongCode,
        400,
        Some(1.0),
    ),
    case(
        "auth-signin",
        "POST /api/auth/signin",
        Twist::None,
        200,
        None,
    ),
    case(
        "auth-signin",
        "POST /api/auth/signin",
        Twist::UnknownPhone,
        401,
        None,
    ),
    case(
        "auth-refresh",
        "POST /api/auth/refresh",
        Twist::None,
        200,
        None,
    ),
    case(
        "auth-session",
        "GET /api/auth/session",
        Twist::None,
        200,
        None,
    ),
    case(
        "auth-session",
        "DELETE /api/auth/session",
        Twist::None,
        200,
        None,
    ),
    case(
        "auth-jwks",
        "GET /.well-known/jwks.json",
        Twist::None,
        200,
        Some(1.0),
    ),
    case("health", "GET /api/health", Twist::None, 200, Some(0.0)),
    case("health", "GET /api/status", Twist::None, 200, Some(1.0)),
    case("whatsapp-webhook", WEBHOOK, Twist::None, 200, Some(1.0)),
    case("whatsapp-webhook", WEBHOOK, Twist::Again, 200, Some(1.0)),
];

/// Measures every endpoint. Needs a runtime whose time is paused.
pub async fn measure() -> anyhow::Result<Findings> {
    let calls_that_take_time = Faults::none().latency(CALL);
    let journeys = Journeys::in_system(TestSystem::builder().faults(calls_that_take_time)).await;
    for _ in 0..SENDS_TO_LEARN {
        journeys.asked("auth-verify-otp").await?;
    }
    let mut findings = Findings::default();
    findings.table("request, round trips, reads, read units, writes, write units");
    for case in &CASES {
        // The first one warms the function up.
        case.make(&journeys).await?;
        let made = case.make(&journeys).await?;
        findings.row(&made.row(case));
        if let Some(at_most) = case.round_trips_max {
            findings.hold(&case.name(), "round trips", made.round_trips, at_most);
        }
    }
    Ok(findings)
}

/// A request that was made.
struct Made {
    round_trips: f64,
    calls: Vec<Call>,
}

impl Case {
    fn name(&self) -> String {
        let twist = match self.twist {
            Twist::None => "",
            Twist::WrongCode => ", wrong code",
            Twist::UnknownPhone => ", unknown phone",
            Twist::Again if self.status == 200 => ", once more",
            Twist::Again => ", too soon",
        };
        format!("`{}`{twist}", self.route)
    }

    /// Makes the request in the name of somebody new.
    async fn make(&self, journeys: &Journeys) -> anyhow::Result<Made> {
        let system = journeys.system();
        let mut asked = journeys.asked(self.function).await?;
        match self.twist {
            Twist::None => {}
            Twist::WrongCode if asked.body["otp"] == "000000" => {
                asked.body["otp"] = "000001".into()
            }
            Twist::WrongCode => asked.body["otp"] = "000000".into(),
            Twist::UnknownPhone => asked.body["identifier"] = journeys.phone().into(),
            Twist::Again => drop(self.ask(system, &asked).await),
        }
        journeys.free_queue().await?;
        system.database().forget_calls();
        let began = Instant::now();
        let reply = self.ask(system, &asked).await;
        let round_trips = began.elapsed().as_secs_f64() / CALL.as_secs_f64();
        ensure!(
            reply.status == self.status,
            "{}: {}",
            self.name(),
            reply.json
        );
        Ok(Made {
            round_trips: round_trips.round(),
            calls: system.database().calls(),
        })
    }

    async fn ask(&self, system: &TestSystem, asked: &Asked) -> Reply {
        let (method, path) = self.route.split_once(' ').unwrap_or_default();
        let path = asked.path.as_deref().unwrap_or(path);
        let token = asked.bearer.as_deref().unwrap_or_default();
        let authorization = format!("Bearer {token}");
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
        ];
        let body = match &asked.body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        system.request(method, path, &headers, body).await
    }
}

impl Made {
    fn row(&self, case: &Case) -> [String; 6] {
        let (reads, writes): (Vec<_>, Vec<_>) = self.calls.iter().partition(|call| is_read(call));
        let units = |calls: &[&Call]| {
            calls
                .iter()
                .fold(0.0, |sum, call| sum + call.units)
                .to_string()
        };
        [
            case.name(),
            format!("{:.0}", self.round_trips),
            reads.len().to_string(),
            units(&reads),
            writes.len().to_string(),
            units(&writes),
        ]
    }
}

/// Whether the call only reads.
pub fn is_read(call: &Call) -> bool {
    let operation = call.operation.as_str();
    matches!(
        operation,
        "BatchGetItem" | "GetItem" | "Query" | "TransactGetItems"
    )
}
