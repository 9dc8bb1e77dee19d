//! What payment gateways post: signed, doubled, late and out of order; and what others post in their name.
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use shared::model::bridge::{BridgeName, Secret, midtrans};
use shared::model::webhook;
use shared::platform::timestamp::Timestamp;
use shared::runtime::settings::BridgeSettings;
use tokio::time::sleep;

use crate::dice::Dice;
use crate::facts::Posted;
use crate::people::{address, digits};
use crate::schedule::Schedule;
use crate::shop;
use crate::stage::Ask;

/// The key that Midtrans signs with.
const KEY: &str = "SB-Mid-server-of-the-simulation";
/// The token that Xendit sends.
const TOKEN: &str = "token-of-the-simulation";
/// The field of a webhook that has the customer's phone.
const PHONE_FIELD: &str = "custom_field1";
/// How often a gateway posts again what was not taken, while things go wrong.
const AGAIN: u32 = 3;
/// How long it waits before.
const PAUSE: Duration = Duration::from_secs(60);
/// Repeated posts of a process have numbers that are so much higher.
const NEXT: u32 = 10_000;

/// What a webhook says, and whether that is genuine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Post {
    /// Who posts it.
    pub bridge: BridgeName,
    /// What happened.
    pub news: News,
    /// Whether that is genuine.
    pub honesty: Honesty,
}

/// What happened to a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It waits for the customer, for so many minutes.
    Pending(u32),
    /// It is paid.
    Paid,
    /// It was called off.
    Cancelled,
    /// It was not paid in time.
    Expired,
    /// The attempt failed.
    Failed,
    /// A part goes back: the refund of this number.
    Refunded(u32),
}

/// Whether a webhook is genuine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Honesty {
    /// It is.
    Genuine,
    /// It is the gateway's, and about another amount.
    OtherAmount,
    /// Somebody without the key or the token made it.
    OtherKey,
    /// It is the gateway's, and comes to an address that nobody gave it.
    OtherAddress,
    /// Somebody changed what was signed; what has no signature has no token.
    Changed,
}

impl News {
    /// The names of the notices that it can become.
    pub fn notices(self) -> Vec<String> {
        match self {
            Self::Pending(_) => vec!["created".into()],
            Self::Paid => vec!["success".into()],
            Self::Cancelled => vec!["status.cancelled".into()],
            Self::Expired => vec!["status.expired".into()],
            Self::Failed => vec!["status.failed".into(), "status.reversed".into()],
            Self::Refunded(number) => vec![format!("status.refunded.{number}")],
        }
    }

    /// Whether nothing asks to pay any more after it.
    pub const fn ends_it(self) -> bool {
        !matches!(self, Self::Pending(_))
    }
}

impl Honesty {
    /// Whether the payment gateway itself has posted it to where it should.
    pub const fn is_from_gateway(self) -> bool {
        matches!(self, Self::Genuine | Self::OtherAmount)
    }
}

impl Post {
    /// Any webhook. Where webhooks may say whom to tell, an amount that nobody knows to be wrong would be the right one.
    pub fn draw(dice: &mut Dice, tells_phone: bool) -> Self {
        let news = *dice.one_of(&[
            News::Pending(20),
            News::Pending(60),
            News::Paid,
            News::Paid,
            News::Paid,
            News::Cancelled,
            News::Expired,
            News::Failed,
            News::Refunded(1),
            News::Refunded(2),
        ]);
        let honesty = match dice.below(10) {
            0 if !tells_phone => Honesty::OtherAmount,
            1 => Honesty::OtherKey,
            2 => *dice.one_of(&[Honesty::OtherAddress, Honesty::Changed]),
            _ => Honesty::Genuine,
        };
        // Invoices of Xendit tell only how they end.
        let is_invoice = matches!(news, News::Paid | News::Expired);
        let bridge = if is_invoice && dice.chance(0.5) {
            BridgeName::Xendit
        } else {
            BridgeName::Midtrans
        };
        Self {
            bridge,
            news,
            honesty,
        }
    }
}

/// The accounts at both gateways. `tells_phone`: whether a webhook may say whom to tell, where nobody has told of its payment.
pub fn settings(tells_phone: bool) -> BridgeSettings {
    BridgeSettings {
        midtrans_keys: vec![secret(KEY)],
        xendit_tokens: vec![secret(TOKEN)],
        phone_field: tells_phone.then(|| PHONE_FIELD.to_owned()),
    }
}

fn secret(text: &str) -> Secret {
    Secret::parse(text).expect("a secret")
}

/// Posts a webhook, and again what was not taken.
pub async fn post(schedule: &Arc<Schedule>, number: u32, (payment, post): (u32, Post)) {
    let ask = ask(schedule, payment, post);
    for again in 0..=AGAIN {
        let taken = post_once(schedule, number + NEXT * again, (payment, post), &ask).await;
        if taken || post.honesty != Honesty::Genuine || schedule.universe.is_calm() {
            return;
        }
        sleep(PAUSE).await;
    }
}

