//! What a run of the plan would do, without doing any of it.
//!
//! Steps stand in the order in which they could run: layer by layer, where a
//! layer is what may run once all layers before it have. Each says whether it
//! would run at once, what it waits for, or why it would not run; conditions
//! are shown as they are, since what they ask about has not happened.
//!
//! A plan may have 100,000 steps, so everything here is a few passes over
//! arrays, and each step is written and forgotten.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Value, json};

use super::command::{of_action, of_command};
use super::escape::{clean, push_clean};
use super::executor::{self, ExecutorSaid};
use super::forecast;
use super::freshness::{self, Fresh, Looked};
use super::style::{FAINT, HEADING, ODD};
use super::words::{self, counted};
use crate::plan::graph::{Graph, waits};
use crate::plan::{About, Plan, Remediate, StepIx};
use crate::run::forecast::Forecast;
use crate::run::{Freshness, Usual};

/// The answer to "what would happen?".
pub struct Preview<'a> {
    plan: &'a Plan,
    /// Layer of each step, from 0; absent steps have that of what they stand between.
    layer: Vec<u32>,
    /// Steps that take part, layer by layer, in the plan's order within each.
    order: Vec<StepIx>,
    layers: u32,
    forecast: Option<Forecast>,
    looked: Looked,
    /// Of each step that was looked at.
    fresh: BTreeMap<StepIx, Fresh>,
}

impl<'a> Preview<'a> {
    /// Looks at a plan whose steps took so long in earlier runs.
    pub fn new(plan: &'a Plan, usual: &Usual) -> Self {
        let layer = layers(plan);
        let order = by_layer(plan, &layer);
        let layers = order.last().map_or(0, |ix| layer[ix.at()] + 1);
        let known = *usual != Usual::nothing();
        Preview {
            plan,
            layer,
            order,
            layers,
            forecast: known
                .then(|| Forecast::new(plan, &Graph::new(plan), usual))
                .flatten(),
            looked: Looked::new(),
            fresh: BTreeMap::new(),
        }
    }

    /// The same, knowing what looking at the steps' freshness came to.
    pub fn knowing(self, looked: Looked) -> Self {
        Preview {
            fresh: freshness::told(self.plan, &looked, &self.order),
            looked,
            ..self
        }
    }

    fn freshness(&self, ix: StepIx) -> Option<(Fresh, &Freshness)> {
        Some((*self.fresh.get(&ix)?, self.looked.get(&ix)?))
    }

    /// For people.
    ///
    /// # Errors
    /// The stream does not take it.
    pub fn text(&self, out: &mut impl Write) -> io::Result<()> {
        let plan = self.plan;
        writeln!(
            out,
            "{HEADING}{}{HEADING:#} ({}, version {})",
            clean(&plan.name),
            clean(&plan.id),
            clean(&plan.version)
        )?;
        if !plan.description.is_empty() {
            writeln!(out, "{}", clean(&plan.description))?;
        }
        self.totals(out)?;
        for notify in &plan.notify {
            let on: Vec<&str> = notify.on.iter().map(|occasion| occasion.word()).collect();
            let name = clean(&notify.name);
            writeln!(out, "would notify {name}: {}", on.join(", "))?;
        }
        let (mut current, mut line) = (None, String::new());
        for ix in &self.order {
            let layer = self.layer[ix.at()];
            if current != Some(layer) {
                writeln!(out, "\n{HEADING}layer {}{HEADING:#}", layer + 1)?;
                current = Some(layer);
            }
            self.step_text(*ix, &mut line, out)?;
        }
        let mut absent = plan
            .indices()
            .filter(|ix| plan[*ix].absent.is_some())
            .peekable();
        if absent.peek().is_some() {
            writeln!(out, "\n{HEADING}would not run{HEADING:#}")?;
        }
        for ix in absent {
            writeln!(
                out,
                "  {}  {FAINT}{}{FAINT:#}",
                clean(&plan[ix].id),
                words::absent(plan, ix)
            )?;
        }
        Ok(())
    }

    fn totals(&self, out: &mut impl Write) -> io::Result<()> {
        let (all, selected) = (self.plan.steps.len(), self.order.len());
        write!(out, "{}", counted(all, "step"))?;
        if selected != all {
            write!(out, ", {selected} would run")?;
        }
        write!(
            out,
            ", {}, at most {} at once",
            counted(self.layers as usize, "layer"),
            self.plan.max_concurrency
        )?;
        writeln!(out)?;
        forecast::text(self.plan, self.forecast.as_ref(), out)
    }

