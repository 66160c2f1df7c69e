//! Which project a file of checks belongs to, and which file a folder's is.

use std::path::{Path, PathBuf};

/// Where a project's file of checks may lie, seen from its root.
const PLACES: [&str; 8] = [
    "checks.toml",
    "checks.yaml",
    "checks.yml",
    "checks.json",
    ".quintet/checks.toml",
    ".quintet/checks.yaml",
    ".quintet/checks.yml",
    ".quintet/checks.json",
];

/// A folder for things that are about a project and not of it.
const OWN: &str = ".quintet";

/// Longest name of a folder that is made part of another's.
const LONGEST: usize = 60;

/// The file of checks of the project that `folder` is in: its own, or that of
/// the nearest folder around it that has one.
pub fn find(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().find_map(|root| {
        let mut places = PLACES.iter().map(|place| root.join(place));
        places.find(|path| path.is_file())
    })
}

/// A project: a folder. What is remembered of its checks is its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// As the system calls it, without links, where it exists.
    pub root: PathBuf,
}

impl Project {
    /// The project whose file this is. `root` is seen from the file's folder.
    pub fn of(file: &Path, root: Option<&str>) -> Project {
        let folder = file.parent().unwrap_or(Path::new("/"));
        let root = match root {
            Some(root) => folder.join(root),
            // A file in the folder of our own is about the folder around it.
            None if folder.ends_with(OWN) => folder.parent().unwrap_or(folder).to_owned(),
            None => folder.to_owned(),
        };
        Project {
            root: std::fs::canonicalize(&root).unwrap_or(root),
        }
    }

    /// What its lock and its folder are called: the folder's own name, to be read,
    /// and eight digits that are no other folder's.
    pub fn name(&self) -> String {
        let name = self.root.file_name().unwrap_or_default().to_string_lossy();
        let plain = |c: char| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' => c,
            _ => '_',
        };
        let name: String = name.chars().take(LONGEST).map(plain).collect();
        let hash = blake3::hash(self.root.as_os_str().as_encoded_bytes()).to_hex();
        match name.as_str() {
            "" => format!("root-{}", &hash[..8]),
            name => format!("{name}-{}", &hash[..8]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// E27.
    #[test]
    fn e27_projects_of_one_name_are_told_apart() {
        let of = |file: &str, root| Project::of(Path::new(file), root);
        let (one, two) = (
            of("/no/one/app/checks.toml", None),
            of("/no/two/app/checks.toml", None),
        );
        assert_ne!(one.name(), two.name());
        assert!(one.name().starts_with("app-"), "{}", one.name());
        assert_eq!(one.name().len(), "app-".len() + 8);
        assert_eq!(of("/no/one/app/.quintet/checks.toml", None), one);
        assert_eq!(of("/no/one/app/checks/all.toml", Some("/no/one/app")), one);
        assert!(
            of("/no/a b\u{1b}/checks.toml", None)
                .name()
                .starts_with("a_b_-")
        );
    }

    #[test]
    fn the_nearest_file_of_checks_is_the_folders() {
        let home = tempfile::tempdir().expect("a folder");
        let inner = home.path().join("a/b/c");
        std::fs::create_dir_all(home.path().join(".quintet")).expect("a folder");
        std::fs::create_dir_all(&inner).expect("a folder");
        let outer = home.path().join(".quintet/checks.yaml");
        std::fs::write(&outer, "").expect("a file");
        assert_eq!(find(&inner), Some(outer));
        let nearer = home.path().join("a/b/checks.toml");
        std::fs::write(&nearer, "").expect("a file");
        assert_eq!(find(&inner), Some(nearer));
    }
}
