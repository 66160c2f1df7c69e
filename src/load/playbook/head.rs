//! What playbooks say of themselves, whatever their stages are written like.

use serde_json::Value;

use crate::load::document::{Kind, Node, Path};
use crate::plan::Moment;
use crate::plan::problem::{Problem, Problems};

use super::book::{Check, Input, Notice, Playbook, Policy, Profile, Said, Success, Values};
use super::fields::{self, Fields};

/// For people, in every playbook.
const ABOUT: &[&str] = &[
    "$schema",
    "author",
    "category",
    "comment",
    "created",
    "lastupdated",
    "metadata",
    "prerequisites",
    "requirements",
    "tags",
];

/// What real playbooks have, that nothing here acts on.
const IDLE: &[&str] = &[
    "aiassistance",
    "artifacts",
    "enforcement",
    "hooks",
    "integrations",
    "monitoring",
    "optimization",
    "postactions",
    "postexecution",
    "preexecution",
    "qualitygates",
    "remediation",
    "reporting",
    "rollback",
    "scaling",
    "schedule",
    "thresholds",
    "triggers",
    "onerror",
];

/// What real playbooks would also tell of.
const OTHER_MOMENTS: &[&str] = &[
    "oncoveragebelow",
    "oncoveragefailure",
    "onprcreated",
    "onstagecomplete",
    "ontestfailure",
];

/// Reads all but the stages, which are taken already.
pub fn read(book: &mut Playbook, mut root: Fields<'_, '_>, problems: &mut Problems) {
    book.name = book.name.take().or(root.text(&["name"], problems));
    let description = root.text(&["description"], problems);
    book.description = book.description.take().or(description);
    book.version = book.version.take().or(root.text(&["version"], problems));
    if let Some(node) = root.take(&["parameters", "inputs"], problems) {
        book.inputs = inputs(node, &Path::Field(root.path, "parameters"), problems);
    }
    let variables = ["variables", "defaultvariables"];
    book.variables.extend(root.values(&variables, problems));
    book.env.extend(environment(&mut root, problems));
    if let Some(node) = root.take(&["profiles"], problems) {
        let path = Path::Field(root.path, "profiles");
        book.profiles.extend(profiles(node, &path, problems));
    }
    book.profile = root.text(&["profile"], problems);
    policy(&mut book.policy, &mut root, problems);
    let concurrency = root.value(&["maxconcurrency"], problems);
    book.max_concurrency = book.max_concurrency.take().or(concurrency);
    for name in [
        "options",
        "configuration",
        "parallelization",
        "errorhandling",
        "defaults",
    ] {
        if let Some(node) = root.take(&[name], problems) {
            options(book, node, &Path::Field(root.path, name), problems);
        }
    }
    validation(book, &mut root, problems);
    notices(book, &mut root, problems);
    if let Some(node) = root.take(&["successcriteria"], problems) {
        let path = Path::Field(root.path, "successCriteria");
        success(book, node, &path, problems);
    }
    root.skip(ABOUT);
    let rest = root.rest(IDLE, problems);
    book.idle.extend(rest);
}

/// How scripts are run, under all the names it has.
pub fn policy(policy: &mut Policy, fields: &mut Fields<'_, '_>, problems: &mut Problems) {
    let go_on = fields.value(&["continueonerror"], problems);
    let stop = fields.value(&["stoponerror", "required"], problems);
    let seconds = fields.value(&["timeout", "timeoutseconds"], problems);
    let minutes = fields.value(&["timeoutminutes"], problems);
    let retries = ["retries", "retrycount", "maxretries"];
    let delay = ["retrydelay", "retrydelayseconds"];
    let own = Policy {
        continue_on_error: go_on.or_else(|| stop.map(|stop| not(stop, fields.path, problems))),
        timeout: seconds
            .or(minutes.and_then(|said| minutes_as_seconds(&said, fields.path, problems))),
        retries: fields.value(&retries, problems),
        retry_delay: fields.value(&delay, problems),
    };
    *policy = own.within(policy);
}

/// Minutes, in seconds.
fn minutes_as_seconds(
    minutes: &Said<Value>,
    path: &Path<'_>,
    problems: &mut Problems,
) -> Option<Said<Value>> {
    let seconds = minutes.value.as_f64().map(|minutes| minutes * 60.0);
    if seconds.is_none() {
        let message = path.says("expected a number of minutes");
        problems.push(Problem::error(message).at(minutes.at, ""));
    }
    Some(Said::new(seconds?.into(), minutes.at))
}

