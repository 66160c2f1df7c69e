//! Times and durations as people read them.
//!
//! Nothing here knows what time it is.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::run::Millis;

/// `350ms`, `1.2s`, `3m04s`, `1h02m`, `2d03h`.
pub fn took(ms: u64) -> Took {
    Took { ms, whole: false }
}

/// How long something has been going on: as [`took`], but in whole seconds. It
/// is drawn again and again, and tenths would only flicker.
pub fn so_far(ms: u64) -> Took {
    Took { ms, whole: true }
}

/// See [`took`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Took {
    ms: u64,
    whole: bool,
}

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = self.ms / 1000;
        let shown = match s {
            0..60 if self.whole => format!("{s}s"),
            0 => format!("{}ms", self.ms),
            1..60 => format!("{s}.{}s", self.ms % 1000 / 100),
            60..3600 => format!("{}m{:02}s", s / 60, s % 60),
            3600..86_400 => format!("{}h{:02}m", s / 3600, s % 3600 / 60),
            _ => format!("{}d{:02}h", s / 86_400, s % 86_400 / 3600),
        };
        f.pad(&shown)
    }
}

/// A moment as the wall clock in `zone` showed it.
fn local(at: Millis, zone: &TimeZone) -> jiff::Zoned {
    let moment = i64::try_from(at).ok();
    let moment = moment.and_then(|at| Timestamp::from_millisecond(at).ok());
    moment.unwrap_or(Timestamp::MAX).to_zoned(zone.clone())
}

/// `12:03:04`
pub fn clock(at: Millis, zone: &TimeZone) -> String {
    local(at, zone).strftime("%H:%M:%S").to_string()
}

/// `2026-11-20 12:03:04`
pub fn date_and_clock(at: Millis, zone: &TimeZone) -> String {
    local(at, zone).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_parts_at_most() {
        let shown: Vec<String> = [0, 350, 1_250, 59_999, 184_000, 3_720_000, 183_600_000]
            .map(|ms| took(ms).to_string())
            .into();
        assert_eq!(
            shown,
            ["0ms", "350ms", "1.2s", "59.9s", "3m04s", "1h02m", "2d03h"]
        );
        assert_eq!(format!("{:>6}|", took(350)), " 350ms|");
    }

    #[test]
    fn what_goes_on_is_counted_in_seconds() {
        assert_eq!(so_far(1_999).to_string(), "1s");
        assert_eq!(so_far(61_999).to_string(), "1m01s");
    }

    #[test]
    fn moments_are_shown_in_the_given_zone() {
        let at = 1_763_650_921_999;
        assert_eq!(clock(at, &TimeZone::UTC), "15:02:01");
        let east = TimeZone::fixed(jiff::tz::offset(2));
        assert_eq!(date_and_clock(at, &east), "2025-11-20 17:02:01");
        // No clock makes a view fail.
        assert!(date_and_clock(u64::MAX, &TimeZone::UTC).starts_with("9999"));
    }
}
