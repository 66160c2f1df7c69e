//! Patterns of paths, as a step's `cache` names files.
//!
//! A pattern is an absolute path, or a glob: `?` and `*` stand for what is in
//! one name, `**` for names in between, `[ab]` and `{a,b}` for choices, and `\`
//! takes a sign's meaning away. A directory stands for all below it. One that
//! begins with `!` takes out again what patterns before it named.
//!
//! Nothing here looks at files: who walks directories asks here where to begin,
//! whether to go on, and what to take.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

/// A list of patterns, ready to be used.
#[derive(Debug, Default)]
pub struct Patterns(Vec<Pattern>);

/// One pattern.
#[derive(Debug)]
pub struct Pattern {
    takes_out: bool,
    /// Where all that it can name begins: itself, for one that is no glob.
    root: PathBuf,
    glob: Option<Glob>,
}

#[derive(Debug)]
struct Glob {
    whole: GlobMatcher,
    /// What directories so many levels below the root must match, as far as that
    /// can be told.
    levels: Vec<GlobMatcher>,
    /// Nothing deeper than the levels can match.
    is_flat: bool,
}

impl Patterns {
    /// Reads patterns.
    ///
    /// # Errors
    /// In words: the first that is no pattern.
    pub fn parse(written: &[Box<str>]) -> Result<Patterns, String> {
        let patterns = written.iter().map(|one| Pattern::parse(one));
        patterns.collect::<Result<_, _>>().map(Patterns)
    }

    /// Those that name files, each with its place in the list.
    pub fn taking_in(&self) -> impl Iterator<Item = (usize, &Pattern)> {
        let all = self.0.iter().enumerate();
        all.filter(|(_, pattern)| !pattern.takes_out)
    }

    /// Whether what the pattern at this place names is taken out again.
    pub fn is_out(&self, place: usize, path: &Path) -> bool {
        let later = &self.0[place + 1..];
        later.iter().any(|p| p.takes_out && p.names(path))
    }

    /// Whether the patterns name this path, or a directory that it is in.
    pub fn names(&self, path: &Path) -> bool {
        self.taking_in()
            .any(|(place, pattern)| pattern.names(path) && !self.is_out(place, path))
    }
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// In words: it is no pattern.
    pub fn parse(written: &str) -> Result<Pattern, String> {
        let (takes_out, text) = match written.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, written),
        };
        if !text.is_empty() && !text.contains(is_special) {
            // Most patterns are plain paths, and there may be many.
            return Ok(Pattern {
                takes_out,
                root: text.into(),
                glob: None,
            });
        }
        let names: Vec<&str> = text.split('/').collect();
        let literal = names.iter().take_while(|name| !is_glob(name)).count();
        let root = PathBuf::from(plain(&names[..literal].join("/")));
        let root = if root.as_os_str().is_empty() {
            PathBuf::from("/")
        } else {
            root
        };
        let glob = match literal < names.len() {
            true => Some(Glob::parse(text, &names, literal)?),
            false => None,
        };
        Ok(Pattern {
            takes_out,
            root,
            glob,
        })
    }

    /// Where to begin looking.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether the path is this one's own, not only in a directory that is.
    pub fn is_own(&self, path: &Path) -> bool {
        match &self.glob {
            None => path == self.root,
            Some(glob) => glob.whole.is_match(path),
        }
    }

    /// Whether anything below a directory that is not the pattern's own may be.
    /// The root's children are at depth 1.
    pub fn goes_below(&self, directory: &Path, depth: usize) -> bool {
        let Some(glob) = &self.glob else {
            return true;
        };
        match depth {
            0 => true,
            deep if deep > glob.levels.len() => !glob.is_flat,
            deep => glob.levels[deep - 1].is_match(directory),
        }
    }

    /// Whether the path is this one's own, or in a directory that is.
    pub fn names(&self, path: &Path) -> bool {
        match &self.glob {
            None => path.starts_with(&self.root),
            Some(glob) => {
                let mut above = path.ancestors();
                path.starts_with(&self.root) && above.any(|path| glob.whole.is_match(path))
            }
        }
    }
}

impl Glob {
    fn parse(text: &str, names: &[&str], literal: usize) -> Result<Glob, String> {
        let compile = |glob: &str| {
            let built = GlobBuilder::new(glob)
                .literal_separator(true)
                .backslash_escape(true)
                .build();
            built
                .map(|glob| glob.compile_matcher())
                .map_err(|error| format!("{text:?} is no pattern: {}", error.kind()))
        };
        let whole = compile(text)?;
        // A choice may have slashes in it; then a level is no part of the text.
        let is_split = names.iter().any(|name| !is_balanced(name));
        let sure = names[literal..].iter().take_while(|name| **name != "**");
        let sure = if is_split { 0 } else { sure.count() };
        let levels = (1..=sure).map(|level| compile(&names[..literal + level].join("/")));
        Ok(Glob {
            whole,
            levels: levels.collect::<Result<_, _>>()?,
            is_flat: literal + sure == names.len(),
        })
    }
}

