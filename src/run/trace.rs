//! Which trace a run belongs to, and which span of it each attempt is.
//!
//! All ids follow from the run's id, its random number, and what an attempt is. So
//! nothing but the parent has to be recorded, a step can be told its span before
//! anybody else is told of it, and whoever reads the record, also after a crash,
//! finds the same ids. They are those of W3C's *Trace Context*.
//!
//! This does not know who is told of spans, or when.

use std::fmt;

use super::event::{Attempt, Event, Kind, Role};

/// Keeps these hashes apart from all others.
const CONTEXT: &str = "quintet 2026-11 ids of traces and spans";

/// Someone else's span, in which a run was begun: what `TRACEPARENT` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    trace: TraceId,
    span: SpanId,
    /// The lowest bit says that the trace is recorded.
    flags: u8,
}

/// 16 bytes, not all of them zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceId([u8; 16]);

/// 8 bytes, not all of them zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SpanId([u8; 8]);

/// What an engine is told of tracing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tracing {
    /// Somebody will be told of the run's spans.
    pub wanted: bool,
    /// Where the run is begun. What goes on with a run keeps to where that was.
    pub parent: Option<Parent>,
}

/// The trace of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    run_id: String,
    seed: u64,
    id: TraceId,
    parent: Option<Parent>,
}

impl Parent {
    /// Reads a `traceparent`. One of a later version may say more than we know.
    /// `None` where it is none, in which case it counts as not given.
    pub fn parse(text: &str) -> Option<Parent> {
        let (known, more) = text.split_at_checked(55)?;
        let parts: Vec<&str> = known.split('-').collect();
        let [version, trace, span, flags] = parts[..] else {
            return None;
        };
        let [version]: [u8; 1] = bytes(version)?;
        let is_whole = match version {
            0 => more.is_empty(),
            0xff => false,
            _ => more.is_empty() || more.starts_with('-'),
        };
        let trace = TraceId(bytes(trace)?);
        let span = SpanId(bytes(span)?);
        let [flags]: [u8; 1] = bytes(flags)?;
        let names = trace.0 != [0; 16] && span.0 != [0; 8];
        (is_whole && names).then_some(Parent { trace, span, flags })
    }

    pub fn span(&self) -> SpanId {
        self.span
    }
}

/// Exactly so many bytes, in small hexadecimal digits.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |c: &u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != 2 * N || !text.as_bytes().iter().all(digit) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

impl Trace {
    /// The trace of a run that begins with this random number.
    pub fn of(run_id: &str, seed: u64, parent: Option<Parent>) -> Trace {
        let own = || TraceId(hash(&["trace", run_id, &seed.to_string()]));
        Trace {
            run_id: run_id.to_owned(),
            seed,
            id: parent.map_or_else(own, |parent| parent.trace),
            parent,
        }
    }

    /// The trace of a run that is recorded, by its first event. `None` where that
    /// does not begin a run.
    pub fn recorded(run_id: &str, first: &Event) -> Option<Trace> {
        let Kind::RunStarted {
            seed, traceparent, ..
        } = &first.kind
        else {
            return None;
        };
        let parent = traceparent.as_deref().and_then(Parent::parse);
        Some(Trace::of(run_id, *seed, parent))
    }

    pub fn id(&self) -> TraceId {
        self.id
    }

    pub fn parent(&self) -> Option<Parent> {
        self.parent
    }

    /// Whether anybody is to be told of spans: who began the run in a trace of
    /// theirs may have said that nobody is.
    pub fn is_sampled(&self) -> bool {
        self.flags() & 1 == 1
    }

    fn flags(&self) -> u8 {
        self.parent.map_or(1, |parent| parent.flags)
    }

    /// The span of the run: of what happened until its first end (0), from there
    /// to its second, and so on.
    pub fn run_span(&self, part: u32) -> SpanId {
        self.span(&["run", &part.to_string()])
    }

