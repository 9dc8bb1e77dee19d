//! The faults that can be asked for, by number or name, with their parameters.
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::faults::{LoginRefusal, LostAnswer};

/// The longest time that a parameter can ask for.
pub(super) const LIFE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Something that goes wrong, in the words of the control API. Times are real milliseconds, whatever the time scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "scenario", rename_all = "snake_case")]
pub enum Scenario {
    /// Everything works, and every fault is forgotten.
    Healthy,
    /// The gateway has no client object for the session: "no session".
    ColdSession,
    /// The socket is lost and comes back by itself.
    NetworkBlip {
        /// When it is back.
        #[serde(default = "Scenario::blip_ms")]
        lasts_ms: u64,
    },
    /// The socket is lost while WhatsApp can be reached: the status does not show it, and sends wait for the new login.
    Drop,
    /// WhatsApp cannot be reached: every socket is lost and every dial fails. In A and B a first dial that fails ends
    /// the gateway process.
    WhatsappUnreachable {
        /// How long; `null`: until `whatsapp_back`.
        #[serde(default)]
        lasts_ms: Option<u64>,
    },
    /// Every socket is lost and every dial hangs, and with it nearly every call.
    WhatsappBlackHole {
        /// How long; `null`: until `whatsapp_back`.
        #[serde(default)]
        lasts_ms: Option<u64>,
    },
    /// WhatsApp can be reached again. The library finds it out at its next try.
    WhatsappBack,
    /// Two clients of one device replace each other, until both give up.
    ReconnectFight,
    /// A dead object that refuses every connect with "already connected" until the gateway restarts.
    StuckObject {
        /// Whether the status still says `loggedIn`.
        #[serde(default)]
        logged_in: bool,
    },
    /// A dead object that a connect heals (but for profile A).
    DeadObject {
        /// Whether the status still says `loggedIn`.
        #[serde(default)]
        logged_in: bool,
    },
    /// The connection is dead and the status does not know it: sends end after the 75 s of an acknowledgement.
    HalfOpen {
        /// How many sends it takes until all is well again; `null`: about three minutes.
        #[serde(default = "Scenario::one_send")]
        sends: Option<u32>,
        /// Whether those sends arrive all the same.
        #[serde(default)]
        delivered: bool,
    },
    /// Half-open, and the library gives up when it notices: then only a connect helps.
    HalfOpenGivenUp,
    /// The acknowledgement of the next send is lost, and the one of what the library sends again, too: that send and
    /// every one behind it hang, until a disconnect and a connect, or the next loss of the socket.
    DeadQueue {
        /// Whether the first one arrives all the same.
        #[serde(default = "Scenario::yes")]
        delivered: bool,
    },
    /// The socket breaks while the next texts are written: not sent.
    SocketBreaks {
        /// How many of the next sends.
        #[serde(default = "Scenario::one")]
        sends: u32,
    },
    /// The gateway's store is busy. C and D refuse a share of the sends ("database is locked"); A and B accept them and
    /// lose their text.
    StoreBusy {
        /// The share of them, 0 to 1.
        #[serde(default = "Scenario::all")]
        rate: f64,
    },
    /// The socket is lost before WhatsApp's acknowledgement: "websocket disconnected before …".
    AckLost {
        /// How many of the next sends.
        #[serde(default = "Scenario::one")]
        sends: u32,
        /// Whether they arrive all the same.
        #[serde(default = "Scenario::yes")]
        delivered: bool,
        /// When the socket is back; within 5 s of the loss the send succeeds after all.
        #[serde(default = "Scenario::loss_ms")]
        lasts_ms: u64,
    },
    /// The message arrives and the answer does not.
    AnswerLost {
        /// How many of the next sends.
        #[serde(default = "Scenario::one")]
        sends: u32,
        /// What the caller sees instead.
        #[serde(default)]
        how: LostAnswer,
        /// How long after the delivery; really 120 000 for `closed` and 30 000 for `proxy_504`.
        #[serde(default)]
        after_ms: u64,
    },
    /// Sends are slow and queue up.
    SendQueue {
        /// How long one takes.
        #[serde(default = "Scenario::slow_ms")]
        each_ms: u64,
    },
    /// The phone unlinks the device; less than a second later the object is gone, and a connect only opens the wait for
    /// a QR scan. B dies of it when it tells every event.
    Unlinked,
    /// An object that was never paired and has no socket.
    Unpaired,
    /// Another client of the same device took the session's place: a dead object.
    Replaced,
    /// The session waits for a QR scan that does not come.
    QrNotScanned,
    /// The account is banned for a while: a dead object, and every login is refused until healthy.
    Banned,
    /// The library is too old: a dead object, and every login is refused until healthy.
    Outdated,
    /// WhatsApp refuses every login. What had an object is dead; after 503 the library tries again by itself.
    LoginRefused {
        /// Why: 402, banned; 405, outdated; 418, unknown; 503, unavailable.
        #[serde(default)]
        code: LoginRefusal,
        /// How long; `null`: until healthy.
        #[serde(default)]
        lasts_ms: Option<u64>,
    },
    /// WhatsApp refuses messages of an account to phones that have no chat with it: they took none from it, and did not
    /// write to it.
    ColdLocked {
        /// The refusal: 463, 479 or 403.
        #[serde(default = "Scenario::reach_out_lock")]
        code: u16,
        /// How often each phone is refused before it works; `null`: until healthy.
        #[serde(default)]
        refusals: Option<u32>,
    },
    /// WhatsApp refuses all messages of an account.
    Restricted {
        /// The refusal: 463, 479 or 403.
        #[serde(default = "Scenario::reach_out_lock")]
        code: u16,
        /// How often each phone is refused before it works; `null`: until healthy.
        #[serde(default)]
        refusals: Option<u32>,
    },
    /// Messages are accepted and never arrive.
    SilentLoss {
        /// The share of them, 0 to 1.
        #[serde(default = "Scenario::all")]
        rate: f64,
    },
    /// Messages are accepted, none arrives, and there are no receipts.
    Mute,
    /// Receipts come so much later.
    ReceiptsDelayed {
        /// How much.
        #[serde(default = "Scenario::late_ms")]
        by_ms: u64,
    },
    /// Messages arrive and bring no receipts.
    ReceiptsLost {
        /// The share of them, 0 to 1.
        #[serde(default = "Scenario::all")]
        rate: f64,
    },
    /// Each receipt comes twice.
    ReceiptsDoubled,
    /// "Read" comes before "Delivered", and a message's receipts after those of the next one.
    ReceiptsReordered,
    /// Each connect is answered and ends the gateway process.
    CrashOnConnect {
        /// How long the process is down.
        #[serde(default = "Scenario::down_ms")]
        down_ms: u64,
    },
    /// The socket is up but its object is lost: "no session" until a connect replaces it.
    Zombie,
    /// A proxy in front: 10 requests a second with a burst of 20, then 503; 504 after 30 s; 502 while the gateway is down.
    Proxy,
    /// Phones that are not on WhatsApp.
    NotOnWhatsapp {
        /// The phones, in any form; none: everybody is on WhatsApp again.
        #[serde(default)]
        phones: Vec<String>,
        /// Whether sends to them are accepted and lost, as by older gateways, instead of refused.
        #[serde(default)]
        taken: bool,
    },
    /// Phones without a device: `/user/check` says that they are not on WhatsApp. A text to one is accepted and lost in
    /// A and B, and refused in C and D.
    NoDevices {
        /// The phones, in any form; none: everybody is on WhatsApp again.
        #[serde(default)]
        phones: Vec<String>,
        /// Whether WhatsApp moved the account to its new kind of address; if not, C and D accept such a text, too.
        #[serde(default = "Scenario::yes")]
        migrated: bool,
    },
    /// `/user/check` says that a phone is on WhatsApp under another number.
    MovedNumber {
        /// The phone, in any form.
        #[serde(default)]
        phone: String,
        /// The other number.
        #[serde(default)]
        to: String,
    },
    /// `/user/check` is refused with "rate-overlimit".
    CheckThrottled,
    /// The host of the gateway is gone, with the process and what stands in front of it: connections are refused. Then
    /// the process starts its sessions again.
    HostDown {
        /// How long.
        #[serde(default = "Scenario::down_ms")]
        lasts_ms: u64,
    },
    /// The gateway process is down, then starts its sessions again.
    GatewayDown {
        /// How long.
        #[serde(default = "Scenario::down_ms")]
        lasts_ms: u64,
    },
}

impl Scenario {
    const fn blip_ms() -> u64 {
        3_000
    }

    const fn loss_ms() -> u64 {
        8_000
    }

    const fn slow_ms() -> u64 {
        5_000
    }

    const fn down_ms() -> u64 {
        10_000
    }

    const fn late_ms() -> u64 {
        30_000
    }

    const fn one() -> u32 {
        1
    }

    const fn one_send() -> Option<u32> {
        Some(1)
    }

    const fn yes() -> bool {
        true
    }

    const fn all() -> f64 {
        1.0
    }

    const fn reach_out_lock() -> u16 {
        463
    }
}
