//! The page that explains what would happen to a code, and its words.
use askama::Template;
use shared::edge::admin::Layout;
use shared::flows::admin::deliveries::StoredDelivery;
use shared::flows::codes::explain::{
    Expected, Explanation, LastSend, OrderKnown, Readiness, Verdict,
};
use shared::model::challenge::Certainty;
use shared::model::code::Purpose;
use shared::model::language::Language;
use shared::model::limits::Limit;
use shared::sender::{Contact, Rank, SessionForPhone};

use crate::pages::Frame;
use crate::words;

/// What would happen to a code.
#[derive(Debug, Template)]
#[template(path = "explain.html")]
pub struct ExplainPage<'a> {
    /// What every page begins with.
    pub layout: Layout<'a>,
    /// What every page has.
    pub frame: Frame<'a>,
    /// What the code is for.
    pub purpose: Purpose,
    /// The phone, masked, and as the addresses of pages have it.
    pub whom: Option<(String, String)>,
    /// What would happen; nothing before somebody has asked.
    pub explained: Option<Explanation>,
    /// The newest message to the phone for the purpose, also one that was refused.
    pub newest: Option<StoredDelivery>,
    /// The newest one that went out, or may have.
    pub went_out: Option<StoredDelivery>,
}

/// How many sessions are shown. A send tries fewer.
const SESSIONS_MAX: usize = 20;

