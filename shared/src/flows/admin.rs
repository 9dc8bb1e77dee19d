//! Operators of the dashboard. In reading order:

/// What is kept of what operators do.
pub mod audit;

/// The logins of operators.
pub mod logins;

/// Signing in with a code.
pub mod sign_in;

/// One-time links that sign in, for when no code can arrive.
pub mod links;
