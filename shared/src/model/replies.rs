//! What replies say to a person: every public text, in both languages.
use super::language::Language;

/// A text for a person, in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    wording: &'static Wording,
    values: Vec<(&'static str, String)>,
}

#[derive(Debug, PartialEq, Eq)]
struct Wording {
    english: &'static str,
    indonesian: &'static str,
}

impl Text {
    const fn new(wording: &'static Wording) -> Self {
        Self {
            wording,
            values: Vec::new(),
        }
    }

    /// Puts `value` where the text has `{name}`.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.values.push((name, value.into()));
        self
    }

    /// The text in one language.
    pub fn written(&self, language: Language) -> String {
        let text = match language {
            Language::English => self.wording.english,
            Language::Indonesian => self.wording.indonesian,
        };
        let filled = |text: String, (name, value): &(&str, String)| {
            text.replace(&format!("{{{name}}}"), value)
        };
        self.values.iter().fold(text.to_owned(), filled)
    }
}

/// Makes a constant of each text, and a list of all for the test.
macro_rules! texts {
    ($($name:ident: $english:literal, $indonesian:literal;)*) => {
        $(
            #[doc = $english]
            pub const $name: Text = Text::new(&Wording {
                english: $english,
                indonesian: $indonesian,
            });
        )*

        #[cfg(test)]
        const ALL: &[Text] = &[$($name),*];
    };
}

