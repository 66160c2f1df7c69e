//! A folder of our own in the directory that is to be shared; it goes when this does,
//! and with it what had to be made for it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;

const SCRIPT: &str = include_str!("node.sh");

pub struct Folder {
    path: PathBuf,
    /// The innermost first.
    made: Vec<PathBuf>,
    /// In the folder's name and in those of its jobs: hard to guess.
    pub nonce: String,
}

impl Folder {
    /// Makes it, with all that a node needs; also says how many bytes are free there.
    ///
    /// # Errors
    /// The directory does not do what has to be done there.
    pub fn make(root: &Path) -> io::Result<(Folder, u64)> {
        let random = getrandom::u32().map_err(|e| io::Error::other(e.to_string()))?;
        let nonce = format!("{random:08x}");
        let path = root.join(format!("doctor-{nonce}"));
        let missing = path.ancestors().take_while(|dir| !dir.exists());
        let mut folder = Folder {
            made: missing.map(Path::to_owned).collect(),
            path: path.clone(),
            nonce,
        };
        if path.to_str().is_none_or(|path| path.contains('\n')) {
            return Err(io::Error::other("it needs a name in UTF-8"));
        }
        let name = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", path.display()));
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.map_err(name)?;
        // As runs name theirs to nodes, which may not have the same links.
        folder.path = fs::canonicalize(&path)?;
        folder.is_private()?;
        folder.claims_once().map_err(name)?;
        folder.write("here", b"here\n").map_err(name)?;
        folder.write("script", SCRIPT.as_bytes()).map_err(name)?;
        let free = statvfs(&path).map_err(io::Error::from)?;
        // How wide the numbers are differs between systems.
        #[allow(clippy::unnecessary_cast)]
        let free = free.blocks_available() as u64 * free.fragment_size() as u64;
        Ok((folder, free))
    }

    /// Where nobody else can see what a step is given.
    fn is_private(&self) -> io::Result<()> {
        let found = fs::metadata(&self.path)?;
        let path = self.path.display();
        if found.mode() & 0o077 != 0 {
            let why = format!(
                "{path} cannot be kept from others: its mode is {:o}",
                found.mode() & 0o777
            );
            return Err(io::Error::other(why));
        }
        let own = nix::unistd::geteuid().as_raw();
        if found.uid() != own {
            let why = format!(
                "{path} belongs to user {} and not to {own}, who made it",
                found.uid()
            );
            return Err(io::Error::other(why));
        }
        Ok(())
    }

    /// What is made once cannot be made once more: so no attempt begins twice.
    fn claims_once(&self) -> io::Result<()> {
        let claim = || {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(0o600);
            options.open(self.path.join("claimed"))
        };
        claim()?;
        match claim() {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(e) => Err(e),
            Ok(_) => Err(io::Error::other("the same file can be made twice")),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file: File = options.open(self.path.join(name))?;
        file.write_all(content)?;
        file.sync_all()
    }

    /// What somebody else has written.
    pub fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path.join(name)).ok()
    }

    /// Has a network file system look once more.
    pub fn look(&self) {
        let _ = fs::read_dir(&self.path).map(Iterator::count);
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
        for dir in &self.made {
            // Others may have put something there meanwhile.
            let _ = fs::remove_dir(dir);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_of_it_and_what_was_there_stays() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path().join("a/b");
        let (folder, _) = Folder::make(&root).expect("it can be made");
        assert_eq!(folder.read("here").as_deref(), Some("here\n"));
        let mode = fs::metadata(folder.path()).expect("it is there").mode();
        assert_eq!(mode & 0o777, 0o700);
        drop(folder);
        assert!(dir.path().exists() && !dir.path().join("a").exists());
    }

    #[test]
    fn where_a_file_is_there_can_be_no_folder() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path().join("file");
        fs::write(&root, "").expect("a file");
        let error = Folder::make(&root).err().expect("it is no directory");
        assert!(error.to_string().contains("file/doctor-"), "{error}");
        assert!(root.is_file());
    }
}
