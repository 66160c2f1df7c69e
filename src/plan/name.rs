//! What a step may be called, and which name was probably meant.
//!
//! An id is typed on command lines, becomes part of paths, and is compared for
//! equality in files that different systems wrote. So the set of characters is
//! small, nothing in it means anything to a shell, to a file system or to the
//! selection language, and no two spellings of one id look the same: there are
//! no combining marks and no second code points for one letter. (Letters that
//! merely resemble each other in two scripts are not told apart.)
//!
//! This file does not know what is named: steps, tags, locks and variables are
//! all just names here.

use std::sync::LazyLock;

use regex::Regex;

/// A segment of an id has at most this many bytes, so that it fits a file name
/// with room to spare.
pub const MAX_BYTES: usize = 200;

/// An id has at most this many bytes, as a path has: trees of phases are nested
/// a thousand deep.
pub const MAX_PATH: usize = 4095;

/// Checks that `id` may name a step: segments joined by `/`, each made of
/// letters, digits, `_`, `-` and `.`, none of which begins with `-`, ends with
/// `.`, or is a name that Windows keeps for a device.
///
/// # Errors
/// What is wrong, to follow the name: `is empty`, `holds a space`. It never
/// repeats the id itself, whose characters may not be fit to print.
pub fn check_id(id: &str) -> Result<(), String> {
    if id.is_empty() {
        return Err("is empty".into());
    }
    if id.len() > MAX_PATH {
        return Err(format!(
            "is {} bytes long; {MAX_PATH} are the most",
            id.len()
        ));
    }
    if let Some(c) = id.chars().find(|&c| !is_allowed(c)) {
        return Err(format!(
            "holds {}; letters, digits, `_`, `-`, `.` and `/` are what it may hold",
            describe(c)
        ));
    }
    id.split('/').try_for_each(check_segment)
}

fn check_segment(segment: &str) -> Result<(), String> {
    match segment {
        "" => Err("begins or ends with `/`, or holds `//`".into()),
        _ if segment.len() > MAX_BYTES => Err(format!(
            "has a part of {} bytes; {MAX_BYTES} are the most",
            segment.len()
        )),
        "." | ".." => Err(format!(
            "holds the path segment `{segment}`, which leads elsewhere"
        )),
        _ if segment.starts_with('-') => {
            Err("has a part that begins with `-`, and would be taken for an option".into())
        }
        _ if segment.ends_with('.') => {
            Err("has a part that ends with `.`, which Windows cannot keep".into())
        }
        _ if is_device(segment) => Err(format!("holds `{segment}`, which is a device on Windows")),
        _ => Ok(()),
    }
}

fn is_allowed(c: char) -> bool {
    match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' | '.' | '/' => true,
        _ if c.is_ascii() => false,
        _ => LETTER.is_match(c.encode_utf8(&mut [0; 4])),
    }
}

/// Letters and decimal digits of all scripts, without marks, and without every
/// block whose letters are other spellings of letters found elsewhere: single
/// jamo (which join to syllables), the Greek accents that exist twice, signs
/// such as Kelvin and Ångström, compatibility, full-width and mathematical forms.
static LETTER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?x)^[[\p{L}\p{Nd}]--[
            \x{0374} \x{1100}-\x{11FF} \x{1F70}-\x{1F7F} \x{1FB0}-\x{1FFF}
            \x{2100}-\x{214F} \x{A960}-\x{A97F} \x{D7B0}-\x{D7FF} \x{F900}-\x{FDFF}
            \x{FE70}-\x{FFEF} \x{1D400}-\x{1D7FF} \x{2F800}-\x{2FA1F}
        ]]$",
    )
    .expect("the class is written out here")
});

fn describe(c: char) -> String {
    match c {
        ' ' => "a space".into(),
        '\0' => "a NUL".into(),
        _ if c.is_control() => format!("the control character U+{:04X}", u32::from(c)),
        _ if c.is_ascii() => format!("`{c}`"),
        // Never the character itself: it may turn the line around or be invisible.
        _ => format!("the character U+{:04X}", u32::from(c)),
    }
}

/// The names that Windows gives to a device whatever follows the first dot.
fn is_device(segment: &str) -> bool {
    let stem = segment.split('.').next().unwrap_or_default().as_bytes();
    let is_any = |stem: &[u8], of: &[&str]| {
        let mut names = of.iter().map(|name| name.as_bytes());
        names.any(|name| stem.eq_ignore_ascii_case(name))
    };
    match stem {
        [_, _, _] => is_any(stem, &["CON", "PRN", "AUX", "NUL"]),
        [port @ .., b'0'..=b'9'] => is_any(port, &["COM", "LPT"]),
        _ => false,
    }
}

