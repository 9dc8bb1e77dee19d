//! Every message, printed with sample values.
use clap::Parser;
use local::cli::Cli;
use local::operate::Command;
use local::preview;
use shared::model::texts::Brand;

/// What `cargo run -- preview` prints where the deployment's brand is `Tokoku`.
fn printed(typed: &[&str]) -> String {
    let typed = ["local", "preview"].iter().chain(typed);
    let Some(Command::Preview(options)) = Cli::parse_from(typed).command else {
        panic!("another command");
    };
    let mut out = Vec::new();
    let brand = Brand::parse("Tokoku").expect("a name");
    preview::run(&options, &brand, &mut out).expect("a reader");
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn every_text_is_printed_in_both_languages() {
    let printed = printed(&[]);
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/src/model/texts");
    let texts = std::fs::read_dir(folder).expect("the texts").count();
    let messages: Vec<_> = printed.split("\n## ").skip(1).collect();
    assert_eq!(messages.len(), texts, "{printed}");
    for message in messages {
        let (_, text) = message.split_once("\n\n").expect("a message");
        assert!(text.starts_with("Tokoku: "), "{message}");
        assert!(!text.contains(['{', '}']), "{message}");
    }
    for words in [
        "## code: sso\n\nTokoku: 123456 adalah kode masuk Anda.",
        "## account: password-changed\n\nTokoku: Your password was changed",
        "## payment: created\n\nTokoku: Halo Siti Nurhaliza, tagihan Anda sebesar Rp\u{A0}150.000",
        "## payment: status.refunded\n\nTokoku: Hello Siti Nurhaliza, we are returning IDR\u{A0}150,000",
        "Bayar sebelum: 26 Nov 2026, 16.30 WIB",
        "Sisa waktu: 35 menit",
        "Time left: 35 minutes",
        "Paid at: Nov 26, 2026, 3:55\u{202F}PM WIB",
        "https://pay.example.com/i/INV-0042",
    ] {
        assert!(printed.contains(words), "{words}\nin\n{printed}");
    }
}

#[test]
fn brand_language_and_zone_can_be_chosen() {
    let chosen = printed(&[
        "--brand",
        "Warung",
        "--language",
        "id",
        "--zone",
        "asia/jayapura",
    ]);
    assert!(
        chosen.contains("Warung: Halo") && !chosen.contains("Tokoku"),
        "{chosen}"
    );
    assert!(chosen.contains("26 Nov 2026, 18.30 WIT\n"), "{chosen}");
    assert!(!chosen.contains("Hello"), "{chosen}");
    let english = printed(&["--language", "en", "--zone", "UTC"]);
    assert!(
        english.contains("9:30\u{202F}AM GMT+0") && !english.contains("Halo"),
        "{english}"
    );
}

#[test]
fn what_cannot_be_written_with_is_refused() {
    for typed in [
        ["--brand", "https://a"],
        ["--zone", "Asia/Bandung"],
        ["--language", "fr"],
    ] {
        let cli = Cli::try_parse_from(["local", "preview"].iter().chain(&typed));
        assert!(cli.is_err(), "{typed:?}");
    }
}
