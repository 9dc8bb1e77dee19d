//! How much of what a gateway can send reaches phones when more is asked for than it can send.
use std::time::Duration;

use anyhow::Context;
use local::database::Faults;
use shared::model::phone::Phone;
use shared::model::texts::MessageBody;
use shared::platform::entropy::Entropy;
use shared::runtime::Backends;
use shared::sender::{
    Cause, Content, Delivery, OnceUnknown, Outcome, Outgoing, PlaceError, Recipient, Sender,
    message_id,
};
use tests::TestSystem;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::report::Findings;

/// How long one send takes, in milliseconds.
const SENDS_MS: [u64; 3] = [200, 500, 1_000];
/// How many times the capacity is asked for.
const DEMAND: f64 = 1.6;
/// For how long, and from when on it is counted.
const LASTS: Duration = Duration::from_secs(60);
const COUNTED_FROM: Duration = Duration::from_secs(15);
/// How far away the tables are.
const STORE: Duration = Duration::from_millis(5);
/// The least share of the capacity.
const GOODPUT_MIN: f64 = 0.95;
const RUNS: u64 = 3;
const PLACE_WAIT_MAX: Duration = Duration::from_secs(6);
const CODE_TAKES: Duration = Duration::from_secs(15);

/// What a crowd of requests came to.
#[derive(Default)]
struct Ends {
    sent: usize,
    busy: usize,
    others: usize,
}

/// Lets requests come at random times for each pace of the gateway, a few times. Needs paused time.
pub async fn measure() -> anyhow::Result<Findings> {
    let mut findings = Findings::default();
    findings.table("a send takes ms, run, goodput, sent, busy, otherwise");
    for send_ms in SENDS_MS {
        for run in 1..=RUNS {
            let (goodput, ends) = overload(Duration::from_millis(send_ms), run).await?;
            findings.row(&[
                send_ms.to_string(),
                run.to_string(),
                format!("{goodput:.3}"),
                ends.sent.to_string(),
                ends.busy.to_string(),
                ends.others.to_string(),
            ]);
            if goodput < GOODPUT_MIN {
                findings.exceeded.push(format!(
                    "goodput is {goodput:.3} of what the gateway can send at {send_ms} ms a message, not {GOODPUT_MIN}"
                ));
            }
        }
    }
    Ok(findings)
}

/// The share of the gateway's capacity that reached phones, and how the requests ended.
async fn overload(send: Duration, seed: u64) -> anyhow::Result<(f64, Ends)> {
    let builder = TestSystem::builder().seed(seed);
    let builder = builder.simulator(|options| options.send_duration = send);
    let system = builder.faults(Faults::none().latency(STORE)).build().await;
    let began = Instant::now();
    let arrivals = Entropy::seeded(seed);
    let mut requests = JoinSet::new();
    let mut at = Duration::ZERO;
    for number in 0_u64.. {
        at += between_requests(&arrivals, send.div_f64(DEMAND));
        if at >= LASTS {
            break;
        }
        let backends = system.backends().clone();
        requests.spawn(async move {
            sleep_until(began + at).await;
            one_code(&backends, number).await
        });
    }
    let mut ends = Ends::default();
    for end in requests.join_all().await {
        match end?.map(|delivery| delivery.outcome) {
            Some(Outcome::Sent) => ends.sent += 1,
            None => ends.busy += 1,
            Some(_) => ends.others += 1,
        }
    }
    let (from, to) = (COUNTED_FROM.as_millis(), LASTS.as_millis());
    let messages = system.simulator().messages(None);
    let counted = messages
        .iter()
        .filter(|message| (from..to).contains(&u128::from(message.at_ms)));
    let capacity = (LASTS - COUNTED_FROM).as_secs_f64() / send.as_secs_f64();
    Ok((counted.count() as f64 / capacity, ends))
}

/// Requests that do not know of each other: their distances follow an exponential distribution.
pub fn between_requests(entropy: &Entropy, mean: Duration) -> Duration {
    const STEPS: u64 = 1 << 32;
    let uniform = (entropy.below(STEPS) + 1) as f64 / STEPS as f64;
    mean.mul_f64(-uniform.ln())
}

/// Sends one code as a flow does; nothing when the queue is full.
async fn one_code(backends: &Backends, number: u64) -> anyhow::Result<Option<Delivery>> {
    let sender = Sender::new(backends);
    let phone = Phone::parse(&format!("+62812{:08}", 10_000_000 + number)).ok();
    let message = Outgoing {
        purpose: "sso",
        message_id: message_id(&Entropy::seeded(number)),
        phone: phone.context("a phone number")?,
        content: Content::Text(MessageBody(format!("Your code is {number:06}"))),
        first_contact: false,
        code_asked_at: None,
        once_unknown: OnceUnknown::GoesElsewhere,
        is_repeat: false,
        cause: Cause::default(),
    };
    let deadline = backends.clock.now().plus(CODE_TAKES);
    let picked = sender.pick(&Recipient::of(&message.phone)).await?;
    let place = match sender.take_place(&picked, PLACE_WAIT_MAX).await {
        Ok(place) => place,
        Err(PlaceError::Busy(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let delivery = sender.deliver(place, message, deadline).await;
    sender.record(&delivery).await;
    Ok(Some(delivery))
}
