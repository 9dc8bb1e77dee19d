//! Prints every message with sample values, so that its words can be read before anybody gets them.
use std::io::{self, Write};

use clap::{Args, ValueEnum};
use shared::model::challenge::CODE_LIFE;
use shared::model::code::{Code, Purpose};
use shared::model::language::Language;
use shared::model::payment::currency::Currency;
use shared::model::payment::money::Money;
use shared::model::payment::name::{CustomerName, Phrase};
use shared::model::payment::texts::PaymentMessage;
use shared::model::payment::url::PaymentUrl;
use shared::model::payment::zone::Zone;
use shared::model::payment::{Kind, PaymentId, Status};
use shared::model::texts::{AccountChange, Brand, CodeMessage, MessageBody};
use shared::platform::timestamp::Timestamp;

/// What the messages are written with.
#[derive(Args, Clone, Debug)]
pub struct PreviewOptions {
    /// The name before every message [default: BRAND_NAME]
    #[arg(long, value_name = "NAME", value_parser = brand)]
    pub brand: Option<Brand>,

    /// Only the messages in this language
    #[arg(long, value_enum)]
    pub language: Option<LanguageArgument>,

    /// The zone that times are written in, by its name in the IANA database
    #[arg(long, value_name = "ZONE", default_value = "Asia/Jakarta", value_parser = zone)]
    pub zone: Zone,
}

/// The languages, as they are typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LanguageArgument {
    /// Bahasa Indonesia
    Id,
    /// English
    En,
}

impl From<LanguageArgument> for Language {
    fn from(language: LanguageArgument) -> Self {
        match language {
            LanguageArgument::Id => Self::Indonesian,
            LanguageArgument::En => Self::English,
        }
    }
}

fn brand(text: &str) -> Result<Brand, &'static str> {
    Brand::parse(text)
        .ok_or("give a name of at most 30 characters on one line, without `:`, `/`, `{` and `}`")
}

fn zone(text: &str) -> Result<Zone, &'static str> {
    Zone::parse(text).ok_or("give a name such as Asia/Jakarta, Asia/Makassar, Asia/Jayapura or UTC")
}

/// Prints the messages; `brand` is the deployment's.
///
/// # Errors
/// When nobody reads them.
pub fn run(options: &PreviewOptions, brand: &Brand, out: &mut dyn Write) -> io::Result<()> {
    let brand = options.brand.as_ref().unwrap_or(brand);
    let languages = match options.language {
        Some(language) => vec![language.into()],
        None => vec![Language::Indonesian, Language::English],
    };
    for language in languages {
        let name = match language {
            Language::Indonesian => "Bahasa Indonesia",
            Language::English => "English",
        };
        writeln!(out, "# {name}\n")?;
        for (message, MessageBody(text)) in messages(brand, language, &options.zone) {
            writeln!(out, "## {message}\n\n{text}\n")?;
        }
    }
    Ok(())
}

/// Every message in one language, with what it is.
fn messages(brand: &Brand, language: Language, zone: &Zone) -> Vec<(String, MessageBody)> {
    let code = Code::parse("123456");
    let codes = Purpose::ALL.into_iter().filter_map(|purpose| {
        let message = CodeMessage {
            purpose,
            language,
            code: code.as_ref()?,
            life: CODE_LIFE,
        };
        Some((format!("code: {purpose}"), brand.code_message(&message)))
    });
    let changes = AccountChange::ALL.into_iter().map(|change| {
        let text = brand.change_message(change, language);
        (format!("account: {}", change.name()), text)
    });
    let samples = Samples::new();
    let payments = kinds().into_iter().filter_map(|kind| {
        let text = brand.payment_message(&samples.message(&kind, language, zone)?);
        Some((format!("payment: {kind}"), text))
    });
    let trial = ("gateway check".to_owned(), brand.trial_message(language));
    codes
        .chain(changes)
        .chain(payments)
        .chain([trial])
        .collect()
}

/// Every kind of notice. What is told as paid and what has the status of it is told in the same words.
fn kinds() -> Vec<Kind> {
    let statuses = Status::ALL
        .into_iter()
        .filter(|status| *status != Status::Paid);
    let statuses = statuses.map(|status| Kind::Status {
        status,
        sequence: None,
    });
    let others = [Kind::Created, Kind::ExpiryWarning, Kind::Success];
    others.into_iter().chain(statuses).collect()
}

/// What the messages about payments are written with.
struct Samples {
    payment: Option<PaymentId>,
    name: Option<CustomerName>,
    amount: Option<Money>,
    method: Option<Phrase>,
    reason: Option<Phrase>,
    url: Option<PaymentUrl>,
}

impl Samples {
    /// 09:30 and 08:55 of the same day, in Greenwich.
    const EXPIRES_AT: Timestamp = Timestamp::from_seconds(1_795_685_400);
    const PAID_AT: Timestamp = Timestamp::from_seconds(1_795_683_300);

    fn new() -> Self {
        let rupiah = Currency::parse("IDR");
        Self {
            payment: PaymentId::parse("INV-0042"),
            name: CustomerName::clean("Siti Nurhaliza"),
            amount: rupiah.and_then(|rupiah| Money::parse("150000", rupiah).ok()),
            method: Phrase::clean("BCA Virtual Account"),
            reason: Phrase::clean("Stok habis"),
            url: PaymentUrl::parse("https://pay.example.com/i/INV-0042"),
        }
    }

    fn message<'a>(
        &'a self,
        kind: &'a Kind,
        language: Language,
        zone: &'a Zone,
    ) -> Option<PaymentMessage<'a>> {
        Some(PaymentMessage {
            kind,
            language,
            zone,
            payment: self.payment.as_ref()?,
            name: self.name.as_ref(),
            amount: self.amount?,
            method: self.method.as_ref(),
            reason: self.reason.as_ref(),
            url: self.url.as_ref(),
            expires_at: Some(Self::EXPIRES_AT),
            paid_at: Some(Self::PAID_AT),
            sent_at: Self::PAID_AT,
        })
    }
}