    /// Writes what is said of a step. `line` is empty, and kept for its memory.
    fn step_text(&self, ix: StepIx, line: &mut String, out: &mut impl Write) -> io::Result<()> {
        let step = &self.plan[ix];
        line.push_str("  ");
        push_clean(&step.id, line);
        if let Some(name) = step.name.as_deref().filter(|name| **name != *step.id) {
            line.push_str(&format!("  {FAINT}{}{FAINT:#}", clean(name)));
        }
        line.push_str("  ");
        push_why(self.plan, ix, line);
        line.push('\n');
        if let Some(about) = &step.about {
            push_about(about, line);
        }
        line.push_str("      ");
        of_action(&step.action).push(line);
        line.push('\n');
        if let Some(executor) = executor::text(&step.executor) {
            line.push_str("      on ");
            push_clean(&executor, line);
            line.push('\n');
        }
        freshness::push(self.plan, ix, self.freshness(ix), line);
        out.write_all(line.as_bytes())?;
        line.clear();
        if let Some(when) = &step.when {
            writeln!(
                out,
                "      {ODD}condition decided at run time{ODD:#}: {}",
                clean(when.text())
            )?;
        }
        if let Some(question) = &step.confirm {
            writeln!(out, "      {ODD}asks first{ODD:#}: {}", clean(question))?;
        }
        Ok(())
    }

    /// For programs. Written piece by piece: the whole of it is never in memory.
    ///
    /// # Errors
    /// The stream does not take it.
    pub fn json(&self, out: &mut impl Write) -> io::Result<()> {
        let plan = self.plan;
        let head: Value = json!({
            "plan_id": plan.id,
            "name": plan.name,
            "version": plan.version,
            "totals": {
                "steps": plan.steps.len(),
                "selected": self.order.len(),
                "layers": self.layers,
                "critical_path_length": self.layers,
                "max_concurrency": plan.max_concurrency,
                "predicted_ms": self.forecast.as_ref().map(|forecast| forecast.makespan),
            },
            "forecast": forecast::json(plan, self.forecast.as_ref()),
        });
        let head = head.to_string();
        write!(
            out,
            "{},\"steps\":[",
            head.strip_suffix('}').unwrap_or(&head)
        )?;
        let absent = plan.indices().filter(|ix| plan[*ix].absent.is_some());
        for (n, ix) in self.order.iter().copied().chain(absent).enumerate() {
            out.write_all(if n == 0 { b"\n" } else { b",\n" })?;
            serde_json::to_writer(&mut *out, &self.step_json(ix))?;
        }
        writeln!(out, "\n]}}")
    }

    fn step_json(&self, ix: StepIx) -> StepJson<'a> {
        let plan = self.plan;
        let step = &plan[ix];
        let absent = step.absent.is_some();
        StepJson {
            step_id: &step.id,
            name: step.name.as_deref().unwrap_or(&step.id),
            layer: (!absent).then(|| self.layer[ix.at()] + 1),
            command: of_action(&step.action).to_string(),
            executor: executor::told(&step.executor),
            needs: step
                .needs
                .iter()
                .map(|need| plan[*need].id.as_ref())
                .collect(),
            after: step
                .after
                .iter()
                .map(|from| plan[*from].id.as_ref())
                .collect(),
            condition: step.when.as_ref().map(|when| when.text()),
            tags: &step.tags,
            stage: step.about.as_ref().and_then(|about| about.stage.as_deref()),
            description: step.about.as_ref().map_or("", |about| &about.description),
            notes: step.about.as_ref().map_or(&[], |about| &about.notes),
            would_run: match self.fresh.get(&ix) {
                _ if absent => "no",
                Some(Fresh::Yes) => "no",
                Some(Fresh::SoFar) => "decided_at_run_time",
                _ if step.when.is_some() || step.fallback_of.is_some() => "decided_at_run_time",
                _ => "yes",
            },
            fresh: self
                .looked
                .get(&ix)
                .map(|found| matches!(found, Freshness::Fresh(_))),
            freshness: self.looked.get(&ix).map(freshness::why),
            remedy: step
                .remedy
                .as_ref()
                .filter(|_| plan.remediate != Remediate::No)
                .map(|remedy| of_command(&remedy.command).to_string()),
            why: {
                let mut why = String::new();
                push_why(plan, ix, &mut why);
                why
            },
        }
    }
}

