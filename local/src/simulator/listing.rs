//! How a session shows itself: `GET /session/status`, a line of `GET /admin/users`, and the health page.
use serde_json::{Value, json};

use super::profile::Profile;
use super::session::Session;
use super::wire::Reply;

/// `GET /session/status` for a known token.
pub(super) fn status(profile: Profile, session: &Session, qr: &str) -> Reply {
    let (connected, logged_in) = session.flags();
    if profile == Profile::A {
        return if session.state().has_object() {
            Profile::good(json!({"Connected": connected, "LoggedIn": logged_in}))
        } else {
            profile.error(500, "no session")
        };
    }
    let mut data = fields_of_both(profile, session);
    data["qrcode"] = qr.into();
    if profile != Profile::B {
        data["history"] = "0".into();
        data["hmac_configured"] = session.webhook.key.is_some().into();
    }
    Profile::good(data)
}

/// A session in `GET /admin/users`.
pub(super) fn user(profile: Profile, session: &Session) -> Value {
    let mut user = fields_of_both(profile, session);
    user["expiration"] = 0.into();
    user
}

/// What both have.
fn fields_of_both(profile: Profile, session: &Session) -> Value {
    let (connected, logged_in) = session.flags();
    let mut user = json!({
        "id": id(&session.name), "name": session.name, "token": session.token, "jid": session.jid,
        "connected": connected, "loggedIn": logged_in, "events": session.webhook.events,
        "webhook": session.webhook.url,
        "qrcode": "", "proxy_url": "",
    });
    if profile == Profile::A {
        user["id"] = session.number.into();
        return user;
    }
    user["proxy_config"] = json!({"enabled": false, "proxy_url": ""});
    user["s3_config"] = json!({
        "enabled": false, "endpoint": "", "region": "", "bucket": "", "access_key": "***",
        "path_style": true, "public_url": "", "media_delivery": "base64", "retention_days": 30,
    });
    match profile {
        Profile::A | Profile::B => {}
        Profile::C => {
            let name = if logged_in { "Simulated" } else { "" };
            user["display_name"] = name.into();
            user["profile_picture_url"] = "".into();
        }
        Profile::D => add_fields_of_d(&mut user, session),
    }
    user
}

fn add_fields_of_d(user: &mut Value, session: &Session) {
    let (connected, logged_in) = session.flags();
    user["autostart"] = session.autostart.into();
    user["db_connected"] = (connected && logged_in).into();
    user["has_active_session"] = session.state().has_object().into();
    let s3 = &mut user["s3_config"];
    s3["failover_cooldown_minutes"] = 10.into();
    s3["failover_threshold"] = 2.into();
    s3["secondary_access_key"] = "***".into();
    s3["secondary_enabled"] = false.into();
    s3["secondary_path_style"] = true.into();
    s3["secondary_retention_days"] = 30.into();
    for empty in ["bucket", "endpoint", "public_url", "region"] {
        s3[format!("secondary_{empty}")] = "".into();
    }
}

/// The health page, which says "ok" whatever the sessions do.
pub(super) fn health(profile: Profile, sessions: &[Session], uptime_ms: u64) -> Reply {
    let count = |is: fn(&Session) -> bool| sessions.iter().filter(|session| is(session)).count();
    let version = if profile == Profile::C {
        "1.0.5"
    } else {
        "1.0.6"
    };
    Reply::json(
        200,
        &json!({
            "status": "ok", "timestamp": "2025-08-17T13:11:34Z", "uptime": format!("{uptime_ms}ms"),
            "active_connections": count(|session| session.state().has_object()),
            "total_users": sessions.len(),
            "connected_users": count(|session| session.flags().0),
            "logged_in_users": count(|session| session.flags().1),
            "memory_stats": {"alloc_mb": 5, "num_gc": 4, "sys_mb": 17, "total_alloc_mb": 9},
            "goroutines": 19, "version": version,
        }),
    )
}

/// 32 hex digits that belong to a name.
pub(super) fn id(name: &str) -> String {
    let mut id: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
    id.truncate(32);
    format!("{id:0<32}")
}
