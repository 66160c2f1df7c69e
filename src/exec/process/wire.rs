//! The bytes between engine, supervisors and record files.
//!
//! A small [codec](super::codec) of our own, since both ends are the same few
//! types, a record must be readable after a torn write, and a supervisor that
//! outlives its engine may be met by a newer one: every frame and record begins
//! with its length and its kind, and a kind that is not known is refused. The
//! first word of a supervisor to an engine that connects is the [`LANGUAGE`] it
//! speaks, so that the two part before either has misunderstood the other.
//!
//! Nothing here knows sockets or files.

use std::fmt;
use std::fs::File;
use std::io;
use std::sync::Arc;

use super::codec::{Reader, START, START_BUILTIN, Writer};
use crate::exec::{Done, Job, Stop, may_pass};
use crate::run::Attempt;

/// Counted up whenever a frame or a record changes its meaning, or a kind is added
/// that an older supervisor would refuse.
pub const LANGUAGE: u32 = 3;

/// A frame longer than this is nonsense: argv and environment end at a few megabytes.
pub const LONGEST_FRAME: usize = 256 << 20;

/// What supervisors must know before their first attempt, and again whenever
/// another engine takes one over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setup {
    /// Absolute path of the run's directory.
    pub run_dir: String,
    pub run_id: String,
    pub epoch: u32,
    /// Part of the mark in every step's environment.
    pub nonce: String,
    /// The whole environment a step starts from.
    pub env: Vec<(Vec<u8>, Vec<u8>)>,
    /// What no output may show. Kept in memory alone.
    pub secrets: Secrets,
    /// What runs is ended when the engine is gone, since nobody could take it over.
    pub ends_with_engine: bool,
}

/// Texts that debug output leaves out, since it ends in logs.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(pub Vec<String>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets", self.0.len())
    }
}

/// Something was written by another version of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign;

/// What an engine tells a supervisor.
#[derive(Debug)]
pub enum Order {
    Setup(Setup),
    /// Run this when nothing else runs. Its locks travel beside the frame.
    Start(Box<Job>),
    /// End this attempt; one that only waits never begins. A report follows.
    Stop(Attempt, Stop),
    /// Give this attempt back, if it waits behind another. Not answered otherwise.
    Revoke(Attempt),
    /// The engine knows of the end that was not plain: what waits may begin.
    GoOn,
}

/// What a supervisor tells an engine.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// To an engine that connected: this attempt runs.
    Hello(Option<Attempt>),
    /// The same from one that speaks another language; what follows cannot be read.
    Foreign(u32),
    Finished(Attempt, Done),
    Revoked(Attempt),
    /// The attempt was not started, since its start could not be recorded.
    Unrecordable(Attempt, Trouble),
    /// The slot cannot work at all.
    Broken(Trouble),
}

/// Why something could not be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    pub why: String,
    /// See [`may_pass`].
    pub may_pass: bool,
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Trouble {
            why: error.to_string(),
            may_pass: may_pass(&error),
        }
    }
}

/// What a slot writes down.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// The attempt's program is about to start. `mark` stands in its environment.
    Started {
        attempt: Attempt,
        epoch: u32,
        mark: String,
    },
    /// The attempt is over, and nothing of it is left.
    Ended { attempt: Attempt, done: Done },
}

impl Order {
    /// The frame, its length in front.
    pub fn to_frame(&self) -> Vec<u8> {
        frame(|w| match self {
            Order::Setup(setup) => {
                w.u8(1);
                w.bytes(setup.run_dir.as_bytes());
                w.bytes(setup.run_id.as_bytes());
                w.u32(setup.epoch);
                w.bytes(setup.nonce.as_bytes());
                w.len(setup.env.len());
                for (key, value) in &setup.env {
                    w.bytes(key);
                    w.bytes(value);
                }
                // Few runs have any, and a setup without is what it always was.
                if !setup.secrets.0.is_empty() || setup.ends_with_engine {
                    w.texts(&setup.secrets.0);
                }
                if setup.ends_with_engine {
                    w.u8(1);
                }
            }
            Order::Start(job) => w.start(job),
            Order::Stop(attempt, how) => {
                w.u8(3);
                w.attempt(*attempt);
                w.u8(u8::from(*how == Stop::Now));
            }
            Order::Revoke(attempt) => {
                w.u8(4);
                w.attempt(*attempt);
            }
            Order::GoOn => w.u8(5),
        })
    }

