//! Names as numbers.
//!
//! A plan of 100,000 steps names them 400,000 times. Each name is kept once
//! and is a number from then on; looking one up is what loading a large plan
//! mostly does, so this is a flat table and not a tree. Iteration is in the
//! order of first mention, so nothing depends on the hash.
//!
//! Names that differ by case alone fall into one chain of the table, which
//! makes `Build` beside `build` cheap to find.

use crate::plan::StepIx;
use crate::plan::name::folded;

/// A name that a step has or that something refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name(pub(super) u32);

/// Marks a name that no step has, and a free place in the table.
const NONE: u32 = u32::MAX;

/// So many bytes of a name stand in its entry, which is all of most names.
const HEAD: usize = 12;

#[derive(Debug, Default)]
pub(super) struct Names {
    /// All names that are longer than a head, one after the other.
    text: String,
    entries: Vec<Entry>,
    /// At a name's hash or after it. Its length is a power of two.
    table: Vec<Slot>,
}

/// A place in the table. With the hash beside the number, other names that
/// stand in the way are passed without a look at them: each look is a cache miss.
#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u32,
    /// A position in `entries`, or `NONE`.
    number: u32,
}

const FREE: Slot = Slot {
    hash: 0,
    number: NONE,
};

#[derive(Debug)]
struct Entry {
    /// The name's first bytes, and zeros where it has no more. Of most names that
    /// is all, and a look into the text would be another cache miss.
    head: [u8; HEAD],
    start: u32,
    len: u32,
    step: u32,
}

impl Names {
    /// Room for this many names, so that growing never rewrites the table.
    pub fn with_capacity(names: usize) -> Self {
        let mut made = Names::default();
        made.entries.reserve(names);
        made.resize((names * 4 / 3 + 1).next_power_of_two().max(64));
        made
    }

    /// The number of `name`, a new one where it was not met before.
    pub fn name(&mut self, name: &str) -> Name {
        if self.entries.len() * 4 >= self.table.len() * 3 {
            self.resize((self.table.len() * 2).max(64));
        }
        let (hash, head) = (hash(name), head(name));
        let mut at = self.slot(hash);
        loop {
            let slot = self.table[at];
            if slot.number == NONE {
                break;
            }
            if slot.hash == hash && self.is(slot.number, &head, name) {
                return Name(slot.number);
            }
            at = (at + 1) & (self.table.len() - 1);
        }
        let number = self.entries.len() as u32;
        self.table[at] = Slot { hash, number };
        self.entries.push(Entry {
            head,
            start: self.text.len() as u32,
            len: name.len() as u32,
            step: NONE,
        });
        if name.len() > HEAD {
            self.text.push_str(name);
        }
        Name(number)
    }

    pub fn text(&self, name: Name) -> &str {
        let entry = &self.entries[name.0 as usize];
        let (start, len) = (entry.start as usize, entry.len as usize);
        match entry.head.get(..len) {
            Some(whole) => std::str::from_utf8(whole).expect("it came from a text"),
            None => &self.text[start..start + len],
        }
    }

    /// The step that has this name.
    pub fn step(&self, name: Name) -> Option<StepIx> {
        let step = self.entries[name.0 as usize].step;
        (step != NONE).then(|| StepIx::new(step as usize))
    }

    /// Gives the name to a step.
    pub fn define(&mut self, name: Name, step: StepIx) {
        self.entries[name.0 as usize].step = step.at() as u32;
    }

    /// A step whose name is this one but for case.
    pub fn clash(&self, name: Name) -> Option<StepIx> {
        let hash = hash(self.text(name));
        let mut at = self.slot(hash);
        while self.table[at].number != NONE {
            let other = Name(self.table[at].number);
            if self.table[at].hash == hash
                && other != name
                && self.step(other).is_some()
                && folded(self.text(other)) == folded(self.text(name))
            {
                return self.step(other);
            }
            at = (at + 1) & (self.table.len() - 1);
        }
        None
    }

    /// Frees what only new names and clashes need.
    pub fn close(&mut self) {
        self.table = Vec::new();
    }

