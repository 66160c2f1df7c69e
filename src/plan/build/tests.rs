//! What a builder makes of steps that name each other, well and badly.

use proptest::prelude::*;

use super::*;
use crate::plan::graph::waits;
use crate::plan::problem::Severity;
use crate::plan::{About, Action, Command, Condition, Holds, Program};

/// A plan in the making: each reference gets a place of its own, in the order of the calls.
#[derive(Default)]
struct Sketch {
    builder: Builder,
    header: Option<Plan>,
    places: u32,
}

impl Sketch {
    fn place(&mut self) -> Span {
        self.places += 1;
        Span {
            file: 0,
            start: self.places,
            end: self.places + 1,
        }
    }

    /// `links`: `a` needs, `~a` comes after, `?a` falls back on, `@x` is only a place.
    fn add(&mut self, id: &str, links: &str, change: impl FnOnce(&mut Step)) {
        let policy = self.builder.policy(Policy::default());
        let mut step = Step {
            policy,
            ..Step::new(id, Action::Group)
        };
        change(&mut step);
        let at = self.place();
        let mut made = Links::default();
        for word in links.split_whitespace() {
            let place = self.place();
            let (kind, name) = match word.split_at(1) {
                (kind @ ("~" | "?" | "@"), name) => (kind, name),
                _ => ("", word),
            };
            let link = (self.builder.name(name), place);
            match kind {
                "~" => made.after.push(link),
                "?" => made.fallback = Some(link),
                "@" => made.places.push(link),
                _ => made.needs.push(link),
            }
        }
        self.builder.add(step, at, &made);
    }

    fn step(&mut self, id: &str, links: &str) -> &mut Self {
        self.add(id, links, |_| {});
        self
    }

    fn finish(&mut self) -> (Option<Plan>, Vec<Problem>) {
        let header = self.header.take().unwrap_or_else(header);
        std::mem::take(&mut self.builder).finish(header)
    }

    fn plan(&mut self) -> Plan {
        let (plan, problems) = self.finish();
        assert_eq!(problems, []);
        plan.unwrap()
    }

    /// Every problem on a line: its message, where it points, what it adds.
    fn problems(&mut self) -> Vec<String> {
        let (plan, problems) = self.finish();
        let sound = problems.iter().all(|p| p.severity == Severity::Warning);
        assert_eq!(plan.is_some(), sound);
        problems.iter().map(line).collect()
    }
}

fn line(problem: &Problem) -> String {
    let mut line = problem.message.clone();
    let places = problem.at.iter().chain(&problem.also);
    for (span, label) in places {
        line.push_str(&format!(" [{} {label}]", span.start));
    }
    if let Some(help) = &problem.help {
        line.push_str(&format!(" ({help})"));
    }
    line
}

fn header() -> Plan {
    Plan::new("p")
}

fn ixs(list: &[usize]) -> Box<[StepIx]> {
    list.iter().map(|i| StepIx::new(*i)).collect()
}

#[test]
fn names_become_edges_wherever_they_are_defined() {
    let plan = Sketch::default()
        .step("a", "c ~b")
        .step("b", "")
        .step("c", "b")
        .plan();
    assert_eq!(plan.steps[0].needs, ixs(&[2]));
    assert_eq!(plan.steps[0].after, ixs(&[1]));
    assert_eq!(plan.steps[2].needs, ixs(&[1]));
}

#[test]
fn naming_a_step_twice_is_naming_it_once() {
    let plan = Sketch::default()
        .step("a", "")
        .step("b", "")
        .step("c", "b a b ~a ~b")
        .plan();
    assert_eq!(plan.steps[2].needs, ixs(&[0, 1]));
    assert_eq!(plan.steps[2].after, ixs(&[]));
}

