//! What people come for: why something failed, whether it goes on, how to stop it.

use serde_json::json;

use crate::World;
use crate::support::{Test, eventually};

const FAILING: &str = r#"{"plan_id": "RELEASE", "name": "Release", "steps": [
    {"id": "fetch", "command": "echo", "args": ["fetched"]},
    {"id": "compile", "command": "sh", "depends_on": ["fetch"],
     "args": ["-c", "echo compiling; echo 'main.c:7: missing semicolon' >&2; exit 3"],
     "on_failure": "skip_dependents"},
    {"id": "publish", "command": "true", "depends_on": ["compile"]},
    {"id": "notes", "command": "true"}
]}"#;

#[test]
fn only_the_token_opens_it() {
    let test = Test::new().file("plan.json", FAILING);
    test.quintet(&["run", "plan.json"]).status(1).run();
    let Some(world) = World::open("only_the_token_opens_it", test, &[]) else {
        return;
    };
    world.browser.script("sessionStorage.clear()", &[]);
    world.look("/runs/last");
    world.browser.type_into("#token", "0000");
    world.browser.click("#login button");
    world.browser.shows("That is not the token.");
    let text = world.browser.text();
    assert!(!text.contains("Release"), "{text}");
    world.browser.type_into("#token", &world.server.token);
    world.browser.click("#login button");
    // The page that was asked for in the first place.
    world.browser.shows("Release");
    let cookie = world.browser.script("return document.cookie", &[]);
    assert_eq!(cookie, json!(""));
    let address = world.browser.script("return location.href", &[]);
    assert!(!address.to_string().contains(&world.server.token));
}

/// A newcomer finds out why a step failed within three clicks of the first page.
#[test]
fn a_newcomer_finds_why_a_step_failed_in_three_clicks() {
    let test = Test::new().file("plan.json", FAILING);
    test.quintet(&["run", "plan.json"]).status(1).run();
    let Some(world) = World::open("three_clicks", test, &[]) else {
        return;
    };
    let browser = &world.browser;
    browser.choose("Release");
    browser.shows("compile");
    browser.choose("compile");
    browser.shows("exit 3");
    browser.shows("main.c:7: missing semicolon");
    browser.picture("why-it-failed");
    // And why another was skipped.
    browser.choose("publish");
    browser.shows("skipped");
    browser.shows("it depends on compile, which failed");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn a_run_is_watched_as_it_goes_on_and_its_output_is_followed() {
    let test = Test::new().file(
        "plan.json",
        r#"{"plan_id": "LIVE", "steps": [
            {"id": "wait", "command": "sh", "args": ["-c",
             "echo first line; until [ -e go ]; do sleep 0.05; done; echo second line; until [ -e on ]; do sleep 0.05; done"]},
            {"id": "after", "command": "true", "depends_on": ["wait"]}]}"#,
    );
    let Some(world) = World::open("live", test, &[]) else {
        return;
    };
    let browser = &world.browser;
    browser.shows("No run has been recorded");
    let run = world.test.quintet(&["run", "plan.json"]).start();
    // Nobody asks for anything: it comes.
    browser.shows("LIVE");
    browser.shows("running");
    browser.choose("LIVE");
    browser.shows("after");
    browser.choose("Logs");
    browser.shows("first line");
    std::fs::write(world.test.path("work/go"), "").unwrap();
    browser.shows("second line");
    std::fs::write(world.test.path("work/on"), "").unwrap();
    browser.choose("List");
    browser.until("its end", || {
        let states =
            "return [...document.querySelectorAll('tbody .state')].map((e) => e.innerText)";
        browser.script(states, &[]) == json!(["succeeded", "succeeded"])
    });
    run.finish();
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn a_run_is_canceled_and_resumed_from_its_page() {
    let test = Test::new().file(
        "plan.json",
        r#"{"plan_id": "LONG", "steps": [
            {"id": "one", "command": "true"},
            {"id": "two", "command": "sh", "args": ["-c", "[ -e go ] || sleep 600"], "depends_on": ["one"]}]}"#,
    );
    let Some(world) = World::open("cancel", test, &["--control"]) else {
        return;
    };
    let browser = &world.browser;
    let run = world
        .test
        .quintet(&["run", "plan.json"])
        .status(130)
        .start();
    browser.shows("LONG");
    browser.choose("LONG");
    browser.shows("running");
    browser.script("window.confirm = () => true", &[]);
    browser.choose("Cancel");
    browser.shows("canceled");
    run.finish();
    std::fs::write(world.test.path("work/go"), "").unwrap();
    browser.choose("Resume: try again what has not succeeded");
    browser.until("its end", || {
        let state = "return document.querySelector('h1 .state')?.innerText";
        browser.script(state, &[]) == json!("succeeded")
    });
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn what_waits_for_a_person_is_approved() {
    let test = Test::new().file(
        "plan.json",
        r#"{"plan_id": "ASK", "steps": [
            {"id": "deploy", "command": "true", "approval": {"question": "Deploy to production?"}}]}"#,
    );
    let Some(world) = World::open("approve", test, &["--control"]) else {
        return;
    };
    let browser = &world.browser;
    let run = world.test.quintet(&["run", "plan.json"]).start();
    world.look("/approvals");
    browser.shows("Deploy to production?");
    browser.picture("approvals");
    browser.choose("Yes");
    browser.until("an answer", || {
        !browser.text().contains("Deploy to production?")
    });
    run.finish();
}

