//! What is written about the API is what it does: `openapi.yaml`, and the statements in `template.yaml`.
mod document;
mod replies;
mod statements;
