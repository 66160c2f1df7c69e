//! The hash of a file's content, by any of the functions that people compare by.
//!
//! A file is read in pieces and never as a whole. SHA-1 is here because there is
//! much that was hashed by it; nothing of ours relies on it.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};

use clap::ValueEnum;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};

/// Large enough that reading costs nothing beside hashing, and small enough that a
/// piece is still in the processor's cache when it is hashed.
const PIECE: usize = 256 << 10;

/// A hash function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Algorithm {
    #[default]
    Sha256,
    Sha1,
    Sha512,
    Blake3,
}

impl Algorithm {
    /// As it is asked for and told.
    pub fn word(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha1 => "sha1",
            Algorithm::Sha512 => "sha512",
            Algorithm::Blake3 => "blake3",
        }
    }

    /// The one of this name, in any case of letters.
    pub fn from_word(word: &str) -> Option<Algorithm> {
        let same = |known: &&Algorithm| known.word().eq_ignore_ascii_case(word);
        Algorithm::value_variants().iter().find(same).copied()
    }

    /// The one whose hashes are usually so many hexadecimal digits long.
    pub fn of_length(digits: usize) -> Option<Algorithm> {
        match digits {
            40 => Some(Algorithm::Sha1),
            64 => Some(Algorithm::Sha256),
            128 => Some(Algorithm::Sha512),
            _ => None,
        }
    }

    /// The hash of all that is left to read, in lower case. `read` hears of each piece.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn of(self, file: &mut File, read: &mut dyn FnMut(u64)) -> io::Result<String> {
        let mut hasher = match self {
            Algorithm::Sha256 => Hasher::Sha256(Sha256::new()),
            Algorithm::Sha1 => Hasher::Sha1(Sha1::new()),
            Algorithm::Sha512 => Hasher::Sha512(Sha512::new()),
            Algorithm::Blake3 => Hasher::Blake3(Box::default()),
        };
        let mut piece = vec![0; PIECE];
        loop {
            match file.read(&mut piece) {
                Ok(0) => return Ok(hasher.finish()),
                Ok(n) => {
                    hasher.update(&piece[..n]);
                    read(n as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

enum Hasher {
    Sha256(Sha256),
    Sha1(Sha1),
    Sha512(Sha512),
    Blake3(Box<blake3::Hasher>),
}

impl Hasher {
    fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Sha256(hasher) => hasher.update(bytes),
            Hasher::Sha1(hasher) => hasher.update(bytes),
            Hasher::Sha512(hasher) => hasher.update(bytes),
            Hasher::Blake3(hasher) => {
                hasher.update(bytes);
            }
        }
    }

    fn finish(self) -> String {
        match self {
            Hasher::Sha256(hasher) => hex(&hasher.finalize()),
            Hasher::Sha1(hasher) => hex(&hasher.finalize()),
            Hasher::Sha512(hasher) => hex(&hasher.finalize()),
            Hasher::Blake3(hasher) => hex(hasher.finalize().as_bytes()),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// O28: the examples of the standards, and of BLAKE3's own tests.
    #[test]
    fn o28_each_function_is_the_one_it_is_called() {
        let known = [
            (
                Algorithm::Sha256,
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (Algorithm::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                Algorithm::Sha512,
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                 2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
            (
                Algorithm::Blake3,
                "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
            ),
        ];
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(b"abc").expect("written");
        for (algorithm, hash) in known {
            io::Seek::rewind(&mut file).expect("rewound");
            let mut seen = 0;
            let found = algorithm.of(&mut file, &mut |n| seen += n).expect("read");
            assert_eq!((found.as_str(), seen), (hash, 3), "{algorithm:?}");
            assert_eq!(
                Algorithm::from_word(&algorithm.word().to_uppercase()),
                Some(algorithm)
            );
        }
    }
}
