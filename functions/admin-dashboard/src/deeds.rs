//! What the page of the audit says of what operators did, in both languages.
use shared::model::language::Language;

use crate::words::say;

/// What somebody did and what they did not do, by the word of the audit, or by how it begins: in English, and in Indonesian.
type Deed = (&'static str, [&'static str; 2], [&'static str; 2]);

const DEEDS: [Deed; 24] = [
    (
        "sign-in",
        ["Signed in", "Did not sign in"],
        ["Masuk", "Tidak jadi masuk"],
    ),
    (
        "sign-out",
        ["Signed out", "Did not sign out"],
        ["Keluar", "Tidak jadi keluar"],
    ),
    (
        "sign-out-everywhere",
        ["Signed out everywhere", "Did not sign out everywhere"],
        [
            "Keluar di semua tempat",
            "Tidak jadi keluar di semua tempat",
        ],
    ),
    (
        "link-make",
        ["Made a sign-in link", "Did not make a sign-in link"],
        ["Membuat tautan masuk", "Tidak jadi membuat tautan masuk"],
    ),
    (
        "link-use",
        ["Used a sign-in link", "Could not use a sign-in link"],
        ["Memakai tautan masuk", "Tidak dapat memakai tautan masuk"],
    ),
    (
        "pairing-link-make",
        ["Made a pairing link", "Did not make a pairing link"],
        [
            "Membuat tautan penautan",
            "Tidak jadi membuat tautan penautan",
        ],
    ),
    (
        "session-pairing-link",
        ["Made a pairing link", "Did not make a pairing link"],
        [
            "Membuat tautan penautan",
            "Tidak jadi membuat tautan penautan",
        ],
    ),
    (
        "pairing-link-open",
        ["Opened a pairing link", "Could not open a pairing link"],
        [
            "Membuka tautan penautan",
            "Tidak dapat membuka tautan penautan",
        ],
    ),
    (
        "pairing-link-paired",
        ["Paired by a link", "Did not pair by a link"],
        [
            "Menautkan lewat tautan",
            "Tidak jadi menautkan lewat tautan",
        ],
    ),
    (
        "notice-send-now",
        ["Had a notice sent", "Did not have a notice sent"],
        [
            "Meminta pemberitahuan dikirim",
            "Tidak jadi meminta pemberitahuan dikirim",
        ],
    ),
    (
        "notices-send-now",
        [
            "Had all late notices sent",
            "Did not have late notices sent",
        ],
        [
            "Meminta semua pemberitahuan terlambat dikirim",
            "Tidak jadi meminta pemberitahuan terlambat dikirim",
        ],
    ),
    (
        "notice-discard",
        ["Discarded a notice", "Did not discard a notice"],
        [
            "Mengabaikan pemberitahuan",
            "Tidak jadi mengabaikan pemberitahuan",
        ],
    ),
    (
        "session-add",
        ["Added a session", "Did not add a session"],
        ["Menambah sesi", "Tidak jadi menambah sesi"],
    ),
    (
        "session-connect",
        ["Connected a session", "Did not connect a session"],
        ["Menyambungkan sesi", "Tidak jadi menyambungkan sesi"],
    ),
    (
        "session-disconnect",
        ["Disconnected a session", "Did not disconnect a session"],
        ["Memutuskan sesi", "Tidak jadi memutuskan sesi"],
    ),
    (
        "session-log-out",
        ["Logged a session out", "Did not log a session out"],
        [
            "Mengeluarkan akun sesi",
            "Tidak jadi mengeluarkan akun sesi",
        ],
    ),
    (
        "session-pair-phone",
        ["Asked for a pairing code", "Got no pairing code"],
        ["Meminta kode penautan", "Tidak mendapat kode penautan"],
    ),
    (
        "session-set-webhook",
        ["Set up a webhook", "Did not set up a webhook"],
        ["Memasang webhook", "Tidak jadi memasang webhook"],
    ),
    (
        "session-into-pool",
        [
            "Took a session into the pool",
            "Did not take a session into the pool",
        ],
        [
            "Memasukkan sesi ke kelompok",
            "Tidak jadi memasukkan sesi ke kelompok",
        ],
    ),
    (
        "session-out-of-pool",
        [
            "Took a session out of the pool",
            "Did not take a session out of the pool",
        ],
        [
            "Mengeluarkan sesi dari kelompok",
            "Tidak jadi mengeluarkan sesi dari kelompok",
        ],
    ),
    (
        "person-end-login",
        ["Ended a login", "Did not end a login"],
        ["Mengakhiri sesi masuk", "Tidak jadi mengakhiri sesi masuk"],
    ),
    (
        "person-end-logins",
        ["Ended all logins", "Did not end all logins"],
        [
            "Mengakhiri semua sesi masuk",
            "Tidak jadi mengakhiri semua sesi masuk",
        ],
    ),
    (
        "person-erase",
        ["Erased a phone", "Did not erase a phone"],
        ["Menghapus nomor", "Tidak jadi menghapus nomor"],
    ),
    (
        "session-weight-",
        ["Set a session's weight", "Did not set a session's weight"],
        ["Mengatur bobot sesi", "Tidak jadi mengatur bobot sesi"],
    ),
];

/// Ends the words that only begin so.
const OPEN_END: char = '-';

/// Whether an act of that result was done.
pub fn is_done(result: &str) -> bool {
    matches!(result, "done" | "done, more is left")
}

/// What an operator did, by the words of the audit; or what they did not do, and why. What has no words here is told as the audit
/// has it.
pub fn deed(what: &str, result: &str, language: Language) -> String {
    let told = deed_in(what, language);
    let reason = reason_of(result, language);
    match told {
        Some((done, _)) if result == "done" => done.to_owned(),
        Some((done, _)) if is_done(result) => format!("{done}: {reason}"),
        Some((_, not_done)) => format!("{not_done}: {reason}"),
        None if result == "done" => what.to_owned(),
        None => format!("{what}: {reason}"),
    }
}

/// What somebody did, and what they did not do, in the language of the page.
fn deed_in(what: &str, language: Language) -> Option<(&'static str, &'static str)> {
    let is_it =
        |(word, ..): &&Deed| *word == what || word.ends_with(OPEN_END) && what.starts_with(word);
    let (_, english, indonesian) = DEEDS.iter().find(is_it)?;
    let [done, not_done] = match language {
        Language::English => english,
        Language::Indonesian => indonesian,
    };
    Some((done, not_done))
}

/// What came of it, behind a colon. What is not known here is told as the audit has it.
fn reason_of(result: &str, language: Language) -> &str {
    let (english, indonesian) = match result {
        "done, more is left" => ("more is left", "masih ada sisanya"),
        "wrong code" => ("wrong code", "kode salah"),
        "no tries left" => ("no tries left", "percobaan habis"),
        "another phone was typed" => ("another phone was typed", "nomor lain yang diketik"),
        "used or expired" => ("used or expired", "sudah dipakai atau kedaluwarsa"),
        "the store failed" => ("the store failed", "penyimpanan gagal"),
        "refused by the gateway" => ("refused by the gateway", "ditolak gateway"),
        "the gateway did not answer in time" => (
            "the gateway did not answer in time",
            "gateway tidak menjawab",
        ),
        "too soon" => ("too soon", "terlalu cepat"),
        "waits for a scan" => ("it waits for a scan", "menunggu pemindaian"),
        "being sent, or ended" => ("being sent, or ended", "sedang dikirim, atau berakhir"),
        other => return other,
    };
    say(language, english, indonesian)
}
