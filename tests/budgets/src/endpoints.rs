//! What each endpoint asks of DynamoDB when its function is warm: round trips one after another, and units.
use std::time::Duration;

use anyhow::ensure;
use local::database::{Call, Faults};
use serde_json::{Value, json};
use tests::TestSystem;
use tokio::time::Instant;

use crate::journeys::Journeys;
use crate::report::Findings;

/// How long one call takes. Time is paused, so the time of a request tells how many calls came one after another.
const CALL: Duration = Duration::from_millis(100);

/// The sends after which the sender knows what one costs, and writes it down no more.
const SENDS_TO_LEARN: usize = 20;

/// A request to an endpoint, and its budget.
struct Case {
    name: &'static str,
    path: &'static str,
    status: u16,
    round_trips_max: f64,
}

/// Measures every endpoint. Needs a runtime whose time is paused.
pub async fn measure() -> anyhow::Result<Findings> {
    let calls_that_take_time = Faults::none().latency(CALL);
    let journeys = Journeys::in_system(TestSystem::builder().faults(calls_that_take_time)).await;
    for _ in 0..SENDS_TO_LEARN {
        journeys.signup().await?;
    }
    let mut findings = Findings::default();
    findings.table("request, round trips, reads, read units, writes, write units");
    let mut bench = Bench {
        journeys: &journeys,
        findings: &mut findings,
    };
    bench.sign_up().await?;
    bench.sign_in().await?;
    bench.others().await?;
    Ok(findings)
}

struct Bench<'a> {
    journeys: &'a Journeys,
    findings: &'a mut Findings,
}

impl Bench<'_> {
    async fn sign_up(&mut self) -> anyhow::Result<()> {
        let path = "/api/auth/signup";
        self.case(case("Sign up", path, 200, 3.0), async |people| {
            Ok(people.applicant())
        })
        .await?;
        let path = "/api/auth/verify-otp";
        self.case(
            case("Confirm, wrong code", path, 400, 1.0),
            async |people| Ok(wrong(people.signup().await?.answer)),
        )
        .await?;
        self.case(case("Confirm", path, 200, 2.0), async |people| {
            Ok(people.signup().await?.answer)
        })
        .await
    }

    async fn sign_in(&mut self) -> anyhow::Result<()> {
        let path = "/api/auth/sso-signin";
        self.case(case("Sign in", path, 200, 3.0), async |people| {
            Ok(json!({ "identifier": people.user().await? }))
        })
        .await?;
        self.case(
            case("Sign in, unknown phone", path, 200, 3.0),
            async |people| Ok(json!({ "identifier": people.phone() })),
        )
        .await?;
        self.case(case("Sign in, too soon", path, 429, 1.0), async |people| {
            Ok(json!({ "identifier": people.signin().await?.phone }))
        })
        .await?;
        let path = "/api/auth/sso-verify";
        self.case(case("Verify, wrong code", path, 400, 1.0), async |people| {
            Ok(wrong(people.signin().await?.answer))
        })
        .await?;
        self.case(case("Verify", path, 200, 2.0), async |people| {
            Ok(people.signin().await?.answer)
        })
        .await
    }

    async fn others(&mut self) -> anyhow::Result<()> {
        for (name, path, round_trips_max) in [
            ("Public keys", "/.well-known/jwks.json", 0.0),
            ("Health", "/api/health", 0.0),
            ("Status", "/api/status", 1.0),
        ] {
            let case = case(name, path, 200, round_trips_max);
            self.case(case, async |_| Ok(Value::Null)).await?;
        }
        Ok(())
    }

    /// Makes a request twice, each time by other people, and counts what the second one took.
    async fn case(
        &mut self,
        case: Case,
        body: impl AsyncFn(&Journeys) -> anyhow::Result<Value>,
    ) -> anyhow::Result<()> {
        self.request(&case, body(self.journeys).await?).await?;
        let body = body(self.journeys).await?;
        let (round_trips, calls) = self.request(&case, body).await?;
        let sum = |reads: bool| {
            let of_kind = calls.iter().filter(|call| is_read(call) == reads);
            of_kind.fold((0, 0.0), |(count, units), call| {
                (count + 1, units + call.units)
            })
        };
        let (reads, read_units) = sum(true);
        let (writes, write_units) = sum(false);
        self.findings.row(&[
            format!("{}: `{}`", case.name, case.path),
            format!("{round_trips:.0}"),
            format!("{reads}"),
            format!("{read_units}"),
            format!("{writes}"),
            format!("{write_units}"),
        ]);
        self.findings.hold(
            case.name,
            "round trips",
            round_trips.round(),
            case.round_trips_max,
        );
        Ok(())
    }

    async fn request(&self, case: &Case, body: Value) -> anyhow::Result<(f64, Vec<Call>)> {
        let system = self.journeys.system();
        self.journeys.free_queue().await?;
        system.database().forget_calls();
        let began = Instant::now();
        let reply = match body {
            Value::Null => system.get(case.path).await,
            body => system.post(case.path, body).await,
        };
        let round_trips = began.elapsed().as_secs_f64() / CALL.as_secs_f64();
        ensure!(reply.status == case.status, "{}: {}", case.name, reply.json);
        Ok((round_trips, system.database().calls()))
    }
}

const fn case(name: &'static str, path: &'static str, status: u16, round_trips_max: f64) -> Case {
    Case {
        name,
        path,
        status,
        round_trips_max,
    }
}

/// The same answer with another code.
fn wrong(mut answer: Value) -> Value {
    let code = if answer["otp"] == "000000" {
        "000001"
    } else {
        "000000"
    };
    answer["otp"] = code.into();
    answer
}

fn is_read(call: &Call) -> bool {
    let operation = call.operation.as_str();
    matches!(
        operation,
        "BatchGetItem" | "GetItem" | "Query" | "TransactGetItems"
    )
}
