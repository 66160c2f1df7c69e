//! How long something took, as people read it.
//!
//! Here and not among the views, since reasons say it too.

use std::fmt;

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
}
