//! One phone, one number: the spellings of those countries where a phone has several.
//!
//! Most come from a change of the numbering plan, after which people, address books and WhatsApp itself still have the old
//! number. Here the new one counts. `former` is the old one, under which WhatsApp may have the account.

/// The digits that an old Beninese number begins with: those of mobile phones, and the 2 of fixed ones.
const BENINESE_STARTS: [char; 5] = ['2', '4', '5', '6', '9'];

/// The digits that an old Brazilian mobile number begins with. With a 7 begin the numbers of radios, too, which got no 9.
const BRAZILIAN_STARTS: [char; 3] = ['6', '8', '9'];

/// What a Gabonese number began with, and what it begins with instead.
const GABONESE_STARTS: [(&str, &str); 6] = [
    ("01", "11"),
    ("02", "62"),
    ("04", "74"),
    ("05", "65"),
    ("06", "66"),
    ("07", "77"),
];

/// The codes of Colombian carriers with more than one digit.
const COLOMBIAN_CARRIERS: [&str; 3] = ["414", "444", "456"];

/// The one spelling of a national number, which has no trunk prefix any more.
pub(super) fn canonical(code: &str, national: &str) -> String {
    let changed = match code {
        "229" => beninese(national),
        "241" => gabonese(national),
        "52" => mexican(national),
        "54" => argentine(national),
        "55" => brazilian(national),
        "57" => colombian(national),
        _ => None,
    };
    changed.unwrap_or_else(|| national.to_owned())
}

/// The other spelling of a national number under which WhatsApp may have the phone's account.
pub(super) fn former(code: &str, national: &str) -> Option<String> {
    let former = match code {
        "229" => national.strip_prefix("01")?.to_owned(),
        "241" => {
            let (old, new) = GABONESE_STARTS
                .into_iter()
                .find(|(_, new)| national.starts_with(new))?;
            format!("{old}{}", &national[new.len()..])
        }
        "52" => format!("1{national}"),
        "55" if national.get(2..3) == Some("9") => {
            format!("{}{}", &national[..2], &national[3..])
        }
        "57" => national.strip_prefix("60")?.to_owned(),
        _ => return None,
    };
    // Of what merely looks like it, no other spelling is known.
    (former != national && canonical(code, &former) == national).then_some(former)
}

/// `typed` without the 0 and the code of a long-distance carrier that some put before a number. With them it is longer than
/// any number of the country, so that nothing else can be meant.
pub(super) fn without_carrier<'a>(code: &str, typed: &'a str) -> &'a str {
    let rest = match code {
        "55" => without_brazilian_carrier(typed),
        "57" => without_colombian_carrier(typed),
        "591" => typed.strip_prefix("01").and_then(|rest| rest.get(1..)),
        _ => None,
    };
    let lengths = match code {
        "55" => 10..=11,
        "57" => 10..=10,
        _ => 8..=8,
    };
    rest.filter(|rest| lengths.contains(&rest.len()))
        .unwrap_or(typed)
}

/// Two digits after a 0, or after the 90 of a call that the other side pays. None begins with a 0: a second one belongs to a
/// country code that was typed twice.
fn without_brazilian_carrier(typed: &str) -> Option<&str> {
    let rest = typed
        .strip_prefix('0')
        .or_else(|| typed.strip_prefix("90"))?;
    rest.get(2..).filter(|_| !rest.starts_with('0'))
}

/// One odd digit from 3 on after a 0, or three digits.
fn without_colombian_carrier(typed: &str) -> Option<&str> {
    let rest = typed.strip_prefix('0')?;
    let long = COLOMBIAN_CARRIERS
        .into_iter()
        .find_map(|carrier| rest.strip_prefix(carrier));
    long.or_else(|| rest.strip_prefix(['3', '5', '7', '9']))
}

/// On 30 November 2024 every number got 01 in front.
fn beninese(national: &str) -> Option<String> {
    let old = national.len() == 8 && national.starts_with(BENINESE_STARTS);
    old.then(|| format!("01{national}"))
}

/// From November 2019 on the digit of the operator stands before the old number, and the 0 is dialled at home only.
fn gabonese(national: &str) -> Option<String> {
    let with_zero = match national.len() {
        // As it is dialled at home.
        9 => return national.strip_prefix('0').map(str::to_owned),
        8 => national.to_owned(),
        7 => format!("0{national}"),
        _ => return None,
    };
    let (old, new) = GABONESE_STARTS
        .into_iter()
        .find(|(old, _)| with_zero.starts_with(old))?;
    Some(format!("{new}{}", &with_zero[old.len()..]))
}

/// Until 2016 mobile numbers got a 9 after the area code.
fn brazilian(national: &str) -> Option<String> {
    let (area, number) = national.split_at_checked(2)?;
    let old = number.len() == 8 && number.starts_with(BRAZILIAN_STARTS);
    old.then(|| format!("{area}9{number}"))
}

/// On 1 September 2021 fixed numbers got 60 in front.
fn colombian(national: &str) -> Option<String> {
    let old = national.len() == 8 && national.starts_with(['1', '2', '4', '5', '6', '7', '8']);
    old.then(|| format!("60{national}"))
}

/// Mexico dropped what marked a call to a mobile phone in 2019, and WhatsApp's own ids still have the 1.
fn mexican(national: &str) -> Option<String> {
    ["1", "01", "044", "045"]
        .into_iter()
        .filter_map(|mark| national.strip_prefix(mark))
        .find(|rest| rest.len() == 10)
        .map(str::to_owned)
}

/// An Argentine mobile number has a 9 before its area code when it is called from abroad, and a 15 after it at home.
fn argentine(national: &str) -> Option<String> {
    let nine = national.strip_prefix('9').filter(|rest| rest.len() >= 10);
    let rest = nine.map_or(national, |rest| rest.trim_start_matches('0'));
    match without_15(rest) {
        Some(area_and_number) => Some(format!("9{area_and_number}")),
        None if nine.is_some() && rest.len() == 10 => Some(format!("9{rest}")),
        None => None,
    }
}

/// Takes the 15 out of an area code (11, or three or four digits that begin with 2 or 3), 15 and the rest.
fn without_15(typed: &str) -> Option<String> {
    let areas = if typed.starts_with("11") {
        2..=2
    } else {
        3..=4
    };
    let area = areas
        .into_iter()
        .find(|area| typed.len() == 12 && typed[*area..].starts_with("15"))?;
    Some(format!("{}{}", &typed[..area], &typed[area + 2..]))
}
