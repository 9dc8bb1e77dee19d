//! The whole system of one schedule: gateways, and environments of every function, each with a clock of its own.
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequestContext;
use lambda_http::request::RequestContext;
use lambda_http::{Body, Context, Request, RequestExt};
use local::functions::{self, Environment};
use local::simulator::Simulator;
use serde_json::Value;
use shared::gateway::Gateway;
use shared::model::keys::Ring;
use shared::platform::clock::Clock;
use shared::platform::entropy::Entropy;
use shared::platform::timestamp::Timestamp;
use shared::runtime::Backends;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::bench::{Bench, START};
use crate::ledger::Served;
use crate::plan::World;
use crate::process::{Ended, Process};
use crate::universe::{Purpose, Universe};
use crate::whatsapp::Way;

/// How long API Gateway waits for a function.
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);
/// Environments of a function that take turns.
const IN_TURN: usize = 3;

/// The system of one schedule.
pub struct Stage {
    /// The schedule.
    pub universe: Arc<Universe>,
    /// The gateways.
    pub gateways: Vec<Simulator>,
    /// The true time.
    pub clock: Clock,
    /// What the addresses of webhooks are made of.
    pub addresses: Arc<Ring>,
    backends: Backends,
    timeouts: BTreeMap<String, Duration>,
    idle: Mutex<Idle>,
}

/// The environments that wait for a request.
#[derive(Default)]
struct Idle {
    begun: u32,
    waiting: HashMap<&'static str, Vec<Slot>>,
}

/// One environment.
struct Slot {
    clock: Clock,
    work: Work,
}

/// What an environment does.
#[derive(Clone)]
enum Work {
    Requests(Environment),
    Deliver(Arc<outbox_deliver::App>),
    Watch(Arc<session_monitor::App>),
}

/// A request of the API.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The function.
    pub function: &'static str,
    /// The method and path.
    pub path: String,
    /// What the path's part in braces is.
    pub payment: Option<String>,
    /// Headers beside the content type.
    pub headers: Vec<(&'static str, String)>,
    /// The content type.
    pub content_type: &'static str,
    /// The body; none makes it a GET.
    pub body: Option<String>,
    /// Where it comes from.
    pub from: IpAddr,
}

/// What the client sees of a request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status; 0 when no answer came.
    pub status: u16,
    /// The body.
    pub json: Value,
    /// When it was sent.
    pub at: Duration,
    /// When the answer was there.
    pub done: Duration,
}

impl Stage {
    /// The system of `world`, whose clocks are up to `skew` fast or slow.
    pub fn new(bench: &Bench, universe: &Arc<Universe>, world: &World) -> Self {
        let clock = Clock::following_runtime(START);
        let gateways = world.gateways(&clock);
        let way = Way::new(Arc::new(gateways[0].clone()), universe);
        let backends = Backends {
            dynamodb: bench.client.clone(),
            gateway: Gateway::new(way),
            clock: clock.clone(),
            entropy: Entropy::seeded(0),
            settings: Arc::new(world.settings(&gateways)),
        };
        Self {
            universe: Arc::clone(universe),
            gateways,
            clock,
            addresses: Arc::clone(&bench.addresses),
            backends,
            timeouts: bench.template.timeouts.clone(),
            idle: Mutex::default(),
        }
    }

    /// The backends as nobody has them: with the true time.
    pub const fn backends(&self) -> &Backends {
        &self.backends
    }

