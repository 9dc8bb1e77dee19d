//! The state of a phone as an item, and back.
use aws_sdk_dynamodb::types::AttributeValue;

use crate::model::challenge::{
    AttemptId, Bound, Certainty, Challenge, ChallengeHash, IssuedCode, LastGuess, NetworkHash,
    NotOnWhatsApp, OpenSend, Origin, PhoneState, SendMade, Used,
};
use crate::model::code::{CodeLength, Purpose};
use crate::platform::timestamp::Timestamp;
use crate::store::{Fields, Item, bytes, number, text};

const fn certainty_name(certainty: Certainty) -> &'static str {
    match certainty {
        Certainty::Sent => "sent",
        Certainty::Unconfirmed => "unconfirmed",
        Certainty::Lapsed => "lapsed",
    }
}

fn send_item(send: &SendMade) -> AttributeValue {
    let mut item = Item::from([
        ("at".into(), number(send.at.millis())),
        ("purpose".into(), text(send.purpose.name())),
        ("certainty".into(), text(certainty_name(send.certainty))),
    ]);
    if let Some(from) = send.from {
        item.insert("from".into(), bytes(from.0));
    }
    AttributeValue::M(item)
}

pub(super) fn list_of_networks(networks: &[NetworkHash]) -> AttributeValue {
    AttributeValue::L(networks.iter().map(|network| bytes(network.0)).collect())
}

pub(super) fn list_of_sends(sends: &[SendMade]) -> AttributeValue {
    AttributeValue::L(sends.iter().map(send_item).collect())
}

pub(super) fn used_item(used: &Used) -> AttributeValue {
    let mut item = Item::from([
        ("at".into(), number(used.at.millis())),
        ("login".into(), text(&used.login)),
    ]);
    if let Some(by) = &used.by {
        item.insert("by".into(), text(&by.0));
    }
    AttributeValue::M(item)
}

pub(super) fn code_item(code: &IssuedCode) -> Item {
    let of_each = |value: fn(&Bound) -> i64| {
        let values = code
            .bound
            .iter()
            .map(|(challenge, bound)| (challenge.0.clone(), number(value(bound))));
        AttributeValue::M(values.collect())
    };
    let mut item = Item::from([
        ("nonce".into(), bytes(code.nonce)),
        ("kid".into(), text(&code.kid)),
        ("digits".into(), number(code.length.digits() as i64)),
        ("expires_at".into(), number(code.expires_at.millis())),
        ("bound".into(), of_each(|bound| bound.tries)),
        ("ends".into(), of_each(|bound| bound.until.millis())),
        ("unbound".into(), number(code.unbound)),
    ]);
    if let Some(message_id) = &code.message_id {
        item.insert("message_id".into(), text(message_id));
    }
    if let Some(used) = &code.used {
        item.insert("used".into(), used_item(used));
    }
    if let Some(last) = &code.last_guess {
        item.insert("last_guess".into(), text(&last.id));
        item.insert("last_guess_at".into(), number(last.at.millis()));
    }
    item
}

fn open_item(open: &OpenSend) -> Item {
    let mut item = Item::from([
        ("attempt".into(), text(&open.attempt.0)),
        ("message_id".into(), text(&open.message_id)),
        ("session".into(), text(&open.session)),
        ("at".into(), number(open.at.millis())),
        ("until".into(), number(open.until.millis())),
        ("challenge".into(), text(&open.challenge.0)),
        ("origin".into(), text(origin_name(open.origin))),
    ]);
    if let Some(from) = open.from {
        item.insert("from".into(), bytes(from.0));
    }
    if let Some(code) = &open.code {
        item.insert("code".into(), AttributeValue::M(code_item(code)));
    }
    item
}

const fn origin_name(origin: Origin) -> &'static str {
    match origin {
        Origin::New => "drawn",
        Origin::Earlier => "shown",
    }
}

pub(super) fn challenge_item(code: Option<&IssuedCode>, open: Option<&OpenSend>) -> AttributeValue {
    let mut item = Item::new();
    if let Some(code) = code {
        item.insert("code".into(), AttributeValue::M(code_item(code)));
    }
    if let Some(open) = open {
        item.insert("open".into(), AttributeValue::M(open_item(open)));
    }
    AttributeValue::M(item)
}

