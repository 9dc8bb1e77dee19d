//! What `POST /sim/faults` takes: the scenarios with their numbers, and the knobs that go with any of them.
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::options::WebhookFormat;
use super::profile::Profile;
use super::scenario::{LIFE_MAX, Scenario};

/// A phone and the four devices that can be linked to it.
const DEVICES_MAX: u16 = 5;

/// Number (of the gateway contract's fault list), name, and what happens.
const SCENARIOS: [(Option<u64>, &str, &str); 42] = [
    (
        Some(1),
        "healthy",
        "Everything works; every fault is forgotten.",
    ),
    (
        Some(2),
        "cold_session",
        "No client object: sends say \"no session\" until a connect.",
    ),
    (
        Some(3),
        "network_blip",
        "The socket is lost and comes back by itself after lasts_ms.",
    ),
    (
        Some(4),
        "reconnect_fight",
        "Two clients replace each other every 2 s, then both are dead.",
    ),
    (
        Some(5),
        "stuck_object",
        "Connect says \"already connected\" until the gateway restarts; logged_in: the flag of the status.",
    ),
    (
        Some(6),
        "dead_object",
        "A dead object that a connect heals; logged_in: the flag of the status.",
    ),
    (
        Some(7),
        "half_open",
        "Sends end unanswered after 75 s, `sends` times (null: three minutes); delivered: they arrive all the same.",
    ),
    (
        Some(8),
        "ack_lost",
        "The socket is lost before the acknowledgement of the next sends, and back after lasts_ms; delivered: they arrive all the same.",
    ),
    (
        Some(9),
        "answer_lost",
        "The next sends arrive, and after_ms later the connection closes (how: closed) or a proxy answers (how: proxy_504).",
    ),
    (
        Some(10),
        "send_queue",
        "Each send takes each_ms, one at a time.",
    ),
    (
        Some(11),
        "unlinked",
        "The phone unlinks the device: no object 0.9 s later, and a connect opens a QR wait. B dies of it when it tells every event.",
    ),
    (
        Some(12),
        "qr_not_scanned",
        "The session waits 160 s for a scan that does not come.",
    ),
    (
        Some(13),
        "banned",
        "The account is banned: a dead object, and every login is refused.",
    ),
    (
        Some(14),
        "cold_locked",
        "Phones that have no chat with the account are refused with `code`, each `refusals` times (null: until healthy). A chat begins with a message that arrived, or that the phone wrote.",
    ),
    (
        Some(15),
        "silent_loss",
        "This share of sends (rate, 0 to 1) is accepted and never arrives.",
    ),
    (
        Some(16),
        "crash_on_connect",
        "Each connect is answered and ends the gateway process for down_ms.",
    ),
    (
        Some(19),
        "zombie",
        "The socket is up but the object is lost; a connect replaces it.",
    ),
    (
        Some(23),
        "proxy",
        "A proxy in front: 503 above 10 requests a second and a burst of 20, 504 after 30 s, 502 while the gateway is down.",
    ),
    (
        Some(24),
        "not_on_whatsapp",
        "`phones` are not on WhatsApp; taken: sends to them are accepted and lost instead of refused.",
    ),
    (
        Some(25),
        "check_throttled",
        "/user/check is refused with \"rate-overlimit\".",
    ),
    (
        None,
        "restricted",
        "Every message is refused with `code`, for each phone `refusals` times (null: until healthy).",
    ),
    (
        None,
        "mute",
        "Messages are accepted, none arrives, and there are no receipts.",
    ),
    (None, "receipts_delayed", "Receipts come by_ms later."),
    (
        None,
        "receipts_lost",
        "This share of messages (rate, 0 to 1) arrives and brings no receipt.",
    ),
    (None, "receipts_doubled", "Each receipt comes twice."),
    (
        None,
        "receipts_reordered",
        "\"Read\" comes before \"Delivered\", and a message's receipts after those of the next one.",
    ),
    (
        None,
        "drop",
        "The socket is lost and opens again at once: unseen in the status, sends wait for the new login.",
    ),
    (
        None,
        "whatsapp_unreachable",
        "Every socket is lost and every dial fails, for lasts_ms (null: until whatsapp_back). In A and B a first dial that fails ends the process.",
    ),
    (
        None,
        "whatsapp_black_hole",
        "Every socket is lost and every dial hangs, for lasts_ms (null: until whatsapp_back), and most calls with it.",
    ),
    (
        None,
        "whatsapp_back",
        "WhatsApp can be reached again; the library finds out at its next try.",
    ),
    (
        None,
        "half_open_given_up",
        "Half-open for three minutes; then the library gives up, and only a connect helps.",
    ),
    (
        None,
        "dead_queue",
        "The next send and every one behind it hang until disconnect and connect; delivered: the first one arrives all the same.",
    ),
    (
        None,
        "socket_breaks",
        "The socket breaks while the next sends are written; they are not sent.",
    ),
    (
        None,
        "store_busy",
        "The gateway's store is busy: C and D refuse this share of sends (rate, 0 to 1), A and B accept them and lose their text.",
    ),
    (
        None,
        "unpaired",
        "An object that was never paired, without a socket: both flags are false.",
    ),
    (
        None,
        "replaced",
        "Another client of the device took its place: a dead object.",
    ),
    (
        None,
        "outdated",
        "The library is too old: a dead object, and every login is refused.",
    ),
    (
        None,
        "login_refused",
        "Every login is refused with `code` (402, 405, 418 or 503) for lasts_ms (null: until healthy); after 503 the library tries again.",
    ),
    (
        None,
        "no_devices",
        "`phones` have no device: a text to one is accepted and lost in A and B, and refused in C and D if the account is migrated.",
    ),
    (
        None,
        "moved_number",
        "/user/check says that `phone` is on WhatsApp under the number `to`.",
    ),
    (
        None,
        "host_down",
        "The gateway's host refuses connections for lasts_ms, also those to a proxy on it; then the process starts its sessions again.",
    ),
    (
        None,
        "gateway_down",
        "The gateway process is down for lasts_ms, then starts its sessions again. /sim, too, cannot be opened meanwhile.",
    ),
];