/// P5, XF02: all at once, each with its place and the nearest name.
#[test]
fn p5_xf02_everything_wrong_is_reported_together() {
    let problems = Sketch::default()
        .step("build", "ghost")
        .step("test", "biuld test")
        .step("build", "")
        .step("Test", "~tset")
        .problems();
    assert_eq!(
        problems,
        [
            r#"two steps have the id "build" [6 the second is here] [1 the first is here] (ids are unique in a plan; rename one of the two)"#,
            r#"the step ids "test" and "Test" differ by case alone [7 this one] [3 and this one] (not every system could keep their files apart; rename one of the two)"#,
            r#"step "build" needs "ghost", which does not exist [2 no step has this id]"#,
            r#"step "test" needs "biuld", which does not exist [4 no step has this id] (did you mean "build"?)"#,
            r#"step "test" needs itself [5 ]"#,
            r#"step "Test" comes after "tset", which does not exist [8 no step has this id] (did you mean "test"?)"#,
        ]
    );
}

/// XF05: ids that would not do as names are refused, and their characters never printed raw.
#[test]
fn xf05_ids_outside_the_set_of_characters() {
    let bad = [
        "",
        "..",
        "a\0b",
        "/x",
        "a b",
        "-rf",
        "e\u{301}",
        "\u{202e}gpj",
        "a\nb",
        "CON",
        "a:b",
        "x.",
    ];
    for id in bad {
        let problems = Sketch::default().step(id, "").problems();
        assert_eq!(problems.len(), 1, "{id:?} {problems:?}");
        assert!(problems[0].starts_with("the step id \""), "{problems:?}");
        assert!(!problems[0].contains(['\0', '\n', '\u{202e}', '\u{301}']));
    }
    let long = "n".repeat(5000);
    assert!(Sketch::default().step(&long, "").problems()[0].len() < 200);
}

#[test]
fn a_fallback_waits_for_its_principal_and_does_not_need_it() {
    let plan = Sketch::default()
        .step("a", "?b")
        .step("b", "a c")
        .step("c", "")
        .plan();
    assert_eq!(plan.steps[1].fallback_of, Some(StepIx::new(0)));
    assert_eq!(plan.steps[1].needs, ixs(&[2]));
}

#[test]
fn a_step_is_the_fallback_of_one() {
    let problems = Sketch::default()
        .step("a", "?c")
        .step("b", "?c")
        .step("c", "")
        .step("d", "?d")
        .step("e", "?f")
        .problems();
    assert_eq!(
        problems,
        [
            r#"step "c" is the fallback of two steps, "a" and "b" [4 named again here] [2 first named here] (give each of them a fallback of its own)"#,
            r#"step "d" falls back on itself [7 ]"#,
            r#"step "e" falls back on "f", which does not exist [9 no step has this id]"#,
        ]
    );
}

/// XF01: a cycle is a path, with the place of every edge.
#[test]
fn xf01_circles_are_shown_as_paths() {
    let problems = Sketch::default()
        .step("a", "b")
        .step("b", "c x")
        .step("c", "~a")
        .step("x", "")
        .step("tail", "a")
        .step("p", "q")
        .step("q", "p")
        .problems();
    assert_eq!(
        problems,
        [
            r#"steps wait for each other in a circle: a -> b -> c -> a [2 "a" needs "b"] [4 "b" needs "c"] [7 "c" comes after "a"]"#,
            r#"steps wait for each other in a circle: p -> q -> p [12 "p" needs "q"] [14 "q" needs "p"]"#,
        ]
    );
}

#[test]
fn a_principal_that_needs_its_fallback_is_a_circle() {
    let problems = Sketch::default().step("a", "b ?b").step("b", "").problems();
    assert_eq!(
        problems,
        [
            r#"steps wait for each other in a circle: a -> b -> a [2 "a" needs "b"] [3 "b" stands in for "a"]"#
        ]
    );
}

