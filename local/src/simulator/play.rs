//! How a scenario begins. Pure; the time is handed in.
use std::time::Duration;

use tokio::time::Instant;

use super::directory::ToStranger;
use super::event::Event;
use super::faults::{
    LoginRefusal, ReceiptFaults, Refusal, Refused, SendFault, SessionFaults, Share,
};
use super::inbox::{digits_of, own_digits};
use super::network::Network;
use super::options::Conditions;
use super::proxy::Proxy;
use super::scenario::{LIFE_MAX, Scenario};
use super::session::Session;
use super::state::SessionState;
use super::world::World;

const BANNED: Refusal = Refusal::for_good(LoginRefusal::Banned);
const OUTDATED: Refusal = Refusal::for_good(LoginRefusal::Outdated);

impl World {
    /// Lets a scenario begin, on one session or on all.
    pub fn play(&mut self, scenario: &Scenario, session: Option<usize>, now: Instant) {
        self.orders += 1;
        self.play_on_gateway(scenario, now);
        let sessions = match session {
            Some(session) => session..session + 1,
            None => 0..self.sessions.len(),
        };
        for session in sessions {
            self.play_on_session(scenario, session, now);
            self.sessions[session].play_on_sends(scenario);
        }
    }

    /// What concerns the whole gateway.
    fn play_on_gateway(&mut self, scenario: &Scenario, now: Instant) {
        let until = |lasts: &Option<u64>| lasts.map(|ms| now + life(ms));
        match scenario {
            Scenario::Healthy => self.heal(),
            Scenario::SendQueue { each_ms } => self.conditions.pace.send = life(*each_ms),
            Scenario::CrashOnConnect { down_ms } => self.crash_on_connect = Some(life(*down_ms)),
            Scenario::Proxy => self.proxy = Some(Proxy::new(now)),
            Scenario::NotOnWhatsapp { phones, taken } => self.are_strangers(phones, *taken),
            Scenario::NoDevices { phones, migrated } => {
                let taken = self.conditions.profile.loses_texts_when_busy() || !migrated;
                self.are_strangers(phones, taken);
            }
            Scenario::MovedNumber { phone, to } => {
                let mut known = self.phones.known();
                known.directory.moved(digits_of(phone), own_digits(to));
            }
            Scenario::CheckThrottled => self.check_throttled = true,
            Scenario::GatewayDown { lasts_ms } => self.crash(life(*lasts_ms), now),
            Scenario::HostDown { lasts_ms } => self.lose_host(life(*lasts_ms), now),
            Scenario::WhatsappUnreachable { lasts_ms } => {
                self.set_network(Network::Unreachable, until(lasts_ms), now);
            }
            Scenario::WhatsappBlackHole { lasts_ms } => {
                self.set_network(Network::BlackHole, until(lasts_ms), now);
            }
            Scenario::WhatsappBack => self.set_network(Network::Reachable, None, now),
            _ => {}
        }
    }

    /// What concerns the socket and the pairing of a session.
    fn play_on_session(&mut self, scenario: &Scenario, session: usize, now: Instant) {
        let on = self.conditions;
        let known = &mut self.sessions[session];
        match scenario {
            Scenario::Healthy => {
                known.faults = SessionFaults::default();
                known.begin(SessionState::Online, now, &on);
            }
            Scenario::ColdSession => known.begin(SessionState::Absent, now, &on),
            Scenario::Drop => self.drop_socket(session, now),
            Scenario::NetworkBlip { lasts_ms } => known.lose_for(life(*lasts_ms), now),
            Scenario::ReconnectFight => known.fight(now, &on),
            Scenario::StuckObject { logged_in } => {
                known.faults.stuck = true;
                known.is_dead(*logged_in, now);
            }
            Scenario::DeadObject { logged_in } => known.is_dead(*logged_in, now),
            Scenario::Replaced => {
                known.faults.dead_logged_in = false;
                known.is_replaced(now);
            }
            Scenario::HalfOpen { sends, delivered } => {
                known.faults.half_open_sends = *sends;
                known.faults.half_open_delivers = *delivered;
                known.begin(SessionState::HalfOpen, now, &on);
            }
            Scenario::HalfOpenGivenUp => known.half_open_for_good(now, &on),
            Scenario::Unlinked => known.is_unlinked(now, &on),
            Scenario::Unpaired => known.was_never_paired(now),
            Scenario::QrNotScanned => known.begin(SessionState::QrWait, now, &on),
            Scenario::Banned => self.refuse_logins(session, BANNED, now),
            Scenario::Outdated => self.refuse_logins(session, OUTDATED, now),
            Scenario::LoginRefused { code, lasts_ms } => {
                let until = lasts_ms.map(|ms| now + life(ms));
                self.refuse_logins(session, Refusal { code: *code, until }, now);
            }
            Scenario::Zombie => known.begin(SessionState::Zombie, now, &on),
            _ => {}
        }
    }

