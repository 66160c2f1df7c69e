//! What a file may say of those who are told, and what is refused.

use std::time::Duration;

use quintet::load::{Request, load_str};
use quintet::plan::notify::{Key, Occasion, To};
use quintet::plan::{Part, Plan, Retry, Text};

fn request() -> Request {
    Request {
        vars: [("KEY".to_owned(), "s3cret-value".to_owned())].into(),
        cwd: "/work".into(),
        env: Some([].into()),
        ..Request::default()
    }
}

fn loaded(name: &str, text: &str) -> Plan {
    let loaded = load_str(name, text, &request());
    loaded.expect("the plan is good").plan
}

const YAML: &str = "
variables: {KEY: {secret: true}}
notify:
  - on: run_failed
    webhook: https://example.org/${KEY}
    secret: ${KEY}
    headers: {Authorization: 'Bearer ${KEY}'}
  - on: [step_failed, run_recovered]
    name: mail
    command: mail
    args: [-s, quintet, ops@example.org]
    cwd: outbox
    env: {LC_ALL: C}
    only: {steps: [build], tags: [slow]}
    group_within_sec: 0.5
    timeout_sec: 3
    retry: {count: 1, delay_sec: 2, factor: 1.5, cap_sec: 9, jitter: 0.5}
steps:
  - {id: build/a, command: 'true'}
  - {id: b, command: 'true', tags: [slow]}
";

#[test]
fn nothing_is_left_to_be_filled_in_but_secrets() {
    let plan = loaded("plan.yaml", YAML);
    let [hook, mail] = &plan.notify[..] else {
        panic!("there are two: {:?}", plan.notify);
    };
    assert_eq!(&*hook.name, "notify 1");
    assert_eq!(hook.on, [Occasion::RunFailed].into());
    assert!(hook.only.is_all());
    assert_eq!(hook.group_within, Duration::from_secs(5));
    assert_eq!(hook.timeout, Duration::from_secs(10));
    assert_eq!((hook.retry.count, hook.retry.factor_percent), (4, 200));
    let To::Webhook {
        url,
        secret,
        headers,
    } = &hook.to
    else {
        panic!("it is a webhook");
    };
    let hole = || Part::Secret("KEY".into());
    let url_holes = [Part::Literal("https://example.org/".into()), hole()];
    assert_eq!(*url, Text::Parts(url_holes.into()));
    assert_eq!(*secret, Some(Key::Variable("KEY".into())));
    let value = [Part::Literal("Bearer ".into()), hole()];
    assert_eq!(
        headers[..],
        [("Authorization".into(), Text::Parts(value.into()))]
    );
    let To::Command(command) = &mail.to else {
        panic!("it is a command");
    };
    assert_eq!(&*command.cwd, "/work/outbox");
    assert_eq!(
        mail.on,
        [Occasion::RunRecovered, Occasion::StepFailed].into()
    );
    assert_eq!(mail.only.steps[..], ["build".into()]);
    let retry = Retry {
        count: 1,
        delay: Duration::from_secs(2),
        factor_percent: 150,
        cap: Some(Duration::from_secs(9)),
        jitter_percent: 50,
    };
    assert_eq!(mail.retry, retry);
    let json = plan.to_json();
    assert!(!json.contains("s3cret-value"));
    assert_eq!(serde_json::from_str::<Plan>(&json).expect("a plan"), plan);
}

#[test]
fn toml_and_json_say_the_same() {
    let toml = "steps = [{id = 'a', command = 'true'}]\n[[notify]]\non = 'run_failed'\nwebhook = 'http://x'\n";
    let json = r#"{"steps": [{"id": "a", "command": "true"}],
        "notify": [{"on": ["run_failed"], "webhook": "http://x"}]}"#;
    let (toml, json) = (loaded("p.toml", toml), loaded("p.json", json));
    assert_eq!(toml.notify, json.notify);
    assert_eq!(toml.notify.len(), 1);
}

