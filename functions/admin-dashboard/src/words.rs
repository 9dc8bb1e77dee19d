//! What the pages say of states, in both languages.
use shared::flows::admin::incidents::Missed;
use shared::flows::admin::sessions::glance::Verdict;
use shared::flows::admin::sessions::view::{Health, PoolPlace};
use shared::model::language::Language;
use shared::model::notice::State;

/// The text in `language`.
pub const fn say(
    language: Language,
    english: &'static str,
    indonesian: &'static str,
) -> &'static str {
    match language {
        Language::English => english,
        Language::Indonesian => indonesian,
    }
}

/// How a session is.
pub const fn health(health: Health, language: Language) -> &'static str {
    let (english, indonesian) = match health {
        Health::Ready => ("Ready", "Siap"),
        Health::Limited => ("Known contacts only", "Hanya kontak lama"),
        Health::Recovering => ("Reconnecting", "Menyambung kembali"),
        Health::Mute => ("Nothing arrives", "Tidak ada yang sampai"),
        Health::Down => ("Disconnected", "Terputus"),
        Health::NeedsScan => ("Waits for a scan", "Menunggu pemindaian"),
        Health::NeedsRestart => ("Gateway must restart", "Gateway perlu dimulai ulang"),
        Health::Restricted => ("Restricted by WhatsApp", "Dibatasi WhatsApp"),
        Health::Misconfigured => ("Token refused", "Token ditolak"),
        Health::Unknown => ("Not looked at yet", "Belum diperiksa"),
    };
    say(language, english, indonesian)
}

/// What a person has to do about it; nothing where nobody has to.
pub const fn to_do(health: Health, language: Language) -> &'static str {
    let (english, indonesian) = match health {
        Health::NeedsScan => ("Scan its QR code", "Pindai kode QR-nya"),
        Health::NeedsRestart => (
            "Restart its gateway: nothing else helps",
            "Mulai ulang gateway-nya: cara lain tidak membantu",
        ),
        Health::Restricted => (
            "Open WhatsApp on its phone and read what it says",
            "Buka WhatsApp di ponselnya dan baca pemberitahuannya",
        ),
        Health::Misconfigured => (
            "Check its token and the address of its gateway",
            "Periksa token dan alamat gateway-nya",
        ),
        Health::Mute => (
            "Send a message from its phone, and see whether it arrives",
            "Kirim pesan dari ponselnya, dan lihat apakah sampai",
        ),
        _ => ("", ""),
    };
    say(language, english, indonesian)
}

/// The shape that stands beside the word. Each has another one, so that nobody needs the colour.
pub const fn shape(health: Health) -> &'static str {
    match health {
        Health::Ready => "good",
        Health::Limited | Health::Recovering => "fair",
        Health::Mute | Health::Down => "bad",
        Health::NeedsScan | Health::NeedsRestart | Health::Restricted | Health::Misconfigured => {
            "act"
        }
        Health::Unknown => "idle",
    }
}

/// Whether messages go out.
pub const fn verdict(verdict: Verdict, language: Language) -> &'static str {
    let (english, indonesian) = match verdict {
        Verdict::GoesOut => ("Messages go out", "Pesan terkirim"),
        Verdict::GoesOutOverOthers => (
            "Messages go out, but not over every session",
            "Pesan terkirim, tetapi tidak lewat semua sesi",
        ),
        Verdict::Stopped => ("No message goes out", "Tidak ada pesan yang terkirim"),
        Verdict::Unknown => ("Nobody has looked yet", "Belum ada yang memeriksa"),
        Verdict::NoSession => (
            "There is no session to send from",
            "Belum ada sesi untuk mengirim",
        ),
    };
    say(language, english, indonesian)
}

/// The shape of the verdict.
pub const fn verdict_shape(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::GoesOut => "good",
        Verdict::GoesOutOverOthers => "fair",
        Verdict::Stopped | Verdict::NoSession => "bad",
        Verdict::Unknown => "idle",
    }
}

/// Whether messages are sent from a session.
pub const fn pool(pool: PoolPlace, language: Language) -> &'static str {
    let (english, indonesian) = match pool {
        PoolPlace::Configured => (
            "In the pool, by the settings",
            "Dalam kelompok, dari pengaturan",
        ),
        PoolPlace::In => ("In the pool", "Dalam kelompok"),
        PoolPlace::Out => ("Not in the pool", "Di luar kelompok"),
        PoolPlace::NotOurs => ("A customer's", "Milik pelanggan"),
    };
    say(language, english, indonesian)
}

/// What was wrong with a session, by the word that was kept.
pub fn cause(cause: Option<&str>, language: Language) -> &'static str {
    let (english, indonesian) = match cause.unwrap_or_default() {
        "needs_pairing" | "unlinked" => ("Was not paired", "Tidak tertaut"),
        "needs_restart" => ("Its gateway had to restart", "Gateway perlu dimulai ulang"),
        "unreachable" => ("Its gateway did not answer", "Gateway tidak menjawab"),
        "restricted" | "banned" => ("Restricted by WhatsApp", "Dibatasi WhatsApp"),
        "misconfigured" => ("Its token was refused", "Token ditolak"),
        "mute" => ("Nothing arrived", "Tidak ada yang sampai"),
        "suspect" => ("Did not answer", "Tidak menjawab"),
        _ => ("Was disconnected", "Terputus"),
    };
    say(language, english, indonesian)
}

