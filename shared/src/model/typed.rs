//! What people type and paste: with marks that nobody sees, with dashes, spaces and digits of other scripts.
//!
//! Every field that a person types is cleaned here before it is read: phone, code, e-mail address and name.
use unicode_normalization::UnicodeNormalization;

/// Characters without a look of their own: marks of writing direction, joiners, soft hyphens, byte order marks, variation
/// selectors and tags. They are Unicode's Default_Ignorable_Code_Point, and the rest of its category Cf that is invisible.
const INVISIBLE: [(char, char); 23] = [
    ('\u{00AD}', '\u{00AD}'),
    ('\u{034F}', '\u{034F}'),
    ('\u{061C}', '\u{061C}'),
    ('\u{115F}', '\u{1160}'),
    ('\u{17B4}', '\u{17B5}'),
    ('\u{180B}', '\u{180F}'),
    ('\u{200B}', '\u{200F}'),
    ('\u{202A}', '\u{202E}'),
    ('\u{2060}', '\u{206F}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{FE00}', '\u{FE0F}'),
    ('\u{FEFF}', '\u{FEFF}'),
    ('\u{FFA0}', '\u{FFA0}'),
    ('\u{FFF0}', '\u{FFFB}'),
    ('\u{13430}', '\u{1343F}'),
    ('\u{1BCA0}', '\u{1BCA3}'),
    ('\u{1D173}', '\u{1D17A}'),
    ('\u{E0000}', '\u{E0FFF}'),
    // Marks of Arabic, Syriac, Kaithi: they stand for a number that follows, and enclose it.
    ('\u{0600}', '\u{0605}'),
    ('\u{06DD}', '\u{06DD}'),
    ('\u{070F}', '\u{070F}'),
    ('\u{0890}', '\u{0891}'),
    ('\u{08E2}', '\u{08E2}'),
];

/// The zeros of the scripts that have digits of their own; nine more follow each.
const ZEROS: [char; 37] = [
    '\u{0660}',
    '\u{06F0}',
    '\u{07C0}',
    '\u{0966}',
    '\u{09E6}',
    '\u{0A66}',
    '\u{0AE6}',
    '\u{0B66}',
    '\u{0BE6}',
    '\u{0C66}',
    '\u{0CE6}',
    '\u{0D66}',
    '\u{0DE6}',
    '\u{0E50}',
    '\u{0ED0}',
    '\u{0F20}',
    '\u{1040}',
    '\u{1090}',
    '\u{17E0}',
    '\u{1810}',
    '\u{1946}',
    '\u{19D0}',
    '\u{1A80}',
    '\u{1A90}',
    '\u{1B50}',
    '\u{1BB0}',
    '\u{1C40}',
    '\u{1C50}',
    '\u{A620}',
    '\u{A8D0}',
    '\u{A900}',
    '\u{A9D0}',
    '\u{A9F0}',
    '\u{AA50}',
    '\u{ABF0}',
    '\u{FF10}',
    '\u{1FBF0}',
];

/// A phone, a code or an e-mail address as it was meant: without invisible marks, with ASCII digits, `-` for every dash and
/// minus, a space for every space, and the ASCII characters that full-width ones stand for.
pub fn plain(text: &str) -> String {
    text.chars()
        .filter(|c| !is_invisible(*c))
        .map(ascii)
        .collect::<String>()
        .trim()
        .to_owned()
}

/// A name as it was meant: without invisible marks, in Unicode's form NFC. What joins letters and picks their shape stays,
/// because some scripts and emoji are written with it.
pub fn name(text: &str) -> String {
    let visible = |c: &char| !is_invisible(*c) || joins(*c);
    let name: String = text.chars().filter(visible).nfc().collect();
    let name = name.trim();
    if name.chars().all(joins) {
        String::new()
    } else {
        name.to_owned()
    }
}

fn joins(c: char) -> bool {
    matches!(c, '\u{200C}' | '\u{200D}' | '\u{FE00}'..='\u{FE0F}' | '\u{E0020}'..='\u{E007F}')
}

/// Whether a character has no look of its own.
pub fn is_invisible(c: char) -> bool {
    !c.is_ascii()
        && INVISIBLE
            .iter()
            .any(|(first, last)| (first..=last).contains(&&c))
}

fn ascii(c: char) -> char {
    if c.is_ascii() {
        return c;
    }
    if let Some(digit) = digit(c) {
        return digit;
    }
    match c {
        // Dashes, hyphens and minus signs, of every script and width.
        '\u{058A}' | '\u{05BE}' | '\u{1400}' | '\u{1806}' | '\u{2010}'..='\u{2015}' => '-',
        '\u{2043}' | '\u{207B}' | '\u{208B}' | '\u{2212}' | '\u{2796}' => '-',
        '\u{2E17}' | '\u{2E1A}' | '\u{2E3A}' | '\u{2E3B}' | '\u{2E40}' | '\u{2E5D}' => '-',
        '\u{301C}' | '\u{3030}' | '\u{30A0}' | '\u{FE31}' | '\u{FE32}' => '-',
        '\u{FE58}' | '\u{FE63}' | '\u{FF0D}' | '\u{10D6E}' | '\u{10EAD}' => '-',
        // The other full-width forms are as far from their characters as these are.
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
        _ if c.is_whitespace() => ' ',
        _ => c,
    }
}

fn digit(c: char) -> Option<char> {
    let value = match c {
        '\u{1D7CE}'..='\u{1D7FF}' => (c as u32 - 0x1D7CE) % 10,
        _ => ZEROS.iter().find_map(|zero| {
            (c as u32)
                .checked_sub(*zero as u32)
                .filter(|value| *value < 10)
        })?,
    };
    char::from_digit(value, 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pasted_becomes_what_was_meant() {
        for (label, pasted, meant) in [
            ("as it is", "+62 812-3456-789", "+62 812-3456-789"),
            (
                "marks of direction",
                "\u{202A}+62\u{200E} 812\u{202C}\u{61C}",
                "+62 812",
            ),
            ("isolates", "\u{2066}123456\u{2069}", "123456"),
            ("zero width", "123\u{200B}456\u{FEFF}", "123456"),
            ("no-break", "123\u{A0}456\u{2011}7\u{202F}8", "123 456-7 8"),
            ("minus", "123−456", "123-456"),
            (
                "full width",
                "＋６２　８１２（３）ａ＠ｂ．ｃ",
                "+62 812(3)a@b.c",
            ),
            ("Arabic digits", "٠٨١٢ ۳۴۵۶", "0812 3456"),
            ("around", " \u{200F} 1 \t", "1"),
        ] {
            assert_eq!(plain(pasted), meant, "{label}");
        }
    }

    #[test]
    fn names_keep_what_their_script_needs() {
        for (label, typed, meant) in [
            ("as it is", "Siti Nur-Aini", "Siti Nur-Aini"),
            ("invisible", "\u{FEFF}Si\u{200B}ti\u{202E}", "Siti"),
            ("two characters", "Rene\u{301}", "René"),
            ("joined", "نیما\u{200C}ها", "نیما\u{200C}ها"),
            ("emoji", "👩\u{200D}💻", "👩\u{200D}💻"),
            ("nothing to see", " \u{200D}\u{200E} ", ""),
        ] {
            assert_eq!(name(typed), meant, "{label}");
        }
    }
}