/// The problems with one receiver, with where they are.
fn problems(notify: &str) -> Vec<String> {
    let text = format!(
        "{{\"variables\": {{\"KEY\": {{\"secret\": true}}, \"OPEN\": \"x\"}}, \
         \"steps\": [{{\"id\": \"build\", \"command\": \"true\", \"args\": [\"${{KEY}}\"], \
         \"tags\": [\"slow\"]}}],\n\"notify\": [{notify}]}}"
    );
    let refusal = load_str("plan.json", text, &request()).expect_err("it is refused");
    let told = refusal.problems.iter().map(|problem| {
        let (span, _) = problem.at.as_ref().expect("it has a place");
        let place = refusal.sources.place(*span);
        let help = problem
            .help
            .as_deref()
            .map_or(String::new(), |help| format!("; {help}"));
        format!("{}:{}: {}{help}", place.line, place.column, problem.message)
    });
    told.filter(|told| !told.contains("was given, and"))
        .collect()
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let cases = [
        (
            r#"{"on": "run_failed"}"#,
            "notify[0]: nobody is told; give it a \"webhook\"",
        ),
        (r#"{"webhook": "http://x"}"#, "\"on\" is missing"),
        (
            r#"{"on": [], "webhook": "http://x"}"#,
            "is empty, so nothing would be told",
        ),
        (
            r#"{"on": "run_fails", "webhook": "http://x"}"#,
            "did you mean \"run_failed\"?",
        ),
        (
            r#"{"on": "run_failed", "webhook": "http://x", "command": "x"}"#,
            "two receivers",
        ),
        (
            r#"{"on": "run_failed", "webhook": "ftp://x"}"#,
            "is no address",
        ),
        (
            r#"{"on": "run_failed", "webhook": "https:///x"}"#,
            "is no address",
        ),
        (
            r#"{"on": "run_failed", "webhook": "http://x", "args": []}"#,
            "means nothing to this kind",
        ),
        (
            r#"{"on": "run_failed", "command": "x", "secret": "${KEY}"}"#,
            "means nothing to this kind",
        ),
        (
            r#"{"on": "run_failed", "webhook": "http://x", "secret": "abc"}"#,
            "a key that stands in a file",
        ),
        (
            r#"{"on": "run_failed", "webhook": "http://x", "secret": "${OPEN}"}"#,
            "a key that stands in a file",
        ),
        (
            r#"{"on": "run_failed", "webhook": "http://x", "headers": {"a b": "c"}}"#,
            "name of a header",
        ),
        (
            r#"{"on": "run_failed", "webhook": "http://x", "headers": {"a": "c\nd"}}"#,
            "a header's value",
        ),
        (
            r#"{"on": "run_failed", "webhook": "http://x", "headers": {"X-Quintet-Delivery": "1"}}"#,
            "is not the plan's to say",
        ),
        (
            r#"{"on": "run_failed", "command": "x", "args": ["${steps.build.outputs.k}"]}"#,
            "cannot hold an output",
        ),
        (
            r#"{"on": "step_failed", "command": "x", "only": {"steps": ["biuld"]}}"#,
            "there is no step \"biuld\"; did you mean \"build\"?",
        ),
        (
            r#"{"on": "step_failed", "command": "x", "only": {"tags": ["slwo"]}}"#,
            "there is no tag \"slwo\"; did you mean \"slow\"?",
        ),
        (
            r#"{"on": "step_failed", "command": "x", "timeout_sec": 0}"#,
            "too small",
        ),
        (
            r#"{"on": "step_failed", "comand": "x", "webhook": "http://x"}"#,
            "did you mean \"command\"?",
        ),
    ];
    for (notify, expected) in cases {
        let told = problems(notify);
        assert_eq!(told.len(), 1, "{notify}: {told:?}");
        assert!(told[0].starts_with("2:"), "{notify}: {told:?}");
        assert!(told[0].contains(expected), "{notify}: {told:?}");
    }
}
