//! The QR codes that a session shows while it waits to be paired. Pure; the time is handed in.
use tokio::time::Instant;

use super::options::Pace;
use super::session::Session;
use super::state::SessionState;

// When QR codes change, in seconds before they are scaled.
const QR_FIRST: f64 = 60.0;
const QR_NEXT: f64 = 20.0;
/// How long the QR code is still empty after the wait for it began.
const QR_EMPTY: f64 = 0.05;

impl Session {
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
