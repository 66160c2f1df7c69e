//! Whether there is room for so many bytes.

use nix::sys::statvfs::statvfs;

use super::Finding;

/// Of what is free, only what this user may take counts.
pub fn find(path: &str, at_least: u64) -> Finding {
    let available = match statvfs(path) {
        Ok(found) => found.blocks_available() * found.fragment_size(),
        Err(errno) => {
            let why = errno.desc();
            return Finding::Unknown(format!("the disk space at {path} cannot be told: {why}"));
        }
    };
    judge(available, at_least)
}

fn judge(available: u64, at_least: u64) -> Finding {
    match available >= at_least {
        true => Finding::Holds(format!("{}GB available", gb_down(available))),
        false => Finding::Fails(format!(
            "Insufficient disk space: {}GB available (need at least {}GB)",
            gb_down(available),
            gb_up(at_least)
        )),
    }
}

const GB: u128 = 1 << 30;

/// Rounded so that less than enough never looks like enough.
fn gb_down(bytes: u64) -> String {
    shown(u128::from(bytes) * 10 / GB)
}

fn gb_up(bytes: u64) -> String {
    shown((u128::from(bytes) * 10).div_ceil(GB))
}

fn shown(tenths: u128) -> String {
    match tenths % 10 {
        0 => (tenths / 10).to_string(),
        rest => format!("{}.{rest}", tenths / 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1 << 30;

    /// E22: to the byte.
    #[test]
    fn e22_one_byte_less_than_enough_is_not_enough() {
        assert_eq!(judge(GB, GB), Finding::Holds("1GB available".into()));
        for (available, at_least, said) in [
            (GB - 1, GB, "0.9GB available (need at least 1GB)"),
            (0, GB, "0GB available (need at least 1GB)"),
            (GB, GB + 1, "1GB available (need at least 1.1GB)"),
            (10 * GB - 1, 10 * GB, "9.9GB available (need at least 10GB)"),
            (GB / 2 - 1, GB / 2, "0.4GB available (need at least 0.5GB)"),
            (1, 500 << 20, "0GB available (need at least 0.5GB)"),
            (5, u64::MAX, "0GB available (need at least 17179869184GB)"),
        ] {
            let expected = format!("Insufficient disk space: {said}");
            assert_eq!(judge(available, at_least), Finding::Fails(expected));
        }
    }

    #[test]
    fn a_place_that_is_not_there_has_no_known_space() {
        let why = "the disk space at /no/such cannot be told: No such file or directory";
        assert_eq!(find("/no/such", 1), Finding::Unknown(why.into()));
        assert_eq!(find("/", 0).code(), 0);
    }
}
