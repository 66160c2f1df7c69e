//! O34: agents that are programs.

use serde_json::json;

use super::{Agents, ended};

const THREE: &str = r#"
[agents.PlannerAgent]
command = ["sh", "plan.sh"]
env = { STYLE = "brief" }

[agents.Writer]
command = ["sh", "-c", "cat $QUINTET_CONTEXT >by-file.json; echo chatter; echo '{\"text\": \"two\"}' >$QUINTET_RESULT"]

[agents.Strict]
command = ["sh", "answer.sh"]
retries = 1
[agents.Strict.schema]
type = "object"
required = ["review"]
[agents.Strict.schema.properties.review]
type = "object"
properties = { score = { type = "integer" } }

[orchestrations.x]
agents = ["PlannerAgent", "Writer"]
[orchestrations.strict]
agents = ["Strict"]
"#;

/// O34.
#[test]
fn o34_the_context_comes_by_stdin_and_file_and_the_result_by_either_way() {
    let agents = Agents::new(THREE).script(
        "plan.sh",
        "cat >by-stdin.json\necho \"{\\\"plan\\\": {\\\"style\\\": \\\"$STYLE\\\"}}\"\n",
    );
    let hostile = "a\"b; $(touch owned) `touch owned` ${steps.x.outputs.y}";
    let vars = ["--goal", hostile, "--var", "LANG=de"];
    agents.run("x", &vars).run();
    let stdin = super::read_json(&agents.0.path("work/by-stdin.json"));
    assert_eq!(stdin["goal"], hostile);
    assert_eq!(
        (&stdin["vars"], &stdin["context"]),
        (&json!({"LANG": "de"}), &json!({}))
    );
    let file = super::read_json(&agents.0.path("work/by-file.json"));
    assert_eq!(file["context"], json!({"plan": {"style": "brief"}}));
    let record = agents.record("x");
    assert_eq!(record["context"]["text"], "two");
    assert_eq!(record["context"]["plan"]["style"], "brief");
    assert!(!agents.exists("owned"));
}

/// O34: a result that does not fit is a failed attempt, and another may fit.
#[test]
fn o34_a_result_that_does_not_fit_is_tried_again_and_told_with_its_place() {
    let agents = Agents::new(THREE).script(
        "answer.sh",
        "if [ -e again ]; then echo '{\"review\": {\"score\": 3}}'; else\n\
         touch again; echo '{\"review\": {\"score\": \"good\"}}'; fi\n",
    );
    agents.run("strict", &[]).run();
    let record = agents.record("strict");
    assert_eq!(record["agents"][0]["attempts"], 2);
    assert_eq!(record["context"]["review"]["score"], 3);

    let agents =
        Agents::new(THREE).script("answer.sh", "echo '{\"review\": {\"score\": \"x\"}}'\n");
    agents
        .run("strict", &[])
        .status(1)
        .stderr_has("at /review/score")
        .run();
    let record = agents.record("strict");
    assert_eq!(ended(&record), [("1/Strict", "failed")]);
    // What nobody may believe is in nobody's context.
    assert_eq!(record["context"]["review"], json!(null));
}

#[test]
fn a_schema_that_cannot_be_used_is_refused_before_anything_runs() {
    let agents = Agents::new(
        "[agents.A]\ncommand = [\"true\"]\nschema = { type = \"objekt\" }\n\
         [agents.B]\ncommand = [\"true\"]\nschema_file = \"none.json\"\n\
         [orchestrations.x]\nagents = [\"A\", \"B\"]\n",
    );
    let refused = agents.run("x", &[]).status(2);
    refused
        .stderr_has("agents.A: this schema")
        .stderr_has("agents.B: this schema")
        .run();
}
