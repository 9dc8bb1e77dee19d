//! What functions measure: the lines of metrics in their log, and nothing else of it.
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

use crate::ledger::Measured;
use crate::process;

/// What the lines of metrics are known by, as the log has them.
const TARGET: &str = "metrics";

/// Reads the metrics in the log, and writes them into the ledger of the process that measured them.
#[derive(Debug)]
pub struct Meters;

impl Subscriber for Meters {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target() == TARGET
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Line);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// One line of metrics.
struct Line;

impl Visit for Line {
    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}

    fn record_str(&mut self, _: &Field, line: &str) {
        let Some(process) = process::current() else {
            return;
        };
        let line: Value = serde_json::from_str(line).unwrap_or_default();
        let values = line
            .as_object()
            .filter(|line| !line.contains_key("Session"));
        let mut ledger = process.universe.ledger();
        for (metric, value) in values.into_iter().flatten() {
            ledger.measured.extend(value.as_f64().map(|value| Measured {
                process: process.number,
                metric: metric.clone(),
                value,
            }));
        }
    }
}
