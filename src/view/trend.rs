//! How long the runs of a plan take, and which took longer than was to be expected.

/// A run is only judged by at least so many before it.
pub const LEAST: usize = 5;

/// A duration such that so many hundredths of all are no longer: the nearest that there
/// is. `None` of nothing.
pub fn quantile(durations: &[u64], percent: usize) -> Option<u64> {
    let mut sorted = durations.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// For each duration of a successful run, oldest first, whether it is a regression: more
/// than a fifth longer than the 95th percentile of those before it, of which there are
/// at least [`LEAST`], and by a second more than half of them took. So neither the noise
/// of short runs counts, nor one that is no longer than the longest have been.
///
/// `None` where a run did not succeed: how long it took says nothing, before or after.
pub fn regressions(durations: &[Option<u64>]) -> Vec<bool> {
    let mut before = Vec::new();
    let mut told = Vec::with_capacity(durations.len());
    for duration in durations {
        told.push(duration.is_some_and(|duration| is_one(duration, &before)));
        before.extend(*duration);
    }
    told
}

fn is_one(duration: u64, before: &[u64]) -> bool {
    let (Some(half), Some(most)) = (quantile(before, 50), quantile(before, 95)) else {
        return false;
    };
    before.len() >= LEAST && duration > most + most / 5 && duration > half + 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_one_of_them() {
        let all: Vec<u64> = (1..=100).rev().collect();
        assert_eq!(quantile(&all, 50), Some(50));
        assert_eq!(quantile(&all, 95), Some(95));
        assert_eq!(quantile(&[7], 95), Some(7));
        assert_eq!(quantile(&[7, 9], 50), Some(7));
        assert_eq!(quantile(&[], 50), None);
    }

    #[test]
    fn what_is_longer_than_expected_is_a_regression() {
        let usual = [Some(10_000), Some(11_000), None, Some(10_500), Some(12_000)];
        let after = |more: &[Option<u64>]| {
            let all: Vec<_> = usual.iter().chain(more).copied().collect();
            regressions(&all).split_off(usual.len())
        };
        // Four are too few to judge by; then five are enough.
        assert_eq!(after(&[Some(90_000)]), [false]);
        assert_eq!(after(&[Some(10_000), Some(14_500)]), [false, true]);
        assert_eq!(after(&[Some(10_000), Some(14_400)]), [false, false]);
        assert_eq!(after(&[Some(10_000), None]), [false, false]);
        // Short ones waver.
        let short = [Some(10), Some(11), Some(10), Some(12), Some(10), Some(600)];
        assert!(regressions(&short).iter().all(|is_one| !is_one));
    }
}
