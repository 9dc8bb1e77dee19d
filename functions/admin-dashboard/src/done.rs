//! What a page says of what was just done, by the word that the answer to the form has.
use shared::model::language::Language;
use shared::model::replies;

use crate::words::{self, say};

/// What was done: the word of the answer, and what it was done to, where that is known.
pub fn told(word: &str, about: Option<&str>, language: Language) -> String {
    let count = about.and_then(|about| about.parse().ok());
    match (word, count) {
        ("notices-sent-now", Some(count)) => return words::tried_soon(count, language),
        ("erased" | "erased-in-part", count) => return erased(word, count, language),
        _ => {}
    }
    let Some((told, unnamed)) = of_one(word, language) else {
        return plain(word, language);
    };
    told.replace("{}", about.unwrap_or(unnamed))
}

/// What was done to one session or notice, and what that is called where its name is not known.
fn of_one(word: &str, language: Language) -> Option<(&'static str, &'static str)> {
    let (english, indonesian) = match word {
        "notice-sent-now" => (
            "{} is tried within a minute.",
            "{} dicoba kirim dalam satu menit.",
        ),
        "notice-discarded" => (
            "{} is discarded: it is not sent.",
            "{} diabaikan: tidak dikirim.",
        ),
        "session-connect" => (
            "{} was told to connect. That takes some seconds.",
            "{} diminta tersambung. Perlu beberapa detik.",
        ),
        "session-disconnect" => ("{} is disconnected.", "{} diputuskan."),
        "session-log-out" => (
            "{} is logged out: nothing is sent from it before somebody scans its QR code.",
            "Akun {} dikeluarkan: tidak ada yang dikirim darinya sebelum kode QR-nya dipindai.",
        ),
        "session-set-webhook" => ("The webhook of {} is set.", "Webhook {} dipasang."),
        "session-into-pool" => (
            "{} is in the pool: messages are sent from it within a minute.",
            "{} ada dalam kelompok: pesan dikirim darinya dalam satu menit.",
        ),
        "session-out-of-pool" => (
            "{} is out of the pool: nothing is sent from it after a minute.",
            "{} di luar kelompok: tidak ada yang dikirim darinya setelah satu menit.",
        ),
        weight if weight.starts_with("session-weight-") => {
            ("The weight of {} is set.", "Bobot {} diatur.")
        }
        _ => return None,
    };
    let unnamed = if word.starts_with("notice") {
        say(language, "The notice", "Pemberitahuan")
    } else {
        say(language, "The session", "Sesi")
    };
    Some((say(language, english, indonesian), unnamed))
}

fn plain(word: &str, language: Language) -> String {
    let (english, indonesian) = match word {
        "added" => (
            "The session is added. Scan its QR code, and it sends.",
            "Sesi ditambahkan. Pindai kode QR-nya, lalu sesi mengirim.",
        ),
        "person-end-login" => ("The login is ended.", "Sesi masuk diakhiri."),
        "person-end-logins" => ("All logins are ended.", "Semua sesi masuk diakhiri."),
        _ => return replies::ADMIN_DONE.written(language),
    };
    say(language, english, indonesian).to_owned()
}

/// What was erased, with so many notices that had not gone out.
fn erased(word: &str, notices: Option<usize>, language: Language) -> String {
    let erased = if word == "erased" {
        say(language, "Erased.", "Dihapus.")
    } else {
        say(
            language,
            "Erased in part: there is more than one act erases. Erase it once more.",
            "Baru sebagian terhapus: isinya lebih banyak dari satu kali hapus. Hapus sekali lagi.",
        )
    };
    let stopped = match (notices.unwrap_or(0), language) {
        (0, _) => return erased.to_owned(),
        (1, Language::English) => "1 notice that had not gone out is not sent any more.".to_owned(),
        (count, Language::English) => {
            format!("{count} notices that had not gone out are not sent any more.")
        }
        (count, Language::Indonesian) => {
            format!("{count} pemberitahuan yang belum terkirim tidak akan dikirim lagi.")
        }
    };
    format!("{erased} {stopped}")
}