    /// The frame of [`Order::Start`] for a job that stays with the engine.
    pub fn start_frame(job: &Job) -> Vec<u8> {
        frame(|w| w.start(job))
    }

    /// Reads a frame's payload. `locks` hands over that many received files.
    pub fn read(
        payload: &[u8],
        locks: impl FnOnce(usize) -> Option<Vec<Arc<File>>>,
    ) -> Option<Order> {
        let mut r = Reader(payload);
        let order = match r.u8()? {
            1 => Order::Setup(Setup {
                run_dir: r.text()?,
                run_id: r.text()?,
                epoch: r.u32()?,
                nonce: r.text()?,
                env: r.list(|r| Some((r.bytes()?.to_vec(), r.bytes()?.to_vec())))?,
                secrets: Secrets(r.rest(|r| r.list(Reader::text))?.unwrap_or_default()),
                ends_with_engine: r.rest(Reader::flag)?.unwrap_or_default(),
            }),
            START => Order::Start(Box::new(r.job(None, locks)?)),
            START_BUILTIN => {
                let question = r.question()?;
                Order::Start(Box::new(r.job(Some(question), locks)?))
            }
            3 => Order::Stop(
                r.attempt()?,
                if r.u8()? == 0 { Stop::Grace } else { Stop::Now },
            ),
            4 => Order::Revoke(r.attempt()?),
            5 => Order::GoOn,
            _ => return None,
        };
        r.end(order)
    }
}

/// The kind of [`Answer::Hello`], which is the same in every language.
const HELLO: u8 = 1;

impl Answer {
    /// The frame, its length in front.
    pub fn to_frame(&self) -> Vec<u8> {
        frame(|w| match self {
            Answer::Hello(current) => {
                w.u8(HELLO);
                w.u32(LANGUAGE);
                w.option(current.as_ref(), |w, attempt| w.attempt(*attempt));
            }
            Answer::Foreign(language) => {
                w.u8(HELLO);
                w.u32(*language);
            }
            Answer::Finished(attempt, done) => {
                w.u8(2);
                w.attempt(*attempt);
                w.done(done);
            }
            Answer::Revoked(attempt) => {
                w.u8(3);
                w.attempt(*attempt);
            }
            Answer::Unrecordable(attempt, trouble) => {
                w.u8(4);
                w.attempt(*attempt);
                w.trouble(trouble);
            }
            Answer::Broken(trouble) => {
                w.u8(5);
                w.trouble(trouble);
            }
        })
    }

    pub fn read(payload: &[u8]) -> Option<Answer> {
        let mut r = Reader(payload);
        let answer = match r.u8()? {
            HELLO => match r.u32()? {
                LANGUAGE => Answer::Hello(r.option(Reader::attempt)?),
                language => return Some(Answer::Foreign(language)),
            },
            2 => Answer::Finished(r.attempt()?, r.done()?),
            3 => Answer::Revoked(r.attempt()?),
            4 => Answer::Unrecordable(r.attempt()?, r.trouble()?),
            5 => Answer::Broken(r.trouble()?),
            _ => return None,
        };
        r.end(answer)
    }
}

