//! The faults that can be asked for, by number or name, with their parameters.
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::faults::{Restriction, SendFault, SessionFaults};
use super::session::SessionState;
use super::world::World;

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
    /// The phone unlinks the device: a connect only opens the wait for a QR scan.
    Unlinked,
    /// The session waits for a QR scan that does not come.
    QrNotScanned,
    /// The account is banned for a while, or the library is too old: a connect is taken and ends in a dead object.
    Banned,
    /// WhatsApp refuses messages to phones that have received none yet.
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
    /// `/user/check` is refused with "rate-overlimit".
    CheckThrottled,
    /// The gateway process is down, then starts its sessions again.
    GatewayDown {
        /// How long.
        #[serde(default = "Scenario::down_ms")]
        lasts_ms: u64,
    },
}

/// What a caller sees whose answer is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LostAnswer {
    /// The connection is closed.
    #[default]
    Closed,
    /// A proxy's page with status 504.
    #[serde(rename = "proxy_504")]
    Proxy504,
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

impl World {
    /// Lets a scenario begin, on one session or on all.
    pub fn play(&mut self, scenario: &Scenario, session: Option<usize>, now: Instant) {
        let pace = self.pace;
        match scenario {
            Scenario::SendQueue { each_ms } => self.pace.send = life(*each_ms),
            Scenario::CrashOnConnect { down_ms } => self.crash_on_connect = Some(life(*down_ms)),
            Scenario::Proxy => self.proxy = Some(super::proxy::Proxy::new(now)),
            Scenario::NotOnWhatsapp { phones, taken } => {
                self.strangers = phones.iter().map(|phone| super::digits_of(phone)).collect();
                self.strangers_taken = *taken;
            }
            Scenario::CheckThrottled => self.check_throttled = true,
            Scenario::GatewayDown { lasts_ms } => self.crash(life(*lasts_ms), now),
            Scenario::Healthy => self.heal(),
            _ => {}
        }
        for (number, known) in self.sessions.iter_mut().enumerate() {
            if session.is_some_and(|session| session != number) {
                continue;
            }
            match scenario {
                Scenario::Healthy => {
                    known.faults = SessionFaults::default();
                    known.begin(SessionState::Online, now, pace);
                }
                Scenario::ColdSession => known.begin(SessionState::Absent, now, pace),
                Scenario::NetworkBlip { lasts_ms } => {
                    known.begin_for(SessionState::Reconnecting, life(*lasts_ms), now);
                }
                Scenario::ReconnectFight => known.fight(now, pace),
                Scenario::StuckObject { logged_in } => {
                    known.faults.stuck = true;
                    known.faults.dead_logged_in = *logged_in;
                    known.begin(SessionState::Dead, now, pace);
                }
                Scenario::DeadObject { logged_in } => {
                    known.faults.dead_logged_in = *logged_in;
                    known.begin(SessionState::Dead, now, pace);
                }
                Scenario::HalfOpen { sends, delivered } => {
                    known.faults.half_open_sends = *sends;
                    known.faults.half_open_delivers = *delivered;
                    known.begin(SessionState::HalfOpen, now, pace);
                }
                Scenario::AckLost {
                    sends,
                    delivered,
                    lasts_ms,
                } => known.faults.next_sends(
                    *sends,
                    SendFault::AckLost {
                        delivered: *delivered,
                        down: life(*lasts_ms),
                    },
                ),
                Scenario::AnswerLost {
                    sends,
                    how,
                    after_ms,
                } => known.faults.next_sends(
                    *sends,
                    SendFault::AnswerLost {
                        how: *how,
                        after: life(*after_ms),
                    },
                ),
                Scenario::Unlinked => known.begin(SessionState::LoggedOut, now, pace),
                Scenario::QrNotScanned => known.begin(SessionState::QrWait, now, pace),
                Scenario::Banned => {
                    known.faults.banned = true;
                    known.begin(SessionState::Dead, now, pace);
                }
                Scenario::Restricted { code, refusals } => {
                    known.faults.restriction = Some(Restriction {
                        code: *code,
                        refusals: *refusals,
                        refused: Default::default(),
                    });
                }
                Scenario::SilentLoss { rate } => known.faults.silent_rate = rate.clamp(0.0, 1.0),
                Scenario::Zombie => known.begin(SessionState::Zombie, now, pace),
                Scenario::SendQueue { .. }
                | Scenario::CrashOnConnect { .. }
                | Scenario::Proxy
                | Scenario::NotOnWhatsapp { .. }
                | Scenario::CheckThrottled
                | Scenario::GatewayDown { .. } => {}
            }
        }
    }

    /// Takes away what is wrong with the gateway as a whole.
    fn heal(&mut self) {
        self.back_at = None;
        self.crash_on_connect = None;
        self.proxy = None;
        self.strangers.clear();
        self.check_throttled = false;
    }
}

fn life(ms: u64) -> Duration {
    Duration::from_millis(ms).min(LIFE_MAX)
}