/// What `POST /sim/faults` asks for.
#[derive(Debug, Default)]
pub(super) struct Order {
    pub scenario: Option<Scenario>,
    /// A name; none is the one that has the session, or the one that is asked.
    pub gateway: Option<String>,
    /// A token or name; none is every session.
    pub session: Option<String>,
    pub profile: Option<Profile>,
    pub time_scale: Option<f64>,
    pub send: Option<Duration>,
    pub dial: Option<Duration>,
    pub login: Option<Duration>,
    pub restart: Option<Duration>,
    pub receipt: Option<Duration>,
    pub read: Option<Duration>,
    pub devices: Option<u16>,
    pub lid: Option<bool>,
    pub webhook_format: Option<WebhookFormat>,
}

/// Everything that is accepted, with the default of each parameter.
pub(super) fn list() -> Value {
    let scenarios = SCENARIOS.iter().map(|(number, name, about)| {
        let mut parameters = defaults(name);
        parameters.remove("scenario");
        json!({"number": number, "scenario": name, "about": about, "parameters": parameters})
    });
    json!({
        "scenarios": scenarios.collect::<Vec<_>>(),
        "knobs": {
            "session": "a token or name; every session of the gateway without it",
            "gateway": "a name, where several gateways have the same phones; without it the one that has `session`, or the one that is asked",
            "profile": "a, b, c or d: the gateway version to speak like",
            "time_scale": "0.0001 to 10: shortens the gateway's own times, such as 75 s; parameters in ms are not scaled",
            "send_ms": "how long one send takes",
            "dial_ms": "how long a dial takes, during which most calls wait",
            "login_ms": "how long a login takes after it",
            "restart_ms": "how long it takes to start a process that ended by itself",
            "receipt_ms": "how long after a message was taken the phone's \"Delivered\" comes",
            "read_ms": "how long after that \"Read\" comes; at the beginning it does not come at all",
            "devices": "1 to 5: how many devices each phone's account has; each says \"Delivered\"",
            "lid": "true or false: C and D know people by WhatsApp's own numbers, …@lid",
            "webhook_format": "form or json: how events are posted",
        },
    })
}

/// Reads a request's body.
pub(super) fn read(mut body: Map<String, Value>) -> Result<Order, String> {
    let order = Order {
        gateway: take(&mut body, "gateway", "a text")?,
        session: take(&mut body, "session", "a text")?,
        profile: take(&mut body, "profile", "a, b, c or d")?,
        time_scale: take(&mut body, "time_scale", "a number")?,
        send: take_ms(&mut body, "send_ms")?,
        dial: take_ms(&mut body, "dial_ms")?,
        login: take_ms(&mut body, "login_ms")?,
        restart: take_ms(&mut body, "restart_ms")?,
        receipt: take_ms(&mut body, "receipt_ms")?,
        read: take_ms(&mut body, "read_ms")?,
        devices: take(&mut body, "devices", "a whole number")?,
        lid: take(&mut body, "lid", "true or false")?,
        webhook_format: take(&mut body, "webhook_format", "form or json")?,
        scenario: None,
    };
    order.is_in_range()?;
    let scenario = match body.get("scenario") {
        None if body.is_empty() => return Ok(order),
        None => return Err("`scenario` is missing: a number or a name".into()),
        Some(asked) => SCENARIOS.iter().find(|(number, name, _)| {
            asked.as_str() == Some(name) || number.is_some() && asked.as_u64() == *number
        }),
    };
    let (_, name, _) = scenario.ok_or("`scenario` must be one of the accepted numbers or names")?;
    let known = defaults(name);
    if let Some(key) = body.keys().find(|key| !known.contains_key(*key)) {
        return Err(format!("`{key}` is no parameter of `{name}`"));
    }
    body.insert("scenario".into(), (*name).into());
    let scenario = serde_json::from_value(Value::Object(body));
    Ok(Order {
        scenario: Some(scenario.map_err(|error| format!("`{name}`: {error}"))?),
        ..order
    })
}

