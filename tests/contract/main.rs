//! `openapi.yaml` says what the API does: no route less, no reply more.
mod document;
mod replies;