/// Whoever waits for a step waits for its fallback too, which may be waiting for them.
#[test]
fn a_fallback_that_needs_what_waits_for_its_principal_is_a_circle() {
    let problems = Sketch::default()
        .step("a", "?f")
        .step("b", "a")
        .step("f", "b")
        .problems();
    assert_eq!(
        problems,
        [
            r#"steps wait for each other in a circle: b -> f -> b [3 "b" waits for a step that "f" stands in for] [6 "f" needs "b"]"#
        ]
    );
}

#[test]
fn an_undo_may_ask_for_what_its_own_step_put_out() {
    let mut sketch = Sketch::default();
    sketch.add("a", "", |step| {
        asks_for_output_of("a")(step);
        let Action::Command(command) = std::mem::replace(&mut step.action, Action::Group) else {
            panic!("it was a command");
        };
        step.undo = Some(Box::new(crate::plan::Undo {
            command: *command,
            timeout: None,
            retry: crate::plan::Retry::default(),
        }));
    });
    assert_eq!(sketch.plan().steps[0].after, ixs(&[]));
}

/// XF01.
#[test]
fn xf01_a_long_circle_is_cut_in_the_middle() {
    let mut sketch = Sketch::default();
    for i in 0..1000 {
        sketch.step(&format!("s{i}"), &format!("s{}", (i + 1) % 1000));
    }
    let (_, problems) = sketch.finish();
    assert_eq!(problems.len(), 1);
    assert_eq!(
        problems[0].message,
        "steps wait for each other in a circle: \
         s0 -> s1 -> s2 -> s3 -> s4 -> s5 -> ... 993 more ... -> s999 -> s0"
    );
    assert_eq!(problems[0].also.len(), CIRCLE_PLACES - 1);
}

const CIRCLE_PLACES: usize = 8;

/// XF03: large and dense shapes. (The loader's tests run them with little stack.)
#[test]
fn xf03_no_shape_needs_a_deep_stack() {
    let mut chain = Sketch::default();
    for i in (0..50_000).rev() {
        let needs = if i == 0 {
            String::new()
        } else {
            format!("s{}", i - 1)
        };
        chain.step(&format!("s{i}"), &needs);
    }
    assert_eq!(chain.plan().steps.len(), 50_000);

    let mut ring = Sketch::default();
    for i in 0..50_000 {
        ring.step(&format!("s{i}"), &format!("s{}", (i + 1) % 50_000));
    }
    assert_eq!(ring.finish().1.len(), 1);

    let mut dense = Sketch::default();
    for i in 0..600 {
        let needs: Vec<_> = (0..i).map(|j| format!("s{j}")).collect();
        dense.step(&format!("s{i}"), &needs.join(" "));
    }
    assert_eq!(dense.plan().steps[599].needs.len(), 599);

    let mut knot = Sketch::default();
    for i in 0..400 {
        let needs = (0..400).filter(|j| *j != i).map(|j| format!("s{j}"));
        knot.step(&format!("s{i}"), &needs.collect::<Vec<_>>().join(" "));
    }
    assert_eq!(knot.finish().1.len(), 1);
}

fn when(text: &str) -> impl FnOnce(&mut Step) {
    let condition = Condition::parse(text).unwrap();
    |step| step.when = Some(Box::new(condition))
}

fn asks_for_output_of(id: &str) -> impl FnOnce(&mut Step) {
    let hole = Part::Output {
        step: id.into(),
        key: "K".into(),
        default: None,
    };
    let text = Text::Parts([hole].into());
    |step| {
        step.action = Action::Command(Box::new(Command {
            program: Program::Argv(["echo".into(), text].into()),
            cwd: "/".into(),
            env: Box::default(),
            stdin: None,
        }))
    }
}

