//! Times and durations as people read them.
//!
//! Nothing here knows what time it is.

use jiff::Timestamp;
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

#[cfg(test)]
mod tests {
    use super::*;

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
