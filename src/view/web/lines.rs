//! The lines of a log, with the colours that programs gave them.
//!
//! Colours and weights become classes, the nearest of sixteen; whatever else a terminal
//! would act on is left out, and what is looked for is marked.

use maud::{Markup, html};

use crate::store::logs::search::Needle;
use crate::store::logs::window::Window;
use crate::view::escape::{Piece, pieces};

/// How lines are shown.
pub struct Shown<'a> {
    pub window: &'a Window,
    pub needle: Option<&'a Needle>,
    /// The byte at which the match begins that is looked at.
    pub current: Option<u64>,
    /// What stands before a line's number in its id.
    pub prefix: &'a str,
    /// The page's own address, where it will show something else by itself.
    pub page: &'a str,
}

/// A line for each, numbered; told by its first byte where its number is not known.
pub fn lines(shown: &Shown<'_>) -> Markup {
    let window = shown.window;
    let (mut at, mut style) = (window.from, Style::default());
    let lines = window.bytes.split_inclusive(|byte| *byte == b'\n');
    html! {
        @for (n, bytes) in lines.enumerate() {
            @let end = at + bytes.len() as u64;
            @let begin = std::mem::replace(&mut at, end);
            @let name = match window.first_line {
                Some(first) => format!("{}{}", shown.prefix, first + n as u64),
                None => format!("{}@{begin}", shown.prefix),
            };
            @let label = name.trim_start_matches(shown.prefix);
            @let is_current = shown.current.is_some_and(|current| (begin..end).contains(&current));
            @let text = String::from_utf8_lossy(bytes);
            @let text = text.trim_end_matches(['\n', '\r']);
            div id=(name) data-current[is_current] {
                a href={ (shown.page) "#" (name) } { (label) }
                span { (line(text, shown.needle, &mut style)) "\n" }
            }
        }
    }
}

/// One line; how the next one begins follows from how it ends.
fn line(text: &str, needle: Option<&Needle>, style: &mut Style) -> Markup {
    let (mut plain, mut runs) = (String::new(), Vec::new());
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => {
                runs.push((plain.len()..plain.len() + text.len(), style.class()));
                plain.push_str(text);
            }
            Piece::Sequence(sequence) => style.apply(sequence),
        }
    }
    let marks: Vec<_> = needle.map_or_else(Vec::new, |needle| needle.matches(&plain).collect());
    html! {
        @for (run, class) in runs {
            @for (part, is_match) in parts(run, &marks) {
                @match (is_match, class.is_empty()) {
                    (true, true) => mark { (plain[part]) },
                    (true, false) => mark class=(class) { (plain[part]) },
                    (false, true) => (plain[part]),
                    (false, false) => span class=(class) { (plain[part]) },
                }
            }
        }
    }
}

type Range = std::ops::Range<usize>;

/// A range cut where matches begin and end.
fn parts(run: Range, marks: &[Range]) -> Vec<(Range, bool)> {
    let (mut parts, mut at) = (Vec::new(), run.start);
    for mark in marks {
        let (start, end) = (mark.start.max(at), mark.end.min(run.end));
        if start >= end {
            continue;
        }
        if at < start {
            parts.push((at..start, false));
        }
        parts.push((start..end, true));
        at = end;
    }
    if at < run.end {
        parts.push((at..run.end, false));
    }
    parts
}

/// How text is written at a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Style {
    bold: bool,
    dim: bool,
    italic: bool,
    underline: bool,
    /// Of the sixteen; 0 to 7 are plain, 8 to 15 bright.
    front: Option<u8>,
    back: Option<u8>,
}

impl Style {
    /// What a sequence says of colours and weights; any other says nothing here.
    fn apply(&mut self, sequence: &str) {
        let Some(codes) = sequence
            .strip_prefix("\u{1b}[")
            .and_then(|rest| rest.strip_suffix('m'))
        else {
            return;
        };
        let mut codes = codes
            .split([';', ':'])
            .map(|code| code.parse::<u16>().unwrap_or(0));
        while let Some(code) = codes.next() {
            match code {
                0 => *self = Style::default(),
                1 => self.bold = true,
                2 => self.dim = true,
                3 => self.italic = true,
                4 => self.underline = true,
                22 => (self.bold, self.dim) = (false, false),
                23 => self.italic = false,
                24 => self.underline = false,
                30..=37 => self.front = Some((code - 30) as u8),
                38 => self.front = mixed(&mut codes),
                39 => self.front = None,
                40..=47 => self.back = Some((code - 40) as u8),
                48 => self.back = mixed(&mut codes),
                49 => self.back = None,
                90..=97 => self.front = Some((code - 82) as u8),
                100..=107 => self.back = Some((code - 92) as u8),
                _ => {}
            }
        }
    }

