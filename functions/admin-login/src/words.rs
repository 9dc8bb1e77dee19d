//! What the pages say, in both languages.
use shared::model::language::Language;

/// The words of the pages.
#[derive(Debug)]
pub struct Words {
    /// The title of the pages that sign in.
    pub title: &'static str,
    /// What became of an act whose login had ended.
    pub ended: &'static str,
    /// What became of an act that needs a fresh proof.
    pub not_done_yet: &'static str,
    /// Why somebody who is signed in is asked again.
    pub prove: &'static str,
    /// The label of the phone.
    pub phone: &'static str,
    /// What a phone looks like.
    pub phone_hint: &'static str,
    /// The button that sends a code.
    pub send: &'static str,
    /// What to do when no message arrives; a command follows.
    pub no_message: &'static str,
    /// What became of the request for a code. The same for every phone.
    pub sent: &'static str,
    /// The label of the code.
    pub code: &'static str,
    /// What a code looks like.
    pub code_hint: &'static str,
    /// The button that signs in.
    pub sign_in: &'static str,
    /// The button that sends another code.
    pub send_again: &'static str,
    /// The way back to the phone.
    pub other_phone: &'static str,
    /// What a link does.
    pub link_once: &'static str,
    /// The title of a refusal.
    pub problem: &'static str,
    /// The way to sign in.
    pub to_sign_in: &'static str,
    /// What comes before the id of the request.
    pub request: &'static str,
}

impl Words {
    /// Those of `language`.
    pub const fn of(language: Language) -> &'static Self {
        match language {
            Language::English => &ENGLISH,
            Language::Indonesian => &INDONESIAN,
        }
    }
}

const ENGLISH: Words = Words {
    title: "Sign in as an operator",
    ended: "Your login has ended. Nothing was done.",
    not_done_yet: "Nothing was done yet.",
    prove: "This needs a proof that it is you which is younger than ten minutes. You come back to where you were.",
    phone: "Your WhatsApp number",
    phone_hint: "Such as 0812…, 62812… or +62812…",
    send: "Send a code",
    no_message: "No message arrives? Whoever runs the deployment can make a link that signs in:",
    sent: "If this number is an operator's, a code is on its way to its WhatsApp.",
    code: "Code",
    code_hint: "Eight digits. It works for ten minutes.",
    sign_in: "Sign in",
    send_again: "Send another code",
    other_phone: "Use another number",
    link_once: "This link signs in once. Whoever only looks at this page does not use it up.",
    problem: "That did not work",
    to_sign_in: "To the sign-in page",
    request: "Request:",
};

const INDONESIAN: Words = Words {
    title: "Masuk sebagai pengelola",
    ended: "Sesi masuk Anda sudah berakhir. Tidak ada yang dilakukan.",
    not_done_yet: "Belum ada yang dilakukan.",
    prove: "Tindakan ini memerlukan bukti bahwa ini Anda, paling lama sepuluh menit yang lalu. Setelah itu Anda kembali ke halaman tadi.",
    phone: "Nomor WhatsApp Anda",
    phone_hint: "Misalnya 0812…, 62812… atau +62812…",
    send: "Kirim kode",
    no_message: "Pesan tidak sampai? Orang yang mengelola sistem ini dapat membuat tautan masuk:",
    sent: "Jika nomor ini milik pengelola, kode sedang dikirim ke WhatsApp-nya.",
    code: "Kode",
    code_hint: "Delapan angka. Berlaku sepuluh menit.",
    sign_in: "Masuk",
    send_again: "Kirim kode lagi",
    other_phone: "Pakai nomor lain",
    link_once: "Tautan ini dapat dipakai masuk satu kali. Membuka halaman ini saja belum memakainya.",
    problem: "Tidak berhasil",
    to_sign_in: "Ke halaman masuk",
    request: "Permintaan:",
};
