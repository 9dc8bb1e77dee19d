//! The log: one JSON line per event, which carries what is known of the request that it belongs to.
use std::fmt;

use lambda_http::{Request, RequestExt};
use serde_json::{Map, Value};
use tracing::{Event, Span, Subscriber, field};
use tracing_subscriber::fmt::format::{DefaultFields, JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{
    FmtContext, FormatEvent, FormatFields, FormattedFields, MakeWriter, SubscriberBuilder,
};
use tracing_subscriber::registry::LookupSpan;

use super::metrics;
use crate::model::phone::Phone;

/// Writes events to standard output.
pub fn log_as_json() {
    // A second start in the same process keeps the first one's log.
    let _ = tracing::subscriber::set_global_default(json_lines(std::io::stdout));
}

/// Writes events to `writer`, one JSON object a line: time, level, target, what is known of the request, and the event's
/// own fields.
pub fn json_lines<W>(writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let builder: SubscriberBuilder<DefaultFields> = tracing_subscriber::fmt();
    builder
        .fmt_fields(JsonFields::new())
        .event_format(JsonLine)
        .with_max_level(tracing::Level::INFO)
        .with_writer(writer)
        .finish()
}

/// What every line of a request carries: its id, which is the one that its reply shows, and, as soon as they are known,
/// the client's address and the phone that it is about.
pub fn request_span(request: &Request) -> Span {
    let context = request.lambda_context_ref();
    let id = context.map(|context| context.request_id.as_str());
    tracing::info_span!(
        "request",
        requestId = id,
        address = field::Empty,
        phone = field::Empty
    )
}

/// What every line of a call carries that is no request: its id.
pub fn call_span(id: &str) -> Span {
    tracing::info_span!("call", requestId = id)
}

/// The lines of this request name the phone from now on, masked. Once a request: where the log is text, a second time adds a
/// second name.
pub fn name_phone(phone: &Phone) {
    Span::current().record("phone", field::display(phone));
}

/// The lines of this request name the client's address from now on.
pub fn name_address(address: impl fmt::Display) {
    Span::current().record("address", field::display(address));
}

/// One event as one line.
struct JsonLine;

impl<S> FormatEvent<S, JsonFields> for JsonLine
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Map::new();
        for span in context
            .event_scope()
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            if let Some(fields) = span.extensions().get::<FormattedFields<JsonFields>>() {
                line.append(&mut object(&fields.fields));
            }
        }
        let metadata = event.metadata();
        let mut fields = String::new();
        context
            .field_format()
            .format_fields(Writer::new(&mut fields), event)?;
        line.append(&mut object(&fields));
        if metadata.target() == metrics::TARGET {
            unfold(&mut line, metrics::FIELD);
        }
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        for (name, text) in [
            ("timestamp", time.as_str()),
            ("level", metadata.level().as_str()),
            ("target", metadata.target()),
        ] {
            line.insert(name.to_owned(), text.into());
        }
        writeln!(writer, "{}", Value::Object(line))
    }
}

/// Puts what the text in `field` holds as JSON into the line itself: CloudWatch looks for metrics nowhere else.
fn unfold(line: &mut Map<String, Value>, field: &str) {
    if let Some(Value::String(json)) = line.remove(field) {
        line.append(&mut object(&json));
    }
}

fn object(json: &str) -> Map<String, Value> {
    serde_json::from_str(json).unwrap_or_default()
}
