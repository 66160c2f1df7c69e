//! The token: whoever can read its file is the person whose runs these are.
//!
//! It is in that file and nowhere else: not on a command line, in no address, in no
//! cookie. A browser is told it once per session, by hand.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::paths::StateDir;

/// Its file in the state directory.
pub const FILE: &str = "serve.token";

/// In bytes; spelled as twice as many digits.
const LENGTH: usize = 32;

/// See the module.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Token {
    /// The token of this state directory, made at the first time.
    ///
    /// # Errors
    /// The file cannot be read or made, or others could have read or written it.
    pub fn of(state: &StateDir) -> io::Result<Token> {
        let path = state.root().join(FILE);
        match read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let token = Token::random()?;
                token.write(&path)?;
                // Another server may have been quicker: its token is the one.
                read(&path)
            }
            other => other,
        }
    }

    fn random() -> io::Result<Token> {
        let mut bytes = [0; LENGTH];
        getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
        let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Token(digits.concat()))
    }

    /// Writes it where none is yet: whole, or not at all.
    fn write(&self, path: &Path) -> io::Result<()> {
        let mut fresh = path.to_owned();
        fresh
            .as_mut_os_string()
            .push(format!(".{}", std::process::id()));
        let _ = fs::remove_file(&fresh);
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&fresh)?;
        let written = writeln!(file, "{}", self.0).and_then(|()| fs::hard_link(&fresh, path));
        let _ = fs::remove_file(&fresh);
        match written {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    /// Whether this is it. Takes as long for any text of its length.
    pub fn is(&self, said: &[u8]) -> bool {
        let own = self.0.as_bytes();
        let differences = own.iter().zip(said).fold(0, |all, (a, b)| all | (a ^ b));
        own.len() == said.len() && differences == 0
    }
}

fn read(path: &Path) -> io::Result<Token> {
    let mut options = OpenOptions::new();
    let nofollow = nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK;
    let file: File = options
        .read(true)
        .custom_flags(nofollow.bits())
        .open(path)?;
    let meta = file.metadata()?;
    let refuse = |why: &str| {
        let text = format!(
            "{}: {why}; remove it, and a new one is made",
            path.display()
        );
        Err(io::Error::new(io::ErrorKind::InvalidData, text))
    };
    if !meta.is_file() || meta.uid() != nix::unistd::geteuid().as_raw() {
        return refuse("is no file of yours");
    }
    if meta.permissions().mode() & 0o077 != 0 {
        return refuse("others may read it");
    }
    let mut text = String::new();
    file.take(1024).read_to_string(&mut text)?;
    let text = text.trim();
    match text.len() == 2 * LENGTH && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(Token(text.to_owned())),
        false => refuse("holds no token"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> (tempfile::TempDir, StateDir) {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::create(&dir.path().join("state")).unwrap();
        (dir, state)
    }

    /// XG03, XH03.
    #[test]
    fn xg03_it_is_made_once_and_only_its_owner_can_read_it() {
        let (_dir, state) = state();
        let token = Token::of(&state).unwrap();
        assert_eq!(Token::of(&state).unwrap(), token);
        let path = state.root().join(FILE);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_to_string(&path).unwrap().trim(), token.0);
        assert!(!format!("{token:?}").contains(&token.0));
    }

    #[test]
    fn a_file_that_others_may_read_or_that_holds_something_else_is_refused() {
        let (_dir, state) = state();
        let token = Token::of(&state).unwrap();
        let path = state.root().join(FILE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(
            Token::of(&state)
                .unwrap_err()
                .to_string()
                .contains("others")
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, &token.0[1..]).unwrap();
        assert!(Token::of(&state).is_err());
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", &path).unwrap();
        assert!(Token::of(&state).is_err());
    }

    #[test]
    fn only_the_whole_token_is_it() {
        let token = Token::random().unwrap();
        assert!(token.is(token.0.as_bytes()));
        assert!(!token.is(b""));
        assert!(!token.is(&token.0.as_bytes()[1..]));
        assert!(!token.is(&[token.0.as_bytes(), b"0"].concat()));
        let mut other = token.0.clone().into_bytes();
        other[63] ^= 1;
        assert!(!token.is(&other));
        assert_ne!(token, Token::random().unwrap());
    }
}
