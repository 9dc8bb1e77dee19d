//! What the pages say of states, in both languages.
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
