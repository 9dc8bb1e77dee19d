//! What the pages say of states, in both languages.
use shared::flows::admin::incidents::Missed;
use shared::flows::admin::outbox::Stage;
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
pub const fn health(health: Health, gateway: Gateway, language: Language) -> &'static str {
    let (english, indonesian) = match (health, gateway) {
        (Health::Down, Gateway::Silent) => ("Gateway does not answer", "Gateway tidak menjawab"),
        (Health::Ready, _) => ("Ready", "Siap"),
        (Health::Limited, _) => ("Known contacts only", "Hanya kontak lama"),
        (Health::Recovering, _) => ("Reconnecting", "Menyambung kembali"),
        (Health::Mute, _) => ("Nothing arrives", "Tidak ada yang sampai"),
        (Health::Down, Gateway::Answers) => ("Disconnected", "Terputus"),
        (Health::NeedsScan, _) => ("Waits for a scan", "Menunggu pemindaian"),
        (Health::NeedsRestart, _) => ("Gateway must restart", "Gateway perlu dimulai ulang"),
        (Health::Restricted, _) => ("Restricted by WhatsApp", "Dibatasi WhatsApp"),
        (Health::Misconfigured, _) => ("Token refused", "Token ditolak"),
        (Health::Unknown, _) => ("Not looked at yet", "Belum diperiksa"),
    };
    say(language, english, indonesian)
}

/// Whether the gateway of a session answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gateway {
    /// It does, or nobody has asked.
    Answers,
    /// It does not.
    Silent,
}

impl Gateway {
    /// Whether one that may be silent answers.
    pub const fn of(is_silent: bool) -> Self {
        if is_silent {
            Self::Silent
        } else {
            Self::Answers
        }
    }
}

/// What somebody has to do something about.
#[derive(Clone, Copy, Debug)]
pub struct Trouble<'a> {
    /// How the sessions are.
    pub health: Health,
    /// Whether their gateway answers.
    pub gateway: Gateway,
    /// The host of that gateway, where it is known.
    pub host: Option<&'a str>,
    /// Whether they have been trying to come back for long.
    pub has_failed_long: bool,
}

/// What a person has to do about a session, or about so many, which `whose` names; nothing where nobody has to.
pub fn to_do(trouble: &Trouble<'_>, (whose, language): (&str, Language)) -> String {
    if trouble.gateway == Gateway::Silent {
        return look_after_gateway(trouble.host, (whose, language));
    }
    let (english, indonesian) = match trouble.health {
        Health::NeedsScan => ("scan the QR code of {}", "pindai kode QR {}"),
        Health::NeedsRestart => (
            "restart the gateway of {}: nothing else helps",
            "mulai ulang gateway {}: cara lain tidak membantu",
        ),
        Health::Restricted => (
            "open WhatsApp on the phone of {} and read what it says",
            "buka WhatsApp di ponsel {} dan baca pemberitahuannya",
        ),
        Health::Misconfigured => (
            "check the token of {} and the address of the gateway",
            "periksa token {} dan alamat gateway-nya",
        ),
        Health::Mute => (
            "send a message from the phone of {}, and see whether it arrives",
            "kirim pesan dari ponsel {}, dan lihat apakah sampai",
        ),
        Health::Down | Health::Recovering if trouble.has_failed_long => (
            "read the log of the gateway of {}: connects do not help",
            "baca log gateway {}: penyambungan tidak membantu",
        ),
        _ => return String::new(),
    };
    say(language, english, indonesian).replace("{}", whose)
}

fn look_after_gateway(host: Option<&str>, (whose, language): (&str, Language)) -> String {
    let (english, indonesian) = match host {
        Some(_) => (
            "see whether the gateway of {} at [] runs and can be reached, and read its log",
            "periksa apakah gateway {} di [] berjalan dan dapat dihubungi, dan baca lognya",
        ),
        None => (
            "see whether the gateway of {} runs and can be reached, and read its log",
            "periksa apakah gateway {} berjalan dan dapat dihubungi, dan baca lognya",
        ),
    };
    let told = say(language, english, indonesian).replace("{}", whose);
    told.replace("[]", host.unwrap_or_default())
}

/// So many sessions.
pub fn sessions(count: usize, language: Language) -> String {
    let noun = if count == 1 {
        say(language, "session", "sesi")
    } else {
        say(language, "sessions", "sesi")
    };
    format!("{count} {noun}")
}

/// That nobody has looked at so many sessions yet.
pub fn unseen(count: usize, language: Language) -> String {
    match (count, language) {
        (1, Language::English) => "1 is not looked at yet.".to_owned(),
        (count, Language::English) => format!("{count} are not looked at yet."),
        (count, Language::Indonesian) => format!("{count} belum diperiksa."),
    }
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
        Verdict::KnownContacts => (
            "Messages go out to known contacts only",
            "Pesan terkirim hanya ke kontak lama",
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
        Verdict::GoesOutOverOthers | Verdict::KnownContacts => "fair",
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

/// Whether an incident goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tense {
    /// It does.
    GoesOn,
    /// It has ended.
    Over,
}

/// What is wrong with a session, by the word that was kept: while it goes on, afterwards, and both in Indonesian.
type Cause = (&'static str, [&'static str; 3]);