impl Record {
    /// The record as it is appended: length, checksum, payload.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer(vec![0; RECORD_HEAD]);
        match self {
            Record::Started {
                attempt,
                epoch,
                mark,
            } => {
                w.u8(1);
                w.attempt(*attempt);
                w.u32(*epoch);
                w.bytes(mark.as_bytes());
            }
            Record::Ended { attempt, done } => {
                w.u8(2);
                w.attempt(*attempt);
                w.done(done);
            }
        }
        let mut bytes = w.0;
        let len = (bytes.len() - RECORD_HEAD) as u32;
        let sum = checksum(&bytes[RECORD_HEAD..]);
        bytes[..4].copy_from_slice(&len.to_le_bytes());
        bytes[4..RECORD_HEAD].copy_from_slice(&sum);
        bytes
    }

    /// All whole records at the front of a record file. A torn or damaged one
    /// ends the list: what follows it cannot be told apart from noise.
    ///
    /// # Errors
    /// A record is whole and still makes no sense: it was written in another
    /// language. To overlook it could be to run its step again.
    pub fn read_all(mut bytes: &[u8]) -> Result<Vec<Record>, Foreign> {
        let mut records = Vec::new();
        while let Some((payload, rest)) = Record::take_one(bytes) {
            records.push(Record::read(payload).ok_or(Foreign)?);
            bytes = rest;
        }
        Ok(records)
    }

    fn take_one(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
        let mut head = Reader(bytes);
        let len = head.u32()? as usize;
        let sum = head.take(RECORD_HEAD - 4)?;
        let payload = head.take(len)?;
        (checksum(payload) == sum).then_some((payload, head.0))
    }

    fn read(payload: &[u8]) -> Option<Record> {
        let mut r = Reader(payload);
        let record = match r.u8()? {
            1 => Record::Started {
                attempt: r.attempt()?,
                epoch: r.u32()?,
                mark: r.text()?,
            },
            2 => Record::Ended {
                attempt: r.attempt()?,
                done: r.done()?,
            },
            _ => return None,
        };
        r.end(record)
    }
}

/// Length (4 bytes) and checksum (8 bytes).
const RECORD_HEAD: usize = 12;

fn checksum(payload: &[u8]) -> [u8; 8] {
    let hash = blake3::hash(payload);
    std::array::from_fn(|i| hash.as_bytes()[i])
}

/// Lets this process choose how it hashes, before it has children.
pub fn warm_up() {
    checksum(b"");
}

