//! What the ways to look at a run show.

use super::scope::Show;
use super::testing::in_scope;

use super::*;
use crate::plan::Plan;
use crate::run::{Event, Kind};
use crate::view::status;
use crate::view::testing::{self, RUN, Story, exited};

fn shown(story: &Story, tab: Tab, scope: Scope) -> String {
    in_scope(story, tab, &scope)
}

fn many(steps: usize, id: impl Fn(usize) -> String) -> Plan {
    let steps: Vec<String> = (0..steps).map(id).collect();
    testing::plan(&steps.iter().map(String::as_str).collect::<Vec<_>>())
}

fn fails_at(failing: &'static str) -> impl Fn(&str, u32) -> (crate::run::Exit, u64) {
    move |id, _| (exited((id == failing).into()), 100)
}

fn opened(group: &str) -> Scope {
    Scope {
        open: vec![group.to_owned()],
        ..Scope::default()
    }
}

#[test]
fn each_node_says_how_its_step_stands_and_leads_to_its_page() {
    let plan = testing::plan(&["conf/a", "conf/c: conf/a"]);
    let story = Story::of(plan, fails_at("conf/c"));
    let graph = shown(&story, Tab::Graph, Scope::default());
    for part in [
        format!("href=\"/runs/{RUN}/step?step=conf%2Fc\" data-state=\"failed\" data-critical"),
        "<title>conf/c, failed, 100ms: exit 1, on the critical path</title>".to_owned(),
        "✗ failed 100ms".to_owned(),
        "role=\"group\" aria-label=\"The graph of ".to_owned(),
    ] {
        assert!(graph.contains(&part), "{part}: {graph}");
    }
}

#[test]
fn a_large_graph_has_its_groups_closed_and_opens_those_asked_for() {
    let plan = many(400, |n| format!("g{}/s{n}", n / 100));
    let story = Story::of(plan, fails_at("g3/s399"));
    let closed = shown(&story, Tab::Graph, Scope::default());
    assert_eq!(closed.matches("class=\"node\"").count(), 4);
    for part in ["open=g2", "99 succeeded, 1 failed", "400 steps in 4 nodes"] {
        assert!(closed.contains(part), "{part}: {closed}");
    }
    let open = shown(&story, Tab::Graph, opened("g2"));
    assert_eq!(open.matches("class=\"node\"").count(), 103);
    assert!(open.contains("Close g2"));
}

#[test]
fn steps_that_are_taken_together_lead_to_the_list_of_them() {
    let needs = |n: usize| match n {
        0..300 => format!("s{n}"),
        _ => format!("s{n}: s{}", n - 300),
    };
    let story = Story::of(many(600, needs), fails_at("s301"));
    let graph = shown(&story, Tab::Graph, Scope::default());
    assert_eq!(graph.matches("class=\"node\"").count(), 2, "{graph}");
    assert!(
        graph.contains("?tab=list&amp;first=1&amp;last=1"),
        "{graph}"
    );
    let layer = Scope {
        first: Some(1),
        last: Some(1),
        show: Some(Show::Failed),
        ..Scope::default()
    };
    let list = shown(&story, Tab::List, layer);
    assert_eq!(list.matches("<tr id=\"step-").count(), 1, "{list}");
    assert!(list.contains("s301") && list.contains("layer 1 of the graph"));
}

#[test]
fn the_list_has_pages_and_finds_by_state_and_text() {
    let story = Story::of(many(450, |n| format!("s{n}")), fails_at("s7"));
    let list = |scope| shown(&story, Tab::List, scope);
    let rows = |list: &str| list.matches("<tr id=\"step-").count();
    let first = list(Scope::default());
    assert_eq!(rows(&first), 200);
    assert!(first.contains("1 to 200 of 450 rows") && first.contains("rel=\"next\""));
    assert!(first.contains("✗ failed 1</a>"), "{first}");
    let last = list(Scope {
        page: 99,
        ..Scope::default()
    });
    assert_eq!(rows(&last), 50);
    let text = |q: &str| Scope {
        q: q.to_owned(),
        ..Scope::default()
    };
    assert_eq!(rows(&list(text("S44"))), 11);
    assert!(list(text("nothing")).contains("No step fits."));
    let failed = Scope {
        show: Some(Show::Failed),
        ..Scope::default()
    };
    assert_eq!(rows(&list(failed)), 1);
}

#[test]
fn a_large_list_has_its_groups_closed() {
    let story = Story::of(
        many(400, |n| format!("g{}/s{n}", n / 100)),
        fails_at("g3/s399"),
    );
    let closed = shown(&story, Tab::List, Scope::default());
    assert_eq!(closed.matches("<tr").count(), 5);
    assert!(closed.contains("99 succeeded, 1 failed"), "{closed}");
    let open = shown(&story, Tab::List, opened("g2"));
    assert_eq!(open.matches("<tr id=\"step-").count(), 100);
}

