//! Replies speak the language that the client asks for.
use shared::model::texts::Brand;

use super::*;

const ENGLISH: &str = "We sent a code to your WhatsApp.";
const INDONESIAN: &str = "Kami sudah mengirim kode ke WhatsApp Anda.";

#[tokio::test(start_paused = true)]
async fn a_reply_is_in_the_language_of_the_body_then_of_the_header_then_english() {
    let system = system().await;
    for (label, locale, header, text) in [
        ("nothing asked", None, None, ENGLISH),
        ("header", None, Some("id-ID,id;q=0.9,en;q=0.8"), INDONESIAN),
        ("another header", None, Some("fr, en;q=0.5"), ENGLISH),
        ("unknown header", None, Some("fr"), ENGLISH),
        ("body", Some("id"), None, INDONESIAN),
        ("body before header", Some("en"), Some("id"), ENGLISH),
    ] {
        let body = json!({ "identifier": SITI, "locale": locale }).to_string();
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(header.map(|header| ("accept-language", header)));
        let reply = system.request("POST", SIGNIN, &headers, body).await;
        check_sent(&reply);
        assert_eq!(reply.json["message"], text, "{label}");
        pass(15 * MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_speak_it_too_and_their_codes_stay() {
    let system = system().await;
    let json = [
        ("content-type", "application/json"),
        ("accept-language", "id"),
    ];
    for (method, path, body, code, text) in [
        (
            "POST",
            SIGNIN,
            r#"{"identifier":"0812"}"#,
            "INVALID_PHONE_FORMAT",
            "Nomor telepon terlalu pendek.",
        ),
        (
            "POST",
            SIGNIN,
            r#"{"identifier":1}"#,
            "INVALID_FIELD",
            "`identifier` bertipe salah",
        ),
        (
            "POST",
            SIGNIN,
            "{}",
            "MISSING_IDENTIFIER",
            "`identifier` belum diisi.",
        ),
        ("GET", SESSION, "", "MISSING_TOKEN", "Kirim token akses"),
        ("GET", "/nowhere", "", "NOT_FOUND", "Rute itu tidak ada."),
        (
            "GET",
            SIGNIN,
            "",
            "METHOD_NOT_ALLOWED",
            "Gunakan POST untuk alamat ini.",
        ),
    ] {
        let reply = system.request(method, path, &json, body).await;
        assert_eq!(reply.json["error"], code, "{}", reply.json);
        let message = reply.json["message"].as_str().expect("a message");
        assert!(message.starts_with(text), "{code}: {message}");
    }
    let down = system.with_faults(Faults::down());
    let reply = down
        .request(
            "POST",
            SIGNIN,
            &json,
            json!({ "identifier": SITI }).to_string(),
        )
        .await;
    let message = reply.json["message"].as_str().expect("a message");
    assert!(message.starts_with("Terjadi gangguan"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn the_brand_stands_at_the_beginning_of_every_message() {
    let system = TestSystem::builder().settings(|settings| {
        settings.brand = Brand::parse("Tokoku").expect("a name");
    });
    let system = with_siti(system.build().await).await;
    check_sent(&ask_code(&system, SITI).await);
    check_sent(&system.post(SEND_RESET, json!({ "identifier": SITI })).await);
    check_sent(&system.post(SIGNUP, applicant(BUDI)).await);
    let texts = [inbox(&system, SITI), inbox(&system, BUDI)].concat();
    assert_eq!(texts.len(), 3);
    for text in texts {
        let code = text.strip_prefix("Tokoku: ").expect("the brand");
        assert!(
            code[..6].bytes().all(|byte| byte.is_ascii_digit()),
            "{text}"
        );
    }
}