/// Splits the first whole frame's payload off the front of what was received.
/// `Ok(None)` asks for more bytes; `Err` says that this is no frame.
pub fn split_frame(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, ()> {
    let Some((head, rest)) = bytes.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let len = u32::from_le_bytes(*head) as usize;
    if len > LONGEST_FRAME {
        return Err(());
    }
    Ok(rest.get(..len).map(|payload| (payload, 4 + len)))
}

fn frame(fill: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut w = Writer(vec![0; 4]);
    fill(&mut w);
    let len = (w.0.len() - 4) as u32;
    w.0[..4].copy_from_slice(&len.to_le_bytes());
    w.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::plan::StepIx;
    use crate::plan::builtin::Question;
    use crate::run::{Exit, LogRange, Output, Role};

    fn attempt(step: usize) -> Attempt {
        Attempt {
            step: StepIx::new(step),
            number: 2,
            role: Role::Undo,
        }
    }

    fn done() -> Done {
        Done {
            exit: Exit::TimedOut {
                after: Duration::from_secs(3),
                signal: Some(9),
            },
            started_at: 1,
            ended_at: u64::MAX,
            output: Output {
                stdout: Some(LogRange {
                    file: "slots/1-0.out".into(),
                    start: 1 << 40,
                    len: 7,
                }),
                stderr: None,
                ..Output::default()
            },
            outputs: [("key".into(), "välue\n".into())].into(),
            leaked: true,
            error: Some("Timeout after 3s".into()),
        }
    }

    fn records() -> Vec<Record> {
        vec![
            Record::Started {
                attempt: attempt(0),
                epoch: 3,
                mark: "QUINTET_MARK=r:0:undo:2:n".into(),
            },
            Record::Ended {
                attempt: attempt(0),
                done: done(),
            },
            Record::Started {
                attempt: attempt(70_000),
                epoch: 3,
                mark: "m".into(),
            },
        ]
    }

    #[test]
    fn every_exit_comes_back_as_it_was() {
        for exit in [
            Exit::Exited { code: -1 },
            Exit::Signaled {
                signal: 64,
                core: true,
            },
            Exit::TimedOut {
                after: Duration::from_millis(1),
                signal: None,
            },
            Exit::Canceled { signal: Some(15) },
            Exit::FailedToStart {
                errno: "ENOENT".into(),
            },
            Exit::Interrupted,
        ] {
            let answer = Answer::Finished(attempt(5), Done { exit, ..done() });
            let frame = answer.to_frame();
            let (payload, used) = split_frame(&frame).expect("a frame").expect("a whole one");
            assert_eq!(used, frame.len());
            assert_eq!(Answer::read(payload), Some(answer));
        }
    }

    #[test]
    fn what_is_rarely_said_comes_back_and_costs_nothing_otherwise() {
        let plain = done();
        let mut rare = plain.clone();
        (rare.output.masked, rare.output.dropped) = (3, 1 << 40);
        let frames = [plain, rare].map(|done| {
            let answer = Answer::Finished(attempt(5), done);
            let frame = answer.to_frame();
            assert_eq!(Answer::read(&frame[4..]), Some(answer));
            frame
        });
        assert_eq!(frames[0].len() + 16, frames[1].len());
        let mut setup = Setup {
            run_dir: "/r".into(),
            run_id: "r".into(),
            epoch: 1,
            nonce: "n".into(),
            env: vec![(b"A".to_vec(), b"1".to_vec())],
            secrets: Secrets(vec!["hunter2".into(), "\u{fc}".into()]),
            ends_with_engine: true,
        };
        for _ in 0..2 {
            let frame = Order::Setup(setup.clone()).to_frame();
            let Some(Order::Setup(read)) = Order::read(&frame[4..], |_| Some(Vec::new())) else {
                panic!("it is a setup");
            };
            assert_eq!(read, setup);
            assert!(!format!("{setup:?}").contains("hunter2"));
            setup.secrets.0.clear();
        }
    }

    #[test]
    fn a_job_comes_back_as_it_was() {
        let mut job = Job {
            attempt: attempt(1),
            argv: vec!["printf".into(), String::new(), "a\nb".into()],
            builtin: None,
            cwd: "/tmp".into(),
            env: vec![("A".into(), "=".into())],
            stdin: Some("text".into()),
            timeout: Some(Duration::from_millis(1500)),
            grace: Duration::ZERO,
            own_log: true,
            max_output: Some(1 << 33),
            slurm: None,
            locks: Vec::new(),
            behind: None,
        };
        let come_back = |job: &Job| {
            let frame = Order::start_frame(job);
            let (payload, _) = split_frame(&frame).expect("a frame").expect("a whole one");
            let Some(Order::Start(read)) = Order::read(payload, |_| Some(Vec::new())) else {
                panic!("it is a start");
            };
            assert_eq!(format!("{read:?}"), format!("{job:?}"));
            frame
        };
        let plain = come_back(&job);
        let question = Question::PortReachable {
            host: "localhost".into(),
            port: 80,
            timeout: Duration::from_millis(1500),
        };
        job.builtin = Some(Box::new(question));
        let builtin = come_back(&job);
        // A question is all that is added; cut short, it is no order.
        let rest = plain.len() - 5;
        assert_eq!(plain[5..], builtin[builtin.len() - rest..]);
        for cut in 0..builtin.len() - rest - 4 {
            let read = Order::read(&builtin[4..4 + cut], |_| Some(Vec::new()));
            assert!(read.is_none());
        }
    }

    #[test]
    fn records_torn_at_any_byte_keep_all_before() {
        let records = records();
        let bytes: Vec<u8> = records.iter().flat_map(Record::to_bytes).collect();
        let ends: Vec<usize> = records
            .iter()
            .scan(0, |end, record| {
                *end += record.to_bytes().len();
                Some(*end)
            })
            .collect();
        for cut in 0..=bytes.len() {
            let whole = ends.iter().filter(|&&end| end <= cut).count();
            assert_eq!(Record::read_all(&bytes[..cut]).unwrap(), records[..whole]);
            let mut zeros = bytes[..cut].to_vec();
            zeros.resize(bytes.len() + 4096, 0);
            let read = Record::read_all(&zeros).unwrap();
            assert_eq!(read, records[..whole], "cut at {cut}");
        }
    }

    #[test]
    fn a_flipped_bit_is_never_read_as_a_record() {
        let record = records().remove(1);
        let bytes = record.to_bytes();
        for i in 0..bytes.len() * 8 {
            let mut broken = bytes.clone();
            broken[i / 8] ^= 1 << (i % 8);
            assert_eq!(Record::read_all(&broken), Ok(Vec::new()), "bit {i}");
        }
    }

    /// XA11.
    #[test]
    fn xa11_another_versions_words_are_known_as_such() {
        let mut hello = Answer::Foreign(LANGUAGE + 1).to_frame();
        hello.extend(b"whatever else it says");
        assert_eq!(
            Answer::read(&hello[4..]),
            Some(Answer::Foreign(LANGUAGE + 1))
        );
        let mut payload = vec![77];
        payload.extend(b"a kind of record that this version has not");
        let mut bytes = records()[0].to_bytes();
        bytes.extend((payload.len() as u32).to_le_bytes());
        bytes.extend(checksum(&payload));
        bytes.extend(&payload);
        assert_eq!(Record::read_all(&bytes), Err(Foreign));
        // Torn, it is not a record at all.
        bytes.pop();
        assert_eq!(Record::read_all(&bytes).map(|all| all.len()), Ok(1));
    }

    #[test]
    fn nonsense_is_refused_and_never_panics() {
        let frame = Answer::Finished(attempt(1), done()).to_frame();
        for cut in 0..frame.len() - 4 {
            assert_eq!(Answer::read(&frame[4..4 + cut]), None);
        }
        assert!(split_frame(&[255; 8]).is_err());
        assert_eq!(split_frame(&[9, 0, 0, 0, 1]), Ok(None));
        assert!(Order::read(&[77], |_| Some(Vec::new())).is_none());
    }

    /// How often random bytes are tried.
    fn cases() -> ProptestConfig {
        let nightly = std::env::var_os("NIGHTLY").is_some();
        ProptestConfig::with_cases(if nightly { 50_000 } else { 1_000 })
    }

    /// What every reader of payloads makes of these bytes.
    fn read_in_all_ways(bytes: &[u8]) {
        let _ = Answer::read(bytes);
        let _ = Order::read(bytes, |n| (n < 9).then(Vec::new));
        let _ = split_frame(bytes);
        let _ = Record::read_all(bytes);
        let mut record = (bytes.len() as u32).to_le_bytes().to_vec();
        record.extend(checksum(bytes));
        record.extend(bytes);
        // Where the checksum is right there is one record, or another language.
        let read = Record::read_all(&record).unwrap_or_default();
        assert!(read.len() <= 1);
        for one in read {
            let again = Record::read_all(&one.to_bytes());
            assert_eq!(again, Ok(vec![one]));
        }
    }

    proptest! {
        #![proptest_config(cases())]

        /// XI02.
        #[test]
        fn xi02_no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            read_in_all_ways(&bytes);
            for kind in 1..=6 {
                read_in_all_ways(&[&[kind], &bytes[..]].concat());
            }
        }

        /// XI02: real frames and records with some bytes changed.
        #[test]
        fn xi02_no_change_makes_a_reader_panic(
            which in 0..5usize,
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        ) {
            let setup = Setup {
                run_dir: "/r".into(),
                run_id: "r".into(),
                epoch: 1,
                nonce: "n".into(),
                secrets: Default::default(),
            ends_with_engine: false,
                env: vec![(b"A".to_vec(), b"b\xff".to_vec())],
            };
            let mut bytes = match which {
                0 => Answer::Finished(attempt(5), done()).to_frame(),
                1 => Order::Setup(setup).to_frame(),
                2 => Answer::Hello(Some(attempt(1))).to_frame(),
                3 => records()[0].to_bytes(),
                _ => records()[1].to_bytes(),
            };
            for (at, byte) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            read_in_all_ways(&bytes);
            read_in_all_ways(&bytes[4..]);
            read_in_all_ways(&bytes[RECORD_HEAD..]);
        }

        /// XI02: what stands before the first damage is still read.
        #[test]
        fn xi02_damage_ends_a_record_file_and_spoils_nothing_before(
            at in any::<prop::sample::Index>(),
            noise in prop::collection::vec(any::<u8>(), 1..60),
        ) {
            let records = records();
            let mut bytes: Vec<u8> = records.iter().flat_map(Record::to_bytes).collect();
            let at = at.index(bytes.len());
            bytes.splice(at.., noise);
            let mut end = 0;
            let before = records.iter().take_while(|record| {
                end += record.to_bytes().len();
                end <= at
            });
            let before = before.count();
            let read = Record::read_all(&bytes).expect("no damage passes for another language");
            prop_assert_eq!(&read[..before], &records[..before]);
        }
    }
}