/// A pattern that names what `written` does when it is seen from a directory.
pub fn seen_from(base: &str, written: &str) -> Box<str> {
    let (mark, mut rest) = match written.strip_prefix('!') {
        Some(rest) => ("!", rest),
        None => ("", written),
    };
    if rest.starts_with('/') {
        return written.into();
    }
    while let Some(further) = rest.strip_prefix("./") {
        rest = further.trim_start_matches('/');
    }
    let base = literal(base.trim_end_matches('/'));
    match rest {
        "" | "." => format!("{mark}{base}").into(),
        _ => format!("{mark}{base}/{}", rest.trim_end_matches('/')).into(),
    }
}

/// The pattern that names just this path.
fn literal(path: &str) -> Cow<'_, str> {
    if !path.contains(is_special) {
        return path.into();
    }
    let mut pattern = String::with_capacity(path.len());
    for sign in path.chars() {
        if is_special(sign) {
            pattern.push('\\');
        }
        pattern.push(sign);
    }
    pattern.into()
}

/// What a pattern without any special signs says.
fn plain(pattern: &str) -> String {
    let mut path = String::with_capacity(pattern.len());
    let mut signs = pattern.chars();
    while let Some(sign) = signs.next() {
        match sign {
            '\\' => path.extend(signs.next()),
            _ => path.push(sign),
        }
    }
    path
}

fn is_special(sign: char) -> bool {
    matches!(sign, '*' | '?' | '[' | ']' | '{' | '}' | '\\')
}

fn is_glob(name: &str) -> bool {
    let mut signs = name.chars();
    while let Some(sign) = signs.next() {
        match sign {
            '\\' => _ = signs.next(),
            '*' | '?' | '[' | '{' => return true,
            _ => {}
        }
    }
    false
}

fn is_balanced(name: &str) -> bool {
    let count = |sign| name.matches(sign).count();
    count('{') == count('}') && count('[') == count(']')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(patterns: &[&str], path: &str) -> bool {
        let patterns: Vec<Box<str>> = patterns.iter().map(|p| (*p).into()).collect();
        let patterns = Patterns::parse(&patterns).expect("patterns");
        patterns.names(Path::new(path))
    }

    #[test]
    fn a_directory_stands_for_all_below_it() {
        assert!(names(&["/p/src"], "/p/src"));
        assert!(names(&["/p/src"], "/p/src/a/b"));
        assert!(!names(&["/p/src"], "/p/src2"));
        assert!(names(&["/p/*"], "/p/src/a/b"));
        assert!(!names(&["/p/*.rs"], "/p/src/a.rs"));
        assert!(names(&["/p/**/*.rs"], "/p/a.rs"));
        assert!(names(&["/p/**/*.rs"], "/p/src/x/a.rs"));
    }

    #[test]
    fn what_comes_later_takes_out_and_puts_in_again() {
        let list = ["/p/**", "!/p/target", "/p/target/keep"];
        assert!(names(&list, "/p/a"));
        assert!(!names(&list, "/p/target/a"));
        assert!(names(&list, "/p/target/keep"));
        assert!(names(&["!/p/a", "/p"], "/p/a"));
    }

    #[test]
    fn special_signs_of_the_directory_mean_themselves() {
        let pattern = seen_from("/a[b]{c}", "in/*.txt");
        assert!(names(&[&pattern], "/a[b]{c}/in/x.txt"));
        assert!(!names(&[&pattern], "/ab{c}/in/x.txt"));
        let pattern = seen_from("/a*b", "./in");
        assert_eq!(
            Pattern::parse(&pattern).map(|p| p.root),
            Ok("/a*b/in".into())
        );
        assert_eq!(&*seen_from("/p", "!x/"), "!/p/x");
        assert_eq!(&*seen_from("/p", "."), "/p");
        assert_eq!(&*seen_from("/p", "/q"), "/q");
    }

    #[test]
    fn what_is_no_pattern_is_told() {
        let refused = Pattern::parse("/p/[a").expect_err("an open choice");
        assert!(
            refused.starts_with("\"/p/[a\" is no pattern: "),
            "{refused}"
        );
    }

    #[test]
    fn directories_that_cannot_match_are_not_entered() {
        let below = |pattern: &str, directory: &str, depth| {
            let pattern = Pattern::parse(pattern).expect("a pattern");
            pattern.goes_below(Path::new(directory), depth)
        };
        assert!(below("/p/*/src/**/x", "/p/a", 1));
        assert!(below("/p/*/src/**/x", "/p/a/src", 2));
        assert!(!below("/p/*/src/**/x", "/p/a/doc", 2));
        assert!(below("/p/*/src/**/x", "/p/a/src/y/z", 4));
        assert!(!below("/p/*.rs", "/p/src", 1));
        assert!(below("/p/{a/b,c}/*", "/p/a", 1));
    }
}
