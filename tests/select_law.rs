//! The law of selections: on any plan, any selection means what a naive
//! reading of its terms means, one term after another, set by set.
//!
//! The naive reading works on the terms before they are written down, with
//! plain sets and walks that run until nothing changes. It shares no code with
//! what it checks but the plan itself.

use std::collections::BTreeSet;

use proptest::prelude::*;
use quintet::plan::Plan;
use quintet::plan::graph::Graph;
use quintet::plan::select::{Range, Selection};
use serde_json::json;

type Set = BTreeSet<usize>;

/// Ids of all sorts: plain, in groups, beside groups of like names, numbered.
const IDS: [&str; 17] = [
    "a", "ab", "b", "g/a", "g/b", "g/h/a", "g-x", "gh", "0001", "0002_x", "s/0002", "0010", "0210",
    "0299/z", "1000", "00011", "2fast",
];
const NAMES: [&str; 3] = ["Alpha", "b", "0001_Name"];
const TAGS: [&str; 3] = ["t", "u", "v"];
const STAGES: [&str; 2] = ["Core", "My Stage"];

/// A step, with edges to steps before it.
#[derive(Clone, Debug)]
struct Row {
    id: &'static str,
    name: Option<&'static str>,
    tags: Vec<&'static str>,
    stage: Option<&'static str>,
    needs: Vec<usize>,
    after: Vec<usize>,
    fallback_of: Option<usize>,
}