texts! {
    CODE_SENT: "We sent a code to your WhatsApp.",
        "Kami sudah mengirim kode ke WhatsApp Anda.";
    CODE_UNCONFIRMED: "We may have sent a code to your WhatsApp. If it does not arrive, ask again.",
        "Kode mungkin sudah terkirim ke WhatsApp Anda. Jika tidak sampai, minta lagi.";
    SIGNED_IN: "You are signed in.",
        "Anda sudah masuk.";
    SIGNED_OUT: "You are signed out.",
        "Anda sudah keluar.";
    PHONE_CONFIRMED: "Your phone number is confirmed.",
        "Nomor telepon Anda sudah dikonfirmasi.";
    PASSWORD_CHANGED: "Your password is changed. Sign in with it.",
        "Kata sandi Anda sudah diganti. Silakan masuk dengan kata sandi itu.";
    NEXT_TOKENS: "Here are your next tokens.",
        "Ini token Anda berikutnya.";
    WEBHOOK_TAKEN: "The webhook is taken.",
        "Webhook diterima.";
    API_UP: "The API is up.",
        "API berjalan.";
    MESSAGES_GO_OUT: "Messages go out.",
        "Pesan terkirim.";
    RECONNECTING: "WhatsApp is being reconnected.",
        "WhatsApp sedang disambungkan kembali.";
    NEEDS_PAIRING: "Somebody has to pair WhatsApp again.",
        "WhatsApp harus ditautkan kembali oleh seseorang.";
    NEEDS_RESTART: "Somebody has to restart the WhatsApp gateway.",
        "Gateway WhatsApp harus dimulai ulang oleh seseorang.";
    WHATSAPP_DOWN: "WhatsApp is down.",
        "WhatsApp tidak tersambung.";
    ACCOUNT_RESTRICTED: "WhatsApp keeps the account from sending.",
        "WhatsApp membatasi akun ini sehingga tidak dapat mengirim.";
    STRANGERS_NOT_REACHED: "Messages go out, but not to people whom this WhatsApp account never wrote to.",
        "Pesan terkirim, kecuali kepada orang yang belum pernah dihubungi akun WhatsApp ini.";
    GATEWAY_REFUSES: "The gateway refuses its token, or is none.",
        "Gateway menolak tokennya, atau bukan gateway.";
    NOTHING_SENT_YET: "Nothing was sent yet.",
        "Belum ada yang dikirim.";
    CLIENT_ADDRESS: "Name one client: an IPv4 or IPv6 address in `X-Client-Address`, without a port. Where CloudFront sends its own `CloudFront-Viewer-Address`, leave yours out.",
        "Sebutkan satu klien: alamat IPv4 atau IPv6 di `X-Client-Address`, tanpa port. Jika CloudFront mengirim `CloudFront-Viewer-Address`, jangan kirim milik Anda.";
    FAILED_HERE: "Something failed on our side. Nothing was charged; try again in a few seconds.",
        "Terjadi gangguan di sisi kami. Kuota Anda tidak berkurang; coba lagi beberapa detik lagi.";
    COUNTRY_FULL: "Too many codes went to numbers of this country today. Come back tomorrow.",
        "Terlalu banyak kode dikirim ke nomor negara ini hari ini. Coba lagi besok.";
    CODE_BEING_SENT: "A code is being sent. Wait a moment before you ask again.",
        "Kode sedang dikirim. Tunggu sebentar sebelum meminta lagi.";
    LAST_CODE_FRESH: "The last code was sent a moment ago. Wait before you ask for the next one.",
        "Kode terakhir baru saja dikirim. Tunggu sebelum meminta kode berikutnya.";
    TOO_MANY_CODES: "Too many codes were asked for. Wait before you ask for the next one.",
        "Terlalu banyak kode diminta. Tunggu sebelum meminta kode berikutnya.";
    TOO_MANY_PASSWORDS: "Too many wrong passwords. Wait, or sign in with a code.",
        "Terlalu banyak kata sandi salah. Tunggu, atau masuk dengan kode.";
    NOT_SET_UP: "WhatsApp is not set up. The code was not sent and nothing was charged; tell the operator.",
        "WhatsApp belum disiapkan. Kode tidak dikirim dan kuota Anda tidak berkurang; beri tahu pengelola.";
    NOT_ON_WHATSAPP: "This number is not on WhatsApp. Check it, or use one that is.",
        "Nomor ini tidak terdaftar di WhatsApp. Periksa kembali, atau gunakan nomor lain.";
    WHATSAPP_BUSY: "WhatsApp is busy. The code was not sent and nothing was charged; try again in a few seconds.",
        "WhatsApp sedang sibuk. Kode tidak dikirim dan kuota Anda tidak berkurang; coba lagi beberapa detik lagi.";
    NOT_SENT_RECONNECTING: "WhatsApp is being reconnected. The code was not sent and nothing was charged; try again shortly.",
        "WhatsApp sedang disambungkan kembali. Kode tidak dikirim dan kuota Anda tidak berkurang; coba lagi sebentar lagi.";
    OUT_OF_ORDER: "WhatsApp is out of order until an operator repairs it. The code was not sent and nothing was charged; sign in with your password, or try again later.",
        "WhatsApp sedang terganggu sampai diperbaiki pengelola. Kode tidak dikirim dan kuota Anda tidak berkurang; masuk dengan kata sandi, atau coba lagi nanti.";
    WHATSAPP_UNREACHABLE: "WhatsApp cannot be reached. The code was not sent and nothing was charged; try again shortly.",
        "WhatsApp tidak dapat dihubungi. Kode tidak dikirim dan kuota Anda tidak berkurang; coba lagi sebentar lagi.";
    WHATSAPP_TOO_SLOW: "WhatsApp took too long. The code was not sent and nothing was charged; try again shortly.",
        "WhatsApp terlalu lama menjawab. Kode tidak dikirim dan kuota Anda tidak berkurang; coba lagi sebentar lagi.";
    GATEWAY_REFUSES_SYSTEM: "The WhatsApp gateway refuses this system. The code was not sent and nothing was charged; tell the operator.",
        "Gateway WhatsApp menolak sistem ini. Kode tidak dikirim dan kuota Anda tidak berkurang; beri tahu pengelola.";
    WHATSAPP_RESTRICTS: "WhatsApp lets nothing be sent for the time being. The code was not sent; try again later.",
        "WhatsApp untuk sementara tidak mengizinkan pengiriman. Kode tidak dikirim; coba lagi nanti.";
    OPEN_CHAT: "WhatsApp does not let us write to you first. The code was not sent; open the chat, send the text that is written there, and the code comes as the answer.",
        "WhatsApp tidak mengizinkan kami menulis lebih dulu. Kode tidak dikirim; buka chat itu, kirim teks yang sudah tertulis, dan kodenya datang sebagai balasan.";
    OPEN_CHAT_TEXT: "My code, please: {word}",
        "Minta kode saya: {word}";
    WHATSAPP_REFUSED: "WhatsApp refused the message. The code was not sent; check the number or try again later.",
        "WhatsApp menolak pesan ini. Kode tidak dikirim; periksa nomornya atau coba lagi nanti.";
    CODE_WRONG: "The code is wrong. Check it and try again.",
        "Kodenya salah. Periksa dan coba lagi.";
    CODE_EXHAUSTED: "Too many wrong codes. Ask for a new code.",
        "Terlalu banyak kode salah. Minta kode baru.";
    CODE_UNKNOWN: "There is no such code. Use the challengeId of your last request, or ask for a new code.",
        "Kode itu tidak ada. Gunakan challengeId dari permintaan terakhir, atau minta kode baru.";
    CODE_EXPIRED: "The code has expired or was used. Ask for a new one.",
        "Kode sudah kedaluwarsa atau sudah dipakai. Minta kode baru.";
    CODE_DIGITS: "A code has six or eight digits. Copy it from the message.",
        "Kode terdiri dari enam atau delapan angka. Salin dari pesan.";
    TOO_MANY_WRONG_CODES: "Too many wrong codes came from your network. Wait before you try again.",
        "Terlalu banyak kode salah datang dari jaringan Anda. Tunggu sebelum mencoba lagi.";
    TOOK_TOO_LONG: "That took too long on our side. Send the same again in a few seconds.",
        "Prosesnya terlalu lama di sisi kami. Kirim permintaan yang sama lagi beberapa detik lagi.";
    CODE_REQUIRED: "Too many wrong passwords were given for this number. Sign in with a code.",
        "Terlalu banyak kata sandi salah diberikan untuk nomor ini. Masuklah dengan kode.";
    PHONE_TAKEN: "This phone number is registered. Sign in instead.",
        "Nomor telepon ini sudah terdaftar. Silakan masuk.";
    NOT_DECLARED_JSON: "Send a JSON object as the body, with `Content-Type: application/json`.",
        "Kirim objek JSON sebagai isi permintaan, dengan `Content-Type: application/json`.";
    TOO_LARGE: "Send at most {bytes} bytes.",
        "Kirim paling banyak {bytes} bita.";
    NO_OBJECT: "Send a JSON object as the body.",
        "Kirim objek JSON sebagai isi permintaan.";
    NO_JSON: "The body is no JSON at {place}.",
        "Isi permintaan bukan JSON pada {place}.";
    FIELD_TWICE: "`{field}` is there twice, before {place}.",
        "`{field}` ada dua kali, sebelum {place}.";
    FIELD_WRONG_TYPE: "`{field}` has the wrong type, before {place}.",
        "`{field}` bertipe salah, sebelum {place}.";
    FIELD_MISSING: "`{field}` is missing.",
        "`{field}` belum diisi.";
    METHOD_UNKNOWN: "Use the method `whatsapp`, or leave it out.",
        "Gunakan metode `whatsapp`, atau kosongkan.";
    PURPOSE_UNKNOWN: "Use the purpose `sso`, `signup` or `password-reset`.",
        "Gunakan tujuan `sso`, `signup`, atau `password-reset`.";
    CHALLENGE_UNKNOWN: "There is no sign-up with this challengeId that waits for a code. Sign up again.",
        "Tidak ada pendaftaran dengan challengeId ini yang menunggu kode. Daftar lagi.";
    TOKEN_MISSING: "Send the access token as `Authorization: Bearer …`.",
        "Kirim token akses sebagai `Authorization: Bearer …`.";
    TOKEN_EXPIRED: "The access token has expired. Refresh it.",
        "Token akses sudah kedaluwarsa. Perbarui token itu.";
    TOKEN_INVALID: "The access token is not valid. Refresh it; if that fails, sign in.",
        "Token akses tidak berlaku. Perbarui; jika gagal, silakan masuk.";
    SESSION_ENDED: "You were signed out. Sign in again.",
        "Anda sudah dikeluarkan. Silakan masuk lagi.";
    REFRESH_INVALID: "The refresh token is not valid. Sign in again.",
        "Token penyegar tidak berlaku. Silakan masuk lagi.";
    REFRESH_REUSED: "This refresh token was used before, so you were signed out. Sign in again.",
        "Token penyegar ini sudah pernah dipakai, jadi Anda dikeluarkan. Silakan masuk lagi.";
    ALL_ONCE: "Use `all=true` once to sign out everywhere, or leave it out.",
        "Gunakan `all=true` satu kali untuk keluar di semua perangkat, atau kosongkan.";
    CREDENTIALS_WRONG: "The phone number or the password is wrong.",
        "Nomor telepon atau kata sandinya salah.";
    CAPTCHA_FAILED: "Solve the CAPTCHA, once for each request, and send its token as `captchaToken`.",
        "Selesaikan CAPTCHA, satu kali untuk tiap permintaan, dan kirim tokennya sebagai `captchaToken`.";
    CAPTCHA_UNAVAILABLE: "The CAPTCHA cannot be checked. The code was not sent and nothing was charged; solve it again shortly.",
        "CAPTCHA tidak dapat diperiksa. Kode tidak dikirim dan kuota Anda tidak berkurang; selesaikan lagi sebentar lagi.";
    WEBHOOK_UNKNOWN: "No session posts to this address. Set the webhook of the gateway anew.",
        "Tidak ada sesi yang mengirim ke alamat ini. Atur ulang webhook di gateway.";
    WEBHOOK_UNSIGNED: "The signature in `x-hmac-signature` is missing or wrong. Give the gateway the key of this system.",
        "Tanda tangan di `x-hmac-signature` tidak ada atau salah. Beri gateway kunci milik sistem ini.";
    NO_ROUTE: "There is no such route. Check the path.",
        "Rute itu tidak ada. Periksa alamatnya.";
    OTHER_METHOD: "Use {methods} for this path.",
        "Gunakan {methods} untuk alamat ini.";
    NOT_A_FORM: "Send a form as the body, with `Content-Type: application/x-www-form-urlencoded`.",
        "Kirim formulir sebagai isi permintaan, dengan `Content-Type: application/x-www-form-urlencoded`.";
    ANOTHER_SITE: "This form is too old, or does not come from this site. Load the page again and send it once more.",
        "Formulir ini terlalu lama, atau bukan dari situs ini. Muat ulang halamannya dan kirim sekali lagi.";
    ADMIN_SIGNED_OUT: "You are not signed in as an operator. Sign in at /admin/login.",
        "Anda belum masuk sebagai pengelola. Masuk di /admin/login.";
    ADMIN_LINK_GONE: "This link was used or has expired. Have another one made.",
        "Tautan ini sudah dipakai atau sudah kedaluwarsa. Minta tautan baru.";
    ADMIN_SESSIONS: "These are the WhatsApp sessions.",
        "Ini daftar sesi WhatsApp.";
    ADMIN_SESSION: "This is the WhatsApp session.",
        "Ini sesi WhatsApp tersebut.";
    ADMIN_QR: "Scan the code with the phone of the account. It is another one every 20 seconds.",
        "Pindai kode ini dengan ponsel akun tersebut. Kode berganti setiap 20 detik.";
    ADMIN_OUTBOX: "These are the payment notices.",
        "Ini daftar pemberitahuan pembayaran.";
    ADMIN_INCIDENTS: "These are the times when messages could not be sent.",
        "Ini saat-saat ketika pesan tidak dapat dikirim.";
    ADMIN_DELIVERIES: "These are the messages.",
        "Ini daftar pesan.";
    ADMIN_EXPLAINED: "This is what would happen now. Nothing was sent.",
        "Ini yang akan terjadi sekarang. Tidak ada yang dikirim.";
    ADMIN_PERSON: "This is the user of the phone, with their logins.",
        "Ini pengguna nomor tersebut, dengan sesi masuknya.";
    ADMIN_DONE: "Done.",
        "Selesai.";
    ADMIN_NOT_THERE: "There is nothing of that name. It may be gone.",
        "Tidak ada yang bernama itu. Mungkin sudah tidak ada.";
    ADMIN_PROOF_NEEDED: "Prove again that it is you, at /admin/login, and repeat this within ten minutes.",
        "Buktikan sekali lagi bahwa ini Anda, di /admin/login, lalu ulangi dalam sepuluh menit.";
    ADMIN_NOT_OURS: "This session is a customer's. That can be done only with sessions of this system.",
        "Sesi ini milik pelanggan. Tindakan itu hanya untuk sesi milik sistem ini.";
    ADMIN_IN_SETTINGS: "This session is the one of `WHATSAPP_USER_TOKEN`: change the setting instead.",
        "Sesi ini adalah sesi dari `WHATSAPP_USER_TOKEN`: ubah pengaturannya.";
    ADMIN_NAME_TAKEN: "No session can be added under this name. Give another one: 1 to 32 letters, digits, `_` or `-`.",
        "Sesi tidak dapat ditambahkan dengan nama ini. Beri nama lain: 1 sampai 32 huruf, angka, `_` atau `-`.";
    ADMIN_NO_TOKEN: "Set `WHATSAPP_ADMIN_TOKEN` first: without it the gateway lets nobody do that.",
        "Atur `WHATSAPP_ADMIN_TOKEN` dahulu: tanpa itu gateway tidak mengizinkannya.";
    ADMIN_NO_ADDRESS: "Set `PUBLIC_BASE_URL` first: nobody knows where the webhooks should go.",
        "Atur `PUBLIC_BASE_URL` dahulu: alamat tujuan webhook belum diketahui.";
    ADMIN_TOO_SOON: "It was told to connect a few seconds ago. Give that a moment, then try again.",
        "Sesi ini baru saja diminta tersambung. Tunggu sebentar, lalu coba lagi.";
    ADMIN_WAITS_FOR_SCAN: "It waits for a scan, or is logging in: told to disconnect now, some gateways hang for minutes. Scan its code, or leave it, and it closes by itself.",
        "Sesi ini menunggu pemindaian, atau sedang masuk: bila diputuskan sekarang, sebagian gateway macet beberapa menit. Pindai kodenya, atau biarkan, dan sesi menutup sendiri.";
    ADMIN_GATEWAY_REFUSED: "The gateway refused, or does not answer: the log of the function `admin-api` says which, by the id of the request. A session that messages are sent from is tried again each minute.",
        "Gateway menolak, atau tidak menjawab: lihat log fungsi `admin-api`, dengan ID permintaan. Sesi yang dipakai mengirim dicoba lagi setiap menit.";
    ADMIN_NOTICE_CHANGED: "This notice is just being sent, or has ended. Look again.",
        "Pemberitahuan ini sedang dikirim, atau sudah berakhir. Periksa lagi.";
    ADMIN_NOT_RECOGNISED: "That is neither a phone number nor an id that is known. Check it, and type it again.",
        "Itu bukan nomor telepon maupun ID yang dikenal. Periksa, lalu ketik lagi.";
    ADMIN_NOT_A_PHONE: "That is not a phone number. Check it, and type it again.",
        "Itu bukan nomor telepon. Periksa, lalu ketik lagi.";
    ADMIN_NOT_CONFIRMED: "The number that you typed is another one. Nothing was erased.",
        "Nomor yang Anda ketik berbeda. Tidak ada yang dihapus.";
    ADMIN_NOT_DONE: "That was not done. Try again.",
        "Tindakan itu tidak dilakukan. Coba lagi.";
    ADMIN_FIELD_WRONG: "`{field}` is missing, or is nothing that it can be.",
        "`{field}` tidak ada, atau nilainya tidak mungkin.";
    NAME_EMPTY: "Tell your name.",
        "Isi nama Anda.";
    NAME_TOO_LONG: "Shorten the name to 100 characters.",
        "Persingkat nama menjadi 100 karakter.";
    NAME_CONTROL: "Write the name on one line, without control characters.",
        "Tulis nama dalam satu baris, tanpa karakter kontrol.";
    WEBHOOK_NOT_GENUINE: "This is not from the payment gateway. Check the address, and the key or token of its account.",
        "Ini bukan dari gerbang pembayaran. Periksa alamatnya, serta kunci atau token akunnya.";
    WEBHOOK_UNREADABLE: "This cannot be read as a webhook of the payment gateway.",
        "Ini tidak dapat dibaca sebagai webhook gerbang pembayaran.";
    NOTICE_SENT: "The customer was told.",
        "Pelanggan sudah diberi tahu.";
    NOTICE_QUEUED: "The notice is kept, and goes out as soon as it can. Nothing more has to be done.",
        "Notifikasi sudah disimpan dan akan dikirim secepatnya. Tidak ada lagi yang perlu dilakukan.";
    NOTICE_ENDED: "The notice has ended and is not sent any more.",
        "Notifikasi ini sudah berakhir dan tidak dikirim lagi.";
    NOTICE_NO_MOVE: "The payment cannot become that from what it is. Nothing was changed, and nobody was told.",
        "Status pembayaran tidak dapat berubah menjadi itu. Tidak ada yang berubah dan tidak ada yang diberi tahu.";
    NOTICES_LISTED: "These are the payment's notices.",
        "Ini adalah notifikasi pembayaran tersebut.";
    PAYMENT_UNKNOWN: "There is no such payment here. Send `phone`, `amount` and `currency` with the event, or send `created` first.",
        "Pembayaran tersebut tidak ada di sini. Kirim `phone`, `amount` dan `currency` bersama kejadian ini, atau kirim `created` dahulu.";
    NOTICE_EXISTS: "The same event came before and said something else. `stored` is what is kept; give another `sequence` to tell of another one.",
        "Kejadian yang sama sudah diterima dengan isi berbeda. `stored` berisi yang disimpan; berikan `sequence` lain untuk kejadian lain.";
    IDEMPOTENCY_KEY_REUSED: "This `Idempotency-Key` came before with another event, which `stored` shows. Use a new key for a new event.",
        "`Idempotency-Key` ini sudah dipakai untuk kejadian lain, lihat `stored`. Gunakan kunci baru untuk kejadian baru.";
    IDEMPOTENCY_KEY_INVALID: "Give `Idempotency-Key` as 1 to {characters} visible characters, or leave it out.",
        "Tulis `Idempotency-Key` dengan 1 sampai {characters} karakter, atau kosongkan.";
    CALLER_KEY_MISSING: "Send your key as `Authorization: Bearer KEY`.",
        "Kirim kunci Anda sebagai `Authorization: Bearer KEY`.";
    CALLER_KEY_UNKNOWN: "This key is not known. Ask whoever runs this system for one: `callers add` makes it.",
        "Kunci ini tidak dikenal. Mintalah kunci kepada pengelola sistem ini: `callers add` membuatnya.";
    CALLER_NOT_ALLOWED: "This key is for something else. Ask whoever runs this system for one with the scope `payments`.",
        "Kunci ini untuk keperluan lain. Mintalah kunci dengan cakupan `payments` kepada pengelola sistem ini.";
    TIME_INVALID: "Give `{field}` as a point in time of RFC 3339, such as 2026-11-26T16:30:00+07:00.",
        "Tulis `{field}` sebagai waktu RFC 3339, seperti 2026-11-26T16:30:00+07:00.";
    EXPIRES_TOO_LATE: "Give `expiresAt` as a point in time within a year from now, or leave it out.",
        "Tulis `expiresAt` sebagai waktu dalam setahun dari sekarang, atau kosongkan.";
    STATUS_INVALID: "Give `status` as one of paid, failed, cancelled, expired, refunded and reversed.",
        "Tulis `status` sebagai salah satu dari paid, failed, cancelled, expired, refunded dan reversed.";
    SEQUENCE_INVALID: "Give `sequence` as 1 to 64 letters, digits, `-` and `_`, or leave it out.",
        "Tulis `sequence` dengan 1 sampai 64 huruf, angka, `-` dan `_`, atau kosongkan.";
    TOO_MANY_NOTICES: "This key has caused as many notices today as it may. Ask whoever runs this system to raise its cap.",
        "Kunci ini sudah mencapai batas notifikasi hari ini. Mintalah pengelola sistem ini untuk menaikkan batasnya.";
    AMOUNT_NOT_PLAIN: "Give `amount` in digits with at most one point, such as 150000 or 150000.00.",
        "Tulis `amount` dengan angka dan paling banyak satu titik desimal, seperti 150000 atau 150000.00.";
    AMOUNT_TOO_MANY_DECIMALS: "`amount` has more decimals than {currency} has: {decimals}.",
        "`amount` memiliki lebih banyak desimal daripada {currency}: {decimals}.";
    AMOUNT_TOO_LARGE: "`amount` is too large: {largest} at most.",
        "`amount` terlalu besar: paling banyak {largest}.";
    CURRENCY_UNKNOWN: "Give `currency` as a code of ISO 4217, such as IDR.",
        "Tulis `currency` sebagai kode ISO 4217, seperti IDR.";
    PAYMENT_ID_INVALID: "Use a payment id of 1 to 255 letters, digits, `-`, `_`, `~` and `.`.",
        "Gunakan ID pembayaran dari 1 sampai 255 huruf, angka, `-`, `_`, `~` dan `.`.";
    PAYMENT_URL_INVALID: "Give `paymentUrl` as an address that begins with https:// and a domain, of at most {characters} characters, or leave it out.",
        "Tulis `paymentUrl` sebagai alamat yang diawali https:// dan sebuah domain, paling banyak {characters} karakter, atau kosongkan.";
    ZONE_UNKNOWN: "Give the time zone by its name in the IANA database, such as Asia/Jakarta.",
        "Tulis zona waktu dengan namanya dalam basis data IANA, seperti Asia/Jakarta.";
    EMAIL_INVALID: "Give an e-mail address like siti@example.com, of at most 254 characters, or leave it out.",
        "Isi alamat email seperti siti@example.com, paling banyak 254 karakter, atau kosongkan.";
    PASSWORD_TOO_SHORT: "The password is too short. Use at least 8 characters; a few words together are easy to remember",
        "Kata sandi terlalu pendek. Gunakan paling sedikit 8 karakter; beberapa kata sekaligus mudah diingat";
    PASSWORD_TOO_LONG: "The password is too long. Use at most 128 characters",
        "Kata sandi terlalu panjang. Gunakan paling banyak 128 karakter";
    PASSWORD_COMMON: "This password is one of the most common and easily guessed. Use another; a few words together are good",
        "Kata sandi ini termasuk yang paling umum dan mudah ditebak. Gunakan yang lain; beberapa kata sekaligus sudah baik";
    PASSWORD_PERSONAL: "This password is made of the name, the phone number or the e-mail address. Use another; a few words together are good",
        "Kata sandi ini dibuat dari nama, nomor telepon, atau alamat email. Gunakan yang lain; beberapa kata sekaligus sudah baik";
    PHONE_EMPTY: "Enter a phone number: use 62812... or +62812...",
        "Isi nomor telepon: gunakan 62812... atau +62812...";
    PHONE_GROUP: "This is a WhatsApp group. Enter the phone number of a person: use 62812... or +62812...",
        "Ini grup WhatsApp. Isi nomor telepon seseorang: gunakan 62812... atau +62812...";
    PHONE_LETTERS: "A phone number has no letters. Enter the digits only: use 62812... or +62812...",
        "Nomor telepon tidak memuat huruf. Isi angkanya saja: gunakan 62812... atau +62812...";
    PHONE_SIGNS: "A phone number has digits only, and a + only in front: use 62812... or +62812...",
        "Nomor telepon hanya memuat angka, dan + hanya di depan: gunakan 62812... atau +62812...";
    PHONE_NO_COUNTRY_CODE: "The country code is missing after + or 00: use 62812... or +62812...",
        "Kode negara setelah + atau 00 belum ada: gunakan 62812... atau +62812...";
    PHONE_NO_SUCH_COUNTRY: "No country has this code. Check the number: use 62812... or +62812...",
        "Tidak ada negara dengan kode ini. Periksa nomornya: gunakan 62812... atau +62812...";
    PHONE_COUNTRY_CODE_TWICE: "The country code may be there twice. Enter it once: use 62812... or +62812...",
        "Kode negara mungkin tertulis dua kali. Tulis satu kali: gunakan 62812... atau +62812...";
    PHONE_LEADING_ZERO: "No number of this country begins with 0. Leave it out after the country code: use 62812... or +62812...",
        "Tidak ada nomor di negara ini yang diawali 0. Hapus 0 setelah kode negara: gunakan 62812... atau +62812...";
    PHONE_TOO_SHORT: "The phone number is too short. Enter all of it, with its country code: use 62812... or +62812...",
        "Nomor telepon terlalu pendek. Isi lengkap, dengan kode negaranya: gunakan 62812... atau +62812...";
    PHONE_TOO_LONG: "The phone number is too long. Enter one number, at most 15 digits: use 62812... or +62812...",
        "Nomor telepon terlalu panjang. Isi satu nomor, paling banyak 15 angka: gunakan 62812... atau +62812...";
    PHONE_WRONG_LENGTH: "Numbers of this country have more or fewer digits. Check the number: use 62812... or +62812...",
        "Jumlah angka nomor di negara ini berbeda. Periksa nomornya: gunakan 62812... atau +62812...";
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names in braces, and what stands in backticks: what a program reads.
    fn fixed(text: &str) -> Vec<&str> {
        let backticked = text.split('`').skip(1).step_by(2);
        let braced = text.split('{').skip(1);
        let braced = braced.map(|rest| rest.split('}').next().unwrap_or_default());
        let mut fixed: Vec<_> = backticked.chain(braced).collect();
        fixed.sort_unstable();
        fixed
    }

    #[test]
    fn every_text_is_there_in_both_languages_and_says_the_same() {
        for text in ALL {
            let Wording {
                english,
                indonesian,
            } = text.wording;
            assert!(!english.is_empty() && !indonesian.is_empty(), "{english}");
            assert_ne!(english, indonesian);
            assert_eq!(fixed(english), fixed(indonesian), "{english}");
            assert_eq!(
                english.ends_with('.'),
                indonesian.ends_with('.'),
                "{english}"
            );
        }
    }

    #[test]
    fn a_value_stands_where_its_name_is() {
        let text = FIELD_TWICE.with("field", "phone").with("place", "line 1");
        assert_eq!(
            text.written(Language::English),
            "`phone` is there twice, before line 1."
        );
        assert_eq!(
            text.written(Language::Indonesian),
            "`phone` ada dua kali, sebelum line 1."
        );
    }
}
