//! Where a run's spans go: to the collector that the environment names, by OTLP
//! over HTTP, once the run has ended.
//!
//! The environment is OpenTelemetry's (`OTEL_EXPORTER_OTLP_ENDPOINT` and so on) and
//! W3C's (`TRACEPARENT`). What cannot be sent is one warning and changes nothing
//! about the run; to send takes no longer than it may, however many spans there are.

use std::time::{Duration, Instant};

use serde_json::Value;
use ureq::Agent;

use super::error::warn;
use crate::engine::Ended;
use crate::paths::StateDir;
use crate::run::trace::{Parent, Tracing};
use crate::store::Store;
use crate::view::trace::{self, Spans};

/// How long sending may take, unless the environment says so.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What the environment says of tracing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Otlp {
    collector: Option<Collector>,
    parent: Option<Parent>,
    /// Whose spans they are.
    resource: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Collector {
    url: String,
    headers: Vec<(String, String)>,
    timeout: Duration,
}

impl Otlp {
    pub fn of_environment() -> Otlp {
        Otlp::of(|name| std::env::var(name).ok())
    }

    /// What is set to nothing counts as not set, as OpenTelemetry has it.
    fn of(env: impl Fn(&str) -> Option<String>) -> Otlp {
        let set = |name: &str| env(name).filter(|value| !value.trim().is_empty());
        let is = |name: &str, value: &str| {
            set(name).is_some_and(|found| found.trim().eq_ignore_ascii_case(value))
        };
        let resource = resource(&set);
        if is("OTEL_SDK_DISABLED", "true") {
            return Otlp {
                resource,
                ..Otlp::default()
            };
        }
        // What is said of traces goes before what is said of everything.
        let of_traces = |name: &str| {
            set(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}"))
                .or_else(|| set(&format!("OTEL_EXPORTER_OTLP_{name}")))
        };
        let url = set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(|| {
            let base = set("OTEL_EXPORTER_OTLP_ENDPOINT")?;
            Some(format!("{}/v1/traces", base.trim().trim_end_matches('/')))
        });
        let url = url.filter(|_| !is("OTEL_TRACES_EXPORTER", "none"));
        let timeout = of_traces("TIMEOUT").and_then(|ms| ms.trim().parse().ok());
        Otlp {
            collector: url.map(|url| Collector {
                url: url.trim().to_owned(),
                headers: of_traces("HEADERS").map_or_else(Vec::new, |text| pairs(&text)),
                timeout: timeout.map_or(TIMEOUT, Duration::from_millis),
            }),
            parent: set("TRACEPARENT").and_then(|text| Parent::parse(text.trim())),
            resource,
        }
    }

    /// For the engine: whether steps are to be told of their spans.
    pub fn tracing(&self) -> Tracing {
        Tracing {
            wanted: self.collector.is_some(),
            parent: self.parent,
        }
    }

    /// Whose spans they are.
    pub fn resource(&self) -> &[(String, String)] {
        &self.resource
    }

    /// Sends what has happened in a run since its end before, if there is a collector.
    pub fn send_run(&self, ended: &Ended, state: &StateDir) {
        if self.collector.is_none() {
            return;
        }
        let run_id = &ended.run_id;
        let sent = Store::read_only(state)
            .and_then(|store| store.events(run_id, 0, usize::MAX))
            .map_err(|error| error.to_string())
            .and_then(
                |events| match Spans::of(run_id, ended.state.plan(), &events) {
                    Some(spans) if spans.is_sampled() => self.send(spans.since_last_end()),
                    _ => Ok(()),
                },
            );
        if let Err(why) = sent {
            warn(&format!("{why}; later: quintet trace {run_id} --send"));
        }
    }

    /// Sends spans. What a collector took before an error it has.
    ///
    /// # Errors
    /// In words: there is no collector, or it did not take them.
    pub fn send(&self, spans: impl Iterator<Item = Value>) -> Result<(), String> {
        let Some(collector) = &self.collector else {
            return Err("no collector is named: set OTEL_EXPORTER_OTLP_ENDPOINT".into());
        };
        let deadline = Instant::now() + collector.timeout;
        let agent = Agent::from(Agent::config_builder().user_agent(USER_AGENT).build());
        for document in trace::documents(spans, &self.resource) {
            let left = deadline.saturating_duration_since(Instant::now());
            collector.post(&agent, &document, left).map_err(|why| {
                let url = without_user(&collector.url);
                format!("the trace cannot be sent to {url}: {why}")
            })?;
        }
        Ok(())
    }
}