#[test]
fn what_a_step_mentions_comes_before_it() {
    let mut sketch = Sketch::default();
    sketch.step("a", "");
    sketch.step("b", "a");
    sketch.add("c", "b", when("prev.a.status == 'success'"));
    sketch.add(
        "d",
        "",
        when("steps.a.exit_code == 0 and prev.b.status != 'failed'"),
    );
    sketch.add("e", "a", asks_for_output_of("d"));
    let plan = sketch.plan();
    assert_eq!(
        plan.steps[2].after,
        ixs(&[]),
        "it comes after b, and so after a"
    );
    assert_eq!(plan.steps[3].after, ixs(&[0, 1]));
    assert_eq!(plan.steps[4].after, ixs(&[3]));
    assert_eq!(plan.steps[4].needs, ixs(&[0]));
}

#[test]
fn a_mention_can_be_wrong_in_all_the_ways_a_need_can() {
    let mut sketch = Sketch::default();
    sketch.add("a", "@b", when("prev.b.status == 'success'"));
    sketch.step("b", "a");
    sketch.add("c", "@ghost", asks_for_output_of("ghost"));
    sketch.add("d", "", when("prev.d.status == 'success'"));
    assert_eq!(
        sketch.problems(),
        [
            r#"step "c" asks about "ghost", which does not exist [6 no step has this id]"#,
            r#"step "d" asks about itself [7 ]"#,
            r#"steps wait for each other in a circle: a -> b -> a [2 "a" asks about "b"] [4 "b" needs "a"]"#,
        ]
    );
}

fn about(provides: &str, consumes: &str) -> impl FnOnce(&mut Step) {
    let list = |s: &str| s.split_whitespace().map(Into::into).collect();
    let about = About {
        provides: list(provides),
        consumes: list(consumes),
        ..About::default()
    };
    |step| step.about = Some(Box::new(about))
}

/// P20: consuming what nothing before provides is a warning.
#[test]
fn p20_consumers_wait_for_providers() {
    let mut sketch = Sketch::default();
    sketch.add("a", "", about("x", ""));
    sketch.add("b", "a", about("y", "x"));
    sketch.add("c", "b", about("", "x y"));
    sketch.add("d", "@x", about("", "x"));
    sketch.add("e", "c", about("z", "z w"));
    let (plan, problems) = sketch.finish();
    assert!(plan.is_some(), "warnings do not stop a plan");
    assert_eq!(
        problems.iter().map(line).collect::<Vec<_>>(),
        [
            r#"step "d" consumes "x", which nothing it waits for provides [7 ] (step "a" provides it: should this need it?)"#,
            r#"step "e" consumes "z", which nothing it waits for provides [8 ] (it provides that itself)"#,
            r#"step "e" consumes "w", which nothing it waits for provides [8 ]"#,
        ]
    );
}

#[test]
fn what_a_step_holds_is_declared_and_enough() {
    let holds = |pool: &str, n: u32, resource: &str, units: u32| {
        let holds = Holds {
            pool: Some((pool.into(), n)),
            locks: Box::default(),
            resources: [(resource.into(), units)].into(),
        };
        |step: &mut Step| step.holds = Some(Box::new(holds))
    };
    let declared = Plan {
        pools: [("net".into(), 2)].into(),
        resources: [("ram".into(), 8)].into(),
        ..header()
    };
    let mut sketch = Sketch {
        header: Some(declared),
        ..Sketch::default()
    };
    sketch.add("a", "", holds("net", 2, "ram", 8));
    sketch.add("b", "@net @ran", holds("net", 3, "ran", 1));
    assert_eq!(
        sketch.problems(),
        [
            r#"step "b" wants 3 of pool "net", which has 2 [3 ] (it could never start)"#,
            r#"step "b" uses the resource "ran", which is not declared [4 ] (did you mean "ram"?)"#,
        ]
    );
}

#[test]
fn equal_policies_are_one() {
    let mut builder = Builder::default();
    let one = builder.policy(Policy::default());
    let other = builder.policy(Policy {
        priority: 1,
        ..Policy::default()
    });
    let again = builder.policy(Policy::default());
    assert!(Arc::ptr_eq(&one, &again));
    assert!(!Arc::ptr_eq(&one, &other));
}