/// What became of the messages of an incident; nothing where there were none.
pub fn missed(codes: Missed, notices: Missed, language: Language) -> String {
    let ends = |missed: Missed| {
        [
            (missed.failed, say(language, "failed", "gagal")),
            (
                missed.unconfirmed,
                say(language, "unconfirmed", "belum pasti"),
            ),
            (missed.waited, say(language, "waited", "menunggu")),
            (
                missed.elsewhere,
                say(language, "went elsewhere", "lewat sesi lain"),
            ),
        ]
    };
    let told = |missed: Missed, one: &'static str, many: &'static str| {
        let told = ends(missed).into_iter().filter(|(count, _)| *count > 0);
        let mut told: Vec<_> = told.map(|(count, end)| (count, end.to_owned())).collect();
        if let Some((count, end)) = told.first_mut() {
            let noun = if *count == 1 { one } else { many };
            *end = format!("{noun} {end}");
        }
        let told = told
            .into_iter()
            .map(|(count, end)| format!("{count} {end}"));
        told.collect::<Vec<_>>()
    };
    let codes = told(
        codes,
        say(language, "code", "kode"),
        say(language, "codes", "kode"),
    );
    let notices = told(
        notices,
        say(language, "notice", "pemberitahuan"),
        say(language, "notices", "pemberitahuan"),
    );
    [codes, notices].concat().join(", ")
}

/// What was done for a session.
pub fn tried(connects: i64, restarts: i64, language: Language) -> String {
    let count = |count: i64, one: &'static str, many: &'static str| {
        let noun = if count == 1 { one } else { many };
        (count > 0).then(|| format!("{count} {noun}"))
    };
    let connects = count(
        connects,
        say(language, "connect", "penyambungan"),
        say(language, "connects", "penyambungan"),
    );
    let restarts = count(
        restarts,
        say(language, "restart of its gateway", "mulai ulang gateway"),
        say(language, "restarts of its gateway", "mulai ulang gateway"),
    );
    let tried: Vec<_> = connects.into_iter().chain(restarts).collect();
    if tried.is_empty() {
        return say(language, "nothing", "tidak ada").to_owned();
    }
    tried.join(", ")
}

/// How far a notice is.
pub const fn notice(state: State, language: Language) -> &'static str {
    let (english, indonesian) = match state {
        State::Queued => ("Waits", "Menunggu"),
        State::Sending => ("Being sent", "Sedang dikirim"),
        State::Unknown => ("May have been sent", "Mungkin terkirim"),
        State::Sent => ("Sent", "Terkirim"),
        State::Superseded => ("Not needed", "Tidak diperlukan"),
        State::Expired => ("Expired", "Kedaluwarsa"),
        State::Dead => ("Not sent", "Tidak terkirim"),
    };
    say(language, english, indonesian)
}

/// What a message was for. One that has no words here is called as the store calls it.
pub fn purpose(name: &str, language: Language) -> &str {
    let (english, indonesian) = match name {
        "sso" => ("Code to sign in", "Kode masuk"),
        "signup" => ("Code to sign up", "Kode pendaftaran"),
        "password-reset" => ("Code for a new password", "Kode kata sandi baru"),
        "admin" => ("Code for an operator", "Kode pengelola"),
        "password-changed" => ("Password was changed", "Kata sandi diganti"),
        "phone-moved-away" => ("Account left this phone", "Akun pindah dari nomor ini"),
        "phone-moved-here" => ("Account came to this phone", "Akun pindah ke nomor ini"),
        "payment-created" => ("Payment is waited for", "Pembayaran ditunggu"),
        "payment-success" => ("Payment arrived", "Pembayaran diterima"),
        "payment-status" => ("Payment changed", "Pembayaran berubah"),
        "payment-expiry-warning" => ("Payment ends soon", "Pembayaran segera berakhir"),
        other => return other,
    };
    say(language, english, indonesian)
}

/// How a message ended.
pub fn outcome(name: &str, language: Language) -> &str {
    let (english, indonesian) = match name {
        "sent" => ("Sent", "Terkirim"),
        "not_sent" => ("Not sent", "Tidak terkirim"),
        "unknown" => ("May have been sent", "Mungkin terkirim"),
        "nobody" => ("Not sent: no account", "Tidak dikirim: tanpa akun"),
        other => return other,
    };
    say(language, english, indonesian)
}

/// The shape for it.
pub fn outcome_shape(name: &str) -> &'static str {
    match name {
        "sent" => "good",
        "unknown" => "fair",
        "nobody" => "idle",
        _ => "bad",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_messages_is_told_in_a_few_words() {
        let codes = Missed {
            failed: 12,
            waited: 3,
            ..Missed::default()
        };
        let notices = Missed {
            elsewhere: 1,
            ..Missed::default()
        };
        let told = |codes, notices| missed(codes, notices, Language::English);
        let none = Missed::default();
        assert_eq!(told(codes, none), "12 codes failed, 3 waited");
        assert_eq!(
            told(codes, notices),
            "12 codes failed, 3 waited, 1 notice went elsewhere"
        );
        assert_eq!(told(none, none), "");
        assert_eq!(
            missed(codes, notices, Language::Indonesian),
            "12 kode gagal, 3 menunggu, 1 pemberitahuan lewat sesi lain"
        );
    }

    #[test]
    fn what_was_tried_is_told_in_a_few_words() {
        let told = |connects, restarts| tried(connects, restarts, Language::English);
        assert_eq!(told(0, 0), "nothing");
        assert_eq!(told(1, 0), "1 connect");
        assert_eq!(told(4, 2), "4 connects, 2 restarts of its gateway");
    }
}