    fn is(&self, number: u32, head: &[u8; HEAD], name: &str) -> bool {
        let entry = &self.entries[number as usize];
        entry.head == *head
            && entry.len as usize == name.len()
            && (name.len() <= HEAD || self.text(Name(number)) == name)
    }

    fn slot(&self, hash: u32) -> usize {
        hash as usize & (self.table.len() - 1)
    }

    /// Makes the table this long, which is a power of two.
    fn resize(&mut self, len: usize) {
        let before = std::mem::replace(&mut self.table, vec![FREE; len]);
        for slot in before.into_iter().filter(|slot| slot.number != NONE) {
            let mut at = self.slot(slot.hash);
            while self.table[at].number != NONE {
                at = (at + 1) & (len - 1);
            }
            self.table[at] = slot;
        }
    }
}

fn head(name: &str) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    let len = name.len().min(HEAD);
    head[..len].copy_from_slice(&name.as_bytes()[..len]);
    head
}

/// Equal for names that are equal but for case.
fn hash(name: &str) -> u32 {
    if name.is_ascii() {
        mix(name.as_bytes())
    } else {
        mix(folded(name).as_bytes())
    }
}

fn mix(bytes: &[u8]) -> u32 {
    // Of ASCII letters this bit is the case, and of nothing else two names differ by.
    const LOWER: u64 = 0x2020_2020_2020_2020;
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let Some((last, rest)) = bytes.split_last() else {
        return 0;
    };
    let mut state = bytes.len() as u64;
    let mut add = |eight: u64| {
        state = (state ^ (eight | LOWER)).wrapping_mul(FACTOR);
        state ^= state >> 32;
    };
    let mut chunks = rest.chunks_exact(8);
    for chunk in &mut chunks {
        add(chunk.iter().fold(0, |word, b| word << 8 | u64::from(*b)));
    }
    add(chunks
        .remainder()
        .iter()
        .fold(0, |word, b| word << 8 | u64::from(*b)));
    // Names that differ in their last character alone are neighbors: plans number
    // their steps and refer to near ones, and so they share a cache line.
    (state.wrapping_mul(FACTOR) >> 32) as u32 & !15 | u32::from(last & 15)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_is_one_number_and_comes_back_as_it_was() {
        let mut names = Names::default();
        let many: Vec<String> = (0..1000).map(|i| format!("s{i}")).collect();
        let numbers: Vec<Name> = many.iter().map(|n| names.name(n)).collect();
        for (text, number) in many.iter().zip(numbers) {
            assert_eq!(names.name(text), number);
            assert_eq!(names.text(number), text);
        }
    }

    #[test]
    fn names_that_begin_alike_keep_apart() {
        let mut names = Names::default();
        let alike = [
            "",
            "\0",
            "a",
            "a\0",
            "abcdefghijkl",
            "abcdefghijklm",
            "abcdefghijkln",
        ];
        let numbers = alike.map(|name| names.name(name));
        assert_eq!(numbers, std::array::from_fn(|n| Name(n as u32)));
        assert_eq!(alike.map(|name| names.name(name)), numbers);
    }

    #[test]
    fn names_equal_but_for_case_are_found_once_one_is_a_step() {
        let mut names = Names::default();
        for (upper, lower) in [
            ("Build", "build"),
            ("Ärger/X", "ärger/x"),
            ("AAAAAAAAA", "aaaaaaaaa"),
        ] {
            let (one, other) = (names.name(upper), names.name(lower));
            assert_ne!(one, other);
            assert_eq!(names.clash(other), None, "nobody has the name yet");
            names.define(one, StepIx::new(7));
            assert_eq!(names.clash(other), Some(StepIx::new(7)));
            assert_eq!(names.clash(one), None, "not with itself");
        }
    }

    proptest! {
        #[test]
        fn any_names_keep_apart(list in prop::collection::vec("[a-cA-Cäß]{0,3}", 0..60)) {
            let mut names = Names::default();
            let numbers: Vec<Name> = list.iter().map(|n| names.name(n)).collect();
            for (text, number) in list.iter().zip(&numbers) {
                for (other_text, other) in list.iter().zip(&numbers) {
                    prop_assert_eq!(text == other_text, number == other);
                }
            }
        }
    }
}