const CAUSES: [Cause; 11] = [
    (
        "needs_pairing",
        ["Is not paired", "Was not paired", "Tidak tertaut"],
    ),
    (
        "unlinked",
        ["Is not paired", "Was not paired", "Tidak tertaut"],
    ),
    (
        "needs_restart",
        [
            "Its gateway must restart",
            "Its gateway had to restart",
            "Gateway perlu dimulai ulang",
        ],
    ),
    (
        "unreachable",
        [
            "Its gateway does not answer",
            "Its gateway did not answer",
            "Gateway tidak menjawab",
        ],
    ),
    (
        "restricted",
        [
            "Is restricted by WhatsApp",
            "Was restricted by WhatsApp",
            "Dibatasi WhatsApp",
        ],
    ),
    (
        "banned",
        [
            "Is restricted by WhatsApp",
            "Was restricted by WhatsApp",
            "Dibatasi WhatsApp",
        ],
    ),
    (
        "misconfigured",
        [
            "Its token is refused",
            "Its token was refused",
            "Token ditolak",
        ],
    ),
    (
        "cold_locked",
        [
            "Writes to known contacts only",
            "Wrote to known contacts only",
            "Hanya menulis ke kontak lama",
        ],
    ),
    (
        "mute",
        [
            "Nothing arrives",
            "Nothing arrived",
            "Tidak ada yang sampai",
        ],
    ),
    (
        "suspect",
        ["Does not answer", "Did not answer", "Tidak menjawab"],
    ),
    (
        "",
        [
            "Cannot send, and why is not known yet",
            "Could not send, and why is not known",
            "Tidak dapat mengirim, sebabnya belum diketahui",
        ],
    ),
];

/// The same of every other word.
const DISCONNECTED: [&str; 3] = ["Is disconnected", "Was disconnected", "Terputus"];

/// What is or was wrong with a session, by the word that was kept.
pub fn cause(cause: Option<&str>, tense: Tense, language: Language) -> &'static str {
    let cause = cause.unwrap_or_default();
    let known = CAUSES.iter().find(|(word, _)| *word == cause);
    let [now, past, indonesian] = known.map_or(DISCONNECTED, |(_, words)| *words);
    let english = match tense {
        Tense::GoesOn => now,
        Tense::Over => past,
    };
    say(language, english, indonesian)
}

/// Why a message was not sent, or not taken, by the word that was kept; nothing for a word that is not known here.
pub fn reason(reason: &str, language: Language) -> Option<&'static str> {
    let (english, indonesian) = match reason {
        "busy" => ("The gateway had too much to do", "Gateway terlalu sibuk"),
        "session_down" | "down" => ("The session was disconnected", "Sesi terputus"),
        "needs_pairing" | "unpaired" => ("The session was not paired", "Sesi tidak tertaut"),
        "needs_restart" => ("The gateway had to restart", "Gateway perlu dimulai ulang"),
        "restricted" => (
            "WhatsApp does not let the account write to this phone",
            "WhatsApp tidak mengizinkan akun menulis ke nomor ini",
        ),
        "not_on_whatsapp" => (
            "The number is not on WhatsApp",
            "Nomor tidak ada di WhatsApp",
        ),
        "wrong_recipient" => (
            "This can never be sent to this number",
            "Pesan ini tidak dapat dikirim ke nomor ini",
        ),
        "misconfigured" => (
            "The token or the address of the gateway is wrong",
            "Token atau alamat gateway salah",
        ),
        "gateway_unreachable" => ("The gateway did not answer", "Gateway tidak menjawab"),
        "rejected" => ("WhatsApp refused it", "WhatsApp menolaknya"),
        "no_session" => (
            "There is no session to send from",
            "Tidak ada sesi untuk mengirim",
        ),
        "no_new_chats" => (
            "No session takes new chats now",
            "Tidak ada sesi yang menerima obrolan baru saat ini",
        ),
        "deadline" | "late" => ("The time was over", "Waktunya habis"),
        "no_answer" | "unknown" => (
            "No answer: it may have been sent",
            "Tanpa jawaban: mungkin terkirim",
        ),
        _ => return None,
    };
    Some(say(language, english, indonesian))
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

/// How many notices are late.
pub fn late(count: usize, language: Language) -> String {
    let (one, many) = match language {
        Language::English => ("notice is late", "notices are late"),
        Language::Indonesian => ("pemberitahuan terlambat", "pemberitahuan terlambat"),
    };
    format!("{count} {}", if count == 1 { one } else { many })
}

/// That so many notices are tried soon.
pub fn tried_soon(count: usize, language: Language) -> String {
    let (one, many) = match language {
        Language::English => (
            "notice is tried within a minute.",
            "notices are tried within a minute.",
        ),
        Language::Indonesian => (
            "pemberitahuan dicoba kirim dalam satu menit.",
            "pemberitahuan dicoba kirim dalam satu menit.",
        ),
    };
    format!("{count} {}", if count == 1 { one } else { many })
}

/// How far a notice is.
pub const fn notice(state: State, stage: Stage, language: Language) -> &'static str {
    match stage {
        Stage::Scheduled => return say(language, "Scheduled", "Dijadwalkan"),
        Stage::NotNeeded => return say(language, "Not needed any more", "Tidak diperlukan lagi"),
        Stage::Late | Stage::BeingSent | Stage::Ended => {}
    }
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
