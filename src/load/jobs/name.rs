//! Names of jobs, tasks, agents and orchestrations: each is a step's id and, in
//! the state directory, the name of a directory or file.

use crate::plan::name::check_id;

/// Whether a name can be one (O31).
///
/// # Errors
/// Why not, as what follows the name: `holds a space`.
pub fn check(name: &str) -> Result<(), String> {
    check_id(name)?;
    match name {
        _ if name.contains('/') => Err("holds `/`, which leads elsewhere".into()),
        _ if name.starts_with('.') => Err("begins with `.`".into()),
        _ if looks_like_a_run(name) => {
            Err("looks like a run's id, and runs are kept beside it".into())
        }
        _ => Ok(()),
    }
}

/// `20251120-150201-x7k2`, in any letters.
fn looks_like_a_run(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    let digits = |part: &str, n| part.len() == n && part.bytes().all(|b| b.is_ascii_digit());
    matches!(parts[..], [date, time, rest] if digits(date, 8) && digits(time, 6) && rest.len() == 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// O31.
    #[test]
    fn o31_names_that_could_lead_elsewhere_are_none() {
        for good in ["sample", "sample_task", "a-b.c", "Ü1", "last"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "..",
            ".",
            "a/b",
            "../a",
            "/etc",
            "a\\b",
            "a\nb",
            "a\0",
            "\u{1b}[2J",
            ".hidden",
            "-rf",
            "a b",
            "20251120-150201-x7k2",
        ] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }
}
