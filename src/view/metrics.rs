//! What monitoring is told: the store's figures in the text format of Prometheus
//! (version 0.0.4), which scrapers and the textfile collector read, and as JSON.
//!
//! Ids of plans are labels, since the store bounds how many it counts by
//! themselves; ids of steps are none, since nothing bounds those. Names and
//! labels stay as they are: people have built alerts on them.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use serde::Serialize;
use serde_json::{Value, json};

use crate::run::figures::{Figures, Histogram};
use crate::store::Counted;

/// The media type of [`text`], for whoever serves it.
pub const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// The figures as Prometheus reads them.
pub fn text(counted: &Counted) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Exposition(counted.clone())));
    let mut text = String::new();
    // Only a writer can fail here, and a text does not.
    let written = prometheus_text::encode(&mut text, &registry);
    debug_assert!(written.is_ok());
    text
}

/// The same as JSON, plan by plan. Durations are in milliseconds, each bucket has
/// what fits into no smaller one, and moments are milliseconds since 1970.
pub fn json(counted: &Counted) -> Value {
    let plans = counted.plans.iter();
    let plans = plans.map(|(id, figures)| (id.clone(), of_plan(figures)));
    json!({
        "runs_running": counted.running,
        "runs_interrupted": counted.interrupted,
        "plans": Value::Object(plans.collect()),
    })
}

fn of_plan(figures: &Figures) -> Value {
    let buckets = |histogram: &Histogram| {
        let bounds = Histogram::BOUNDS.iter().map(Some).chain([None]);
        let buckets = bounds.zip(histogram.buckets());
        json!({
            "count": histogram.count(),
            "sum_ms": histogram.sum_ms,
            "buckets": buckets.map(|(upto, n)| json!({"up_to_ms": upto, "count": n})).collect::<Value>(),
        })
    };
    json!({
        "runs": figures.runs,
        "run_duration": buckets(&figures.run_duration),
        "last_success_at": figures.last_success_at,
        "steps": figures.steps,
        "steps_fresh": figures.fresh,
        "attempts": figures.attempts,
        "attempt_duration": buckets(&figures.attempt_duration),
        "queue_wait": buckets(&figures.queue_wait),
        "retries": figures.retries,
        "remedies": figures.remedies,
    })
}

type Labels = Vec<(&'static str, String)>;
type Rows<V> = Vec<(Labels, V)>;

#[derive(Debug)]
struct Exposition(Counted);

impl Collector for Exposition {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.runs(&mut encoder)?;
        self.steps(&mut encoder)
    }
}

impl Exposition {
    fn runs(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        counter(
            out,
            "quintet_runs",
            "Ends of runs; a run that goes on after its end ends again",
            self.of_plans("outcome", |figures| words(&figures.runs)),
        )?;
        let plans = self.0.plans.iter();
        let plans = plans.map(|(plan, figures)| (vec![("plan", plan.clone())], figures));
        let durations = plans.clone();
        histogram(
            out,
            "quintet_run_duration_seconds",
            "From the beginning of runs, or their going on, to their ends",
            durations
                .map(|(plan, figures)| (plan, &figures.run_duration))
                .collect(),
        )?;
        let successes = plans.filter_map(|(plan, figures)| Some((plan, figures.last_success_at?)));
        gauge(
            out,
            "quintet_run_last_success_timestamp_seconds",
            "When a run of the plan last succeeded, in seconds since 1970",
            successes
                .map(|(plan, at)| (plan, at as f64 / 1000.0))
                .collect(),
        )?;
        gauge(
            out,
            "quintet_runs_running",
            "Runs that an engine drives now",
            one(self.0.running as f64),
        )?;
        gauge(
            out,
            "quintet_runs_interrupted",
            "Runs that have not ended and have lost their engine",
            one(self.0.interrupted as f64),
        )
    }

