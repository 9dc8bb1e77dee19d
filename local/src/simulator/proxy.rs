//! The proxy that stands in front of a deployed gateway, with its limits and its own pages.
use std::time::Duration;

use tokio::time::Instant;

use super::wire::Reply;

/// How often a request may come, and how many more at once.
const EVERY: Duration = Duration::from_millis(100);
const BURST: u32 = 20;
/// After this time, in seconds, the proxy answers for a gateway that does not.
pub(super) const PATIENCE: f64 = 30.0;

/// A leaky bucket over all callers.
#[derive(Debug)]
pub(super) struct Proxy {
    /// When the bucket is empty again.
    empty_at: Instant,
}

impl Proxy {
    pub const fn new(now: Instant) -> Self {
        Self { empty_at: now }
    }

    /// Whether one more request passes.
    pub fn admits(&mut self, now: Instant) -> bool {
        let fill = self.empty_at.saturating_duration_since(now);
        let admits = fill <= EVERY * BURST;
        if admits {
            self.empty_at = now + fill + EVERY;
        }
        admits
    }

    /// One of the proxy's pages.
    pub fn page(status: u16) -> Reply {
        let reason = match status {
            502 => "Bad Gateway",
            503 => "Service Temporarily Unavailable",
            _ => "Gateway Time-out",
        };
        Reply::Answer {
            status,
            content_type: "text/html",
            body: format!(
                "<html>\r\n<head><title>{status} {reason}</title></head>\r\n<body>\r\n\
                 <center><h1>{status} {reason}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
            ),
        }
    }
}
