//! A moment as part of a name.

use jiff::Timestamp;

use crate::run::Millis;

/// `20251120-150201`
///
/// Whatever a clock may claim, it becomes some moment that can be spelled: at
/// the latest the end of the year 9999.
pub(super) fn compact(at: Millis) -> String {
    let at = i64::try_from(at).ok();
    let at = at.and_then(|at| Timestamp::from_millisecond(at).ok());
    at.unwrap_or(Timestamp::MAX)
        .strftime("%Y%m%d-%H%M%S")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_moment_can_be_part_of_a_name() {
        assert_eq!(compact(1_763_650_921_900), "20251120-150201");
        assert!(compact(u64::MAX).starts_with("99991230-"));
    }
}