/// The opposite of what is said.
fn not(said: Said<Value>, path: &Path<'_>, problems: &mut Problems) -> Said<Value> {
    let Some(value) = said.value.as_bool() else {
        let message = path.says("expected true or false");
        problems.push(Problem::error(message).at(said.at, ""));
        return said;
    };
    Said::new((!value).into(), said.at)
}

/// Environment variables; some playbooks have them one level further down.
pub fn environment(fields: &mut Fields<'_, '_>, problems: &mut Problems) -> Values {
    let Some(node) = fields.take(&["environment", "env"], problems) else {
        return Values::new();
    };
    let path = Path::Field(fields.path, "environment");
    let mut entries = node.entries();
    match (entries.next(), entries.next()) {
        (Some(only), None)
            if only.key.eq_ignore_ascii_case("variables") && only.value.kind() == Kind::Object =>
        {
            fields::values(only.value, &Path::Field(&path, &only.key), problems)
        }
        _ => fields::values(node, &path, problems),
    }
}

fn inputs(node: Node<'_>, path: &Path<'_>, problems: &mut Problems) -> Vec<Input> {
    if node.kind() != Kind::Object {
        fields::unfit(node, "an object", path, problems);
    }
    let mut inputs = Vec::new();
    for entry in node.entries() {
        let name = Said::new(entry.key.to_string(), entry.key_span());
        let mut input = Input {
            name,
            default: None,
            required: false,
            choices: Vec::new(),
        };
        if entry.value.kind() == Kind::Object {
            let path = Path::Field(path, &entry.key);
            let mut fields = Fields::of(entry.value, &path, problems);
            input.default = fields.value(&["default", "defaultvalue"], problems);
            let required = fields.value(&["required", "mandatory"], problems);
            input.required = required.is_some_and(|said| said.value == Value::Bool(true));
            let choices = [
                "values",
                "choices",
                "options",
                "validvalues",
                "allowedvalues",
            ];
            if let Some(Value::Array(choices)) = fields.value(&choices, problems).map(|c| c.value) {
                input.choices = choices;
            }
        } else if !entry.value.is_null() {
            let default = entry.value.to_value();
            input.default = Some(Said::new(default, entry.value.span()));
        }
        inputs.push(input);
    }
    inputs
}

pub fn profiles(node: Node<'_>, path: &Path<'_>, problems: &mut Problems) -> Vec<Profile> {
    if node.kind() != Kind::Object {
        fields::unfit(node, "an object", path, problems);
    }
    let mut profiles = Vec::new();
    for entry in node.entries() {
        let path = Path::Field(path, &entry.key);
        let mut fields = Fields::of(entry.value, &path, problems);
        let name = Said::new(entry.key.to_string(), entry.key_span());
        let mut profile = Profile {
            name,
            description: fields.text(&["description"], problems),
            variables: fields.values(&["variables"], problems),
            parameters: fields.values(&["parameters"], problems),
            env: environment(&mut fields, problems),
            policy: Policy::default(),
            max_concurrency: None,
            parallel: None,
            only: fields.texts(&["stages", "sequences"], problems),
            without: fields
                .texts(&["excludestages"], problems)
                .unwrap_or_default(),
        };
        changes(&mut profile, &mut fields, problems);
        if let Some(node) = fields.take(&["overrides"], problems) {
            let path = Path::Field(&path, "overrides");
            let mut overrides = Fields::of(node, &path, problems);
            changes(&mut profile, &mut overrides, problems);
            profile.variables.extend(overrides.named());
        }
        // What is left is what its stages or scripts may ask for by name.
        profile.variables.extend(fields.named());
        profiles.push(profile);
    }
    profiles
}

/// What a profile changes in how scripts are run.
fn changes(profile: &mut Profile, fields: &mut Fields<'_, '_>, problems: &mut Problems) {
    policy(&mut profile.policy, fields, problems);
    let concurrency = fields.value(&["maxconcurrency"], problems);
    profile.max_concurrency = concurrency.or(profile.max_concurrency.take());
    let parallel = fields.value(&["parallel"], problems);
    profile.parallel = parallel.or(profile.parallel.take());
}

