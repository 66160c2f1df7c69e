//! Output and names on their way to a terminal, or to another program.

use proptest::prelude::*;
use quintet::plan::{Plan, StepIx};
use quintet::run::{Attempt, Event, Kind, Outcome, Reason, Role, Stopping};
use quintet::view::escape::{Printable, clean, is_hostile, shortened};
use quintet::view::events;
use quintet::view::log::{Form, Label, whole_characters};

/// Bytes of which many make a terminal act.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        any::<u8>().prop_map(|byte| vec![byte]),
        Just(b"\x1b[".to_vec()),
        Just(b"\x1b]0;".to_vec()),
        Just(b"\x1b[31;1m".to_vec()),
        Just(b"\x9b".to_vec()),
        Just(b"\xc2\x9b".to_vec()),
        Just(b"\n".to_vec()),
        Just("\u{202e}".as_bytes().to_vec()),
        Just("grö😀".as_bytes().to_vec()),
        Just(b"\xf0\x9f".to_vec()),
        "[a-z;0-9]{0,70}".prop_map(String::into_bytes),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// The bytes in pieces of these lengths, in turn.
fn pieces<'a>(bytes: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let (mut rest, mut turn) = (bytes, lengths.iter().cycle());
    while !rest.is_empty() {
        let length = turn.next().map_or(1, |n| 1 + n).min(rest.len());
        let (piece, others) = rest.split_at(length);
        pieces.push(piece);
        rest = others;
    }
    pieces
}

fn printable<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
    let (mut filter, mut out) = (Printable::default(), Vec::new());
    for piece in pieces {
        filter.push(piece, &mut out);
    }
    filter.finish(&mut out);
    String::from_utf8(out).expect("what is fit to be shown is text")
}

fn base64(text: &str) -> Vec<u8> {
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bytes = Vec::new();
    for four in text.as_bytes().chunks(4) {
        let letters: Vec<u8> = four.iter().copied().filter(|c| *c != b'=').collect();
        let bits = letters
            .iter()
            .fold(0u32, |bits, c| bits << 6 | u32::from(value(*c)));
        let bits = bits << (6 * (4 - letters.len()));
        bytes.extend(&bits.to_be_bytes()[1..letters.len()]);
    }
    bytes
}

/// An event whose texts are this one.
fn events_with(text: &str) -> Vec<Kind> {
    let step = StepIx::new(0);
    let attempt = Attempt {
        step,
        number: 1,
        role: Role::Main,
    };
    let text = || text.to_owned();
    let request = || Reason::Request { by: text() };
    vec![
        Kind::RunReopened { reason: request() },
        Kind::StepBlocked {
            attempt,
            on: text(),
            holder: None,
        },
        Kind::StepAsked {
            step,
            question: text(),
        },
        Kind::StepAnswered {
            step,
            yes: false,
            by: text(),
        },
        Kind::StepSettled {
            step,
            outcome: Outcome::Skipped,
            reason: Reason::Condition {
                text: text(),
                because: text(),
            },
        },
        Kind::StepRetry {
            attempt,
            not_before: u64::MAX,
            reason: Reason::Retry {
                exit: text(),
                attempt: u32::MAX,
                of: 0,
            },
        },
        Kind::RunStopping {
            why: Stopping::Kill,
            reason: request(),
        },
    ]
}

fn plan_of(id: &str) -> Plan {
    serde_json::from_value(serde_json::json!({
        "id": "p", "name": id, "version": "1", "max_concurrency": 1,
        "steps": [{"id": id, "action": "group", "policy": {"grace": 0},
                   "source": {"file": 0, "line": 1, "column": 1}}],
    }))
    .expect("a plan")
}

proptest! {
    #![proptest_config(crate::cases(500))]

    /// XC03.
    #[test]
    fn xc03_no_bytes_make_a_terminal_act(
        bytes in bytes(),
        lengths in prop::collection::vec(0..9usize, 1..9),
    ) {
        let shown = printable([&bytes[..]]);
        let acted_on = |c: char| is_hostile(c) && c != '\n' && c != '\t';
        prop_assert!(!shown.contains(acted_on), "{shown:?}");
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        prop_assert_eq!(shown.matches('\n').count(), lines, "a line is lost");
        prop_assert_eq!(&printable(pieces(&bytes, &lengths)), &shown);
    }

    /// XC03: from the objects for programs every byte can be had.
    #[test]
    fn xc03_no_byte_is_lost_in_json(
        bytes in bytes(),
        lengths in prop::collection::vec(0..9usize, 1..9),
    ) {
        let label = Label { step_id: "\u{1b}s".into(), attempt: 1, stream: "stdout", offset: 0 };
        let (mut form, mut out) = (Form::Json(label), Vec::new());
        for piece in pieces(&bytes, &lengths) {
            let whole = whole_characters(piece);
            prop_assert!(whole <= piece.len() && piece.len() - whole <= 3);
            form.piece(piece, &mut out).expect("memory takes it");
        }
        form.finish(&mut out).expect("memory takes it");
        let mut again = Vec::new();
        for line in std::str::from_utf8(&out).expect("JSON is text").lines() {
            let object: serde_json::Value = serde_json::from_str(line).expect("JSON");
            prop_assert_eq!(object["offset"].as_u64(), Some(again.len() as u64));
            match object["text"].as_str() {
                Some(text) => again.extend(text.bytes()),
                None => again.extend(base64(object["base64"].as_str().expect("one of them"))),
            }
        }
        prop_assert_eq!(again, bytes);
    }

    /// XC03, XG09: a name, a reason, a question: one line, and nothing acts.
    #[test]
    fn xc03_no_text_of_an_event_breaks_its_line(bytes in bytes(), width in 0..90usize) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let cleaned = clean(&text).to_string();
        prop_assert!(!cleaned.contains(is_hostile));
        prop_assert!(shortened(&text, width).chars().count() <= width);
        let zone = jiff::tz::TimeZone::UTC;
        for kind in events_with(&text) {
            let event = Event { seq: 1, at: u64::MAX, kind };
            let mut out = Vec::new();
            events::line(&plan_of(&text), &event, &zone, &mut out).expect("memory takes it");
            let line = anstream::adapter::strip_bytes(&out).into_vec();
            let line = String::from_utf8(line).expect("text");
            prop_assert!(line.ends_with('\n'));
            prop_assert!(!line[..line.len() - 1].contains(is_hostile), "{line:?}");
        }
    }
}
