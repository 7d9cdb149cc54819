//! Dates and times as go-yaml recognises them.

/// A timestamp in RFC 3339 with nanoseconds as needed (`time.RFC3339Nano`), if the text is one (`parseTimestamp`
/// in resolve.go, the same in v2 and v3). The formats are `2006-1-2`, `2006-1-2 15:4:5.999999999` and
/// `2006-1-2T15:4:5.999999999Z07:00`, the last with `T` or `t`.
pub(super) fn canonical(text: &str) -> Option<String> {
    let (year, rest) = text.split_at_checked(4)?;
    if !year.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let year: u16 = year.parse().ok()?;
    let rest = rest.strip_prefix('-')?;
    let (month, rest) = one_or_two_digits(rest)?;
    let rest = rest.strip_prefix('-')?;
    let (day, rest) = one_or_two_digits(rest)?;
    if !(1..=12).contains(&month) || day == 0 || day > days_in(year, month) {
        return None;
    }
    let date = format!("{year:04}-{month:02}-{day:02}");
    let mut characters = rest.chars();
    match characters.next() {
        None => Some(format!("{date}T00:00:00Z")),
        Some('T' | 't') => {
            let (time, zone) = time(characters.as_str())?;
            Some(format!("{date}T{time}{}", offset(zone)?))
        }
        Some(' ') => {
            // Go's layouts skip further spaces where they have one.
            let (time, zone) = time(characters.as_str().trim_start_matches(' '))?;
            zone.is_empty().then(|| format!("{date}T{time}Z"))
        }
        Some(_) => None,
    }
}

/// Hours, minutes, seconds and a fraction; and what follows.
fn time(text: &str) -> Option<(String, &str)> {
    // Go's stdHour takes one digit or two, as its stdMinute and stdSecond without leading zero do.
    let (hour, rest) = one_or_two_digits(text)?;
    let (minute, rest) = one_or_two_digits(rest.strip_prefix(':')?)?;
    let (second, rest) = one_or_two_digits(rest.strip_prefix(':')?)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (fraction, rest) = fraction(rest)?;
    let time = format!("{hour:02}:{minute:02}:{second:02}");
    Some(if fraction.is_empty() {
        (time, rest)
    } else {
        (format!("{time}.{fraction}"), rest)
    })
}

/// The digits after a dot or a comma, at most nine, without zeros at their end.
fn fraction(text: &str) -> Option<(&str, &str)> {
    let Some(after) = text.strip_prefix(['.', ',']) else {
        return Some(("", text));
    };
    let length = after.bytes().take_while(u8::is_ascii_digit).count();
    if length == 0 {
        return None;
    }
    let (digits, rest) = after.split_at_checked(length)?;
    let nanoseconds = digits.get(..digits.len().min(9))?;
    Some((nanoseconds.trim_end_matches('0'), rest))
}

/// `Z` or `±hh:mm`; an offset of zero is `Z`. Go takes 24 hours and 60 minutes, and carries the minutes over.
fn offset(text: &str) -> Option<String> {
    if text == "Z" {
        return Some("Z".to_owned());
    }
    let digits = text.strip_prefix(['+', '-'])?;
    let sign = text.strip_suffix(digits)?;
    let (hours, minutes) = digits.split_once(':')?;
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
    if hours > 24 || minutes > 60 {
        return None;
    }
    match u16::from(hours) * 60 + u16::from(minutes) {
        0 => Some("Z".to_owned()),
        minutes => Some(format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)),
    }
}

fn one_or_two_digits(text: &str) -> Option<(u8, &str)> {
    let length = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at_checked(length)?;
    Some((digits.parse().ok()?, rest))
}

fn two_digits(text: &str) -> Option<u8> {
    if text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

fn days_in(year: u16, month: u8) -> u8 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
