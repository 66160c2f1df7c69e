//! A plan as it is kept with a run: JSON, in pieces.
//!
//! Of a plan of 100,000 steps the text is twenty megabytes. Who only wants its
//! id, or writes it away, need never have all of it in memory.

use super::{Plan, Step};

/// A piece is handed on once it has so many bytes: enough for what is done with
/// each to cost nothing beside what is done with its bytes.
const PIECE: usize = 1 << 16;

/// What a plan's text is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Equal for equal plans: 64 hexadecimal digits (BLAKE3 of the text).
    pub id: String,
    /// How many bytes the text has.
    pub len: u64,
}

impl Plan {
    /// The plan's content id, and the length of its text. Where a step is
    /// written is part of the plan.
    pub fn content(&self) -> Content {
        let mut hasher = blake3::Hasher::new();
        let Ok(()) = self.try_each_piece(|piece| {
            hasher.update(piece);
            Ok::<_, std::convert::Infallible>(())
        });
        Content {
            id: hasher.finalize().to_hex().to_string(),
            len: hasher.count(),
        }
    }

    /// See [`Plan::content`].
    pub fn content_id(&self) -> String {
        self.content().id
    }

    /// The content id of a plan's text.
    pub fn content_id_of(json: &str) -> String {
        blake3::hash(json.as_bytes()).to_hex().to_string()
    }

    /// The plan as it is kept with a run.
    pub fn to_json(&self) -> String {
        let mut json = Vec::new();
        let Ok(()) = self.try_each_piece(|piece| {
            json.extend_from_slice(piece);
            Ok::<_, std::convert::Infallible>(())
        });
        String::from_utf8(json).expect("JSON is text")
    }

    /// Hands the plan's text on, piece by piece.
    ///
    /// # Errors
    /// The first that a piece was answered with.
    pub fn try_each_piece<E>(&self, mut take: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        // The steps are the plan's last field, and so the text goes on with them.
        let mut text = serde_json::to_vec(&self.without_steps()).expect(WRITABLE);
        debug_assert!(text.ends_with(b"\"steps\":[]}"));
        text.truncate(text.len() - b"]}".len());
        for (n, step) in self.steps.iter().enumerate() {
            if n > 0 {
                text.push(b',');
            }
            serde_json::to_writer::<_, Step>(&mut text, step).expect(WRITABLE);
            if text.len() >= PIECE {
                take(&text)?;
                text.clear();
            }
        }
        text.extend_from_slice(b"]}");
        take(&text)
    }

    /// All else that the plan says.
    fn without_steps(&self) -> Plan {
        Plan {
            id: self.id.clone(),
            name: self.name.clone(),
            version: self.version.clone(),
            description: self.description.clone(),
            metadata: self.metadata.clone(),
            variables: self.variables.clone(),
            env: self.env.clone(),
            max_concurrency: self.max_concurrency,
            slurm_jobs: self.slurm_jobs,
            deadline: self.deadline,
            on_abort: self.on_abort,
            on_restart: self.on_restart,
            rollback: self.rollback,
            cache: self.cache,
            project: self.project.clone(),
            remediate: self.remediate,
            lock: self.lock.clone(),
            pools: self.pools.clone(),
            resources: self.resources.clone(),
            facts: self.facts.clone(),
            files: self.files.clone(),
            origins: self.origins.clone(),
            order: self.order,
            min_succeeded: self.min_succeeded,
            notices: self.notices.clone(),
            log_file: self.log_file.clone(),
            notify: self.notify.clone(),
            before: self.before.clone(),
            steps: Vec::new(),
        }
    }
}

const WRITABLE: &str = "a plan has no map with keys that are not strings";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::testing;

    #[test]
    fn the_pieces_are_the_plan() {
        let steps: Vec<String> = (0..2_000).map(|n| format!("step{n}")).collect();
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        for many in [0, 1, 2, 2_000] {
            let plan = testing::plan(&steps[..many]);
            let whole = serde_json::to_string(&plan).expect("it can be written");
            assert_eq!(plan.to_json(), whole);
            let content = plan.content();
            assert_eq!(content.id, Plan::content_id_of(&whole));
            assert_eq!(content.len, whole.len() as u64);
            let mut pieces = 0;
            let Ok(()) = plan.try_each_piece(|_| {
                pieces += 1;
                Ok::<_, std::convert::Infallible>(())
            });
            assert!(pieces <= 1 + whole.len() / PIECE);
        }
    }
}
