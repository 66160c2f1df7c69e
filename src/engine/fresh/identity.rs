//! What a step runs, as one number.

use std::fmt;

use crate::store::cache::Digest;

/// The digest of what a step runs: equal for equal programs, arguments, places
/// and environments.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Identity(pub(super) Digest);

impl Identity {
    /// Of an argv after outputs of other steps are in their places, the working
    /// directory, the environment that the plan and the step set, and the
    /// standard input. Secrets stand in them as they are written (`${TOKEN}`):
    /// their values are nobody's to remember, and another value is the same
    /// command.
    pub fn of<'a>(
        argv: impl IntoIterator<Item = &'a str>,
        cwd: &str,
        env: impl IntoIterator<Item = (&'a str, &'a str)>,
        stdin: Option<&str>,
    ) -> Identity {
        let mut parts = Parts(blake3::Hasher::new());
        parts.list(argv.into_iter());
        parts.text(cwd);
        // What is set twice counts as it is set last, and so the order does too.
        parts.list(env.into_iter().flat_map(|(name, value)| [name, value]));
        parts.list(stdin.into_iter());
        Identity(parts.0.finalize().into())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from(self.0).to_hex())
    }
}

/// Texts that are hashed so that no two lists of them look alike.
struct Parts(blake3::Hasher);

impl Parts {
    fn text(&mut self, text: &str) {
        self.0.update(&(text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
    }

    fn list<'a>(&mut self, texts: impl Iterator<Item = &'a str>) {
        texts.for_each(|text| self.text(text));
        // No text is so long.
        self.0.update(&u64::MAX.to_le_bytes());
    }
}

/// The digest of lists of texts.
pub(super) fn of_lists(lists: &[&[Box<str>]]) -> Digest {
    let mut parts = Parts(blake3::Hasher::new());
    for list in lists {
        parts.list(list.iter().map(AsRef::as_ref));
    }
    parts.0.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_step_runs_is_part_of_it() {
        let base = || Identity::of(["cp", "a"], "/p", [("A", "1")], None);
        assert_eq!(base(), base());
        let others = [
            Identity::of(["cp", "b"], "/p", [("A", "1")], None),
            Identity::of(["cpa"], "/p", [("A", "1")], None),
            Identity::of(["cp", "a"], "/q", [("A", "1")], None),
            Identity::of(["cp", "a"], "/p", [("A", "2")], None),
            Identity::of(["cp", "a"], "/p", [], None),
            Identity::of(["cp", "a", "/p"], "", [("A", "1")], None),
            Identity::of(["cp", "a"], "/p", [("A", "1")], Some("")),
        ];
        for (n, other) in others.iter().enumerate() {
            assert_ne!(base(), *other, "{n}");
        }
    }
}