    fn are_strangers(&mut self, phones: &[String], taken: bool) {
        let to = if taken {
            ToStranger::Taken
        } else {
            ToStranger::Refused
        };
        let phones = phones.iter().map(|phone| digits_of(phone));
        self.phones.known().directory.strangers(phones, to);
    }

    /// WhatsApp ends the session, if it has an object, and lets it in no more.
    fn refuse_logins(&mut self, session: usize, refusal: Refusal, now: Instant) {
        let known = &mut self.sessions[session];
        known.faults.refusal = Some(refusal);
        if refusal.code == LoginRefusal::Unavailable {
            self.drop_socket(session, now);
        } else if known.state().has_object() {
            let logged_in = known.logged_in;
            known.news.push((now, Event::LoginRefused(refusal.code)));
            known.is_dead(logged_in, now);
        }
    }

    /// Takes away what is wrong with the gateway as a whole.
    fn heal(&mut self) {
        self.back_at = None;
        self.crash_on_connect = None;
        self.proxy = None;
        self.phones.known().directory = Default::default();
        self.host_back_at = None;
        self.check_throttled = false;
        self.conditions.outage = Default::default();
    }
}

impl Session {
    fn is_dead(&mut self, logged_in: bool, now: Instant) {
        self.faults.dead_logged_in = logged_in;
        self.put(SessionState::Dead, now);
    }

    fn is_unlinked(&mut self, now: Instant, on: &Conditions) {
        let state = if self.state().has_object() {
            SessionState::Unlinking
        } else {
            SessionState::LoggedOut
        };
        self.begin(state, now, on);
    }

    fn was_never_paired(&mut self, now: Instant) {
        self.is_dead(false, now);
        self.new_client();
        (self.paired, self.autostart) = (false, false);
        self.jid.clear();
    }

    /// What concerns the next sends of a session.
    fn play_on_sends(&mut self, scenario: &Scenario) {
        let faults = &mut self.faults;
        match scenario {
            Scenario::AckLost {
                sends,
                delivered,
                lasts_ms,
            } => {
                let (delivered, down) = (*delivered, life(*lasts_ms));
                faults.next_sends(*sends, SendFault::AckLost { delivered, down });
            }
            Scenario::DeadQueue { delivered } => {
                let delivered = *delivered;
                faults.next_sends(1, SendFault::ResendUnanswered { delivered });
            }
            Scenario::SocketBreaks { sends } => faults.next_sends(*sends, SendFault::SocketBreaks),
            Scenario::AnswerLost {
                sends,
                how,
                after_ms,
            } => {
                let (how, after) = (*how, life(*after_ms));
                faults.next_sends(*sends, SendFault::AnswerLost { how, after });
            }
            Scenario::ColdLocked { code, refusals } => {
                faults.restrict(Refused::NewChats, *code, *refusals);
            }
            Scenario::Restricted { code, refusals } => {
                faults.restrict(Refused::Everybody, *code, *refusals);
            }
            Scenario::SilentLoss { rate } => faults.silent = Share::new(*rate),
            Scenario::Mute => faults.silent = Share::new(1.0),
            Scenario::StoreBusy { rate } => faults.busy = Share::new(*rate),
            _ => faults.receipts.play(scenario),
        }
    }
}

impl ReceiptFaults {
    /// What concerns the next receipts of a session.
    fn play(&mut self, scenario: &Scenario) {
        match scenario {
            Scenario::ReceiptsDelayed { by_ms } => self.later = life(*by_ms),
            Scenario::ReceiptsLost { rate } => self.lost = Share::new(*rate),
            Scenario::ReceiptsDoubled => self.doubled = true,
            Scenario::ReceiptsReordered => self.reordered = true,
            _ => {}
        }
    }
}

fn life(ms: u64) -> Duration {
    Duration::from_millis(ms).min(LIFE_MAX)
}