#[test]
fn endless_problems_are_counted_and_not_kept() {
    let mut sketch = Sketch::default();
    for i in 0..Problems::MOST + 5 {
        sketch.step(&format!("s{i}"), "ghost");
    }
    let problems = sketch.problems();
    assert_eq!(problems.len(), Problems::MOST + 1);
    assert_eq!(problems.last().unwrap(), "5 more problems are not listed");
}

proptest! {
    /// A plan comes out exactly when its edges can be put in order, and every
    /// circle that is shown is one.
    #[test]
    fn circles_are_found_exactly_where_there_are_any(
        edges in prop::collection::vec((0..12usize, 0..12usize), 0..30)
    ) {
        let mut sketch = Sketch::default();
        for i in 0..12 {
            let needs = edges.iter().filter(|(from, to)| *from == i && to != from);
            let needs: Vec<_> = needs.map(|(_, to)| format!("s{to}")).collect();
            sketch.step(&format!("s{i}"), &needs.join(" "));
        }
        let mut plan = header();
        plan.steps = std::mem::take(&mut sketch.builder.steps);
        for (from, to) in edges.iter().filter(|(from, to)| from != to) {
            let step = &mut plan.steps[*from];
            step.needs = step.needs.iter().copied().chain([StepIx::new(*to)]).collect();
        }
        let circles = cycles::find(&plan);
        prop_assert_eq!(circles.is_empty(), can_be_ordered(&plan));
        for circle in &circles {
            for (i, ix) in circle.iter().enumerate() {
                let next = circle[(i + 1) % circle.len()];
                prop_assert!(waits(&plan, *ix).any(|to| to == next));
            }
        }
    }

    /// After building, what a step mentions is always before it.
    #[test]
    fn mentions_are_always_before(
        needs in prop::collection::vec((0..10usize, 0..10usize), 0..12),
        mentions in prop::collection::vec((0..10usize, 0..10usize), 0..8)
    ) {
        let mut sketch = Sketch::default();
        let down = |list: &[(usize, usize)], i: usize| -> Vec<usize> {
            list.iter().filter(|(from, to)| *from == i && to < from).map(|(_, to)| *to).collect()
        };
        for i in 0..10 {
            let names: Vec<_> = down(&needs, i).iter().map(|to| format!("s{to}")).collect();
            let asked: Vec<_> = down(&mentions, i)
                .iter()
                .map(|to| format!("prev.s{to}.status == 'success'"))
                .collect();
            sketch.add(&format!("s{i}"), &names.join(" "), |step| {
                if !asked.is_empty() {
                    when(&asked.join(" and "))(step);
                }
            });
        }
        let plan = sketch.plan();
        for i in 0..10 {
            let before = all_before(&plan, StepIx::new(i));
            for to in down(&mentions, i) {
                prop_assert!(before.contains(&StepIx::new(to)));
            }
        }
    }
}

/// Takes away steps that wait for nothing until none is left, or none can be taken.
fn can_be_ordered(plan: &Plan) -> bool {
    let mut left: Vec<StepIx> = plan.indices().collect();
    loop {
        let before = left.len();
        let stuck = |ix: &StepIx| waits(plan, *ix).any(|to| left.contains(&to));
        let next: Vec<StepIx> = left.iter().copied().filter(stuck).collect();
        left = next;
        if left.is_empty() || left.len() == before {
            return left.is_empty();
        }
    }
}

fn all_before(plan: &Plan, ix: StepIx) -> Vec<StepIx> {
    let mut found = vec![ix];
    let mut done = 0;
    while let Some(&ix) = found.get(done) {
        done += 1;
        for before in waits(plan, ix) {
            if !found.contains(&before) {
                found.push(before);
            }
        }
    }
    found.split_off(1)
}
