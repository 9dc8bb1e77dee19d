//! The functions of this repository, under their folder names.
use std::sync::Arc;

use lambda_http::{Body, BoxFuture, Request, Response};
use shared::runtime::Backends;

/// A started function, as one environment of Lambda holds it.
pub type Environment = Arc<dyn Fn(Request) -> BoxFuture<'static, Response<Body>> + Send + Sync>;

/// Starts a function: a fresh `App`, which shares nothing with others but the backends.
pub type Start = fn(&Backends) -> Environment;

macro_rules! functions {
    ($($folder:literal => $package:ident,)*) => {
        &[$(($folder, |backends| {
            let app = Arc::new($package::App::new(backends));
            Arc::new(move |request| {
                let app = Arc::clone(&app);
                Box::pin(async move { $package::handle(&app, request).await })
            })
        }),)*]
    };
}

/// Every function.
pub const ALL: &[(&str, Start)] = functions! {
    "admin-api" => admin_api,
    "admin-dashboard" => admin_dashboard,
    "admin-login" => admin_login,
    "admin-pairing" => admin_pairing,
    "auth-jwks" => auth_jwks,
    "auth-refresh" => auth_refresh,
    "auth-send-otp" => auth_send_otp,
    "auth-send-password-reset-otp" => auth_send_password_reset_otp,
    "auth-session" => auth_session,
    "auth-signin" => auth_signin,
    "auth-verify-password-reset-otp" => auth_verify_password_reset_otp,
    "auth-signup" => auth_signup,
    "auth-sso-signin" => auth_sso_signin,
    "auth-sso-verify" => auth_sso_verify,
    "auth-verify-otp" => auth_verify_otp,
    "health" => health,
    "payment-created" => payment_created,
    "payment-expiry-warning" => payment_expiry_warning,
    "payment-notifications" => payment_notifications,
    "payment-status-update" => payment_status_update,
    "payment-success" => payment_success,
    "payments-midtrans" => payments_midtrans,
    "payments-xendit" => payments_xendit,
    "whatsapp-webhook" => whatsapp_webhook,
};

/// How to start the function of a folder.
pub fn find(folder: &str) -> Option<Start> {
    ALL.iter()
        .find(|(name, _)| *name == folder)
        .map(|(_, start)| *start)
}
