//! The QR codes that a session shows while it waits to be paired. Pure; the time is handed in.
use std::time::Duration;

use tokio::time::Instant;

use super::event::Event;
use super::options::Pace;
use super::session::{Move, QR_EMPTY, Session};
use super::state::SessionState;

// When QR codes change, in seconds before they are scaled.
const QR_FIRST: f64 = 60.0;
const QR_NEXT: f64 = 20.0;

impl Session {
    /// Tells that there is another QR code, and plans the next one.
    pub fn show_qr(&mut self, at: Instant, pace: Pace) {
        if let Some(number) = self.scannable_qr(at, pace) {
            self.news.push((at, Event::Qr(number)));
            let age = QR_FIRST + QR_NEXT * (number - 1) as f64;
            // Half a moment later, since the code of this very moment may still be the one before.
            let next = self.since() + pace.scaled(age) + Duration::from_millis(1);
            self.later(next, Move::ShowQr);
        }
    }

    /// Nobody scanned a code in time.
    pub fn scan_times_out(&mut self, at: Instant) {
        self.forget_move(Move::ShowQr);
        self.news.push((at, Event::QrTimeout));
        self.enter(SessionState::Absent, at);
    }

    /// The number of the QR code that the status shows, which may be stale.
    pub fn qr_in_status(&self, now: Instant, pace: Pace) -> Option<u64> {
        let stale = self
            .stale_qr
            .filter(|(_, until)| until.is_none_or(|until| now < until));
        self.scannable_qr(now, pace)
            .or_else(|| stale.map(|(number, _)| number))
    }

    /// The number of the QR code that can be scanned.
    pub fn scannable_qr(&self, now: Instant, pace: Pace) -> Option<u64> {
        let waited = now.duration_since(self.since());
        if self.state() != SessionState::QrWait || waited < pace.scaled(QR_EMPTY) {
            return None;
        }
        let later = waited.saturating_sub(pace.scaled(QR_FIRST));
        let life = pace.scaled(QR_NEXT).as_millis().max(1);
        Some(match later.as_millis() {
            0 => 1,
            later => 2 + (later / life) as u64,
        })
    }
}