impl ExplainPage<'_> {
    const fn sessions_max(&self) -> usize {
        SESSIONS_MAX
    }

    const fn language(&self) -> Language {
        self.frame.layout.language
    }

    /// The purposes to choose from, with their words.
    fn purposes(&self) -> Vec<(Purpose, &'static str)> {
        let named = |purpose: Purpose| (purpose, words::purpose(purpose.name(), self.language()));
        Purpose::ALL.into_iter().map(named).collect()
    }

    /// Who would get the code.
    const fn recipient(&self, recipient: &Expected) -> &'static str {
        match recipient {
            Expected::User => self.frame.say("The user of the phone gets a message.", "Pengguna nomor ini menerima pesan."),
            Expected::Applicant => self.frame.say("Whoever signs up with this phone gets a message.", "Pendaftar dengan nomor ini menerima pesan."),
            Expected::Nobody => self.frame.say("The phone has no account for this: no message goes out, and the answer does not tell.", "Nomor ini tidak punya akun untuk itu: tidak ada pesan yang dikirim, dan jawaban tidak memberitahukannya."),
            Expected::HasAccount => self.frame.say("The phone has an account: nobody can sign up with it.", "Nomor ini sudah punya akun: tidak dapat dipakai mendaftar."),
            Expected::TestNumber => self.frame.say("The phone has a fixed code: no message goes out.", "Nomor ini punya kode tetap: tidak ada pesan yang dikirim."),
        }
    }

    /// Whether a message goes out, or may, for somebody at least.
    fn is_sent(&self) -> bool {
        let explained = self.explained.as_ref();
        explained.is_some_and(|explained| {
            let verdicts = explained.at_home.into_iter().chain([explained.elsewhere]);
            !explained.recipient.is_reached() || verdicts.into_iter().any(Verdict::sends)
        })
    }

    /// The sessions that only known contacts are reached over, by name.
    fn names_for_known_contacts(&self) -> String {
        let sessions = self
            .explained
            .iter()
            .flat_map(|explained| &explained.sessions);
        let locked = sessions.filter(|session| session.is_for_others());
        let names: Vec<_> = locked
            .take(SESSIONS_MAX)
            .map(|session| session.name.as_str())
            .collect();
        names.join(self.frame.say(" or ", " atau "))
    }

    /// What whoever is refused as somebody new is offered; nothing where they are offered nothing.
    fn chat(&self) -> Option<&'static str> {
        let explained = self.explained.as_ref()?;
        let refused = [Some(explained.elsewhere), explained.at_home];
        let may_be_refused =
            |verdict: &Verdict| matches!(verdict, Verdict::KnownContacts | Verdict::NoSession);
        let is_offered = explained.opens_chat && refused.iter().flatten().any(may_be_refused);
        is_offered.then(|| {
            self.frame.say(
                "Whoever is refused because WhatsApp lets no account write to somebody new is asked to write first, by openChat in the answer: then the code comes as the answer to that.",
                "Siapa yang ditolak karena WhatsApp tidak mengizinkan akun menulis ke kontak baru diminta menulis lebih dahulu, lewat openChat dalam jawaban: kodenya lalu datang sebagai balasan.",
            )
        })
    }

    /// What somebody would be answered.
    fn verdict(&self, verdict: &Verdict) -> String {
        if *verdict == Verdict::KnownContacts {
            let told = self.frame.say(
                "Only if the phone has a chat with {}",
                "Hanya jika nomor ini punya obrolan dengan {}",
            );
            return told.replace("{}", &self.names_for_known_contacts());
        }
        self.plain_verdict(verdict).to_owned()
    }

    fn plain_verdict(&self, verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Sent => match self.readiness() {
                Some(Readiness::Ready) => self
                    .frame
                    .say("Yes, a code is sent at once", "Ya, kode langsung dikirim"),
                Some(Readiness::Unsure | Readiness::KnownContacts | Readiness::Down) => {
                    self.frame.say("Allowed", "Diizinkan")
                }
                None => self.frame.say(
                    "Answered as if a code were sent",
                    "Dijawab seolah kode dikirim",
                ),
            },
            Verdict::Limited(limit, _) => self.limit(*limit),
            Verdict::NotOnWhatsApp(_) => self.frame.say(
                "No: the number was not on WhatsApp when it was looked up",
                "Tidak: nomor tidak ada di WhatsApp saat diperiksa",
            ),
            Verdict::HasAccount => self
                .frame
                .say("No: there is an account", "Tidak: sudah ada akun"),
            Verdict::KnownContacts | Verdict::NoSession => self.frame.say(
                "No: no session can send it",
                "Tidak: tidak ada sesi yang dapat mengirim",
            ),
        }
    }

    const fn limit(&self, limit: Limit) -> &'static str {
        match limit {
            Limit::InProgress => self.frame.say(
                "No: one is just being sent",
                "Tidak: satu kode sedang dikirim",
            ),
            Limit::Cooldown => self.frame.say(
                "No: the last one is too fresh",
                "Tidak: kode terakhir masih terlalu baru",
            ),
            Limit::Window => self.frame.say(
                "No: too many in ten minutes",
                "Tidak: terlalu banyak dalam sepuluh menit",
            ),
            Limit::Day => self.frame.say(
                "No: too many in a day",
                "Tidak: terlalu banyak dalam sehari",
            ),
            Limit::Country => self.frame.say(
                "No: the cap of the country is full for today",
                "Tidak: jatah negara untuk hari ini habis",
            ),
            _ => self.frame.say("No: a limit", "Tidak: suatu batas"),
        }
    }

    fn readiness(&self) -> Option<Readiness> {
        self.explained.as_ref().and_then(Explanation::readiness)
    }

    /// What stands in the way of every code; nothing while a session sends.
    fn in_the_way(&self) -> Option<&'static str> {
        Some(match self.readiness()? {
            Readiness::Ready => return None,
            Readiness::KnownContacts => self.frame.say(
                "WhatsApp lets no account write to somebody new now, and none is known to have a chat with this phone.",
                "WhatsApp kini tidak mengizinkan akun menulis ke kontak baru, dan belum ada akun yang diketahui punya obrolan dengan nomor ini.",
            ),
            Readiness::Unsure => self.frame.say(
                "No session is known to be ready now: a code is tried, and may be refused or come late. Below are the limits alone.",
                "Tidak ada sesi yang diketahui siap sekarang: kode dicoba kirim, dan mungkin ditolak atau terlambat. Di bawah ini hanya batas-batasnya.",
            ),
            Readiness::Down => self.frame.say(
                "No session can send now: a code is refused until somebody helps.",
                "Tidak ada sesi yang dapat mengirim sekarang: kode ditolak sampai ada yang membantu.",
            ),
        })
    }

    fn shape(&self, verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Sent if self.readiness() != Some(Readiness::Ready) => "idle",
            Verdict::Sent => "good",
            Verdict::Limited(..) | Verdict::KnownContacts => "fair",
            Verdict::NotOnWhatsApp(_) | Verdict::HasAccount | Verdict::NoSession => "bad",
        }
    }

    /// Whether the last message that went out is on its phone, and since when.
    fn on_the_phone(&self) -> Option<String> {
        let delivered = self.went_out.as_ref()?.delivered_at?;
        let told = self.frame.say("on the phone,", "di ponsel,");
        Some(format!("{told} {}", self.frame.when(&delivered).clock))
    }

    /// How sure the last message is.
    const fn last(&self, last: &LastSend) -> &'static str {
        match (last.is_silent, last.certainty) {
            (true, _) => self.frame.say("taken, but its receipt is missing: the next one may go elsewhere at once", "diterima gateway, tetapi tanda terimanya tidak ada: yang berikut boleh segera lewat sesi lain"),
            (false, Certainty::Sent) => self.frame.say("taken by WhatsApp", "diterima WhatsApp"),
            (false, Certainty::Unconfirmed) => self.frame.say("may have gone out", "mungkin terkirim"),
            (false, Certainty::Lapsed) => self.frame.say("its request broke off", "permintaannya terputus"),
        }
    }

    fn rank(&self, session: &SessionForPhone) -> &'static str {
        match session.rank {
            Rank::Usable if session.is_for_others() => {
                self.frame.say("Known contacts only", "Hanya kontak lama")
            }
            Rank::Usable => self.frame.say("Sends", "Mengirim"),
            Rank::Trial => self.frame.say("Tried out", "Dicoba"),
            Rank::Doubtful => self.frame.say("Doubtful", "Meragukan"),
            Rank::Mute => self.frame.say("Nothing arrives", "Tidak ada yang sampai"),
            Rank::Recovering => self.frame.say("Reconnecting", "Menyambung kembali"),
            Rank::NeedsHuman => self.frame.say("Needs a person", "Perlu seseorang"),
            Rank::Closed => self
                .frame
                .say("Takes nobody new", "Tidak menerima kontak baru"),
        }
    }

    fn rank_shape(&self, session: &SessionForPhone) -> &'static str {
        match session.rank {
            Rank::Usable if !session.is_for_others() => "good",
            Rank::Usable | Rank::Trial | Rank::Doubtful | Rank::Recovering => "fair",
            Rank::Mute | Rank::Closed => "bad",
            Rank::NeedsHuman => "act",
        }
    }

    /// Why a session stands where it does, for this phone.
    const fn why(&self, session: &SessionForPhone) -> &'static str {
        match (session.is_silent, session.served_before, session.contact) {
            (true, ..) => self.frame.say(
                "Its last message to this phone seems lost",
                "Pesan terakhirnya ke nomor ini tampaknya hilang",
            ),
            (false, true, _) => self.frame.say(
                "Served this phone before, so it comes first among its equals",
                "Pernah melayani nomor ini, jadi didahulukan di antara yang setara",
            ),
            (_, _, Contact::New) => self
                .frame
                .say("Would write to somebody new", "Akan menulis ke kontak baru"),
            (_, _, Contact::OfAnother) => "",
            _ => self.frame.say(
                "Has not served this phone lately",
                "Belum melayani nomor ini belakangan ini",
            ),
        }
    }

    fn is_drawn(&self) -> bool {
        let order = self.explained.as_ref().map(|explained| explained.order);
        order == Some(OrderKnown::Drawn)
    }
}