#[derive(Clone, Debug)]
enum What {
    All,
    Id(&'static str),
    Glob(&'static str),
    Number(&'static str),
    Numbers(&'static str, &'static str),
    /// As it is written, and the digits that it means.
    Prefix(&'static str, &'static str),
    Tag(&'static str),
    Stage(&'static str),
    Path(&'static str),
}

#[derive(Clone, Debug)]
struct Term {
    exclude: bool,
    up: bool,
    down: bool,
    what: What,
    /// What stands between this term and the next.
    separator: &'static str,
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let ids = proptest::sample::subsequence(IDS.to_vec(), 1..=IDS.len()).prop_shuffle();
    ids.prop_flat_map(|ids| {
        let rows: Vec<_> = ids
            .into_iter()
            .enumerate()
            .map(|(at, id)| row(at, id))
            .collect();
        rows
    })
}

fn row(at: usize, id: &'static str) -> impl Strategy<Value = Row> {
    let before = || proptest::collection::vec(any::<prop::sample::Index>(), 0..3);
    let pick =
        |names: &'static [&'static str]| proptest::option::of(proptest::sample::select(names));
    let tags = proptest::sample::subsequence(TAGS.to_vec(), 0..=2);
    let edges = (
        before(),
        before(),
        proptest::option::weighted(0.2, any::<prop::sample::Index>()),
    );
    (pick(&NAMES), tags, pick(&STAGES), edges).prop_map(
        move |(name, tags, stage, (needs, after, fallback_of))| {
            let place = |index: prop::sample::Index| (at > 0).then(|| index.index(at));
            let places = |indices: Vec<prop::sample::Index>| -> Set {
                indices.into_iter().filter_map(place).collect()
            };
            let needs = places(needs);
            let after = &places(after) - &needs;
            Row {
                id,
                name,
                tags,
                stage,
                needs: needs.into_iter().collect(),
                after: after.into_iter().collect(),
                fallback_of: fallback_of.and_then(place),
            }
        },
    )
}

const PREFIXES: [(&str, &str); 6] = [
    ("02*", "02"),
    ("0*", "00"),
    ("2*", "02"),
    ("000x", "000"),
    ("1xxx", "1"),
    ("1000*", "1000"),
];

/// An id as it is read when it stands in a selection.
fn id_or_number(id: &'static str) -> What {
    match id.len() == 4 && id.bytes().all(|b| b.is_ascii_digit()) {
        true => What::Number(id),
        false => What::Id(id),
    }
}

fn what() -> impl Strategy<Value = What> {
    use proptest::sample::select;
    prop_oneof![
        1 => Just(What::All),
        4 => select(IDS.to_vec()).prop_map(id_or_number),
        2 => select(vec!["g", "g/h", "s", "Alpha", "0001_Name", "ghost"]).prop_map(What::Id),
        2 => select(vec!["g*", "*a", "?", "*/a", "g/?", "a*b", "*h*", "no*"]).prop_map(What::Glob),
        1 => select(vec!["0002", "0299", "0003"]).prop_map(What::Number),
        1 => select(vec![("0000", "0009"), ("0002", "0299"), ("0300", "0400")])
            .prop_map(|(first, last)| What::Numbers(first, last)),
        1 => select(PREFIXES.to_vec()).prop_map(|(written, digits)| What::Prefix(written, digits)),
        2 => select(vec!["t", "u", "v", "w"]).prop_map(What::Tag),
        1 => select(vec!["core", "MY STAGE", "none"]).prop_map(What::Stage),
        1 => select(vec!["g", "g/h", "g/h/a", "s", "x"]).prop_map(What::Path),
    ]
}

fn term() -> impl Strategy<Value = Term> {
    let sign = || proptest::bool::weighted(0.25);
    let separator = proptest::sample::select(vec![",", " , ", "|"]);
    (sign(), sign(), sign(), what(), separator).prop_map(|(exclude, up, down, what, separator)| {
        Term {
            exclude,
            up,
            down,
            what,
            separator,
        }
    })
}

fn plan(rows: &[Row]) -> Plan {
    let steps: Vec<_> = rows
        .iter()
        .map(|row| {
            json!({
                "id": row.id, "name": row.name, "action": "group", "needs": row.needs, "after": row.after,
                "fallback_of": row.fallback_of, "tags": row.tags, "about": {"stage": row.stage},
                "policy": {"grace": 0}, "source": {"file": 0, "line": 1, "column": 1},
            })
        })
        .collect();
    let plan =
        json!({"id": "p", "name": "p", "version": "1", "max_concurrency": 1, "steps": steps});
    serde_json::from_value(plan).unwrap()
}

/// The terms as somebody would type them; `|` parts arguments.
fn written(terms: &[Term]) -> Vec<String> {
    let mut line = String::new();
    for (i, term) in terms.iter().enumerate() {
        let what = match &term.what {
            What::All => "*".into(),
            What::Id(text) | What::Glob(text) | What::Number(text) | What::Prefix(text, _) => {
                text.to_string()
            }
            What::Numbers(first, last) => format!("{first}-{last}"),
            What::Tag(tag) => format!("tag:{tag}"),
            What::Stage(stage) => format!("stage: {stage}"),
            What::Path(path) => format!("path:{path}"),
        };
        let sign = |on: bool, sign: &'static str| if on { sign } else { "" };
        let (exclude, up, down) = (
            sign(term.exclude, "!"),
            sign(term.up, "+"),
            sign(term.down, "+"),
        );
        line.push_str(&format!("{exclude}{up}{what}{down}"));
        if i + 1 < terms.len() {
            line.push_str(term.separator);
        }
    }
    line.split('|').map(str::to_owned).collect()
}

/// `*` is any characters, `?` is one.
fn globs(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=text.len()).any(|at| globs(rest, &text[at..])),
        ([b'?', rest @ ..], [_, after @ ..]) => globs(rest, after),
        ([a, rest @ ..], [b, after @ ..]) => a == b && globs(rest, after),
        _ => false,
    }
}

/// The id and the groups it is in.
fn selves(id: &str) -> Vec<String> {
    let parts: Vec<&str> = id.split('/').collect();
    (1..=parts.len()).map(|n| parts[..n].join("/")).collect()
}

/// The four digits with which a part of the id begins, and which no fifth follows.
fn digits(id: &str) -> Vec<String> {
    let parts = id.split('/').map(|part| {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        digits
    });
    parts.filter(|digits| digits.len() == 4).collect()
}

/// The steps a term is about by itself; `None` where it names what there is not.
fn about(rows: &[Row], what: &What) -> Option<Set> {
    let those = |wanted: &dyn Fn(&Row) -> bool| -> Set {
        (0..rows.len()).filter(|&i| wanted(&rows[i])).collect()
    };
    let below = |id: &str| those(&|row| selves(row.id).iter().any(|own| own == id));
    let numbered =
        |wanted: &dyn Fn(&str) -> bool| those(&|row| digits(row.id).iter().any(|d| wanted(d)));
    let globbed = |glob: &str| {
        those(&|row| {
            selves(row.id)
                .iter()
                .any(|own| globs(glob.as_bytes(), own.as_bytes()))
        })
    };
    let (found, must_exist) = match what {
        What::All => (those(&|_| true), false),
        What::Id(id) => match below(id) {
            found if found.is_empty() => (those(&|row| row.name == Some(id)), true),
            found => (found, true),
        },
        What::Glob(glob) => (globbed(glob), false),
        What::Number(number) => (numbered(&|d| d == *number), true),
        What::Numbers(first, last) => (numbered(&|d| *first <= d && d <= *last), false),
        What::Prefix(written, start) => {
            let no_numbers = rows.iter().all(|row| digits(row.id).is_empty());
            match no_numbers && written.ends_with('*') {
                true => (globbed(written), false),
                false => (numbered(&|d| d.starts_with(start)), false),
            }
        }
        What::Tag(tag) => (those(&|row| row.tags.contains(tag)), true),
        What::Stage(stage) => (
            those(&|row| row.stage.is_some_and(|own| own.eq_ignore_ascii_case(stage))),
            true,
        ),
        What::Path(path) => (below(path), true),
    };
    (!must_exist || !found.is_empty()).then_some(found)
}

/// Whether the term is a number that begins two parts of ids that differ.
fn stands_in_several_names(rows: &[Row], what: &What) -> bool {
    let What::Number(number) = what else {
        return false;
    };
    let parts = rows.iter().flat_map(|row| row.id.split('/'));
    let names: BTreeSet<&str> = parts
        .filter(|part| digits(part) == [number.to_string()])
        .collect();
    names.len() > 1
}

/// Adds to `set` whatever `related(inside, outside)` draws in, until nothing changes.
fn grown(rows: &[Row], mut set: Set, related: &dyn Fn(usize, usize) -> bool) -> Set {
    loop {
        let drawn_in =
            |&out: &usize| !set.contains(&out) && set.iter().any(|&inside| related(inside, out));
        let more: Vec<usize> = (0..rows.len()).filter(drawn_in).collect();
        if more.is_empty() {
            return set;
        }
        set.extend(more);
    }
}

fn needs(rows: &[Row], a: usize, b: usize) -> bool {
    rows[a].needs.contains(&b) || rows[a].fallback_of == Some(b)
}

fn waits_for(rows: &[Row], a: usize, b: usize) -> bool {
    needs(rows, a, b) || rows[a].after.contains(&b)
}

/// What the terms mean, one after another; `None` where that is an error.
fn naive(rows: &[Row], terms: &[Term]) -> Option<Set> {
    let stands_in = |a: usize, b: usize| rows[b].fallback_of == Some(a);
    let (mut included, mut excluded) = (Set::new(), Set::new());
    for term in terms {
        if !term.exclude && stands_in_several_names(rows, &term.what) {
            return None;
        }
        let own = about(rows, &term.what)?;
        let mut set = own.clone();
        if term.up {
            set.extend(grown(rows, own.clone(), &|a, b| {
                needs(rows, a, b) || stands_in(a, b)
            }));
        }
        if term.down {
            set.extend(grown(rows, own, &|a, b| needs(rows, b, a)));
        }
        if term.exclude {
            &mut excluded
        } else {
            &mut included
        }
        .extend(set);
    }
    if terms.iter().all(|term| term.exclude) {
        included = (0..rows.len()).collect();
    }
    let selected = &included - &excluded;
    (!selected.is_empty()).then_some(selected)
}

fn selected(plan: &Plan, args: &[String]) -> Option<Set> {
    let steps = Selection::parse(args)
        .unwrap()
        .resolve(plan, &Graph::new(plan));
    Some(steps.ok()?.iter().map(|ix| ix.at()).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_selection_means_what_its_terms_mean(
        rows in rows(),
        terms in proptest::collection::vec(term(), 1..5),
    ) {
        let args = written(&terms);
        prop_assert_eq!(selected(&plan(&rows), &args), naive(&rows, &terms), "{:?}", args);
    }

    /// A5, A9: the order of terms, and whether they share an argument, mean nothing.
    #[test]
    fn the_order_of_terms_means_nothing(
        rows in rows(),
        terms in proptest::collection::vec(term(), 1..5),
    ) {
        let mut reversed = terms.clone();
        reversed.reverse();
        for term in &mut reversed {
            term.separator = ",";
        }
        let plan = plan(&rows);
        prop_assert_eq!(selected(&plan, &written(&terms)), selected(&plan, &written(&reversed)));
    }

    /// P34: from and to are the walks over all edges, and meet.
    #[test]
    fn from_and_to_are_walks_in_the_order_of_the_run(
        rows in rows(),
        from in proptest::option::of(any::<prop::sample::Index>()),
        to in proptest::option::of(any::<prop::sample::Index>()),
        skip in proptest::option::of(proptest::sample::select(TAGS.to_vec())),
    ) {
        // Groups below are selected along, so start from what the id selects.
        let start = |index: prop::sample::Index| about(&rows, &What::Id(rows[index.index(rows.len())].id));
        let all = || Some((0..rows.len()).collect::<Set>());
        let stands_in = |a: usize, b: usize| rows[b].fallback_of == Some(a);
        let after = grown(&rows, from.map_or_else(all, start).unwrap(), &|a, b| waits_for(&rows, b, a));
        let before = grown(&rows, to.map_or_else(all, start).unwrap(), &|a, b| waits_for(&rows, a, b) || stands_in(a, b));
        let skipped = skip.map(|tag| about(&rows, &What::Tag(tag)));
        let expected = match skipped {
            Some(None) => None,
            Some(Some(skipped)) => Some(&(&after & &before) - &skipped),
            None => Some(&after & &before),
        };
        let id = |index: prop::sample::Index| rows[index.index(rows.len())].id.to_owned();
        let range = Range {
            from: from.map(id),
            to: to.map(id),
            skip_tags: skip.map(str::to_owned).into_iter().collect(),
            ..Range::default()
        };
        let plan = plan(&rows);
        let found = range.resolve(&plan, &Graph::new(&plan)).ok();
        let found = found.map(|steps| steps.iter().map(|ix| ix.at()).collect::<Set>());
        prop_assert_eq!(found, expected.filter(|set| !set.is_empty()));
    }
}