impl Collector {
    fn post(&self, agent: &Agent, document: &Value, left: Duration) -> Result<(), String> {
        if left.is_zero() {
            return Err("it took too long".into());
        }
        let request = agent.post(&self.url).content_type("application/json");
        let mut request = request.config().timeout_global(Some(left)).build();
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let sent = request.send(document.to_string());
        sent.map(drop).map_err(|error| error.to_string())
    }
}

const USER_AGENT: &str = concat!("quintet/", env!("CARGO_PKG_VERSION"));

/// `OTEL_SERVICE_NAME` goes before a name among `OTEL_RESOURCE_ATTRIBUTES`.
fn resource(set: &impl Fn(&str) -> Option<String>) -> Vec<(String, String)> {
    let told = set("OTEL_RESOURCE_ATTRIBUTES").map_or_else(Vec::new, |text| pairs(&text));
    let named = |key: &str| told.iter().find(|(known, _)| known == key);
    let name = set("OTEL_SERVICE_NAME").or_else(|| Some(named("service.name")?.1.clone()));
    let name = name.unwrap_or_else(|| "quintet".into());
    let rest = told.iter().filter(|(key, _)| key != "service.name");
    let service = ("service.name".to_owned(), name);
    [service].into_iter().chain(rest.cloned()).collect()
}

/// `key=value,key=value`, where a value may have what it could not hold as `%2C`.
fn pairs(text: &str) -> Vec<(String, String)> {
    let pairs = text.split(',').filter_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let key = key.trim();
        (!key.is_empty()).then(|| (key.to_owned(), decoded(value.trim())))
    });
    pairs.collect()
}

/// What is not two hexadecimal digits after a `%` stands for itself.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let code = after.get(..2).filter(|_| *first == b'%');
        let digits = code.and_then(|code| std::str::from_utf8(code).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A URL that may be shown: what stands before an `@` may be a password.
fn without_user(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let host = rest.split('/').next().unwrap_or(rest);
            let user = host.rfind('@').map_or(0, |at| at + 1);
            format!("{scheme}://{}", &rest[user..])
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(known: &[(&str, &str)]) -> Otlp {
        Otlp::of(|name| {
            let found = known.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_names_the_collector_as_opentelemetry_has_it() {
        assert_eq!(of(&[]).tracing(), Tracing::default());
        let otlp = of(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://here:4318/"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key = a%20b%2Cc , x=1%"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "250"),
        ]);
        let collector = otlp.collector.as_ref().unwrap();
        assert_eq!(collector.url, "http://here:4318/v1/traces");
        assert_eq!(collector.timeout, Duration::from_millis(250));
        let headers = [("api-key", "a b,c"), ("x", "1%")];
        let headers = headers.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(collector.headers, headers);
        assert!(otlp.tracing().wanted);

        let otlp = of(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://here:4318"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://there/x"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=1"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "b=2"),
        ]);
        let collector = otlp.collector.unwrap();
        assert_eq!(collector.url, "http://there/x");
        assert_eq!(collector.headers, [("b".to_owned(), "2".to_owned())]);
        assert_eq!(collector.timeout, TIMEOUT);
    }

    #[test]
    fn what_is_switched_off_is_off() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://here:4318");
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let parent = ("TRACEPARENT", parent);
        let off = of(&[endpoint, parent, ("OTEL_SDK_DISABLED", "True")]);
        assert_eq!(off.tracing(), Tracing::default());
        let only_parent = of(&[endpoint, parent, ("OTEL_TRACES_EXPORTER", "none")]);
        assert!(!only_parent.tracing().wanted);
        assert!(only_parent.tracing().parent.is_some());
        assert!(!of(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]).tracing().wanted);
        assert!(
            of(&[("TRACEPARENT", "nonsense")])
                .tracing()
                .parent
                .is_none()
        );
    }

    #[test]
    fn the_service_has_the_name_that_it_is_given() {
        let name = |known: &[(&str, &str)]| of(known).resource()[0].1.clone();
        assert_eq!(name(&[]), "quintet");
        let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "a=b,service.name=from%20list");
        assert_eq!(name(&[attributes]), "from list");
        assert_eq!(name(&[attributes, ("OTEL_SERVICE_NAME", "said")]), "said");
        assert_eq!(of(&[attributes]).resource().len(), 2);
    }

    #[test]
    fn no_password_is_shown() {
        assert_eq!(without_user("http://u:p@h:1/v1"), "http://h:1/v1");
        assert_eq!(without_user("http://h/a@b"), "http://h/a@b");
        assert_eq!(without_user("nonsense"), "nonsense");
    }
}