    fn steps(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut all = Figures::default();
        self.0.plans.values().for_each(|figures| all.add(figures));
        counter(
            out,
            "quintet_steps",
            "Ends of steps, of those that did not run as well",
            self.of_plans("outcome", |figures| words(&figures.steps)),
        )?;
        counter(
            out,
            "quintet_steps_fresh",
            "Steps that did not run because what they make is fresh",
            one(all.fresh),
        )?;
        counter(
            out,
            "quintet_step_attempts",
            "Attempts at steps by how they ended",
            labelled("end", words(&all.attempts)),
        )?;
        counter(
            out,
            "quintet_step_retries",
            "Attempts that were made again after a failure",
            one(all.retries),
        )?;
        counter(
            out,
            "quintet_step_remedies",
            "Attempts at remedies by how they ended",
            labelled("outcome", words(&all.remedies)),
        )?;
        histogram(
            out,
            "quintet_step_duration_seconds",
            "How long attempts at steps took",
            one(&all.attempt_duration),
        )?;
        histogram(
            out,
            "quintet_step_queue_wait_seconds",
            "From when all that a step waits for had ended to its start",
            one(&all.queue_wait),
        )
    }

    /// A row for each word of each plan.
    fn of_plans(&self, name: &'static str, of: fn(&Figures) -> Vec<(String, u64)>) -> Rows<u64> {
        let rows = self.0.plans.iter().flat_map(|(plan, figures)| {
            let rows = of(figures).into_iter();
            rows.map(|(word, n)| (vec![("plan", plan.clone()), (name, word)], n))
        });
        rows.collect()
    }
}

/// A row for each word.
fn labelled(name: &'static str, words: Vec<(String, u64)>) -> Rows<u64> {
    let rows = words.into_iter();
    rows.map(|(word, n)| (vec![(name, word)], n)).collect()
}

/// The row of what has no labels.
fn one<V>(value: V) -> Rows<V> {
    vec![(Labels::new(), value)]
}

/// Each kind of end in the word that the record has for it, with how many there were.
fn words<K: Serialize>(counts: &BTreeMap<K, u64>) -> Vec<(String, u64)> {
    let word = |key: &K| match serde_json::to_value(key) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    };
    counts.iter().map(|(key, n)| (word(key), *n)).collect()
}

fn counter(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    rows: Rows<u64>,
) -> fmt::Result {
    let mut out = out.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, value) in rows {
        let mut out = out.encode_family(&labels)?;
        out.encode_counter::<Labels, _, f64>(&value, None)?;
    }
    Ok(())
}

fn gauge(out: &mut DescriptorEncoder<'_>, name: &str, help: &str, rows: Rows<f64>) -> fmt::Result {
    let mut out = out.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in rows {
        out.encode_family(&labels)?.encode_gauge(&value)?;
    }
    Ok(())
}

