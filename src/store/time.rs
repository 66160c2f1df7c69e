//! How the store spells a moment: RFC 3339, UTC, always three decimals.
//!
//! The views do the same in SQL; a test in `tests/store.rs` holds the two equal.

use jiff::Timestamp;

use crate::run::Millis;

/// `2025-11-20T15:02:01.999Z`
pub(crate) fn rfc3339(at: Millis) -> String {
    format!("{:.3}", timestamp(at))
}

/// `20251120-150201`
pub(super) fn compact(at: Millis) -> String {
    timestamp(at).strftime("%Y%m%d-%H%M%S").to_string()
}

/// Whatever a clock may claim, it becomes some moment that can be spelled: at
/// the latest the end of the year 9999.
fn timestamp(at: Millis) -> Timestamp {
    i64::try_from(at)
        .ok()
        .and_then(|at| Timestamp::from_millisecond(at).ok())
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_three_decimals_whatever_they_are() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(1_763_650_921_900), "2025-11-20T15:02:01.900Z");
        assert_eq!(rfc3339(u64::MAX), "9999-12-30T22:00:00.999Z");
    }
}
