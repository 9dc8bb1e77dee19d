//! What a QR code looks like.

/// The picture without its last part: base64 of a PNG whose length is a multiple of three bytes.
const PICTURE: &str = include_str!("qr.txt");

/// The picture of a QR code, or none. Four more digits of base64 stand behind the picture's end, so that each code
/// differs and shows.
pub(super) fn data_url(number: Option<u64>) -> String {
    number.map_or_else(String::new, |number| {
        format!("data:image/png;base64,{}{number:04}", PICTURE.trim())
    })
}