/// The layer of each step, from 0.
fn layers(plan: &Plan) -> Vec<u32> {
    // Most plans are written in an order in which they could run.
    let written_so = plan
        .indices()
        .all(|ix| waits(plan, ix).all(|from| from < ix));
    let order = match written_so {
        true => plan.indices().collect(),
        false => Graph::new(plan).topological(plan),
    };
    let mut layer = vec![0u32; plan.steps.len()];
    for ix in order {
        let behind =
            waits(plan, ix).map(|from| layer[from.at()] + u32::from(plan[from].absent.is_none()));
        layer[ix.at()] = behind.max().unwrap_or(0);
    }
    layer
}

/// The steps that take part, layer by layer.
fn by_layer(plan: &Plan, layer: &[u32]) -> Vec<StepIx> {
    let present = |ix: &StepIx| plan[*ix].absent.is_none();
    let mut next: Vec<usize> = Vec::new();
    for ix in plan.indices().filter(present) {
        let at = layer[ix.at()] as usize;
        if next.len() <= at {
            next.resize(at + 1, 0);
        }
        next[at] += 1;
    }
    let mut before = 0;
    for place in &mut next {
        before += std::mem::replace(place, before);
    }
    let mut order = vec![StepIx::new(0); before];
    for ix in plan.indices().filter(present) {
        let place = &mut next[layer[ix.at()] as usize];
        order[*place] = ix;
        *place += 1;
    }
    order
}

#[derive(Serialize)]
struct StepJson<'a> {
    step_id: &'a str,
    name: &'a str,
    layer: Option<u32>,
    command: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    executor: Option<ExecutorSaid<'a>>,
    needs: Vec<&'a str>,
    after: Vec<&'a str>,
    condition: Option<&'a str>,
    tags: &'a [Box<str>],
    stage: Option<&'a str>,
    description: &'a str,
    notes: &'a [Box<str>],
    would_run: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fresh: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    freshness: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
    why: String,
}

/// Appends what the author says of a step, and what else is worth knowing.
fn push_about(about: &About, to: &mut String) {
    let stage = about.stage.as_deref().unwrap_or_default();
    let said: Vec<String> = [stage, &about.description]
        .into_iter()
        .filter(|text| !text.is_empty())
        .map(|text| clean(text).to_string())
        .collect();
    if !said.is_empty() {
        to.push_str(&format!("      {FAINT}{}{FAINT:#}\n", said.join(": ")));
    }
    for note in &about.notes {
        to.push_str(&format!("      {ODD}note{ODD:#}: {}\n", clean(note)));
    }
}