    fn class(self) -> String {
        let words = [
            (self.bold, "bold"),
            (self.dim, "dim"),
            (self.italic, "italic"),
            (self.underline, "underline"),
        ];
        let words = words.into_iter().filter(|(is, _)| *is);
        let words = words.map(|(_, word)| word.to_owned());
        let front = self.front.map(|colour| format!("front-{}", colour % 8));
        let back = self.back.map(|colour| format!("back-{}", colour % 8));
        let all: Vec<String> = words.chain(front).chain(back).collect();
        all.join(" ")
    }
}

/// The nearest of the sixteen to one of 256 (`5;N`), or to one that is mixed
/// (`2;R;G;B`).
fn mixed(codes: &mut impl Iterator<Item = u16>) -> Option<u8> {
    let (red, green, blue) = match codes.next()? {
        5 => match codes.next()? {
            plain @ 0..=15 => return Some(plain as u8),
            cube @ 16..=231 => {
                let step = |n: u16| n % 6 * 51;
                (
                    step((cube - 16) / 36),
                    step((cube - 16) / 6),
                    step(cube - 16),
                )
            }
            grey => [8 + (grey.min(255) - 232) * 10; 3].into(),
        },
        2 => (codes.next()?, codes.next()?, codes.next()?),
        _ => return None,
    };
    let most = red.max(green).max(blue);
    // A part counts where it is not much weaker than the strongest.
    let bit = |part: u16, bit: u8| if most > 60 && part * 2 > most { bit } else { 0 };
    Some(bit(red, 1) | bit(green, 2) | bit(blue, 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        line(text, None, &mut Style::default()).into_string()
    }

    #[test]
    fn colours_become_classes_and_go_on_in_the_next_line() {
        assert_eq!(
            shown("a\u{1b}[1;31mred\u{1b}[0m b"),
            r#"a<span class="bold front-1">red</span> b"#
        );
        let mut style = Style::default();
        line("\u{1b}[32mgreen", None, &mut style);
        let next = line("still", None, &mut style).into_string();
        assert_eq!(next, r#"<span class="front-2">still</span>"#);
        assert!(shown("\u{1b}[38;5;196mx").contains("front-1"));
        assert!(shown("\u{1b}[48;2;20;20;200mx").contains("back-4"));
        assert!(shown("\u{1b}[38;5;250mx").contains("front-7"));
    }

    /// XG09, XC03.
    #[test]
    fn xg09_hostile_output_is_inert() {
        let shown = shown(
            "<script>alert(1)</script>\u{1b}]0;title\u{7}\u{202e}\u{1b}[2J\u{9b}31m&\"\u{1b}[38;5m",
        );
        assert_eq!(
            shown,
            "&lt;script&gt;alert(1)&lt;/script&gt;]0;title31m&amp;&quot;"
        );
    }

    #[test]
    fn what_is_looked_for_is_marked_across_colours() {
        let needle = Needle::new("error").unwrap();
        let shown = line("an ER\u{1b}[31mror!", Some(&needle), &mut Style::default());
        assert_eq!(
            shown.into_string(),
            r#"an <mark>ER</mark><mark class="front-1">ror</mark><span class="front-1">!</span>"#
        );
    }

    #[test]
    fn lines_are_named_by_number_or_else_by_their_byte() {
        let mut window = Window {
            from: 70,
            bytes: b"one\ntwo\r\n".to_vec(),
            first_line: Some(9),
            len: 79,
        };
        let page = |window: &Window| {
            let shown = Shown {
                window,
                needle: None,
                current: Some(74),
                prefix: "L",
                page: "",
            };
            lines(&shown).into_string()
        };
        insta::assert_snapshot!(page(&window), @r##"
        <div id="L9"><a href="#L9">9</a><span>one
        </span></div><div id="L10" data-current><a href="#L10">10</a><span>two
        </span></div>
        "##);
        window.first_line = None;
        assert!(page(&window).contains(r##"<a href="#L@74">@74</a>"##));
    }
}
