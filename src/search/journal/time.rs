//! Times as Optuna writes them, as microseconds since 1970 in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// Microseconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// `2026-01-01T00:00:00.000000+00:00`.
pub(super) fn write(time: i64) -> String {
    let (days, within) = (time.div_euclid(DAY), time.rem_euclid(DAY));
    let (year, month, day) = date(days);
    let (seconds, fraction) = (within / SECOND, within % SECOND);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:06}+00:00")
}

/// Reads a time in ISO format: with or without fraction and offset; without offset it is UTC.
pub(super) fn read(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let rest = text.get(19..)?;
    let zone = rest.find(['+', '-', 'Z']).unwrap_or(rest.len());
    let (fraction, zone) = rest.split_at(zone);
    let digits = fraction.strip_prefix('.').unwrap_or_default();
    let fraction = format!("{digits:0<6}").get(..6)?.parse::<i64>().ok()?;
    let offset = match zone.as_bytes().first() {
        None | Some(b'Z') => 0,
        Some(sign) => {
            let hours: i64 = zone.get(1..3)?.parse().ok()?;
            let minutes: i64 = zone.get(4..6)?.parse().ok()?;
            (hours * 60 + minutes) * if *sign == b'-' { -1 } else { 1 }
        }
    };
    let seconds = hour * 3600 + (minute - offset) * 60 + second;
    Some(days(year, month, day) * DAY + seconds * SECOND + fraction)
}

/// Days since 1970 of a date of the Gregorian calendar. Years begin in March here, so that the
/// leap day comes last (Hinnant, "chrono-compatible low-level date algorithms").
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day; the inverse of [`days`].
fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00.000000+00:00", 0),
            ("2000-02-29T12:00:00.000000+00:00", 951_825_600),
            ("2026-01-01T00:00:00.000000+00:00", 1_767_225_600),
            ("1969-12-31T23:59:59.000000+00:00", -1),
        ] {
            assert_eq!(write(seconds * SECOND), text);
            assert_eq!(read(text), Some(seconds * SECOND));
        }
        assert_eq!(read("1970-01-01T02:00:00.5+02:00"), Some(SECOND / 2));
        assert_eq!(read("1969-12-31T22:30:00-01:30"), Some(0));
        assert_eq!(read("1970-01-01T00:00:01Z"), Some(SECOND));
        for text in ["", "1970-01-01", "1970-13-01T00:00:00", "é970-01-01T00:00:00"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn every_day_maps_back_and_forth() {
        for day in -200_000..200_000 {
            let (year, month, date) = date(day);
            assert_eq!(days(year, month, date), day);
        }
    }
}