/// The groups of options that some playbooks have instead of fields.
pub fn options(book: &mut Playbook, node: Node<'_>, path: &Path<'_>, problems: &mut Problems) {
    let mut fields = Fields::of(node, path, problems);
    policy(&mut book.policy, &mut fields, problems);
    let concurrency = fields.value(&["maxconcurrency"], problems);
    book.max_concurrency = book.max_concurrency.take().or(concurrency);
    if let Some(parallel) = fields.value(&["parallel", "enabled"], problems) {
        for stage in &mut book.stages {
            // A stage that says so itself has its own place for it.
            if stage.parallel.at == stage.at {
                stage.parallel = parallel.clone();
            }
        }
    }
    let profile = fields.text(&["profile"], problems);
    book.profile = book.profile.take().or(profile);
    if let Some(node) = fields.take(&["profiles"], problems) {
        let path = Path::Field(path, "profiles");
        book.profiles.extend(profiles(node, &path, problems));
    }
    let rest = fields.rest(&[], problems);
    book.idle.extend(rest);
}

fn validation(book: &mut Playbook, root: &mut Fields<'_, '_>, problems: &mut Problems) {
    let Some(node) = root.take(&["validation"], problems) else {
        return;
    };
    let path = Path::Field(root.path, "validation");
    let mut fields = Fields::of(node, &path, problems);
    for (name, checks) in [
        ("preconditions", &mut book.before),
        ("postconditions", &mut book.after),
    ] {
        let node = fields.take(&[name], problems);
        let list = Path::Field(&path, name);
        for (index, item) in node.into_iter().flat_map(Node::items).enumerate() {
            checks.extend(check(item, &Path::Item(&list, index), problems));
        }
    }
    let rest = fields.rest(IDLE, problems);
    book.idle.extend(rest);
}

fn check(node: Node<'_>, path: &Path<'_>, problems: &mut Problems) -> Option<Check> {
    let mut fields = Fields::of(node, path, problems);
    let condition = fields.text(&["condition"], problems);
    let message = fields.text(&["message"], problems);
    let name = fields.text(&["name"], problems);
    if condition.is_none() {
        let message = path.says("\"condition\" is missing");
        problems.push(Problem::error(message).at(fields.at, "this needs it"));
    }
    let condition = condition?;
    Some(Check {
        name: name.unwrap_or_else(|| Said::new("check".into(), node.span())),
        condition,
        message,
    })
}

fn notices(book: &mut Playbook, root: &mut Fields<'_, '_>, problems: &mut Problems) {
    if let Some(node) = root.take(&["notifications"], problems) {
        let path = Path::Field(root.path, "notifications");
        let mut fields = Fields::of(node, &path, problems);
        told(book, &mut fields, problems);
        fields.skip(&["channels", "minimal"]);
        let rest = fields.rest(OTHER_MOMENTS, problems);
        book.idle.extend(rest);
    }
    told(book, root, problems);
}

fn told(book: &mut Playbook, fields: &mut Fields<'_, '_>, problems: &mut Problems) {
    for (name, on) in [
        ("onstart", Moment::Start),
        ("onsuccess", Moment::Success),
        ("onwarning", Moment::Warning),
        ("onfailure", Moment::Failure),
    ] {
        let Some(node) = fields.take(&[name], problems) else {
            continue;
        };
        let path = Path::Field(fields.path, name);
        if node.kind() == Kind::Text {
            let message = fields::text(node, &path, problems);
            book.notices.extend(message.map(|message| Notice {
                on,
                message,
                level: None,
                channels: Vec::new(),
            }));
            continue;
        }
        let mut fields = Fields::of(node, &path, problems);
        let level = fields.text(&["level"], problems);
        let channels = fields.texts(&["channels"], problems).unwrap_or_default();
        if let Some(message) = fields.text(&["message", "log"], problems) {
            book.notices.push(Notice {
                on,
                message,
                level,
                channels,
            });
        }
    }
}

fn success(book: &mut Playbook, node: Node<'_>, path: &Path<'_>, problems: &mut Problems) {
    let mut fields = Fields::of(node, path, problems);
    book.success = Success {
        at_least: fields.value(&["minimumsuccesscount"], problems),
        failures: fields.value(&["allowedfailures", "maximumfailures"], problems),
        all: fields.value(&["requireallsuccess"], problems),
        critical: fields
            .texts(&["criticalscripts"], problems)
            .unwrap_or_default(),
    };
    let rest = fields.rest(&[], problems);
    book.idle.extend(rest);
}
