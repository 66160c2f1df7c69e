//! Frames over a stream socket, with open files beside them, never waiting.
//!
//! Both the engine and a supervisor have other things to do than to wait for
//! a peer that is slow, stopped or dead: what does not fit the socket now is
//! kept and sent when there is room.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

use super::{sys, wire};

/// The kernel passes at most 253 files beside one message.
pub const MOST_FILES: usize = 250;

/// Whether the peer is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    There,
    Gone,
}

/// One end of a connection.
pub struct Channel {
    socket: UnixStream,
    /// Received, and not yet a whole frame.
    inbox: Vec<u8>,
    /// Received beside frames that were not taken yet, in their order.
    files: VecDeque<Arc<File>>,
    outbox: VecDeque<Parcel>,
}

struct Parcel {
    frame: Vec<u8>,
    sent: usize,
    /// Go with the frame's first byte.
    files: Vec<Arc<File>>,
}

/// Where received bytes land first. One serves any number of channels, which
/// keeps a channel that is idle small.
pub struct Landing {
    bytes: Vec<u8>,
    files: Vec<u8>,
}

impl Landing {
    pub fn new(bytes: usize) -> Self {
        Landing {
            bytes: vec![0; bytes],
            files: nix::cmsg_space!([RawFd; 253]),
        }
    }
}

impl Channel {
    pub fn new(socket: UnixStream) -> Self {
        Channel {
            socket,
            inbox: Vec::new(),
            files: VecDeque::new(),
            outbox: VecDeque::new(),
        }
    }

    /// Sends a frame, now or as soon as there is room.
    pub fn send(&mut self, frame: Vec<u8>, files: Vec<Arc<File>>) -> Peer {
        self.outbox.push_back(Parcel {
            frame,
            sent: 0,
            files,
        });
        match self.outbox.len() {
            1 => self.flush(),
            _ => Peer::There,
        }
    }

    /// Whether something waits for room in the socket.
    pub fn is_blocked(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Sends on what waits.
    pub fn flush(&mut self) -> Peer {
        while let Some(parcel) = self.outbox.front_mut() {
            let fds: Vec<RawFd> = match parcel.sent {
                0 => parcel.files.iter().map(|file| file.as_raw_fd()).collect(),
                _ => Vec::new(),
            };
            let beside = [ControlMessage::ScmRights(&fds)];
            match sendmsg::<()>(
                self.socket.as_raw_fd(),
                &[IoSlice::new(&parcel.frame[parcel.sent..])],
                if fds.is_empty() { &[] } else { &beside },
                MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL,
                None,
            ) {
                Ok(n) => parcel.sent += n,
                Err(Errno::EAGAIN) => return Peer::There,
                Err(Errno::EINTR) => {}
                Err(_) => return Peer::Gone,
            }
            if parcel.sent == parcel.frame.len() {
                self.outbox.pop_front();
            }
        }
        Peer::There
    }

    /// Takes in what has arrived.
    ///
    /// `Gone` may come together with frames that the peer sent before it went.
    pub fn receive(&mut self, landing: &mut Landing) -> Peer {
        loop {
            if let Some(peer) = self.receive_some(landing) {
                return peer;
            }
        }
    }

    /// Takes in a part of what has arrived: what was sent beside files comes alone.
    /// The answer is that of [`receive`](Self::receive) when there is no more.
    pub fn receive_some(&mut self, landing: &mut Landing) -> Option<Peer> {
        loop {
            let mut buffers = [IoSliceMut::new(&mut landing.bytes)];
            let received = recvmsg::<()>(
                self.socket.as_raw_fd(),
                &mut buffers,
                Some(&mut landing.files),
                MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC,
            );
            let n = match received {
                Ok(message) => {
                    for beside in message.cmsgs().into_iter().flatten() {
                        if let ControlMessageOwned::ScmRights(fds) = beside {
                            let files = fds.into_iter().map(|fd| File::from(sys::own(fd)));
                            self.files.extend(files.map(Arc::new));
                        }
                    }
                    message.bytes
                }
                Err(Errno::EAGAIN) => return Some(Peer::There),
                Err(Errno::EINTR) => continue,
                Err(_) => return Some(Peer::Gone),
            };
            if n == 0 {
                return Some(Peer::Gone);
            }
            self.inbox.extend_from_slice(&landing.bytes[..n]);
            // A stream gives what it has: less than there was room for is all.
            let is_all = n < landing.bytes.len() && self.files.is_empty();
            return is_all.then_some(Peer::There);
        }
    }

    /// Takes the next whole frame and reads its payload. `Ok(None)`: none is whole yet.
    ///
    /// # Errors
    /// The peer speaks another language.
    pub fn next<T>(
        &mut self,
        read: impl FnOnce(&[u8], &mut VecDeque<Arc<File>>) -> Option<T>,
    ) -> io::Result<Option<T>> {
        let nonsense = || io::Error::new(io::ErrorKind::InvalidData, "a frame makes no sense");
        let Some((payload, used)) = wire::split_frame(&self.inbox).map_err(|()| nonsense())? else {
            return Ok(None);
        };
        let value = read(payload, &mut self.files).ok_or_else(nonsense)?;
        match used == self.inbox.len() {
            // Gives large frames' memory back; small ones cost one allocation.
            true if self.inbox.capacity() > 4096 => self.inbox = Vec::new(),
            true => self.inbox.clear(),
            false => drop(self.inbox.drain(..used)),
        }
        Ok(Some(value))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
