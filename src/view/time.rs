//! Times and durations as people read them.
//!
//! Nothing here knows what time it is.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::run::Millis;

pub use crate::run::took::{Took, so_far, took};

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

/// `12:03:04.567`
pub fn exact(at: Millis, zone: &TimeZone) -> String {
    local(at, zone).strftime("%H:%M:%S%.3f").to_string()
}

/// `2026-11-20 12:03:04`
pub fn date_and_clock(at: Millis, zone: &TimeZone) -> String {
    local(at, zone).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The moment that a person or a program writes: with its offset as RFC 3339 has it, or
/// a date, perhaps with a time, as the wall clock in `zone` shows them.
pub fn moment(text: &str, zone: &TimeZone) -> Option<Millis> {
    let text = text.trim();
    let at = match text.parse::<Timestamp>() {
        Ok(at) => at,
        // A date alone is its first moment.
        Err(_) => text
            .parse::<DateTime>()
            .ok()?
            .to_zoned(zone.clone())
            .ok()?
            .timestamp(),
    };
    u64::try_from(at.as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_they_are_written() {
        let east = TimeZone::fixed(jiff::tz::offset(2));
        let at = |text| moment(text, &east).map(|at| date_and_clock(at, &east));
        assert_eq!(at("2025-11-20").as_deref(), Some("2025-11-20 00:00:00"));
        assert_eq!(
            at("2025-11-20T17:02").as_deref(),
            Some("2025-11-20 17:02:00")
        );
        assert_eq!(
            at("2025-11-20 17:02:01").as_deref(),
            Some("2025-11-20 17:02:01")
        );
        assert_eq!(
            at("2025-11-20T15:02:01Z").as_deref(),
            Some("2025-11-20 17:02:01")
        );
        for wrong in [
            "",
            "yesterday",
            "2025-13-01",
            "1969-01-01",
            "2025-11-20T25:00",
        ] {
            assert_eq!(at(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn moments_are_shown_in_the_given_zone() {
        let at = 1_763_650_921_999;
        assert_eq!(clock(at, &TimeZone::UTC), "15:02:01");
        assert_eq!(exact(at, &TimeZone::UTC), "15:02:01.999");
        let east = TimeZone::fixed(jiff::tz::offset(2));
        assert_eq!(date_and_clock(at, &east), "2025-11-20 17:02:01");
        // No clock makes a view fail.
        assert!(date_and_clock(u64::MAX, &TimeZone::UTC).starts_with("9999"));
    }
}
