//! What agents may use, and what they have used.

use super::{Agents, ended};

const SPENDS: &str = r#"
[agents.A]
command = ["sh", "spend.sh"]
budget = { turns = 3, tokens = 100 }
[agents.B]
command = ["sh", "spend.sh"]
[agents.C]
command = ["sh", "spend.sh"]
budget = { cost = 0.001, price = { input_per_million = 10, output_per_million = 10 } }
[orchestrations.one]
agents = ["A", "B"]
[orchestrations.money]
agents = ["C"]
[orchestrations.together]
agents = ["B", "B", "B"]
budget = { turns = 5 }
"#;

fn spending(usage: &str) -> Agents {
    let script = format!("echo '{{\"usage\": {usage}}}'\n");
    Agents::new(SPENDS).script("spend.sh", &script)
}

#[test]
fn a_budget_that_is_exceeded_fails_the_step_with_that_reason() {
    let agents = spending(r#"{"turns": 4, "input_tokens": 1}"#);
    agents
        .run("one", &[])
        .status(1)
        .stderr_has("the budget of A of 3 turns is exceeded: 4 were used")
        .run();
    assert_eq!(ended(&agents.record("one"))[1], ("2/B", "skipped"));
    let agents = spending(r#"{"turns": 3, "input_tokens": 99, "output_tokens": 1}"#);
    agents.run("one", &[]).run();
    let record = agents.record("one");
    assert_eq!(record["usage"]["turns"], 6);
    assert_eq!(record["usage"]["cost"], "unpriced");
}

#[test]
fn who_has_a_budget_and_reports_nothing_fails() {
    let agents = Agents::new(SPENDS).script("spend.sh", "echo '{}'\n");
    let failed = agents.run("one", &[]).status(1);
    failed.stderr_has("does not report what it used").run();
}

#[test]
fn money_is_counted_by_the_price_of_tokens() {
    let agents = spending(r#"{"input_tokens": 60, "output_tokens": 60}"#);
    let failed = agents.run("money", &[]).status(1);
    failed.stderr_has("it cost 0.0012").run();
    let agents = spending(r#"{"input_tokens": 50, "output_tokens": 50}"#);
    agents.run("money", &[]).run();
    assert_eq!(agents.record("money")["usage"]["cost"], 0.001);
}

#[test]
fn all_agents_together_have_a_budget_too() {
    let agents = spending(r#"{"turns": 2}"#);
    agents
        .run("together", &[])
        .status(1)
        .stderr_has("of all agents together of 5 turns is exceeded: 6 were used")
        .run();
}

#[test]
fn money_without_a_price_is_refused_before_anything_runs() {
    let config = SPENDS.replace(
        ", price = { input_per_million = 10, output_per_million = 10 }",
        "",
    );
    let agents = Agents::new(&config).script("spend.sh", "touch ran\n");
    agents
        .run("money", &[])
        .status(2)
        .stderr_has("\"price\" is missing")
        .run();
    let config = SPENDS.replace("budget = { turns = 5 }", "budget = { cost = 5 }");
    let agents = Agents::new(&config).script("spend.sh", "touch ran\n");
    agents
        .run("together", &[])
        .status(2)
        .stderr_has("nothing tells that of B")
        .run();
    assert!(!agents.exists("ran"));
}

#[test]
fn time_on_the_clock_is_a_budget() {
    let agents = Agents::new(
        "[agents.A]\ncommand = [\"sleep\", \"600\"]\nbudget = { wall_seconds = 0.2 }\n\
         [orchestrations.x]\nagents = [\"A\"]\n",
    );
    agents
        .run("x", &[])
        .status(1)
        .stderr_has("Timeout after 0.2s")
        .run();
    assert_eq!(ended(&agents.record("x")), [("1/A", "failed")]);
}
