//! WhatsApp's network, as the whole gateway sees it.
use serde::Serialize;
use tokio::time::Instant;

/// What happens to a dial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// The socket opens.
    #[default]
    Reachable,
    /// The dial fails at once.
    Unreachable,
    /// The dial hangs.
    BlackHole,
}

/// The network, and when it is reachable again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outage {
    pub network: Network,
    /// `None`: until somebody says so.
    pub until: Option<Instant>,
}

impl Outage {
    /// What happens to a dial at that time.
    pub fn at(self, at: Instant) -> Network {
        if self.until.is_some_and(|until| until <= at) {
            Network::Reachable
        } else {
            self.network
        }
    }
}
