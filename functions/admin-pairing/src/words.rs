//! What the page says, in both languages.
use shared::model::language::Language;

/// What the page says in one language.
#[derive(Debug)]
pub struct Words {
    pub title: &'static str,
    pub to_open: &'static str,
    pub open: &'static str,
    pub session: &'static str,
    pub number_ends: &'static str,
    pub how: &'static str,
    pub qr: &'static str,
    pub changes: &'static str,
    pub no_code_yet: &'static str,
    pub paired: &'static str,
    pub used: &'static str,
    pub gone: &'static str,
    pub failed: &'static str,
    pub refresh: &'static str,
    pub live: &'static str,
    pub stale: &'static str,
}

const ENGLISH: Words = Words {
    title: "Pair WhatsApp",
    to_open: "This shows a QR code to scan with the phone of the account. It opens once, in one browser: do it where the phone can see the screen.",
    open: "Show the QR code",
    session: "Session:",
    number_ends: "number ending in",
    how: "On the phone: Settings, Linked devices, Link a device. Then point it here.",
    qr: "QR code to scan with WhatsApp",
    changes: "It changes every 20 seconds, and so does this page.",
    no_code_yet: "The QR code is on its way.",
    paired: "Paired. Nothing else is to do: you can close this page.",
    used: "This link was opened in another browser. If that was not you, tell whoever gave it to you, and have another one made.",
    gone: "This link has ended. Have another one made.",
    failed: "That did not work. Try again in a moment.",
    refresh: "Refresh",
    live: "Refreshes by itself",
    stale: "Could not refresh; trying again",
};

const INDONESIAN: Words = Words {
    title: "Tautkan WhatsApp",
    to_open: "Halaman ini menampilkan kode QR untuk dipindai dengan ponsel akun. Tautan terbuka sekali, di satu peramban: lakukan di tempat ponsel dapat melihat layar.",
    open: "Tampilkan kode QR",
    session: "Sesi:",
    number_ends: "nomor berakhiran",
    how: "Di ponsel: Setelan, Perangkat tertaut, Tautkan perangkat. Lalu arahkan ke sini.",
    qr: "Kode QR untuk dipindai dengan WhatsApp",
    changes: "Kode berganti setiap 20 detik, begitu pula halaman ini.",
    no_code_yet: "Kode QR segera muncul.",
    paired: "Tertaut. Tidak ada lagi yang perlu dilakukan: halaman ini boleh ditutup.",
    used: "Tautan ini sudah dibuka di peramban lain. Jika itu bukan Anda, beri tahu pemberinya dan minta tautan baru.",
    gone: "Tautan ini sudah berakhir. Minta tautan baru.",
    failed: "Tidak berhasil. Coba lagi sebentar lagi.",
    refresh: "Muat ulang",
    live: "Diperbarui sendiri",
    stale: "Tidak dapat diperbarui; mencoba lagi",
};

impl Words {
    /// Those of `language`.
    pub const fn of(language: Language) -> &'static Self {
        match language {
            Language::English => &ENGLISH,
            Language::Indonesian => &INDONESIAN,
        }
    }
}
