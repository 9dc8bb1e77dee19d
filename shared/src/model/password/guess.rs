//! What is guessed first: common passwords and words, also dressed up, and what is known of the person.

/// In lower case, sorted by bytes, one a line. `make_common.py` says where they come from, and makes the file.
const COMMON: &str = include_str!("common.txt");

/// So many characters around a common word, or beside what is known of the person, make nothing that is hard to guess.
const DECORATION_MAX: usize = 6;

/// Words of a person that are shorter stand in many passwords by chance.
const PERSONAL_WORD_MIN: usize = 3;

/// Whether a password in lower case is a common one: as it is, with digits and signs around a common word, with digits and
/// signs in place of letters, or several times.
pub fn is_common(lower: &str) -> bool {
    is_listed(lower) || is_decorated_word(lower) || is_repetition(lower)
}

/// Whether a password in lower case is made of what is known of its owner, such as name, phone number and e-mail address,
/// and little else.
pub fn is_personal(lower: &str, known: &[&str]) -> bool {
    let mut words: Vec<String> = known.iter().copied().flat_map(words_of).collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let whole = letters_and_digits(lower);
    let left = words
        .iter()
        .fold(whole.clone(), |left, word| left.replace(word, ""));
    left.len() < whole.len() && left.chars().count() <= DECORATION_MAX
}

/// Looks the line up in the text as it stands, by halves: nothing is prepared at the start of a process.
fn is_listed(text: &str) -> bool {
    let mut lines = COMMON;
    while !lines.is_empty() {
        let middle = lines.floor_char_boundary(lines.len() / 2);
        let start = lines[..middle].rfind('\n').map_or(0, |end| end + 1);
        let end = lines[start..]
            .find('\n')
            .map_or(lines.len(), |end| start + end);
        match text.cmp(&lines[start..end]) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => lines = &lines[..start],
            std::cmp::Ordering::Greater => lines = lines.get(end + 1..).unwrap_or_default(),
        }
    }
    false
}

/// Such as `password123!`, `p@ssw0rd` and `2024sayang`.
fn is_decorated_word(lower: &str) -> bool {
    let is_decoration = |c: char| !c.is_alphabetic();
    let without_tail = lower.trim_end_matches(is_decoration);
    let bare = without_tail.trim_start_matches(is_decoration);
    [without_tail, bare].into_iter().any(|core| {
        let decoration = lower.chars().count() - core.chars().count();
        decoration <= DECORATION_MAX
            && ['i', 'l']
                .into_iter()
                .any(|one| is_listed(&undisguised(core, one)))
    })
}

/// The letters that digits and signs stand for; a `1` stands for `one`.
fn undisguised(text: &str, one: char) -> String {
    let letter = |c| match c {
        '0' => 'o',
        '1' | '!' | '|' => one,
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        letter => letter,
    };
    text.chars().map(letter).collect()
}

/// A common word several times, such as `sayangsayang`.
fn is_repetition(lower: &str) -> bool {
    let characters: Vec<char> = lower.chars().collect();
    let units = (1..=characters.len() / 2).filter(|unit| characters.len().is_multiple_of(*unit));
    units.into_iter().any(|unit| {
        let (first, rest) = characters.split_at(unit);
        let text: String = first.iter().collect();
        rest.chunks(unit).all(|next| next == first) && is_listed(&text)
    })
}

/// The words of what is known, all of them as one, and of a phone number also the forms without its country code.
fn words_of(known: &str) -> Vec<String> {
    let whole = letters_and_digits(&known.to_lowercase());
    let mut words = vec![whole.clone()];
    if whole.chars().all(|c| c.is_ascii_digit()) {
        words.extend((1..=3).filter_map(|start| whole.get(start..).map(str::to_owned)));
    } else {
        let parts = known.split(|c: char| !c.is_alphanumeric());
        words.extend(parts.map(str::to_lowercase));
    }
    words.retain(|word| word.chars().count() >= PERSONAL_WORD_MIN);
    words
}

fn letters_and_digits(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_every_line_of_it_is_found() {
        let lines: Vec<_> = COMMON.lines().collect();
        assert!(lines.is_sorted_by(|one, next| one < next));
        for line in &lines {
            assert_eq!(*line, line.to_lowercase());
            assert!(is_listed(line), "{line}");
            assert!(!is_listed(&format!("{line}\n")), "{line}");
        }
        // Of those that could be chosen, ASVS 5.0 (6.2.4) asks for 3,000.
        assert!(lines.iter().filter(|line| line.len() >= 8).count() >= 5_000);
        for absent in ["", "\n", "~", "zzzzzzzzzzzzzz", "hujan di bulan juni"] {
            assert!(!is_listed(absent), "{absent:?}");
        }
    }

    #[test]
    fn a_common_word_is_one_however_it_is_dressed_up() {
        for (text, common) in [
            ("password", true),
            ("password123!", true),
            ("p@ssw0rd", true),
            ("p@$$w0rd2024", true),
            ("2024sayang!", true),
            ("$ayang123", true),
            ("adm1n2024", true),
            ("we1come!!", true),
            ("garuda#1945", true),
            ("sayangsayang", true),
            ("rahasiarahasiarahasia", true),
            ("aaaaaaaa", true),
            // What is left is hard to guess.
            ("password8306471", false),
            ("sayang dan bismillah", false),
            ("kuda-lari-kencang", false),
            ("x7#kuda9!mq2", false),
            ("delapan8", false),
            ("jendela kaca jendela kaca", false),
        ] {
            assert_eq!(is_common(text), common, "{text}");
        }
    }

    #[test]
    fn what_is_known_of_the_person_is_no_password() {
        let known = ["Siti Rahma", "628123456789", "siti.r@example.com"];
        for (text, personal) in [
            ("siti rahma", true),
            ("sitirahma", true),
            ("rahmasiti99", true),
            ("sitisiti", true),
            ("siti1234", true),
            ("08123456789", true),
            ("+62 812-3456-789", true),
            ("8123456789", true),
            ("siti08123456789", true),
            ("siti.r@example.com", true),
            ("siti suka mancing ikan", false),
            ("08129999999", false),
            ("kuda-lari-kencang", false),
            ("sit in the garden", false),
        ] {
            assert_eq!(is_personal(text, &known), personal, "{text}");
        }
        assert!(!is_personal("kuda-lari-kencang", &[]));
        assert!(
            !is_personal("al al al al al", &["Al"]),
            "too short to be told"
        );
    }
}
