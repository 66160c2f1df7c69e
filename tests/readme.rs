//! The README's word: the plan in it is a sound one.

use quintet::load::{Request, load_str};

#[test]
fn the_plan_in_the_readme_is_sound() {
    let readme = include_str!("../README.md");
    let plan = readme
        .split("```json\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let request = Request {
        vars: vec![("VERSION".into(), "1.2".into())],
        cwd: "/".into(),
        ..Request::default()
    };
    let loaded = load_str("readme.json", plan.expect("there is a plan"), &request);
    let loaded = loaded
        .map_err(|refusal| refusal.problems)
        .expect("it is sound");
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
}
