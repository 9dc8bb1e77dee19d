//! The way of a text through the gateway: one at a time per client object, on to the end even when the caller hung up.
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use super::faults::{LostAnswer, SendFault};
use super::handle::Simulator;
use super::outgoing::{Outgoing, Turn};
use super::proxy::Proxy;
use super::state::SessionState;
use super::waits::{NotLetIn, QUERY_TIMEOUT};
use super::wire::Reply;

const CUT_OFF_BEFORE: &str = "failed to get device list: failed to send usync query: websocket disconnected before info query returned response";
const NO_LOOK_UP: &str =
    "failed to get device list: failed to send usync query: info query timed out";
const CUT_OFF: &str = "websocket disconnected before message send returned response";
const CUT_OFF_AGAIN: &str = "websocket disconnected before message send (retry) returned response";
/// How long a cut-off send waits for its socket, in seconds.
const RESEND_WAIT: f64 = 5.0;

impl Simulator {
    pub(super) async fn send(&self, session: usize, body: &[u8]) -> Reply {
        self.dialled(session).await;
        let reply = match self.now(|world, _| world.outgoing(session, body)) {
            Ok((queue, outgoing)) => self.send_in_turn(queue, outgoing).await,
            Err(reply) => Err(reply),
        };
        reply.unwrap_or_else(|refusal| refusal)
    }

    async fn send_in_turn(
        &self,
        queue: Arc<Mutex<()>>,
        mut outgoing: Outgoing,
    ) -> Result<Reply, Reply> {
        let place = queue.lock().await;
        let fault = match self.turn(&mut outgoing).await? {
            Turn::Written(fault) => fault,
            Turn::Unanswered | Turn::Waits => {
                self.unanswered(&outgoing).await?;
                None
            }
        };
        self.write(&outgoing, fault).await?;
        let answer = self.now(|world, now| world.arrived(&outgoing, now));
        drop(place);
        let Some(SendFault::AnswerLost { how, after }) = fault else {
            return Ok(answer);
        };
        sleep(after).await;
        Ok(match how {
            LostAnswer::Closed => Reply::Cut,
            LostAnswer::Proxy504 => Proxy::page(504),
        })
    }

    /// What the text finds once its session is let in.
    async fn turn(&self, outgoing: &mut Outgoing) -> Result<Turn, Reply> {
        loop {
            self.dialled(outgoing.session).await;
            let turn = self.now(|world, _| world.begin_send(outgoing))?;
            if !matches!(turn, Turn::Waits) {
                return Ok(turn);
            }
            self.let_in(outgoing.session, |why| {
                let text = match why {
                    NotLetIn::Lost => CUT_OFF_BEFORE,
                    NotLetIn::TimedOut => NO_LOOK_UP,
                };
                self.now(|world, _| world.fail(text))
            })
            .await?;
        }
    }

    /// Waits for an acknowledgement that does not come. When the library notices in time that the connection is dead,
    /// the text is sent again.
    async fn unanswered(&self, outgoing: &Outgoing) -> Result<(), Reply> {
        let patience = self.now(|world, _| world.conditions.pace.scaled(QUERY_TIMEOUT));
        let lost = self.wait_for(|world| world.cut_off(outgoing).then_some(()));
        if timeout(patience, lost).await.is_ok() {
            return self.sent_again(outgoing).await;
        }
        Err(self.now(|world, now| world.not_acknowledged(outgoing, now)))
    }

    /// Writes the text and waits for WhatsApp's acknowledgement.
    async fn write(&self, outgoing: &Outgoing, fault: Option<SendFault>) -> Result<(), Reply> {
        let send = self.now(|world, _| world.conditions.pace.send);
        sleep(send).await;
        match fault {
            Some(SendFault::AckLost { delivered, down }) => self.now(|world, now| {
                world.deliver_if(delivered, outgoing, now);
                world.sessions[outgoing.session].lose_for(down, now);
            }),
            Some(SendFault::SocketBreaks) => {
                return Err(self.now(|world, now| world.socket_breaks(outgoing, now)));
            }
            Some(SendFault::ResendUnanswered { delivered }) => {
                self.now(|world, now| {
                    world.deliver_if(delivered, outgoing, now);
                    world.drop_socket(outgoing.session, now);
                });
                self.sent_again(outgoing).await?;
                return Err(self.never_acknowledged(outgoing).await);
            }
            Some(SendFault::AnswerLost { .. }) | None => {}
        }
        self.sent_again(outgoing).await
    }

    /// A text whose socket was lost is written again when the socket is back in time.
    async fn sent_again(&self, outgoing: &Outgoing) -> Result<(), Reply> {
        let (lost, patience) = self.now(|world, _| {
            let patience = world.conditions.pace.scaled(RESEND_WAIT);
            (world.cut_off(outgoing), patience)
        });
        if !lost {
            return Ok(());
        }
        let back = self.wait_for(|world| {
            let known = &world.sessions[outgoing.session];
            let same = known.client == outgoing.client;
            (same && known.state() == SessionState::Online).then_some(())
        });
        match timeout(patience, back).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.now(|world, _| world.fail(CUT_OFF))),
        }
    }

    /// The library's own second try is not acknowledged either, and it waits for that without limit.
    async fn never_acknowledged(&self, outgoing: &Outgoing) -> Reply {
        let session = outgoing.session;
        self.now(|world, _| world.sessions[session].faults.dead_queue = true);
        self.wait_for(|world| {
            let known = &world.sessions[session];
            let over = known.client != outgoing.client || !known.faults.dead_queue;
            over.then_some(())
        })
        .await;
        self.now(|world, _| world.fail(CUT_OFF_AGAIN))
    }
}