/// Appends why a step would run at once, later, or not at all.
fn push_why(plan: &Plan, ix: StepIx, to: &mut String) {
    let step = &plan[ix];
    if step.absent.is_some() {
        return to.push_str(words::absent(plan, ix));
    }
    if let Some(principal) = step.fallback_of {
        to.push_str("only if ");
        push_clean(&plan[principal].id, to);
        return to.push_str(" fails");
    }
    let waits = words::would_wait_for(plan, ix);
    if waits.is_empty() {
        return to.push_str("ready");
    }
    to.push_str("waits for ");
    words::Ids(plan, &waits).push(to);
    if step.policy.always {
        to.push_str(", and runs however they end");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Absent;
    use crate::view::testing;

    fn plan() -> Plan {
        let mut plan = testing::plan(&[
            "fetch",
            "lint: fetch",
            "build: lint",
            "docs",
            "mend",
            "tidy: build",
        ]);
        testing::step(&mut plan, "lint").absent = Some(Absent::NotSelected);
        testing::step(&mut plan, "docs").confirm = Some("Publish?\u{7}".into());
        testing::step(&mut plan, "mend").fallback_of = Some(StepIx::new(2));
        testing::step(&mut plan, "build").name = Some("Build it".into());
        testing::policy(&mut plan, "tidy", |policy| policy.always = true);
        plan
    }

    #[test]
    fn the_order_the_commands_and_the_reasons() {
        let plan = plan();
        let usual = ["fetch", "build", "docs"].map(|id| (id, 2_000));
        let usual = testing::usual(&plan, &usual);
        let preview = Preview::new(&plan, &usual);
        insta::assert_snapshot!(testing::written(|out| preview.text(out)), @r#"
        A test (TEST, version 1)
        6 steps, 5 would run, 3 layers, at most 2 at once
        about 6.0s going by earlier runs of 3 of 4; 8.0s of work, in no order faster than 6.0s
        critical path 3 steps, 6.0s: fetch 2.0s, build 2.0s, tidy 2.0s

        layer 1
          fetch  ready
              echo fetch
          docs  ready
              echo docs
              asks first: Publish?\u{7}

        layer 2
          build  Build it  waits for fetch
              echo build

        layer 3
          mend  only if build fails
              echo mend
          tidy  waits for build, and runs however they end
              echo tidy

        would not run
          lint  not selected
        "#);
    }

    #[test]
    fn without_earlier_runs_nothing_is_predicted() {
        let plan = plan();
        let text = testing::written(|out| Preview::new(&plan, &Usual::nothing()).text(out));
        assert!(text.contains("no history"), "{text}");
        assert!(!text.contains("about"), "{text}");
    }

    #[test]
    fn the_forecast_is_told_to_programs_too() {
        let plan = plan();
        let usual = testing::usual(&plan, &[("fetch", 2_000), ("build", 500), ("docs", 9_000)]);
        let json = testing::written(|out| Preview::new(&plan, &usual).json(out));
        let json: Value = serde_json::from_str(&json).expect("it is JSON");
        assert_eq!(json["totals"]["predicted_ms"], 9_000);
        insta::assert_snapshot!(json["forecast"].to_string(), @r#"{"critical_path":[{"expected_ms":9000,"step_id":"docs"}],"critical_path_ms":9000,"expected_steps":4,"known_steps":3,"lower_bound_ms":9000,"makespan_ms":9000,"work_ms":13500}"#);
    }

    #[test]
    fn of_a_long_critical_path_people_see_the_beginning() {
        let mut steps = vec!["s0".to_owned()];
        steps.extend((1..20).map(|n| format!("s{n}: s{}", n - 1)));
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        let plan = testing::plan(&steps);
        let usual = testing::usual(&plan, &[("s7", 40)]);
        let text = testing::written(|out| Preview::new(&plan, &usual).text(out));
        let told: Vec<&str> = text.lines().skip(2).take(2).collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        about 800ms going by earlier runs of 1 of 20; 800ms of work, in no order faster than 800ms
        critical path 20 steps, 800ms: s0 40ms, s1 40ms, s2 40ms, s3 40ms, s4 40ms, s5 40ms, s6 40ms, s7 40ms, s8 40ms, s9 40ms, s10 40ms, s11 40ms, and 8 more
        ");
    }

    #[test]
    fn the_json_holds_the_same() {
        let plan = plan();
        let json = testing::written(|out| Preview::new(&plan, &Usual::nothing()).json(out));
        let json: Value = serde_json::from_str(&json).expect("it is JSON");
        assert_eq!(json["totals"]["steps"], 6);
        assert_eq!(json["totals"]["selected"], 5);
        assert_eq!(json["totals"]["layers"], 3);
        assert_eq!(json["totals"]["predicted_ms"], Value::Null);
        assert_eq!(json["forecast"], Value::Null);
        let steps = json["steps"].as_array().expect("steps are a list");
        let told: Vec<(&str, &str, Option<u64>)> = steps
            .iter()
            .map(|step| {
                let word = |key: &str| step[key].as_str().expect("it is a word");
                (word("step_id"), word("would_run"), step["layer"].as_u64())
            })
            .collect();
        assert_eq!(
            told,
            [
                ("fetch", "yes", Some(1)),
                ("docs", "yes", Some(1)),
                ("build", "yes", Some(2)),
                ("mend", "decided_at_run_time", Some(3)),
                ("tidy", "yes", Some(3)),
                ("lint", "no", None),
            ]
        );
        assert_eq!(steps[2]["command"], "echo build");
    }

    #[test]
    fn an_empty_plan_is_previewed_too() {
        let plan = testing::plan(&[]);
        let json = testing::written(|out| Preview::new(&plan, &Usual::nothing()).json(out));
        let json: Value = serde_json::from_str(&json).expect("it is JSON");
        assert_eq!(json["steps"], json!([]));
    }
}
