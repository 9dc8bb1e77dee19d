//! The page of a user and their logins.
use askama::Template;
use shared::edge::admin::Layout;
use shared::flows::admin::people::Person;

use crate::pages::{Frame, Proved};

/// A user and their logins.
#[derive(Debug, Template)]
#[template(path = "people.html")]
pub struct PeoplePage<'a> {
    /// What every page begins with.
    pub layout: Layout<'a>,
    /// What every page has.
    pub frame: Frame<'a>,
    /// The phone, masked, and as the addresses of pages have it.
    pub whom: Option<(String, String)>,
    /// The user; nothing before somebody has looked for one.
    pub person: Option<Person>,
    /// Whether the phone was just erased.
    pub erased: bool,
    /// Whether another number was just typed to confirm that.
    pub not_confirmed: bool,
    /// Whether the operator has just proved who they are.
    pub proved: Proved,
}

impl PeoplePage<'_> {
    /// What erasing leaves, and until when.
    fn remains(&self) -> [&'static str; 6] {
        [
            self.frame.say(
                "Access tokens that are out already are good for a quarter of an hour, for whoever does not ask this system about them.",
                "Token akses yang sudah beredar berlaku hingga seperempat jam, bagi pihak yang tidak menanyakannya ke sistem ini.",
            ),
            self.frame.say(
                "A notice that is being sent just now may still arrive. Tell the payment system to erase the phone as well: what it posts from now on is about new payments.",
                "Pemberitahuan yang sedang dikirim mungkin masih sampai. Minta sistem pembayaran juga menghapus nomornya: yang dikirimnya mulai sekarang adalah pembayaran baru.",
            ),
            self.frame.say(
                "Codes that wait for a chat work for ten minutes, for whoever opens it from that phone.",
                "Kode yang menunggu obrolan berlaku sepuluh menit, bagi siapa pun yang membukanya dari nomor itu.",
            ),
            self.frame.say(
                "Records of messages stay for 30 days and the logs for their time, with the middle of the number masked. No message is found by the phone.",
                "Catatan pesan disimpan 30 hari dan log selama masanya, dengan bagian tengah nomor disamarkan. Tidak ada pesan yang ditemukan lewat nomor ini.",
            ),
            self.frame.say(
                "Backups of the tables can be restored for 35 days. What WhatsApp and the gateway keep is theirs.",
                "Cadangan tabel dapat dipulihkan selama 35 hari. Yang disimpan WhatsApp dan gateway adalah urusan mereka.",
            ),
            self.frame.say(
                "A sign-in or a payment of this very moment may have left something: erase once more after a minute. That is always safe.",
                "Proses masuk atau pembayaran saat ini mungkin meninggalkan sesuatu: hapus sekali lagi setelah satu menit. Itu selalu aman.",
            ),
        ]
    }

    fn may_erase(&self) -> bool {
        self.proved == Proved::Lately
    }
}
