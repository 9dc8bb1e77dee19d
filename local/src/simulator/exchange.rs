//! From a request to what its caller sees: the closed door of a process that is down, its end in between, its slowness.
use tokio::time::{Instant, sleep};

use super::handle::Simulator;
use super::proxy::{PATIENCE, Proxy};
use super::wire::{Reply, Request};

/// The paths that are counted under their own name.
const PATHS: [&str; 10] = [
    "/admin/users",
    "/chat/send/text",
    "/session/connect",
    "/session/disconnect",
    "/session/logout",
    "/session/pairphone",
    "/session/qr",
    "/session/status",
    "/user/check",
    "/webhook",
];
/// After this time, in seconds, an answer can no longer be written.
const WRITE_TIMEOUT: f64 = 120.0;

impl Simulator {
    /// Hands a request to the gateway, which goes on with it even if nobody waits for the answer any more.
    pub(super) async fn reply_to(&self, request: Request) -> Reply {
        let simulator = self.clone();
        match tokio::spawn(async move { simulator.logged(request).await }).await {
            Ok(reply) => reply,
            Err(_) => Reply::Cut,
        }
    }

    async fn logged(&self, request: Request) -> Reply {
        let number = self.now(|world, now| {
            let path = PATHS.iter().find(|path| **path == request.path);
            let session = match world.by_token(&request.credential) {
                Some(session) => world.sessions[session].name.as_str(),
                None if request.credential == world.admin_token => "admin",
                None => "unknown",
            };
            let at_ms = world.at_ms(now);
            world.calls.begin(path.unwrap_or(&"other"), session, at_ms)
        });
        let reply = self.through_the_proxy(request).await;
        self.now(|world, now| {
            let at_ms = world.at_ms(now);
            world.calls.end(number, at_ms, reply.outcome());
        });
        reply
    }

    /// What the proxy makes of it; without one, what the gateway answers.
    async fn through_the_proxy(&self, request: Request) -> Reply {
        if self.now(|world, now| world.host_is_gone(now)) {
            return Reply::Refused;
        }
        let (proxy, patience) = self.now(|world, now| {
            let admits = world.proxy.as_mut().map(|proxy| proxy.admits(now));
            (admits, world.conditions.pace.scaled(PATIENCE))
        });
        match proxy {
            None => return self.answer(&request).await,
            Some(false) => return Proxy::page(503),
            Some(true) => {}
        }
        let simulator = self.clone();
        let answer = tokio::spawn(async move { simulator.answer(&request).await });
        tokio::select! {
            biased;
            reply = answer => match reply {
                Ok(Reply::Silent) => {
                    sleep(patience).await;
                    Proxy::page(504)
                }
                Ok(reply @ Reply::Answer { .. }) => reply,
                Ok(Reply::Cut | Reply::Refused) | Err(_) => Proxy::page(502),
            },
            () = sleep(patience) => Proxy::page(504),
        }
    }

    /// What comes out of the gateway's port.
    async fn answer(&self, request: &Request) -> Reply {
        let mut process = self.process();
        let began = Instant::now();
        let (down, write_timeout) = self.now(|world, _| {
            (
                world.back_at.is_some(),
                world.conditions.pace.scaled(WRITE_TIMEOUT),
            )
        });
        if down {
            return Reply::Refused;
        }
        tokio::select! {
            biased;
            reply = self.work(request) => if began.elapsed() > write_timeout {
                Reply::Cut
            } else {
                reply
            },
            _ = process.changed() => Reply::Cut,
        }
    }
}
