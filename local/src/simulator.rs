//! A gateway to break: one state machine on tokio's time, with two faces.
//!
//! The HTTP face ([`serve`](crate::simulator::serve)) speaks wuzapi's contract. The direct face
//! ([`Simulator::gateway`](crate::simulator::Simulator::gateway)) takes the same calls without a socket, for tests under
//! paused time.
pub use self::calls::{CallLog, CallRecord};
pub use self::faults::{LoginRefusal, LostAnswer};
pub use self::handle::Simulator;
pub use self::hook::Hook;
pub use self::http::{router, serve};
pub use self::inbox::InboxMessage;
pub use self::network::Network;
pub use self::options::{SessionOptions, SimulatorOptions, WebhookFormat, is_simulated};
pub use self::orders::UnknownSession;
pub use self::profile::Profile;
pub use self::scenario::Scenario;
pub use self::state::SessionState;

// In reading order: each file uses only what stands above it.

/// The states of a session.
mod state;

/// WhatsApp's network.
mod network;

/// A request, and what its caller sees.
mod wire;

/// What the versions say differently.
mod profile;

/// What goes wrong with one session.
mod faults;

/// How a QR code looks.
mod picture;

/// What a session tells.
mod event;

/// What phones say of messages.
mod receipts;

/// How it begins, and how long things take.
mod options;

/// Where it tells that.
mod webhook;

/// One session.
mod session;

/// The QR codes that it shows.
mod qr;

/// How its socket comes and goes.
mod connection;

/// What it answers to commands.
mod commands;

/// How it shows itself.
mod listing;

/// What WhatsApp knows of phones.
mod directory;

/// What the phones received.
mod inbox;

/// Phones and WhatsApp, as all gateways find them.
mod phones;

/// What was called.
mod calls;

/// What is posted.
mod hook;

/// The proxy in front.
mod proxy;

/// Everything the gateway knows.
mod world;

/// What sessions have to tell.
mod news;

/// What can be asked to go wrong.
mod scenario;

/// How it begins to go wrong.
mod play;

/// How posts get to their webhooks.
mod post;

/// A handle on all of that.
mod handle;

/// What is done to it.
mod orders;

/// What calls wait for.
mod waits;

/// A text on its way.
mod outgoing;

/// How it goes through the gateway.
mod sends;

/// What asks WhatsApp something.
mod lookups;

/// What is asked about webhooks.
mod webhook_calls;

/// What its administrator asks.
mod users;

/// What the gateway does with a request.
mod requests;

/// From a request to what its caller sees.
mod exchange;

/// The direct face.
mod direct;

/// What the control API accepts.
mod catalogue;

/// The control API and its page.
mod control;

/// The HTTP face.
mod http;
