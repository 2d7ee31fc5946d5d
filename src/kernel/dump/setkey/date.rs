//! Dates as ctime(3) writes them.

use std::fmt;

/// A date that is not there.
const NO_DATE: &str = "                    ";
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const SECONDS_OF_DAY: i64 = 86_400;

/// `Mon DD HH:MM:SS YYYY`, or blanks for a time that is 0.
pub(super) struct Date {
    seconds: u64,
    utc_offset: i32,
}

impl Date {
    /// A time since 1970, shown that many seconds ahead of UTC.
    pub(super) const fn new(seconds: u64, utc_offset: i32) -> Self {
        Self { seconds, utc_offset }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.seconds == 0 {
            return f.write_str(NO_DATE);
        }
        let seconds = i64::try_from(self.seconds).unwrap_or(i64::MAX);
        let local = seconds.saturating_add(self.utc_offset.into());
        let (year, month, day) = civil(local.div_euclid(SECONDS_OF_DAY));
        let of_day = local.rem_euclid(SECONDS_OF_DAY);
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        write!(f, "{month} {day:2} {hour:02}:{minute:02}:{second:02} {year}")
    }
}

/// The date of a day counted from 1970-01-01, in the Gregorian calendar.
fn civil(days: i64) -> (i64, &'static str, i64) {
    // Counted from 0000-03-01, so that the leap day is the last of its year.
    let days = days.saturating_add(719_468);
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 2, 0) } else { (month - 10, 1) };
    let name = usize::try_from(month).ok().and_then(|m| MONTHS.get(m)).copied().unwrap_or("???");
    (year_of_era + era * 400 + carry, name, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let text = |seconds, utc_offset| Date::new(seconds, utc_offset).to_string();
        assert_eq!(text(0, 0), " ".repeat(20));
        assert_eq!(text(1, 0), "Jan  1 00:00:01 1970");
        assert_eq!(text(1, -2), "Dec 31 23:59:59 1969");
        assert_eq!(text(951_782_400, 0), "Feb 29 00:00:00 2000");
        assert_eq!(text(1_183_492_687, 0), "Jul  3 19:58:07 2007");
        assert_eq!(text(1_183_492_687, 7200), "Jul  3 21:58:07 2007");
        assert_eq!(text(4_107_542_400, 0), "Mar  1 00:00:00 2100");
    }
}
