//! What is written about the API is what it does: `openapi.yaml`, and in `template.yaml` the statements and the alarms.
mod admin;
mod alarms;
mod document;
mod replies;
mod statements;