#[test]
fn attempts_are_bars_and_what_lies_between_them_is_waiting() {
    let mut plan = testing::plan(&["a", "b: a"]);
    testing::policy(&mut plan, "a", |policy| {
        policy.retry.count = 1;
        policy.retry.delay = std::time::Duration::from_millis(300);
    });
    let until = |event: &Event| matches!(event.kind, Kind::StepStarted { attempt, .. } if attempt.step.at() == 1);
    let mut story = Story::until(
        plan,
        |_, attempt| (exited((attempt == 1).into()), 500),
        until,
    );
    story.now += 700;
    let timeline = shown(&story, Tab::Timeline, Scope::default());
    for part in [
        "data-state=\"failed\" data-again",
        "a, attempt 1: exit 1 after 500ms; 12:00:00.000 to 12:00:00.500",
        "a: waited before it was tried again 300ms; 12:00:00.500 to 12:00:00.800",
        "b, attempt 1: running since 12:00:01.300, for 700ms",
        "class=\"now\"",
        "1 at most",
    ] {
        assert!(timeline.contains(part), "{part}: {timeline}");
    }
    let first = Scope {
        from: Some(0),
        to: Some(400),
        ..Scope::default()
    };
    let part = shown(&story, Tab::Timeline, first);
    assert!(
        part.contains("a, attempt 1") && !part.contains("b, attempt 1"),
        "{part}"
    );
    assert!(part.contains("Later") && !part.contains("class=\"now\""));
}

#[test]
fn a_long_timeline_has_pages_of_lanes() {
    let story = Story::of(many(500, |n| format!("s{n}")), fails_at("none of them"));
    let scope = Scope {
        page: 2,
        ..Scope::default()
    };
    let timeline = shown(&story, Tab::Timeline, scope);
    assert_eq!(timeline.matches("/step?step=").count(), 100);
    assert!(timeline.contains("401 to 500 of 500 lanes"));
    // 250 pairs of 100 ms each: the last fifth begins at 20 s.
    assert!(timeline.contains("20.0s to 25.0s of 25.0s"), "{timeline}");
}

#[test]
fn a_remedy_is_marked_and_so_is_the_attempt_before_it() {
    let mut plan = testing::plan(&["a"]);
    testing::remedy(&mut plan, "a", 1);
    let story = Story::of(plan, |_, attempt| (exited((attempt == 1).into()), 500));
    let timeline = shown(&story, Tab::Timeline, Scope::default());
    for part in [
        "data-state=\"failed\" data-again",
        "data-state=\"succeeded\" data-role=\"remedy\"",
        "a, remedy 1: exit 0 after 100ms",
        "a, attempt 2: exit 0 after 500ms",
    ] {
        assert!(timeline.contains(part), "{part}: {timeline}");
    }
}

fn failing() -> Story {
    let mut plan = testing::plan(&["fetch", "build: fetch", "docs", "ship: build"]);
    testing::policy(&mut plan, "build", |policy| policy.retry.count = 1);
    Story::of(plan, |id, _| (exited(i32::from(id == "build") * 3), 400))
}

#[test]
fn a_failed_run_says_at_its_top_what_failed_and_leads_there() {
    let story = failing();
    let said = [(story.ix("build"), vec!["no <space> left".to_owned()])];
    let model = Model {
        subject: Subject {
            run_id: RUN,
            run: &story.run,
            now: story.now,
            interrupted: false,
        },
        events: &story.events,
        zone: &TimeZone::UTC,
        tab: Tab::List,
        asked: &Asked::default(),
        scope: &Scope::default(),
        expected_path: Vec::new(),
        replayed: None,
        said: &said,
        logs: None,
        control: false,
    };
    let page = page(&model).body.into_string();
    let head = page.split("class=\"tabs\"").next().unwrap();
    for part in [
        "exit 3, after 2 attempts",
        "no &lt;space&gt; left",
        "/step?step=build\"",
    ] {
        assert!(head.contains(part), "{part}: {head}");
    }
}

#[test]
fn a_run_in_which_nothing_failed_has_no_such_part() {
    let story = Story::of(testing::plan(&["a"]), |_, _| (exited(0), 1));
    assert!(!shown(&story, Tab::List, Scope::default()).contains("failed"));
}

#[test]
fn at_every_moment_each_page_says_what_status_said_then() {
    let story = failing();
    for until in 1..=story.events.len() {
        let events = &story.events[..until];
        let run = RunState::replay(story.run.plan().clone(), events).unwrap();
        let subject = Subject {
            run_id: RUN,
            run: &run,
            now: events[until - 1].at,
            interrupted: false,
        };
        let mut model = Model {
            subject,
            events,
            zone: &TimeZone::UTC,
            tab: Tab::List,
            asked: &Asked::default(),
            scope: &Scope::default(),
            expected_path: Vec::new(),
            replayed: Some(story.events.len() as Seq),
            said: &[],
            logs: None,
            control: false,
        };
        for (tab, word, _) in Tab::ALL {
            model.tab = *tab;
            let page = page(&model);
            assert_eq!(page.live, Live::Never);
            let body = page.body.into_string();
            assert!(body.contains(&text(&progress(&run))), "{word} at {until}");
            let slider = format!(r#"max="{}" value="{until}""#, story.events.len());
            assert!(body.contains(&slider), "{word} at {until}: {body}");
        }
        model.tab = Tab::List;
        let body = page(&model).body.into_string();
        let told = status::json(subject, &Default::default(), serde_json::json!([]));
        for step in told["steps"].as_array().unwrap() {
            let (id, word) = (step["step_id"].as_str(), step["state"].as_str());
            let at = run.find(id.unwrap()).unwrap().at();
            let row = body.split(&format!("id=\"step-{at}\"")).nth(1).unwrap();
            let row = row.split("</tr>").next().unwrap();
            let state = format!("data-state=\"{}\"", word.unwrap());
            assert!(row.contains(&state), "{id:?} at {until}: {row}");
        }
    }
}