/// Once all is well, the gateways post again what was not taken: the oldest first.
pub async fn post_the_rest(schedule: &Arc<Schedule>, first: u32) {
    let posted = schedule.facts().posted.clone();
    let taken = |payment, post| {
        let mut same = posted
            .iter()
            .filter(|one| (one.payment, one.post) == (payment, post));
        same.any(|one| one.status == 200)
    };
    let mut left: Vec<(u32, Post)> = Vec::new();
    for one in &posted {
        let what = (one.payment, one.post);
        let is_genuine = one.post.honesty == Honesty::Genuine;
        if is_genuine && !left.contains(&what) && !taken(one.payment, one.post) {
            left.push(what);
        }
    }
    for (number, what) in (first..).zip(left) {
        post(schedule, number, what).await;
    }
}

async fn post_once(
    schedule: &Arc<Schedule>,
    number: u32,
    (payment, post): (u32, Post),
    ask: &Ask,
) -> bool {
    let name = shop::name(payment);
    schedule
        .universe
        .note(number, format_args!("{post:?} of {name}"));
    let answer = schedule.stage.ask(number, ask.clone()).await;
    let ignored = answer.json["data"]["ignored"].as_str();
    schedule.facts().posted.push(Posted {
        process: number,
        payment,
        post,
        at: answer.at,
        done: answer.done,
        status: answer.status,
        ignored: ignored.map(str::to_owned),
    });
    answer.status == 200
}

/// The request: the same, however often it is posted.
fn ask(schedule: &Schedule, payment: u32, post: Post) -> Ask {
    let now = schedule.stage.now();
    let path = webhook::bridge_path(&schedule.stage.addresses, post.bridge, now);
    let mut path = path.expect("a key");
    if post.honesty == Honesty::OtherAddress {
        path.pop();
    }
    let amount = match post.honesty {
        Honesty::OtherAmount => 10 * shop::amount(payment),
        _ => shop::amount(payment),
    };
    let mut headers = Vec::new();
    let (function, body) = match post.bridge {
        BridgeName::Midtrans => {
            let phone = digits(shop::customer(payment, schedule.plan.world.people));
            let body = of_midtrans((payment, amount, &phone), post, now);
            ("payments-midtrans", body)
        }
        BridgeName::Xendit => {
            let token = match post.honesty {
                Honesty::OtherKey => Some("token-of-others"),
                Honesty::Changed => None,
                _ => Some(TOKEN),
            };
            headers.extend(token.map(|token| ("x-callback-token", token.to_owned())));
            ("payments-xendit", of_xendit(payment, amount, post, now))
        }
    };
    Ask {
        function,
        path,
        payment: None,
        headers,
        content_type: "application/json",
        body: Some(body.to_string()),
        from: address(9),
    }
}

/// A notification of Midtrans.
fn of_midtrans((payment, amount, phone): (u32, u64, &str), post: Post, now: Timestamp) -> Value {
    let (word, code) = match post.news {
        News::Pending(_) => ("pending", "201"),
        News::Paid => ("settlement", "200"),
        News::Cancelled => ("cancel", "202"),
        News::Expired => ("expire", "202"),
        News::Failed => ("deny", "202"),
        News::Refunded(_) => ("partial_refund", "200"),
    };
    let key = match post.honesty {
        Honesty::OtherKey => "SB-Mid-server-of-others",
        _ => KEY,
    };
    let (order, amount) = (shop::name(payment), format!("{amount}.00"));
    let signed = midtrans::Signed {
        order_id: &order,
        status_code: code,
        gross_amount: &amount,
    };
    let signature = midtrans::sign(&signed, &secret(key));
    let mut body = json!({
        "order_id": order, "transaction_status": word, "status_code": code, "gross_amount": amount,
        "currency": "IDR", "payment_type": "qris", "fraud_status": "accept", "transaction_id": order,
        "transaction_time": jakarta(now), PHONE_FIELD: phone, "signature_key": signature,
    });
    match post.news {
        News::Pending(minutes) => {
            let end = now.plus(Duration::from_secs(60 * u64::from(minutes)));
            body["expiry_time"] = json!(jakarta(end));
        }
        News::Paid => body["settlement_time"] = json!(jakarta(now)),
        News::Expired => body["expiry_time"] = json!(jakarta(now)),
        News::Refunded(number) => {
            body["refunds"] = json!([{
                "refund_chargeback_id": number, "refund_amount": "1000.00", "created_at": jakarta(now),
            }]);
        }
        News::Cancelled | News::Failed => {}
    }
    if post.honesty == Honesty::Changed {
        body["order_id"] = json!(format!("{}0", shop::name(payment)));
    }
    body
}

/// The callback of an invoice of Xendit.
fn of_xendit(payment: u32, amount: u64, post: Post, now: Timestamp) -> Value {
    let (order, now) = (shop::name(payment), now.rfc3339());
    let mut body = json!({
        "id": format!("invoice-{order}"), "external_id": order, "user_id": "simulated",
        "status": "EXPIRED", "merchant_name": "Tokoku", "amount": amount, "currency": "IDR",
        "created": now, "updated": now,
    });
    if post.news == News::Paid {
        body["status"] = json!("PAID");
        body["paid_amount"] = json!(amount);
        body["paid_at"] = json!(now);
        body["payment_channel"] = json!("QRIS");
    }
    body
}

/// A time as Midtrans writes it.
fn jakarta(time: Timestamp) -> String {
    let time = time.plus(Duration::from_secs(7 * 60 * 60)).rfc3339();
    format!("{} {}", &time[..10], &time[11..19])
}
