//! Rules about the repository itself. Each failure says what to change.
mod circles;
mod code;
mod deployment;
mod docs;
mod lints;
mod names;
mod repository;
mod rooms;
mod settings;
mod stacks;