/// The form in which two names count as one where case does not: `Build` and
/// `build` cannot both be steps, since there are file systems that keep one.
pub fn folded(name: &str) -> String {
    name.chars().flat_map(char::to_lowercase).collect()
}

/// Names longer than this many characters are never suggested, nor anything for them.
const MAX_COMPARED: usize = 80;

/// The candidate that was probably meant by `name`, if one is near enough.
///
/// Nearest of all is one that differs by case or by `-` for `_` alone; then a
/// path whose last part is the name (`bluetooth` for `config/bluetooth`); then
/// the fewest letters left out, put in, exchanged or transposed, up to a third
/// of the name's length and at most four. Of equally near ones the first wins.
///
/// One call walks the candidates once, with a small bounded effort for each;
/// whoever has many unknown names to report should not ask for all of them.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = comparable(name)?;
    // Twice the distance, so that the likenesses that are no distance fit between.
    let mut limit = 2 * (wanted.len() / 3).min(4) + 1;
    let mut best = None;
    let mut distance = Distance::default();
    for candidate in candidates {
        if candidate == name || candidate.len() > 4 * MAX_COMPARED {
            continue;
        }
        let Some(other) = comparable(candidate) else {
            continue;
        };
        let score = if other == wanted {
            0
        } else if is_last_part(&other, &wanted) {
            1
        } else {
            match distance.within(&wanted, &other, (limit - 1) / 2) {
                Some(d) => 2 * d,
                None => continue,
            }
        };
        if score < limit {
            limit = score;
            best = Some(candidate);
        }
        if limit == 0 {
            break;
        }
    }
    best
}

/// The letters that are compared: lower case, and `-` for `_`. Nothing for a
/// name that is empty or too long to compare at a bounded cost.
fn comparable(name: &str) -> Option<Vec<char>> {
    let letters: Vec<char> = name
        .chars()
        .take(MAX_COMPARED + 1)
        .flat_map(char::to_lowercase)
        .map(|c| if c == '_' { '-' } else { c })
        .collect();
    (1..=MAX_COMPARED)
        .contains(&letters.len())
        .then_some(letters)
}

fn is_last_part(path: &[char], name: &[char]) -> bool {
    path.strip_suffix(name)
        .is_some_and(|before| before.last() == Some(&'/'))
}

/// Three rows of the table of distances, kept between calls.
#[derive(Default)]
struct Distance {
    before: Vec<usize>,
    last: Vec<usize>,
    row: Vec<usize>,
}

