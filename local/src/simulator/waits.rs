//! What calls wait for inside the gateway: the end of a dial, and the end of a login.
use tokio::time::timeout;

use super::handle::Simulator;
use super::state::SessionState;

/// After this time, in seconds, the library gives up a query or the wait for an acknowledgement.
pub(super) const QUERY_TIMEOUT: f64 = 75.0;

/// Why a call that waited for a login goes no further.
pub(super) enum NotLetIn {
    /// The socket was lost.
    Lost,
    /// It took too long.
    TimedOut,
}

impl Simulator {
    /// Waits while the session dials: the library holds its lock meanwhile.
    pub(super) async fn dialled(&self, session: usize) {
        self.wait_for(|world| (!world.holds_up(session)).then_some(()))
            .await;
    }

    /// Waits while any session dials.
    pub(super) async fn all_dialled(&self) {
        self.now(|world, _| world.lists_waiting += 1);
        self.wait_for(|world| (!world.any_dials()).then_some(()))
            .await;
        self.now(|world, _| world.lists_waiting = world.lists_waiting.saturating_sub(1));
    }

    /// Waits until a session that logs in is let in. Everything that asks WhatsApp for something waits like this.
    pub(super) async fn let_in<E>(
        &self,
        session: usize,
        refuse: impl FnOnce(NotLetIn) -> E,
    ) -> Result<(), E> {
        let (client, losses, patience) = self.now(|world, _| {
            let known = &world.sessions[session];
            let patience = world.conditions.pace.scaled(QUERY_TIMEOUT);
            (known.client, known.losses, patience)
        });
        let comes = self.wait_for(|world| {
            let known = &world.sessions[session];
            let same = (known.client, known.losses) == (client, losses);
            match known.state() {
                SessionState::LoggingIn if same => None,
                _ => Some(same),
            }
        });
        match timeout(patience, comes).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(refuse(NotLetIn::Lost)),
            Err(_) => Err(refuse(NotLetIn::TimedOut)),
        }
    }
}