impl Order {
    fn is_in_range(&self) -> Result<(), String> {
        let scales = |scale: f64| (0.0001..=10.0).contains(&scale);
        let devices = |devices: u16| (1..=DEVICES_MAX).contains(&devices);
        if !self.time_scale.is_none_or(scales) {
            Err("`time_scale` must be from 0.0001 to 10".into())
        } else if !self.devices.is_none_or(devices) {
            Err(format!("`devices` must be from 1 to {DEVICES_MAX}"))
        } else {
            Ok(())
        }
    }
}

/// Takes a time in milliseconds out of a body.
pub(super) fn take_ms(
    body: &mut Map<String, Value>,
    key: &str,
) -> Result<Option<Duration>, String> {
    let ms = take(body, key, "a whole number of milliseconds")?;
    Ok(ms.map(|ms| Duration::from_millis(ms).min(LIFE_MAX)))
}

pub(super) fn take<T: DeserializeOwned>(
    body: &mut Map<String, Value>,
    key: &str,
    form: &str,
) -> Result<Option<T>, String> {
    let value = body.remove(key).filter(|value| !value.is_null());
    value
        .map(|value| serde_json::from_value(value).map_err(|_| format!("`{key}` must be {form}")))
        .transpose()
}

/// The scenario with its parameters, as JSON, when only its name is given.
fn defaults(name: &str) -> Map<String, Value> {
    let scenario = serde_json::from_value::<Scenario>(json!({"scenario": name}));
    match scenario.and_then(serde_json::to_value) {
        Ok(Value::Object(defaults)) => defaults,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(body: Value) -> Result<Order, String> {
        read(body.as_object().cloned().unwrap_or_default())
    }

    #[test]
    fn every_scenario_of_the_list_can_be_played_by_its_name_and_number() {
        for (number, name, _) in SCENARIOS {
            let named = order(json!({"scenario": name})).expect(name).scenario;
            assert!(named.is_some(), "{name}");
            if let Some(number) = number {
                let numbered = order(json!({"scenario": number})).expect(name).scenario;
                assert_eq!(numbered, named);
            }
        }
    }

    #[test]
    fn parameters_and_knobs_are_read() {
        let body = json!({"scenario": 7, "sends": null, "delivered": true, "session": "system", "time_scale": 0.01, "profile": "d", "send_ms": 5});
        let order = order(body).expect("an order");
        let (sends, delivered) = (None, true);
        assert_eq!(
            order.scenario,
            Some(Scenario::HalfOpen { sends, delivered })
        );
        assert_eq!(order.session.as_deref(), Some("system"));
        assert_eq!(order.profile, Some(Profile::D));
        assert_eq!(order.send, Some(Duration::from_millis(5)));
    }

    #[test]
    fn what_is_not_accepted_is_named() {
        for (body, problem) in [
            (
                json!({"scenario": 20}),
                "`scenario` must be one of the accepted numbers or names",
            ),
            (
                json!({"scenario": null}),
                "`scenario` must be one of the accepted numbers or names",
            ),
            (
                json!({"sends": 1}),
                "`scenario` is missing: a number or a name",
            ),
            (
                json!({"scenario": 1, "sends": 1}),
                "`sends` is no parameter of `healthy`",
            ),
            (
                json!({"time_scale": 0}),
                "`time_scale` must be from 0.0001 to 10",
            ),
            (
                json!({"send_ms": -1}),
                "`send_ms` must be a whole number of milliseconds",
            ),
            (json!({"profile": "z"}), "`profile` must be a, b, c or d"),
            (json!({"devices": 0}), "`devices` must be from 1 to 5"),
        ] {
            assert_eq!(order(body).expect_err(problem), problem);
        }
        let wrong_type = order(json!({"scenario": 3, "lasts_ms": "x"})).expect_err("a type");
        assert!(
            wrong_type.starts_with("`network_blip`: invalid type"),
            "{wrong_type}"
        );
    }
}