impl Distance {
    /// Damerau and Levenshtein's distance (of optimal string alignment) of `a`
    /// and `b`, where it is at most `limit`. Only cells near the diagonal are
    /// computed, since the others are beyond the limit.
    fn within(&mut self, a: &[char], b: &[char], limit: usize) -> Option<usize> {
        if a.len().abs_diff(b.len()) > limit {
            return None;
        }
        let far = limit + 1;
        for row in [&mut self.before, &mut self.last, &mut self.row] {
            row.clear();
            row.resize(b.len() + 1, far);
        }
        for (j, cell) in self.last.iter_mut().enumerate().take(far) {
            *cell = j;
        }
        for i in 1..=a.len() {
            let from = i.saturating_sub(limit).max(1);
            let to = (i + limit).min(b.len());
            self.row.fill(far);
            self.row[0] = i.min(far);
            let mut least = self.row[0];
            for j in from..=to {
                let change = usize::from(a[i - 1] != b[j - 1]);
                let mut cell = (self.last[j - 1] + change)
                    .min(self.last[j] + 1)
                    .min(self.row[j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    cell = cell.min(self.before[j - 2] + 1);
                }
                self.row[j] = cell.min(far);
                least = least.min(cell);
            }
            if least > limit {
                return None;
            }
            std::mem::swap(&mut self.before, &mut self.last);
            std::mem::swap(&mut self.last, &mut self.row);
        }
        Some(self.last[b.len()]).filter(|&d| d <= limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_people_write_are_allowed() {
        for id in [
            "git_fetch",
            "git-merge",
            "0001",
            "0402_Run-Tests",
            "a/b",
            "config/hardware/bluetooth",
            ".config/x.y",
            "v1.2",
            "größe",
            "étape",
            "步骤/一",
            "ビルド",
            "한국",
            "шаг",
            "_",
        ] {
            assert_eq!(check_id(id), Ok(()), "{id}");
        }
    }

    /// XF05.
    #[test]
    fn xf05_hostile_ids_are_refused() {
        for id in [
            // traversal
            "../../../../quintet-escaped",
            "/quintet-absolute",
            "..",
            ".",
            "a/../b",
            "a//b",
            "a/",
            // nulname, emptyname
            "a\0b",
            "",
            // dashname
            "--help",
            "-rf",
            "a/-rf",
            // unicodename
            "e\u{301}",
            "\u{202e}gpj.exe",
            "a\nb",
            "a\u{200b}b",
            "a b",
            "a\u{a0}b",
            // winname
            "CON",
            "con.txt",
            "a/nul",
            "LPT1",
            "a:b",
            "x.",
            "a\\b",
            // what the selection language and shells use
            "a,b",
            "!a",
            "a*",
            "a+",
            "$a",
            "~",
        ] {
            assert!(check_id(id).is_err(), "{id:?} was allowed");
        }
        assert!(check_id(&"n".repeat(5000)).is_err());
        assert!(check_id(&"n".repeat(MAX_BYTES)).is_ok());
        assert!(check_id(&"n".repeat(MAX_BYTES + 1)).is_err());
        assert!(check_id(&format!("n{}", "/n".repeat(MAX_PATH / 2))).is_ok());
        assert!(check_id(&format!("n{}", "/n".repeat(MAX_PATH / 2 + 1))).is_err());
    }

    #[test]
    fn a_letter_has_one_spelling() {
        // Kelvin, Ångström, Ohm, ά with the old accent, a CJK compatibility
        // ideograph, loose jamo, full-width and mathematical letters.
        for id in [
            "\u{212a}",
            "\u{212b}",
            "\u{2126}",
            "\u{1f71}",
            "\u{f900}",
            "\u{1112}\u{1161}",
            "\u{ff21}",
            "\u{1d400}",
            "\u{fb01}",
            "\u{2f800}",
            "\u{374}",
            "\u{93e}",
        ] {
            assert!(check_id(id).is_err(), "{id:?} was allowed");
        }
    }

    #[test]
    fn the_message_never_repeats_the_character() {
        let message = check_id("\u{202e}gpj.exe").unwrap_err();
        assert!(message.is_ascii(), "{message}");
        assert!(message.contains("U+202E"), "{message}");
        assert!(check_id("a\x1b[31m").unwrap_err().contains("U+001B"));
    }

    #[test]
    fn a_case_or_a_dash_is_nearest_of_all() {
        assert_eq!(
            nearest("git-fetch", ["git_fetcg", "Git_Fetch"]),
            Some("Git_Fetch")
        );
        assert_eq!(nearest("BRANCH", ["branch"]), Some("branch"));
    }

    #[test]
    fn slips_of_the_finger_are_near_and_other_words_are_not() {
        assert_eq!(
            nearest("gti_fetch", ["git_merge", "git_fetch"]),
            Some("git_fetch")
        );
        assert_eq!(
            nearest("retrys", ["retries", "timeout_sec"]),
            Some("retries")
        );
        assert_eq!(
            nearest("bluetooth", ["bluetoth/x", "config/bluetooth"]),
            Some("config/bluetooth")
        );
        assert_eq!(nearest("ghost", ["a", "b", "build"]), None);
        assert_eq!(nearest("a", ["b"]), None);
        assert_eq!(nearest("", ["a"]), None);
        assert_eq!(nearest("a", [""]), None);
        assert_eq!(nearest("same", ["same"]), None);
    }

    #[test]
    fn a_long_name_costs_nothing() {
        let long = "x".repeat(1_000_000);
        let near = format!("{long}y");
        assert_eq!(nearest(&long, [near.as_str()]), None);
    }

    /// The whole table, by the definition.
    fn plain_distance(a: &[char], b: &[char]) -> usize {
        let mut d = vec![vec![0; b.len() + 1]; a.len() + 1];
        for i in 0..=a.len() {
            for j in 0..=b.len() {
                d[i][j] = if i == 0 || j == 0 {
                    i + j
                } else {
                    let change = usize::from(a[i - 1] != b[j - 1]);
                    let mut least = (d[i - 1][j - 1] + change)
                        .min(d[i - 1][j] + 1)
                        .min(d[i][j - 1] + 1);
                    if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                        least = least.min(d[i - 2][j - 2] + 1);
                    }
                    least
                };
            }
        }
        d[a.len()][b.len()]
    }

    proptest! {
        #[test]
        fn the_banded_distance_is_the_distance(a in "[abc]{0,9}", b in "[abc]{0,9}", limit in 0usize..5) {
            let (a, b): (Vec<_>, Vec<_>) = (a.chars().collect(), b.chars().collect());
            let plain = plain_distance(&a, &b);
            let banded = Distance::default().within(&a, &b, limit);
            prop_assert_eq!(banded, (plain <= limit).then_some(plain));
        }

        #[test]
        fn nothing_panics(a in any::<String>(), b in any::<String>()) {
            let _ = check_id(&a);
            let _ = nearest(&a, [b.as_str()]);
        }
    }
}
