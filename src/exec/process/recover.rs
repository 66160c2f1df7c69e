//! What became of an earlier engine's attempts.
//!
//! For each slot that was ever made, one question comes first: does its
//! supervisor live? The kernel answers, by the lock on its records. One that
//! lives is taken over, and with that starts nothing more for the dead engine;
//! an engine that was itself replaced since is refused here, and by the
//! supervisor too. One that does not live has written all it ever will. Only
//! then are the records read, so what they say cannot change behind our back:
//! an end, a start without an end, or nothing.
//!
//! No process id, heartbeat or time is believed.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::channel::{Channel, Landing, Peer};
use super::files::{Directory, Records, SlotName, boot_id};
use super::local::Local;
use super::tree;
use super::wire::{Answer, Order, Record};
use crate::exec::{Found, Stop};
use crate::run::Attempt;

/// A supervisor notices its engine's death at once, and then has this long to
/// begin to listen, or to end.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
const ASK_AGAIN: Duration = Duration::from_millis(2);

pub fn recover(local: &mut Local, claimed: &[Attempt]) -> io::Result<Vec<(Attempt, Found)>> {
    let slots = local.directory.slots()?;
    let mut alive = BTreeMap::new();
    for &slot in &slots {
        if let Some((channel, attempt)) = reach(local, slot)? {
            if claimed.contains(&attempt) {
                local.take_over(slot, channel, attempt)?;
                alive.insert(attempt, slot);
            } else {
                end_unclaimed(channel, attempt, &mut local.landing)?;
            }
        }
    }
    let books: Vec<Records> = slots
        .iter()
        .map(|&slot| Records::read(&local.directory, slot))
        .collect::<io::Result<_>>()?;
    let can_be_sure = silence_is_sure(&local.directory, &slots, local.config.epoch)?;
    let find = |&attempt: &Attempt| {
        let found = match alive.contains_key(&attempt) {
            true => Found::Alive { node: None },
            false => look_up(&books, attempt, can_be_sure)?,
        };
        Ok((attempt, found))
    };
    let found = claimed.iter().map(find).collect();
    for slot in slots {
        if !alive.values().any(|living| *living == slot) {
            local.directory.forget_outputs(slot);
        }
    }
    found
}

/// Connects to a slot's supervisor, if it lives and runs something.
fn reach(local: &mut Local, slot: SlotName) -> io::Result<Option<(Channel, Attempt)>> {
    let give_up = Instant::now() + ANSWERS_WITHIN;
    loop {
        if !Records::read(&local.directory, slot)?.supervisor_lives()? {
            return Ok(None);
        }
        local.directory.still_belongs_to(local.config.epoch)?;
        if Instant::now() >= give_up {
            let why = format!("slot {slot} of this run still answers to another engine");
            return Err(io::Error::new(io::ErrorKind::WouldBlock, why));
        }
        let path = local.directory.short_path_of(&slot.socket());
        // It may not listen yet, or not any more.
        if let Ok(socket) = UnixStream::connect(path) {
            let mut channel = Channel::new(socket);
            let setup = Order::Setup(local.setup()).to_frame();
            channel.send(setup, Vec::new());
            match listen_to(&mut channel, &mut local.landing, give_up) {
                Ok(Some(Answer::Hello(Some(attempt)))) => return Ok(Some((channel, attempt))),
                Ok(Some(Answer::Foreign(_))) => return Err(foreign(slot)),
                Err(e) if e.kind() == io::ErrorKind::InvalidData => return Err(foreign(slot)),
                Err(e) => return Err(e),
                // With nothing to do it ends as soon as we hang up.
                Ok(_) => {}
            }
        }
        std::thread::sleep(ASK_AGAIN);
    }
}

/// Its step is left to go on: to guess what it says could end it, or repeat it.
fn foreign(slot: SlotName) -> io::Error {
    let why = format!(
        "the supervisor of slot {slot} was started by another version of quintet, and this one \
         does not speak its language; resume with the version that began the run, or wait until \
         its step has ended"
    );
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Waits for the next answer; `None` if the supervisor is gone, or silent for too long.
fn listen_to(
    channel: &mut Channel,
    landing: &mut Landing,
    give_up: Instant,
) -> io::Result<Option<Answer>> {
    loop {
        // A long environment may not have gone out at once. That nobody takes
        // it shows below.
        let _ = channel.flush();
        let peer = channel.receive(landing);
        if let Some(answer) = channel.next(|payload, _| Answer::read(payload))? {
            return Ok(Some(answer));
        }
        if peer == Peer::Gone || Instant::now() >= give_up {
            return Ok(None);
        }
        std::thread::sleep(ASK_AGAIN);
    }
}

/// Ends an attempt that the log has an end of, or no claim to: it must not go on unowned.
fn end_unclaimed(mut channel: Channel, attempt: Attempt, landing: &mut Landing) -> io::Result<()> {
    channel.send(Order::Stop(attempt, Stop::Now).to_frame(), Vec::new());
    let give_up = Instant::now() + ANSWERS_WITHIN;
    match listen_to(&mut channel, landing, give_up)? {
        None if Instant::now() >= give_up => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "an attempt that nobody claims does not end",
        )),
        _ => Ok(()),
    }
}

fn look_up(books: &[Records], attempt: Attempt, can_be_sure: bool) -> io::Result<Found> {
    let mut started = None;
    for record in books.iter().filter_map(|book| book.of(attempt)) {
        match record {
            Record::Ended { done, .. } => return Ok(Found::Finished(done.clone())),
            Record::Started { mark, .. } => started = Some(mark),
        }
    }
    match started {
        Some(mark) => {
            tree::end_marked(mark)?;
            Ok(Found::Interrupted)
        }
        None if can_be_sure => Ok(Found::NeverRan),
        None => Ok(Found::Interrupted),
    }
}

/// Whether an attempt without a record certainly never ran.
///
/// Records survive everything but the end of the host, so this holds if the
/// claim was made in this boot. All open claims were made by the last engine
/// that ever started anything, or by one after it: an engine's first start
/// comes after it has recorded what became of all earlier claims.
fn silence_is_sure(directory: &Directory, slots: &[SlotName], own: u32) -> io::Result<bool> {
    let started = slots
        .iter()
        .map(|slot| slot.epoch)
        .filter(|e| *e < own)
        .max();
    let mut epochs = directory.epochs()?;
    epochs.retain(|(epoch, _)| *epoch < own && started.is_none_or(|started| *epoch >= started));
    let this_boot = boot_id();
    Ok(!epochs.is_empty() && epochs.iter().all(|(_, boot)| *boot == this_boot))
}