    /// The span of an attempt.
    pub fn attempt_span(&self, step_id: &str, attempt: Attempt) -> SpanId {
        let role = match attempt.role {
            Role::Main => "main",
            Role::Remedy => "remedy",
            Role::Undo => "undo",
        };
        self.span(&["attempt", step_id, role, &attempt.number.to_string()])
    }

    fn span(&self, what: &[&str]) -> SpanId {
        let seed = self.seed.to_string();
        SpanId(hash(&[&[&self.run_id, seed.as_str()], what].concat()))
    }

    /// What an attempt's processes are told, as `TRACEPARENT`.
    pub fn traceparent(&self, step_id: &str, attempt: Attempt) -> String {
        let parent = Parent {
            trace: self.id,
            span: self.attempt_span(step_id, attempt),
            flags: self.flags(),
        };
        parent.to_string()
    }
}

/// The first bytes of a hash. That they are all zero has never happened.
fn hash<const N: usize>(parts: &[&str]) -> [u8; N] {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let mut bytes = [0; N];
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

/// As in `TRACEPARENT`.
impl fmt::Display for Parent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace, self.span, self.flags)
    }
}

macro_rules! hexadecimal {
    ($($id:ident)*) => {
        $(
            impl fmt::Display for $id {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
                }
            }

            impl fmt::Debug for $id {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    fmt::Display::fmt(self, f)
                }
            }
        )*
    };
}

hexadecimal!(TraceId SpanId);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::StepIx;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn attempt(number: u32, role: Role) -> Attempt {
        let step = StepIx::new(0);
        Attempt { step, number, role }
    }

    #[test]
    fn a_traceparent_is_what_the_standard_says_it_is() {
        assert_eq!(Parent::parse(GIVEN).unwrap().to_string(), GIVEN);
        // A later version is read as far as it is known.
        for later in ["", "-more"] {
            let text = format!("cc{}{later}", &GIVEN[2..]);
            assert_eq!(Parent::parse(&text).unwrap().to_string(), GIVEN);
        }
        let wrong = [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7+01",
            "00-ü4bf92f3577b34da6a3ce929d0e0e47-00f067aa0ba902b7-01xx",
        ];
        for wrong in wrong {
            assert_eq!(Parent::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn ids_follow_from_what_is_recorded_and_differ_where_anything_does() {
        let trace = Trace::of("R", 1, None);
        let span = |trace: &Trace, id: &str, number, role| {
            trace.attempt_span(id, attempt(number, role)).to_string()
        };
        let spans = [
            trace.run_span(0).to_string(),
            trace.run_span(1).to_string(),
            span(&trace, "a", 1, Role::Main),
            span(&trace, "a", 2, Role::Main),
            span(&trace, "a", 1, Role::Undo),
            span(&trace, "a", 1, Role::Remedy),
            span(&trace, "b", 1, Role::Main),
            span(&Trace::of("R", 2, None), "a", 1, Role::Main),
            span(&Trace::of("S", 1, None), "a", 1, Role::Main),
        ];
        for (n, span) in spans.iter().enumerate() {
            assert!(!spans[..n].contains(span), "{n}");
        }
        assert_eq!(Trace::of("R", 1, None).id(), trace.id());
        assert_ne!(Trace::of("R", 2, None).id(), trace.id());
        assert!(trace.is_sampled());
    }

    #[test]
    fn a_run_in_a_trace_of_someone_elses_stays_in_it() {
        let parent = Parent::parse(GIVEN).unwrap();
        let trace = Trace::of("R", 1, Some(parent));
        let told = trace.traceparent("a", attempt(1, Role::Main));
        assert!(told.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
        assert!(told.ends_with("-01"));
        assert_ne!(told, GIVEN);
        let unsampled = Parent { flags: 0, ..parent };
        let trace = Trace::of("R", 1, Some(unsampled));
        assert!(!trace.is_sampled());
        assert!(
            trace
                .traceparent("a", attempt(1, Role::Main))
                .ends_with("-00")
        );
    }
}
