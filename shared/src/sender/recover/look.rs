//! How a recovery learns the session's state: it asks the gateway if it is its turn to, and shares what it sees; otherwise
//! it reads what another one shares.
use std::mem;
use std::pin::pin;
use std::time::Duration;

use super::recovery::Recovery;
use crate::gateway::{GatewayError, SessionStatus};
use crate::sender::assess::{self, Glance};
use crate::sender::spacing;
use crate::store::StoreError;
use crate::store::whatsapp_sessions::{
    SeenState, SessionItem, SessionState, StatusClaim, StatusTurn,
};

/// How long a look at the gateway is good enough for everybody.
const LOOK_LIFE: Duration = Duration::from_millis(400);
/// Whoever asks the gateway shares the answer at least this often, so that nobody else needs to ask.
const SHARE_EVERY: Duration = Duration::from_millis(200);
/// The time from one look at the item or the gateway to the next: this, and up to a half more.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The longest wait for a QR code.
const QR_MAX: Duration = Duration::from_secs(2);
/// A gateway that is gone this soon after a connect died of it.
const DIES_WITHIN: Duration = Duration::from_secs(5);

/// Both flags.
const USABLE: Glance = Glance::Flags {
    connected: true,
    logged_in: true,
};
/// The flags of a session that logs in, and of one that waits to be paired.
const OPENING: Glance = Glance::Flags {
    connected: true,
    logged_in: false,
};

