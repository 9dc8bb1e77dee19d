//! The languages that people are answered and written to in.

/// A language that messages are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Bahasa Indonesia.
    Indonesian,
    /// English.
    English,
}

impl Language {
    /// Its code of ISO 639-1.
    pub const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Indonesian => "id",
        }
    }

    /// The language of a BCP 47 tag such as `id`, `en-GB` or the older `in`.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default().trim();
        match primary.to_ascii_lowercase().as_str() {
            "id" | "in" => Some(Self::Indonesian),
            "en" => Some(Self::English),
            _ => None,
        }
    }

    /// Its tag.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Indonesian => "id",
            Self::English => "en",
        }
    }

    /// The language that a client asks for: by `locale`, otherwise the first known one of an `Accept-Language` header in its
    /// order.
    pub fn asked(locale: Option<&str>, accept_language: Option<&str>) -> Option<Self> {
        let accepted = accept_language.unwrap_or_default().split(',');
        locale
            .into_iter()
            .chain(accepted.map(|range| range.split(';').next().unwrap_or_default()))
            .find_map(Self::of_tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_the_one_asked_for_then_the_first_known_one_that_is_accepted() {
        for (locale, accepted, language) in [
            (Some("en_US"), Some("id"), Some(Language::English)),
            (
                Some("xx"),
                Some("fr;q=0.9, in-ID;q=0.5, en"),
                Some(Language::Indonesian),
            ),
            (None, None, None),
            (None, Some("*"), None),
        ] {
            assert_eq!(
                Language::asked(locale, accepted),
                language,
                "{locale:?} {accepted:?}"
            );
        }
    }
}