#[test]
fn a_run_is_played_from_its_events() {
    let test = Test::new().file("plan.json", FAILING);
    test.quintet(&["run", "plan.json"]).status(1).run();
    let Some(world) = World::open("replay", test, &[]) else {
        return;
    };
    let browser = &world.browser;
    world.look("/runs/last?tab=list&at=1");
    browser.until("the beginning", || {
        let state = "return document.querySelector('h1 .state')?.innerText";
        browser.script(state, &[]) == json!("running")
    });
    assert!(!browser.text().contains("exit 3"));
    browser.choose("Play");
    browser.shows("exit 3");
    browser.picture("replay");
    assert_eq!(browser.complaints(), [""; 0]);
}

/// XG09.
#[test]
fn xg09_names_and_output_are_only_shown() {
    let evil = r#"<img src=x onerror=\"window.evil=1\"><script>window.evil=1</script>"#;
    let plan = format!(
        r#"{{"plan_id": "EVIL", "name": "{evil}", "steps": [
            {{"id": "evil", "name": "{evil}", "description": "{evil}", "command": "sh",
              "args": ["-c", "echo '{evil}' | tee /dev/stderr; printf '\\033]8;;javascript:window.evil=1\\007link\\033]8;;\\007'; exit 1"]}}]}}"#
    );
    let test = Test::new().file("plan.json", plan);
    test.quintet(&["run", "plan.json"]).status(1).run();
    let Some(world) = World::open("xg09", test, &[]) else {
        return;
    };
    let browser = &world.browser;
    for path in [
        "/",
        "/runs/last",
        "/runs/last?tab=graph",
        "/runs/last?tab=timeline",
        "/runs/last?tab=logs",
        "/runs/last?tab=events",
        "/runs/last?tab=plan",
        "/definitions?plan=EVIL",
    ] {
        world.look(path);
        browser.until(path, || {
            browser.script("return !!document.querySelector('#main h1')", &[]) == json!(true)
        });
        if !path.contains("timeline") && !path.contains("definitions") {
            browser.shows("<script>");
        }
        let harm = "return [window.evil, document.querySelectorAll('#app img, #app script').length, \
            [...document.querySelectorAll('a')].some((a) => a.protocol === 'javascript:')]";
        assert_eq!(browser.script(harm, &[]), json!([null, 0, false]), "{path}");
    }
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn the_keyboard_is_enough() {
    let test = Test::new().file("plan.json", FAILING);
    test.quintet(&["run", "plan.json"]).status(1).run();
    let Some(world) = World::open("keyboard", test, &[]) else {
        return;
    };
    let browser = &world.browser;
    browser.shows("Release");
    // j goes to the first run, Enter opens it.
    browser.press("j\u{e007}");
    browser.until("the run", || {
        let path = browser.script("return location.pathname", &[]);
        path.as_str().is_some_and(|path| path.starts_with("/runs/"))
    });
    browser.shows("compile");
    browser.press("j");
    let focused = "return document.activeElement.closest('[data-rows]') !== null";
    eventually("a row", || browser.script(focused, &[]) == json!(true));
}