/// The state that an item holds; `None` when this version cannot read it.
pub(super) fn parse(item: &Item) -> Option<PhoneState> {
    let sends = item.get("sends")?.as_l().ok()?;
    let challenges = Purpose::ALL
        .into_iter()
        .filter_map(|purpose| Some((purpose, item.map(purpose.name())?)))
        .map(|(purpose, challenge)| Some((purpose, parse_challenge(challenge)?)))
        .collect::<Option<_>>()?;
    Some(PhoneState {
        rev: item.number("rev")?,
        sends: sends
            .iter()
            .map(|send| parse_send(send.as_m().ok()?))
            .collect::<Option<_>>()?,
        failures: item.number("failures").unwrap_or(0).max(0),
        not_on_whatsapp: parse_not_on_whatsapp(item),
        taken_at: time(item, "taken_at"),
        served_by: item.text("served_by").map(str::to_owned),
        pretended_by: item.text("pretended_by").map(str::to_owned),
        known_networks: parse_networks(item)?,
        challenges,
    })
}

fn parse_not_on_whatsapp(item: &Item) -> Option<NotOnWhatsApp> {
    Some(NotOnWhatsApp {
        until: time(item, "not_on_whatsapp_until")?,
        asked_from: item.bytes("not_on_whatsapp_from").and_then(network_hash),
    })
}

fn parse_networks(item: &Item) -> Option<Vec<NetworkHash>> {
    let Some(known) = item.get("known") else {
        return Some(Vec::new());
    };
    let known = known.as_l().ok()?.iter();
    known
        .map(|network| network_hash(network.as_b().ok()?.as_ref()))
        .collect()
}

fn network_hash(bytes: &[u8]) -> Option<NetworkHash> {
    bytes.try_into().ok().map(NetworkHash)
}

fn parse_send(item: &Item) -> Option<SendMade> {
    let purpose = item.text("purpose")?;
    Some(SendMade {
        at: time(item, "at")?,
        purpose: Purpose::ALL
            .into_iter()
            .find(|known| known.name() == purpose)?,
        certainty: match item.text("certainty")? {
            "sent" => Certainty::Sent,
            "unconfirmed" => Certainty::Unconfirmed,
            _ => Certainty::Lapsed,
        },
        from: item.bytes("from").and_then(network_hash),
    })
}

fn parse_challenge(item: &Item) -> Option<Challenge> {
    let code = match item.map("code") {
        Some(code) => Some(parse_code(code)?),
        None => None,
    };
    let open = match item.map("open") {
        Some(open) => Some(parse_open(open)?),
        None => None,
    };
    Some(Challenge { code, open })
}

fn parse_open(item: &Item) -> Option<OpenSend> {
    let code = match item.map("code") {
        Some(code) => Some(parse_code(code)?),
        None => None,
    };
    Some(OpenSend {
        attempt: AttemptId(item.text("attempt")?.into()),
        message_id: item.text("message_id")?.into(),
        session: item.text("session")?.into(),
        at: time(item, "at")?,
        until: time(item, "until")?,
        from: item.bytes("from").and_then(network_hash),
        challenge: ChallengeHash(item.text("challenge").unwrap_or_default().into()),
        origin: match item.text("origin") {
            Some("drawn") => Origin::New,
            _ => Origin::Earlier,
        },
        code,
    })
}

fn parse_code(item: &Item) -> Option<IssuedCode> {
    let expires_at = time(item, "expires_at")?;
    let ends = item.map("ends");
    let bound = item
        .map("bound")?
        .iter()
        .map(|(challenge, tries)| {
            let bound = Bound {
                tries: tries.as_n().ok()?.parse().ok()?,
                until: ends
                    .and_then(|ends| time(ends, challenge))
                    .unwrap_or(expires_at),
            };
            Some((ChallengeHash(challenge.clone()), bound))
        })
        .collect::<Option<_>>()?;
    let used = match item.map("used") {
        Some(used) => Some(parse_used(used)?),
        None => None,
    };
    let last_guess = item.text("last_guess").map(|id| LastGuess {
        id: id.into(),
        at: time(item, "last_guess_at").unwrap_or(Timestamp::from_millis(0)),
    });
    Some(IssuedCode {
        nonce: item.bytes("nonce")?.try_into().ok()?,
        kid: item.text("kid")?.into(),
        length: match item.number("digits") {
            Some(digits) => CodeLength::of(usize::try_from(digits).ok()?)?,
            None => CodeLength::Six,
        },
        message_id: item.text("message_id").map(str::to_owned),
        expires_at,
        bound,
        unbound: item.number("unbound")?,
        used,
        last_guess,
    })
}

fn parse_used(item: &Item) -> Option<Used> {
    Some(Used {
        at: time(item, "at")?,
        by: item.text("by").map(|by| ChallengeHash(by.into())),
        login: item.text("login")?.into(),
    })
}

fn time(item: &Item, name: &str) -> Option<Timestamp> {
    item.number(name).map(Timestamp::from_millis)
}
