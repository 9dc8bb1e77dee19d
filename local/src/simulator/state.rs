//! The states of a session, seen from outside.
use serde::{Deserialize, Serialize};

/// The state of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// The gateway has no client object: "no session".
    #[serde(alias = "S0")]
    Absent,
    /// An object that dials: most calls wait until the dial has come to its end.
    #[serde(alias = "S1")]
    Starting,
    /// Paired, the socket is open, and WhatsApp has not let the session in yet.
    #[serde(alias = "S1b")]
    LoggingIn,
    /// The socket is open and waits for a QR scan.
    #[serde(alias = "S2")]
    QrWait,
    /// Just scanned; the socket closes and opens again.
    #[serde(alias = "S3")]
    Paired,
    /// Usable.
    #[serde(alias = "S4")]
    Online,
    /// The socket is lost, and the library dials again from time to time.
    #[serde(alias = "S5")]
    Reconnecting,
    /// An object that will not reconnect by itself.
    #[serde(alias = "S6")]
    Dead,
    /// The phone unlinked the device a moment ago, and the gateway has not cleared up yet.
    Unlinking,
    /// The phone unlinked the device: no object, no pairing, but a stale account.
    #[serde(alias = "S7")]
    LoggedOut,
    /// The socket is up but its object is lost.
    #[serde(alias = "S8")]
    Zombie,
    /// The connection is dead and nobody noticed yet.
    #[serde(alias = "S9")]
    HalfOpen,
}

impl SessionState {
    /// Every state, for lists of what is accepted.
    pub const ALL: [Self; 12] = [
        Self::Absent,
        Self::Starting,
        Self::LoggingIn,
        Self::QrWait,
        Self::Paired,
        Self::Online,
        Self::Reconnecting,
        Self::Dead,
        Self::Unlinking,
        Self::LoggedOut,
        Self::Zombie,
        Self::HalfOpen,
    ];

    /// Whether the gateway holds a client object.
    pub(super) const fn has_object(self) -> bool {
        !matches!(self, Self::Absent | Self::LoggedOut | Self::Zombie)
    }

    /// Whether the object's socket counts as open.
    pub(super) const fn socket_open(self) -> bool {
        matches!(
            self,
            Self::LoggingIn | Self::QrWait | Self::Online | Self::HalfOpen
        )
    }
}