fn histogram(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    rows: Rows<&Histogram>,
) -> fmt::Result {
    let mut out = out.encode_descriptor(name, help, None, MetricType::Histogram)?;
    let bounds = Histogram::BOUNDS.iter().map(|ms| *ms as f64 / 1000.0);
    let bounds: Vec<f64> = bounds.chain([f64::INFINITY]).collect();
    for (labels, histogram) in rows {
        let buckets: Vec<_> = bounds.iter().copied().zip(histogram.buckets()).collect();
        let sum = histogram.sum_ms as f64 / 1000.0;
        let mut out = out.encode_family(&labels)?;
        out.encode_histogram::<Labels>(sum, histogram.count(), &buckets, None)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::figures::Tally;
    use crate::view::testing::{self, Story, exited, timed_out};

    /// A store that has seen one run of two plans.
    fn counted() -> Counted {
        let mut plan = testing::plan(&["a", "b: a", "c", "d: b"]);
        testing::policy(&mut plan, "a", |policy| policy.retry.count = 1);
        let story = Story::of(plan, |id, attempt| match (id, attempt) {
            ("a", 1) => (exited(1), 700),
            ("b", _) => (timed_out(2000), 2000),
            _ => (exited(0), 20),
        });
        let mut tally = Tally::default();
        for event in &story.events {
            tally.push(story.run.plan(), event);
        }
        let good = Story::of(testing::plan(&["a"]), |_, _| (exited(0), 90_000_000));
        let mut other = Tally::default();
        for event in &good.events {
            other.push(good.run.plan(), event);
        }
        let plans = [
            ("TEST".to_owned(), tally.figures().clone()),
            (
                "back\\slash \"and\"\nlines".to_owned(),
                other.figures().clone(),
            ),
        ];
        Counted {
            plans: BTreeMap::from(plans),
            running: 2,
            interrupted: 1,
        }
    }

    #[test]
    fn the_figures_in_the_words_of_prometheus() {
        insta::assert_snapshot!(text(&counted()), @r##"
        # HELP quintet_runs_total Ends of runs; a run that goes on after its end ends again
        # TYPE quintet_runs_total counter
        quintet_runs_total{plan="TEST",outcome="failed"} 1
        quintet_runs_total{plan="back\\slash \"and\"\nlines",outcome="succeeded"} 1
        # HELP quintet_run_duration_seconds From the beginning of runs, or their going on, to their ends
        # TYPE quintet_run_duration_seconds histogram
        quintet_run_duration_seconds_bucket{plan="TEST",le="0.005"} 0
        quintet_run_duration_seconds_bucket{plan="TEST",le="0.025"} 0
        quintet_run_duration_seconds_bucket{plan="TEST",le="0.1"} 0
        quintet_run_duration_seconds_bucket{plan="TEST",le="0.5"} 0
        quintet_run_duration_seconds_bucket{plan="TEST",le="1"} 0
        quintet_run_duration_seconds_bucket{plan="TEST",le="5"} 1
        quintet_run_duration_seconds_bucket{plan="TEST",le="15"} 1
        quintet_run_duration_seconds_bucket{plan="TEST",le="60"} 1
        quintet_run_duration_seconds_bucket{plan="TEST",le="300"} 1
        quintet_run_duration_seconds_bucket{plan="TEST",le="900"} 1
        quintet_run_duration_seconds_bucket{plan="TEST",le="3600"} 1
        quintet_run_duration_seconds_bucket{plan="TEST",le="14400"} 1
        quintet_run_duration_seconds_bucket{plan="TEST",le="86400"} 1
        quintet_run_duration_seconds_bucket{plan="TEST",le="+Inf"} 1
        quintet_run_duration_seconds_sum{plan="TEST"} 2.72
        quintet_run_duration_seconds_count{plan="TEST"} 1
        quintet_run_duration_seconds_bucket{plan="back\\slash \"and\"\nlines",le="0.005"} 0
        quintet_run_duration_seconds_bucket{plan="back\\slash \"and\"\nlines",le="0.025"} 0
        quintet_run_duration_seconds_bucket{plan="back\\slash \"and\"\nlines",le="0.1"} 0
        quintet_run_duration_seconds_bucket{plan="back\\slash \"and\"\nlines",le="0.5"} 0
        quintet_run_duration_seconds_bucket{plan="back\\slash \"and\"\nlines",le="1"} 0
        quintet_run_duration_seconds_bucket{plan="back\\slash \"and\"\nlines",le="5"} 0
        quintet_run_duration_seconds_bucket{plan="back\\slash \"and\"\nlines",le="15"} 0
        quintet_run_duration_seconds_bucket{plan="back\\slash \"and\"\nlines",le="60"} 0
        quintet_run_duration_seconds_bucket{plan="back\\slash \"and\"\nlines",le="300"} 0
        quintet_run_duration_seconds_bucket{plan="back\\slash \"and\"\nlines",le="900"} 0
        quintet_run_duration_seconds_bucket{plan="back\\slash \"and\"\nlines",le="3600"} 0
        quintet_run_duration_seconds_bucket{plan="back\\slash \"and\"\nlines",le="14400"} 0
        quintet_run_duration_seconds_bucket{plan="back\\slash \"and\"\nlines",le="86400"} 0
        quintet_run_duration_seconds_bucket{plan="back\\slash \"and\"\nlines",le="+Inf"} 1
        quintet_run_duration_seconds_sum{plan="back\\slash \"and\"\nlines"} 90000.0
        quintet_run_duration_seconds_count{plan="back\\slash \"and\"\nlines"} 1
        # HELP quintet_run_last_success_timestamp_seconds When a run of the plan last succeeded, in seconds since 1970
        # TYPE quintet_run_last_success_timestamp_seconds gauge
        quintet_run_last_success_timestamp_seconds{plan="back\\slash \"and\"\nlines"} 1795266000.0
        # HELP quintet_runs_running Runs that an engine drives now
        # TYPE quintet_runs_running gauge
        quintet_runs_running 2.0
        # HELP quintet_runs_interrupted Runs that have not ended and have lost their engine
        # TYPE quintet_runs_interrupted gauge
        quintet_runs_interrupted 1.0
        # HELP quintet_steps_total Ends of steps, of those that did not run as well
        # TYPE quintet_steps_total counter
        quintet_steps_total{plan="TEST",outcome="succeeded"} 2
        quintet_steps_total{plan="TEST",outcome="failed"} 1
        quintet_steps_total{plan="TEST",outcome="canceled"} 1
        quintet_steps_total{plan="back\\slash \"and\"\nlines",outcome="succeeded"} 1
        # HELP quintet_steps_fresh_total Steps that did not run because what they make is fresh
        # TYPE quintet_steps_fresh_total counter
        quintet_steps_fresh_total 0
        # HELP quintet_step_attempts_total Attempts at steps by how they ended
        # TYPE quintet_step_attempts_total counter
        quintet_step_attempts_total{end="succeeded"} 3
        quintet_step_attempts_total{end="failed"} 1
        quintet_step_attempts_total{end="timed_out"} 1
        # HELP quintet_step_retries_total Attempts that were made again after a failure
        # TYPE quintet_step_retries_total counter
        quintet_step_retries_total 1
        # HELP quintet_step_remedies_total Attempts at remedies by how they ended
        # TYPE quintet_step_remedies_total counter
        # HELP quintet_step_duration_seconds How long attempts at steps took
        # TYPE quintet_step_duration_seconds histogram
        quintet_step_duration_seconds_bucket{le="0.005"} 0
        quintet_step_duration_seconds_bucket{le="0.025"} 2
        quintet_step_duration_seconds_bucket{le="0.1"} 2
        quintet_step_duration_seconds_bucket{le="0.5"} 2
        quintet_step_duration_seconds_bucket{le="1"} 3
        quintet_step_duration_seconds_bucket{le="5"} 4
        quintet_step_duration_seconds_bucket{le="15"} 4
        quintet_step_duration_seconds_bucket{le="60"} 4
        quintet_step_duration_seconds_bucket{le="300"} 4
        quintet_step_duration_seconds_bucket{le="900"} 4
        quintet_step_duration_seconds_bucket{le="3600"} 4
        quintet_step_duration_seconds_bucket{le="14400"} 4
        quintet_step_duration_seconds_bucket{le="86400"} 4
        quintet_step_duration_seconds_bucket{le="+Inf"} 5
        quintet_step_duration_seconds_sum 90002.74
        quintet_step_duration_seconds_count 5
        # HELP quintet_step_queue_wait_seconds From when all that a step waits for had ended to its start
        # TYPE quintet_step_queue_wait_seconds histogram
        quintet_step_queue_wait_seconds_bucket{le="0.005"} 5
        quintet_step_queue_wait_seconds_bucket{le="0.025"} 5
        quintet_step_queue_wait_seconds_bucket{le="0.1"} 5
        quintet_step_queue_wait_seconds_bucket{le="0.5"} 5
        quintet_step_queue_wait_seconds_bucket{le="1"} 5
        quintet_step_queue_wait_seconds_bucket{le="5"} 5
        quintet_step_queue_wait_seconds_bucket{le="15"} 5
        quintet_step_queue_wait_seconds_bucket{le="60"} 5
        quintet_step_queue_wait_seconds_bucket{le="300"} 5
        quintet_step_queue_wait_seconds_bucket{le="900"} 5
        quintet_step_queue_wait_seconds_bucket{le="3600"} 5
        quintet_step_queue_wait_seconds_bucket{le="14400"} 5
        quintet_step_queue_wait_seconds_bucket{le="86400"} 5
        quintet_step_queue_wait_seconds_bucket{le="+Inf"} 5
        quintet_step_queue_wait_seconds_sum 0.0
        quintet_step_queue_wait_seconds_count 5
        "##);
    }

    #[test]
    fn every_line_is_a_sample_of_the_type_that_was_announced() {
        for counted in [counted(), Counted::default()] {
            check(&text(&counted));
        }
    }

    /// What the format asks for, as far as it concerns us.
    fn check(text: &str) {
        let sample = regex::Regex::new(
            r#"^([a-z_]+)(\{[a-z_]+="([^"\\\n]|\\[\\"n])*"(,[a-z_]+="([^"\\\n]|\\[\\"n])*")*\})? ([0-9.e+-]+)$"#,
        )
        .unwrap();
        let mut announced = (String::new(), String::new());
        let mut names = Vec::new();
        let mut series = std::collections::BTreeSet::new();
        let mut bucket = 0;
        assert!(text.ends_with('\n'));
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let name = help.split(' ').next().unwrap().to_owned();
                assert!(!names.contains(&name), "{name} comes twice");
                names.push(name);
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                assert_eq!(names.last().unwrap(), name);
                announced = (name.to_owned(), kind.to_owned());
            } else {
                let found = sample.captures(line).unwrap_or_else(|| panic!("{line:?}"));
                let (family, kind) = (&announced.0, announced.1.as_str());
                let value: f64 = found[6].parse().unwrap();
                assert!(series.insert(line.rsplit_once(' ').unwrap().0), "{line:?}");
                let suffix = found[1].strip_prefix(family.as_str()).expect(line);
                match (kind, suffix) {
                    ("counter", "") => assert!(family.ends_with("_total"), "{line:?}"),
                    ("gauge", "") => {}
                    ("histogram", "_bucket") => {
                        assert!(value as u64 >= bucket, "{line:?}");
                        bucket = value as u64;
                    }
                    ("histogram", "_sum") => {}
                    ("histogram", "_count") => {
                        assert_eq!(value as u64, bucket, "{line:?}");
                        bucket = 0;
                    }
                    _ => panic!("{line:?} is no sample of a {kind} {family}"),
                }
            }
        }
        assert_eq!(names.len(), 12);
    }

    #[test]
    fn the_same_as_json() {
        let json = json(&counted());
        let test = &json["plans"]["TEST"];
        assert_eq!(test["runs"], json!({"failed": 1}));
        assert_eq!(
            test["attempts"],
            json!({"succeeded": 2, "failed": 1, "timed_out": 1})
        );
        assert_eq!(test["last_success_at"], Value::Null);
        assert_eq!(test["attempt_duration"]["count"], 4);
        let buckets = test["attempt_duration"]["buckets"].as_array().unwrap();
        let count = |bucket: &Value| bucket["count"].as_u64().unwrap();
        assert_eq!(buckets.iter().map(count).sum::<u64>(), 4);
        assert_eq!(buckets.last().unwrap()["up_to_ms"], Value::Null);
        assert_eq!(json["runs_running"], 2);
    }
}
