//! Which run a call has begun: it says so on stderr where its result goes to stdout.

/// What stands before the run's id.
const RUN_ID: &str = "Run ID: ";

/// The run's id, as soon as all of it is there: the line may still be being written.
pub fn run_id(said: &str) -> Option<String> {
    let whole = said
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    let mut ids = whole.filter_map(|line| line.trim_end().strip_prefix(RUN_ID));
    ids.next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::run_id;

    #[test]
    fn a_runs_id_is_read_once_its_line_is_whole() {
        assert_eq!(run_id("Run ID: 2026"), None);
        assert_eq!(
            run_id("warning: x\nRun ID: 2026\n").as_deref(),
            Some("2026")
        );
        assert_eq!(run_id("error: no\n"), None);
    }
}
