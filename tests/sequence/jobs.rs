//! Playbooks of jobs, run.

use crate::support::Test;

/// Scripts that note what they are told, and hand on a number.
fn project(playbook: &str) -> Test {
    let note = |word: &str| format!("echo \"{word} $ON $LEVEL $V\" >>ran\n");
    Test::new()
        .file("scripts/0001_Build.sh", note("build"))
        .file(
            "scripts/0002_Version.sh",
            "echo 'number=3 $(touch evaluated) {{WHO}}' >>\"$QUINTET_OUTPUT\"\n",
        )
        .file("scripts/0003_Test.sh", note("test"))
        .file("scripts/0004_Complain.sh", note("complain"))
        .file("scripts/0005_Tell.sh", note("tell"))
        .file("scripts/0006_Fail.sh", "exit 1\n")
        .file("playbooks/release.yaml", playbook)
}

/// What the scripts have noted, sorted: jobs run at once.
fn noted(test: &Test) -> Vec<String> {
    let ran = std::fs::read_to_string(test.path("work/ran")).unwrap_or_default();
    let mut lines: Vec<String> = ran.lines().map(|line| line.trim().to_owned()).collect();
    lines.sort();
    lines
}

/// A40: a matrix, an output that is handed on, and what follows either end.
#[test]
fn a40_jobs_run_with_their_combinations_and_hand_outputs_on() {
    let test = project(
        r#"
name: release
env: {LEVEL: book}
jobs:
  tell: {needs: test, if: "needs.test.result == 'success'", steps: [{run: "0005"}]}
  complain: {needs: test, if: failure(), steps: [{run: "0004"}]}
  build:
    strategy:
      matrix:
        os: [linux, mac]
        n: [1, 2]
        exclude: [{os: mac, n: 2}]
    steps: [{run: "0001", env: {ON: "${{ matrix.os }}-${{ matrix.n }}"}}]
  version:
    outputs: {number: "${{ steps.get.outputs.number }}"}
    steps: [{id: get, run: "0002"}]
  test:
    needs: [build, version]
    env: {LEVEL: job}
    steps: [{run: "0003", env: {V: "v${{ needs.version.outputs.number }}"}}]
"#,
    );
    test.quintet(&["seq", "--load-playbook", "release"]).run();
    assert_eq!(
        noted(&test),
        [
            "build linux-1 book",
            "build linux-2 book",
            "build mac-1 book",
            "tell  book",
            "test  job v3 $(touch evaluated) {{WHO}}",
        ]
    );
    assert!(!test.path("work/evaluated").exists());
}

/// A40: a job that fails skips what needs it and fails the run; other jobs go on.
#[test]
fn a40_a_job_that_fails_skips_what_needs_it_and_nothing_else() {
    let test = project(
        r#"
jobs:
  bad: {steps: [{run: "0006"}, {run: "0001"}]}
  after: {needs: bad, steps: [{run: "0003"}]}
  complain: {needs: [bad, after], if: failure(), steps: [{run: "0004"}]}
  other: {steps: [{run: "0001", env: {ON: other}}, {run: "0005", env: {ON: other}}]}
"#,
    );
    test.quintet(&["seq", "--load-playbook", "release", "--sequential"])
        .status(1)
        .run();
    assert_eq!(noted(&test), ["build other", "complain", "tell other"]);
}

/// A40: a circle of jobs is an error at its place, before anything runs.
#[test]
fn a40_jobs_that_need_each_other_are_refused() {
    let test = project(
        "jobs:\n  a: {needs: b, steps: [{run: '0001'}]}\n  b: {needs: a, steps: [{run: '0002'}]}\n",
    );
    test.quintet(&["seq", "--load-playbook", "release"])
        .status(2)
        .stderr_has("jobs need each other: \"a\" → \"b\" → \"a\"")
        .stderr_has("release.yaml:2:14")
        .run();
    assert_eq!(noted(&test), Vec::<String>::new());
}

/// A31, A41: a PowerShell data file, with a value of the environment in it.
#[test]
fn a41_a_powershell_playbook_runs() {
    let test = project("").file(
        "playbooks/checks.psd1",
        r#"
@{
    Name = 'checks'
    Sequence = @(
        @{ Script = '0001_Build.sh'; Environment = @{ ON = "<$env:WHO>" } }
        @{ Script = '0006_Fail.sh'; ContinueOnError = $true }
        '0005'
    )
    Variables = @{ LEVEL = 'x' }
    SuccessCriteria = @{ MinimumSuccessCount = 2 }
}
"#,
    );
    test.quintet(&["seq", "--load-playbook", "checks"])
        .env("WHO", "{{LEVEL}} $(touch evaluated)")
        .run();
    assert_eq!(
        noted(&test),
        ["build <{{LEVEL}} $(touch evaluated)>", "tell"]
    );
    assert!(!test.path("work/evaluated").exists());

    let test = project("").file(
        "playbooks/code.psd1",
        "@{\n    Sequence = @('0001')\n    Variables = @{ At = (Get-Date) }\n}\n",
    );
    test.quintet(&["seq", "--load-playbook", "code"])
        .status(2)
        .stderr_has("the command \"Get-Date\" is code, not data")
        .stderr_has("code.psd1:3:26")
        .run();
    assert_eq!(noted(&test), Vec::<String>::new());
}