    /// The true time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The session with this number, where no two have the same.
    pub fn session_of(&self, number: &str) -> Option<String> {
        let place: usize = number.strip_prefix("62811000")?.parse().ok()?;
        let session = self.gateways[0]
            .options()
            .sessions
            .get(place.checked_sub(1)?)?;
        Some(session.name.clone())
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An environment of a function, which now has a request.
    fn take(&self, function: &'static str) -> Slot {
        let mut idle = self.idle();
        let waiting = idle.waiting.entry(function).or_default();
        if waiting.len() >= IN_TURN {
            return waiting.remove(0);
        }
        idle.begun += 1;
        let number = idle.begun;
        drop(idle);
        let mut dice = self.universe.dice(Purpose::Environment, number, 0);
        let skew = dice.millis(0..=self.skew_ms());
        let now = self.clock.now().plus(skew);
        let backends = Backends {
            clock: Clock::following_runtime(now),
            entropy: Entropy::seeded(dice.number()),
            ..self.backends.clone()
        };
        Slot {
            clock: backends.clock.clone(),
            work: start(function, &backends),
        }
    }

    /// How much clocks differ at most: not at all in some schedules.
    fn skew_ms(&self) -> u64 {
        let mut dice = self.universe.dice(Purpose::Environment, 0, 0);
        *dice.one_of(&[0, 0, 300, 2_000])
    }

    fn limit(&self, function: &str) -> Duration {
        self.timeouts
            .get(function)
            .copied()
            .unwrap_or(INTEGRATION_TIMEOUT)
    }

    /// Sends a request as process `number`, and waits for its answer as a client does.
    pub async fn ask(self: &Arc<Self>, number: u32, ask: Ask) -> Answer {
        let at = self.universe.time();
        self.universe.note(
            number,
            format_args!("-> {} {}", ask.function, ask.path_of_note()),
        );
        let slot = self.take(ask.function);
        let Work::Requests(environment) = slot.work.clone() else {
            unreachable!("a schedule calls it");
        };
        let limit = self.limit(ask.function);
        let request = request(&ask, number, slot.clock.now().plus(limit));
        let done = self.spawn(number, ask.function, slot, async move {
            environment(request).await
        });
        let response = timeout(INTEGRATION_TIMEOUT, done).await;
        let response = response.ok().and_then(Result::ok);
        let (status, json) = match &response {
            Some(response) => {
                let json = serde_json::from_slice(response.body().as_ref());
                (response.status().as_u16(), json.unwrap_or_default())
            }
            None => (0, Value::Null),
        };
        let answer = Answer {
            status,
            json,
            at,
            done: self.universe.time(),
        };
        self.universe.note(
            number,
            format_args!("<- {} {}", answer.status, said(&answer.json)),
        );
        answer
    }

    /// One call of a schedule, as process `number`.
    pub async fn tick(self: &Arc<Self>, number: u32, function: &'static str) {
        self.universe.note(number, format_args!("-> {function}"));
        let slot = self.take(function);
        let deadline = slot.clock.now().plus(self.limit(function));
        let work = slot.work.clone();
        let universe = Arc::clone(&self.universe);
        let done = self.spawn(number, function, slot, async move {
            match work {
                Work::Requests(_) => unreachable!("a client calls it"),
                Work::Deliver(app) => {
                    let delivered = outbox_deliver::handle(&app, deadline).await;
                    universe.note(number, format_args!("<- {delivered:?}"));
                }
                Work::Watch(app) => {
                    let watched = session_monitor::handle(&app, deadline).await;
                    universe.note(number, format_args!("<- watched: {}", watched.is_ok()));
                }
            }
        });
        let _ = done.await;
    }

    /// Starts a process, which ends by itself, by force, or by Lambda's limit; its environment is used again when it ended well.
    fn spawn<T: Send + 'static>(
        self: &Arc<Self>,
        number: u32,
        function: &'static str,
        slot: Slot,
        work: impl Future<Output = T> + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (done, waiting) = oneshot::channel();
        let (stage, process) = (Arc::clone(self), Process::new(&self.universe, number));
        let limit = self.limit(function);
        tokio::spawn(async move {
            let began = Instant::now();
            let (ended, frozen) = process.run(timeout(limit, work)).await;
            let took = began.elapsed();
            let mut ledger = stage.universe.ledger();
            ledger.served.push(Served {
                process: number,
                function,
                took,
                frozen,
                ended: matches!(ended, Ended::Done(Ok(_))),
            });
            match ended {
                Ended::Done(Ok(answer)) => {
                    drop(ledger);
                    let mut idle = stage.idle();
                    idle.waiting.entry(function).or_default().push(slot);
                    let _ = done.send(answer);
                }
                Ended::Done(Err(_)) if !frozen => {
                    let wrong = format!("{function} ({number}) was ended by Lambda's limit");
                    ledger.wrong.push(wrong);
                }
                Ended::Panicked => {
                    let wrong = format!("{function} ({number}) panicked");
                    ledger.wrong.push(wrong);
                }
                Ended::Done(Err(_)) | Ended::Killed => {}
            }
        });
        waiting
    }
}

impl Ask {
    /// The path without what is secret in it.
    fn path_of_note(&self) -> &str {
        self.path.split('.').next().unwrap_or_default()
    }
}

/// What of an answer belongs into a story: no tokens, no ids that are drawn by the operating system.
fn said(json: &Value) -> String {
    let data = &json["data"];
    let fields = [
        ("error", &json["error"]["code"]),
        ("limit", &json["limit"]),
        ("charged", &json["charged"]),
        ("after", &json["retryAfterSeconds"]),
        ("left", &json["attemptsLeft"]),
        ("delivery", &data["delivery"]),
        ("state", &data["state"]),
    ];
    let fields = fields.iter().filter(|(_, value)| !value.is_null());
    fields
        .map(|(name, value)| format!("{name} {value}"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn start(function: &'static str, backends: &Backends) -> Work {
    match function {
        "outbox-deliver" => Work::Deliver(Arc::new(outbox_deliver::App::new(backends))),
        "session-monitor" => Work::Watch(Arc::new(session_monitor::App::new(backends))),
        _ => {
            let start = functions::find(function).expect("a function of the repository");
            Work::Requests(start(backends))
        }
    }
}

/// The request as API Gateway hands it over.
fn request(ask: &Ask, number: u32, deadline: Timestamp) -> Request {
    let method = if ask.body.is_some() { "POST" } else { "GET" };
    let mut request = http::Request::builder().method(method).uri(&ask.path);
    request = request.header("content-type", ask.content_type);
    for (name, value) in &ask.headers {
        request = request.header(*name, value);
    }
    let body = ask.body.clone().map_or(Body::Empty, Body::Text);
    let request = request.body(body).expect("a request");
    let mut context = ApiGatewayV2httpRequestContext::default();
    context.http.source_ip = Some(ask.from.to_string());
    let mut lambda = Context::default();
    lambda.request_id = format!("{number:032x}");
    lambda.deadline = u64::try_from(deadline.millis()).unwrap_or(0);
    let request = request
        .with_request_context(RequestContext::ApiGatewayV2(context))
        .with_lambda_context(lambda);
    match &ask.payment {
        Some(payment) => {
            let parameters = HashMap::from([("paymentId".to_owned(), vec![payment.clone()])]);
            request.with_path_parameters(parameters)
        }
        None => request,
    }
}
