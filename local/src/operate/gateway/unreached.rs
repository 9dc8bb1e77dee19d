//! What to do about a gateway that gives no good answer.
use shared::gateway::GatewayError;

use super::checkup::said;

/// How to make a certificate that is no authority's.
const SERVER_CERTIFICATE: &str = "The gateway shows a CA certificate as its own, as `openssl req -x509` makes them. Make a server certificate: \
     openssl req -x509 -newkey rsa:2048 -nodes -days 365 -keyout key.pem -out cert.pem -subj /CN=HOST -addext \
     subjectAltName=DNS:HOST -addext basicConstraints=critical,CA:FALSE. It is WHATSAPP_CA_PEM as well";

/// What a TLS library says of a certificate or a connection, and the fix. The first row that matches decides.
const TLS: [(&str, &str); 6] = [
    ("CaUsedAsEndEntity", SERVER_CERTIFICATE),
    (
        "certificate expired",
        "Renew the gateway's certificate, or set the clock of this machine right",
    ),
    (
        "not valid yet",
        "Set the clocks of this machine and of the one that made the certificate right",
    ),
    (
        "not valid for name",
        "Give a URL with a name that the certificate is for, or have one made for this name (subjectAltName)",
    ),
    (
        "corrupt message",
        "What answers there speaks no TLS: give the port that does, or http:// inside of a private network",
    ),
    (
        "certificate",
        "Look at the gateway's certificate: it is none that can be trusted",
    ),
];

/// The authority that the certificate's issuer is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trusted {
    /// The public ones.
    Public,
    /// That of `WHATSAPP_CA_PEM`, and no other.
    Own,
}

/// What to do where no connection or no answer came.
pub(super) fn fix(error: &GatewayError, trusted: Trusted) -> &'static str {
    match error {
        GatewayError::Unreachable(cause) if has_other_issuer(cause) => match trusted {
            Trusted::Public => {
                "Set WHATSAPP_CA_PEM to the authority of its certificate, or have it signed by a public one"
            }
            Trusted::Own => {
                "WHATSAPP_CA_PEM is another authority than that of its certificate: set it to that one, with the ones between in \
                 the gateway's file. Leave it out for a public authority: with it no public one is trusted"
            }
        },
        GatewayError::Unreachable(cause) | GatewayError::Broken(cause) => {
            let mut rows = TLS.iter();
            let row = rows.find(|(part, _)| cause.contains(part));
            row.map_or(
                "Check the URL, whether the gateway's process runs, and the firewall on the way",
                |(_, fix)| fix,
            )
        }
        GatewayError::TimedOut => {
            "Restart the gateway's process, or what stands in front of it: it takes connections and answers none"
        }
        _ => "Check the URL, whether the gateway's process runs, and the firewall on the way",
    }
}

/// Whether the certificate is signed by nobody who is trusted. Where an authority was made anew under the same name, only the
/// signature shows that.
fn has_other_issuer(cause: &str) -> bool {
    cause.contains("UnknownIssuer") || cause.contains("BadSignature")
}

/// A line about something that is wrong.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) what: &'static str,
    pub(super) found: String,
    pub(super) fix: String,
}

/// What no status of the session means. `token_fix` is how another token is given, `leads_to` where a redirect leads.
pub(super) fn without_status(
    error: &GatewayError,
    token_fix: String,
    leads_to: Option<String>,
) -> Wrong {
    let said = said(error);
    match error {
        GatewayError::Refused { status, .. } | GatewayError::Proxy { status, .. } => match status {
            401 | 403 => Wrong {
                what: "token",
                found: format!("it is refused: {said}"),
                fix: token_fix,
            },
            300..=399 => elsewhere(leads_to),
            429 => Wrong {
                what: "status",
                found: format!("what stands in front of the gateway lets only so many requests pass: {said}"),
                fix: "Check again in a minute, and have it let more pass: codes come in bursts".into(),
            },
            // 408 and 5xx are said of a gateway that is there.
            400..=499 if *status != 408 => no_wuzapi(&said),
            _ if matches!(error, GatewayError::Proxy { .. }) => Wrong {
                what: "status",
                found: said,
                fix: "Look at what stands in front of the gateway, and at the log of both".into(),
            },
            _ => Wrong {
                what: "status",
                found: said,
                fix: "Look at the gateway's log: its database may be down".into(),
            },
        },
        GatewayError::TimedOut => Wrong {
            what: "status",
            found: format!("{said}, as while a session dials WhatsApp in vain"),
            fix: "Look whether the gateway's machine reaches WhatsApp, and check again".into(),
        },
        GatewayError::Broken(_) => no_wuzapi(&said),
        GatewayError::Unreachable(_) => Wrong {
            what: "status",
            found: said,
            fix: "It answered a moment ago: check again, and look whether the gateway's process has ended".into(),
        },
    }
}

fn no_wuzapi(said: &str) -> Wrong {
    Wrong {
        what: "version",
        found: format!("there is no wuzapi at this URL: {said}"),
        fix: "Give the base URL of wuzapi, with its path if it has one behind a proxy".into(),
    }
}

fn elsewhere(leads_to: Option<String>) -> Wrong {
    let leads_to = leads_to.unwrap_or_else(|| "another address".into());
    Wrong {
        what: "version",
        found: format!("there is no wuzapi at this URL: it leads elsewhere, to {leads_to}"),
        fix: "Give the address that it leads to, if wuzapi is there. No redirect is followed"
            .into(),
    }
}
