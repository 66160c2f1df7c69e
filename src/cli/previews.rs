//! What was previewed lately: who shows a preview's token may start what it showed,
//! once, as long as a run of it would still be the same.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::error::{Failure, Kind};

/// So long a preview counts.
pub const LIFETIME: Duration = Duration::from_secs(600);

/// So many are remembered, the newest.
const MOST: usize = 64;

/// See the file. `T` is what can be previewed.
#[derive(Debug)]
pub struct Previews<T> {
    all: BTreeMap<String, Seen<T>>,
}

impl<T> Default for Previews<T> {
    fn default() -> Self {
        Previews {
            all: BTreeMap::new(),
        }
    }
}

/// What somebody has seen.
#[derive(Clone, Debug)]
struct Seen<T> {
    target: T,
    /// The plan's content id.
    plan: String,
    at: Instant,
}

impl<T: Clone> Previews<T> {
    /// Remembers what is about to be shown; gives its token.
    ///
    /// # Errors
    /// The system has no chance to give.
    pub fn remember(&mut self, target: T, plan: String, at: Instant) -> Result<String, Failure> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| Failure::new(Kind::Run, error))?;
        let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.all.retain(|_, seen| seen.is_valid(at));
        if self.all.len() >= MOST {
            let oldest = self.all.iter().min_by_key(|(_, seen)| seen.at);
            let oldest = oldest.map(|(token, _)| token.clone()).unwrap_or_default();
            self.all.remove(&oldest);
        }
        self.all.insert(token.clone(), Seen { target, plan, at });
        Ok(token)
    }

    /// What a token's preview was of, and the content id of the plan that it showed.
    ///
    /// # Errors
    /// Nobody was given this token, or too long ago.
    pub fn find(&self, token: &str, at: Instant) -> Result<(T, String), Failure> {
        let seen = self.all.get(token).filter(|seen| seen.is_valid(at));
        seen.map(|seen| (seen.target.clone(), seen.plan.clone()))
            .ok_or_else(|| {
                let minutes = LIFETIME.as_secs() / 60;
                let hint =
                    format!("a token of `preview` is good for one start within {minutes} minutes");
                Failure::new(Kind::Usage, "preview first: this is no token of a preview").hint(hint)
            })
    }

    /// Nothing more can be started by this token. Whether something could have been.
    pub fn spend(&mut self, token: &str) -> bool {
        self.all.remove(token).is_some()
    }
}

impl<T> Seen<T> {
    fn is_valid(&self, at: Instant) -> bool {
        at.saturating_duration_since(self.at) < LIFETIME
    }
}

/// Takes a token for what it was given for, and gives the content id of the plan that
/// may start now. `refused` says why it is not this that was previewed, and `plan` what
/// the content id would be now.
///
/// # Errors
/// It was not previewed, or would not be the same any more.
pub fn redeem<T: Clone>(
    previews: &Mutex<Previews<T>>,
    token: &str,
    refused: impl FnOnce(&T) -> Result<(), Failure>,
    plan: impl FnOnce(&T) -> Result<String, Failure>,
) -> Result<(T, String), Failure> {
    let (target, content_id) = locked(previews).find(token, Instant::now())?;
    refused(&target)?;
    if plan(&target)? != content_id {
        locked(previews).spend(token);
        let message = "the plan has changed since the preview; preview again";
        return Err(Failure::new(Kind::Usage, message));
    }
    // Of two starts by one token at once, one has it.
    if !locked(previews).spend(token) {
        let message = "preview first: this token has just been used";
        return Err(Failure::new(Kind::Usage, message));
    }
    Ok((target, content_id))
}

/// What a thread left that panicked is whole: each change is one call.
pub fn locked<T>(previews: &Mutex<Previews<T>>) -> MutexGuard<'_, Previews<T>> {
    previews.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(name: &str) -> String {
        name.to_owned()
    }

    #[test]
    fn a_token_is_good_for_its_preview_once_and_for_a_while() {
        let (mut previews, now) = (Previews::default(), Instant::now());
        let token = previews.remember(job("a"), "c0".into(), now).unwrap();
        let other = previews.remember(job("a"), "c0".into(), now).unwrap();
        assert_ne!(token, other);
        assert_eq!(previews.find(&token, now).unwrap(), (job("a"), "c0".into()));
        assert!(previews.find(&token, now + LIFETIME).is_err());
        assert!(previews.find("0", now).is_err());
        assert!(previews.spend(&token));
        assert!(!previews.spend(&token));
        assert!(previews.find(&token, now).is_err());
        assert!(previews.find(&other, now).is_ok());
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let (mut previews, begin) = (Previews::default(), Instant::now());
        let tokens: Vec<String> = (0..=MOST as u64)
            .map(|n| previews.remember(job("a"), "c0".into(), begin + Duration::from_millis(n)))
            .collect::<Result<_, _>>()
            .unwrap();
        let now = begin + Duration::from_secs(1);
        assert!(previews.find(&tokens[0], now).is_err());
        assert!(
            tokens[1..]
                .iter()
                .all(|token| previews.find(token, now).is_ok())
        );
        let late = begin + LIFETIME * 2;
        previews.remember(job("b"), "c1".into(), late).unwrap();
        assert_eq!(previews.all.len(), 1);
    }
}