impl Recovery<'_> {
    /// Learns the session's state: from the gateway if it is this recovery's turn to ask, else from the item.
    pub(super) async fn look(&mut self) -> Result<Glance, StoreError> {
        if !self.may_ask().await? {
            return Ok(Glance::Nothing);
        }
        let glance = self.ask().await;
        let glance = self.believed(glance);
        let now = self.patient.now();
        let Some(seen) = assess::see(&self.item, glance, now) else {
            return Ok(glance);
        };
        let before = self.item.seen.replace(seen);
        let changed = before.is_none_or(|before| before.state != seen.state);
        let shared = |at| now.since(at) < SHARE_EVERY;
        if changed || !self.shared_at.is_some_and(shared) {
            self.share(seen).await?;
        }
        if changed && seen.state == SessionState::Unreachable {
            self.blame_connect().await?;
        }
        if changed && seen.state == SessionState::NeedsRestart {
            self.gateway = self.read_gateway().await?;
        }
        Ok(glance)
    }

    /// Whether it is this recovery's turn to ask the gateway. Otherwise the item was read.
    async fn may_ask(&mut self) -> Result<bool, StoreError> {
        if self.asks {
            return Ok(true);
        }
        let sessions = &self.patient.services.sessions;
        let name = self.patient.place.session.as_str();
        let now = self.patient.now();
        let fresh = |asked| now.since(asked) < LOOK_LIFE;
        if self.item.asked_at.is_some_and(fresh) {
            self.item = sessions.read(name).await?;
            return Ok(false);
        }
        self.shared_at = None;
        let claim = StatusClaim {
            attempt_id: &self.attempt_id,
            now,
            life: LOOK_LIFE,
        };
        match sessions.claim_status_turn(name, claim).await? {
            StatusTurn::Ours(item) => {
                self.item = item;
                self.asks = true;
            }
            StatusTurn::Others(item) => self.item = item,
        }
        Ok(self.asks)
    }

    /// Asks the gateway how the session is.
    async fn ask(&mut self) -> Glance {
        let answer = self.status().await;
        let glance = Glance::new(&answer);
        self.own_number = answer.as_ref().ok().and_then(SessionStatus::own_number);
        let tells_qr_code = answer.is_ok_and(|status| status.has_qr_code.is_some());
        if glance != OPENING || tells_qr_code {
            return glance;
        }
        // This version's status does not tell a login from a wait for somebody who scans.
        let left = self.last_look.since(self.patient.now());
        let within = left.clamp(LOOK_EVERY, QR_MAX);
        let gateway = &self.patient.place.gateway;
        match gateway.qr(&self.patient.place.token, within).await {
            Ok(Some(_)) => Glance::QrCode,
            _ => glance,
        }
    }

    /// The session's flags. While the gateway holds its answer back, which it does while it dials, the others are told so,
    /// and nobody asks beside this call.
    async fn status(&mut self) -> Result<SessionStatus, GatewayError> {
        let (gateway, token) = (
            self.patient.place.gateway.clone(),
            self.patient.place.token.clone(),
        );
        let within = self.last_look.since(self.patient.now()).max(LOOK_EVERY);
        let mut status = pin!(gateway.status(&token, within));
        loop {
            match tokio::time::timeout(SHARE_EVERY, &mut status).await {
                Ok(answer) => return answer,
                Err(_) => self.share_held_back().await,
            }
        }
    }

    /// A glance that may be believed. A session that was reconnecting can seem usable for a moment when its login is
    /// refused, and a front can fail for a moment: both have to be seen twice in a row.
    fn believed(&mut self, glance: Glance) -> Glance {
        let before = self.item.seen.map(|seen| seen.state);
        let flickers = glance == USABLE && before == Some(SessionState::Reconnecting);
        let flickered = mem::replace(&mut self.flickers, flickers);
        let was_disturbed = mem::replace(&mut self.disturbed, glance == Glance::Disturbed);
        if self.flickers && !flickered {
            return Glance::Nothing;
        }
        if self.disturbed && was_disturbed {
            return Glance::NoGateway;
        }
        glance
    }

    async fn share_held_back(&mut self) {
        let Some(seen) = assess::see(&self.item, Glance::HeldBack, self.patient.now()) else {
            return;
        };
        self.item.seen = Some(seen);
        if let Err(error) = self.share(seen).await {
            self.patient.store_failed(&error);
        }
    }

    /// Writes what was seen for everybody who waits, and learns whether somebody else has taken over the asking.
    pub(super) async fn share(&mut self, seen: SeenState) -> Result<(), StoreError> {
        self.shared_at = Some(seen.at);
        let sessions = &self.patient.services.sessions;
        let name = &self.patient.place.session;
        self.item = sessions
            .record_look(name, seen, self.own_number.as_deref())
            .await?;
        let asked_by = self.item.asked_by.as_deref();
        self.asks = self.connected_at.is_some() || asked_by == Some(self.attempt_id.as_str());
        Ok(())
    }

    /// Writes that there is no gateway. It starts its sessions by itself when it comes back, which a look that finds it
    /// back could not know.
    pub(super) async fn share_no_gateway(&mut self) -> Result<(), StoreError> {
        let sessions = &self.patient.services.sessions;
        self.item = sessions.read(&self.patient.place.session).await?;
        match assess::see(&self.item, Glance::NoGateway, self.patient.now()) {
            Some(seen) => self.share(seen).await,
            None => Ok(()),
        }
    }

    /// The item of the session's gateway.
    pub(super) async fn read_gateway(&self) -> Result<SessionItem, StoreError> {
        let gateway = &self.patient.place.gateway_item;
        self.patient.services.sessions.read(gateway).await
    }

    /// Spaces connects further apart when this recovery's own connect has just ended the gateway's process.
    pub(super) async fn blame_connect(&mut self) -> Result<(), StoreError> {
        let now = self.patient.now();
        let died = self
            .connected_at
            .is_some_and(|connect| now.since(connect) <= DIES_WITHIN);
        if !died {
            return Ok(());
        }
        tracing::error!(
            session = self.patient.place.session,
            "[WhatsApp System] a connect ended the gateway's process: it does so while WhatsApp cannot be reached"
        );
        let wait = spacing::wait_after_death(&self.gateway, self.patient.place.has_neighbours());
        self.gateway.connect_after = Some(now.plus(wait));
        let sessions = &self.patient.services.sessions;
        let gateway = &self.patient.place.gateway_item;
        sessions.pace_connects(gateway, now, wait).await
    }
}
