//! Playbooks that are PowerShell data files: what they say, as the playbook's value.

use quintet::load::document::{self, Format};
use quintet::load::playbook::{self, book::Does, book::Playbook, book::Said};
use serde_json::json;

fn read(text: &str) -> Playbook {
    let mut found = Vec::new();
    let document = document::parse(text, Format::Psd1, 0, &mut found).expect("a document");
    let mut problems = Default::default();
    let book = playbook::read(document.root(), &mut problems).expect("a playbook");
    found.extend(problems.into_vec());
    assert_eq!(found, []);
    book
}

fn value<T: Clone>(said: &Option<Said<T>>) -> Option<T> {
    said.as_ref().map(|said| said.value.clone())
}

/// A31, A41: a list of records, with what each of them, the whole and its
/// success are told.
#[test]
fn a41_a_sequence_of_records_is_a_playbook() {
    let book = read(
        r#"
# How the checks are run
@{
    Name = "checks"
    Description = 'Syntax first, then the rest'
    Version = '1.2.0'
    Sequence = @(
        @{
            Script = '0407_Check-Syntax.ps1'
            Description = "Checks 'all' of it"
            Parameters = @{ All = $true; Root = "$env:HOME/src" }
            ContinueOnError = $false
            Timeout = 120
            RetryCount = 1
        },
        '0413'
    )
    Variables = @{ CI = $env:CI; Level = 2 }
    Options = @{ Parallel = $false; MaxConcurrency = 1; StopOnError = $true }
    SuccessCriteria = @{
        RequireAllSuccess = $true
        MinimumSuccessCount = 2
        AllowedFailures = @('0404')
        CriticalScripts = @('0407')
    }
}
"#,
    );
    assert_eq!(value(&book.name).as_deref(), Some("checks"));
    assert_eq!(value(&book.version).as_deref(), Some("1.2.0"));
    assert_eq!(value(&book.max_concurrency), Some(json!(1)));
    assert_eq!(value(&book.policy.continue_on_error), Some(json!(false)));
    let variables: Vec<_> = book
        .variables
        .iter()
        .map(|named| (&*named.name.value, named.value.value.clone()))
        .collect();
    assert_eq!(
        variables,
        [("CI", json!("{{env.CI}}")), ("Level", json!(2))]
    );
    let [stage] = book.stages.as_slice() else {
        panic!("{:?}", book.stages);
    };
    let [syntax, other] = stage.items.as_slice() else {
        panic!("{stage:?}");
    };
    assert!(matches!(&syntax.does, Does::Script(name) if name.value == "0407_Check-Syntax.ps1"));
    assert_eq!(value(&syntax.policy.timeout), Some(json!(120)));
    assert_eq!(value(&syntax.policy.retries), Some(json!(1)));
    assert_eq!(value(&syntax.policy.continue_on_error), Some(json!(false)));
    let parameters: Vec<_> = syntax
        .parameters
        .iter()
        .map(|named| (&*named.name.value, named.value.value.clone()))
        .collect();
    assert_eq!(
        parameters,
        [("All", json!(true)), ("Root", json!("{{env.HOME}}/src"))]
    );
    assert!(matches!(&other.does, Does::Select(tokens) if tokens[0].value == "0413"));
    let success = &book.success;
    assert_eq!(value(&success.at_least), Some(json!(2)));
    assert_eq!(value(&success.all), Some(json!(true)));
    assert_eq!(value(&success.failures), Some(json!(["0404"])));
    assert_eq!(success.critical[0].value, "0407");
}

/// A31: the other way of writing such a file, with numbers and what is required.
#[test]
fn a31_scripts_may_be_given_by_number_and_be_required_or_not() {
    let book = read(
        "@{ Configuration = @{ Timeout = 600 }\n\
         Scripts = @(\n\
         @{ Number = '0407'; Name = 'Check-Syntax'; Required = $true; Parameters = @{} }\n\
         @{ Number = 0402; Required = $false; Timeout = 5 }\n) }",
    );
    assert_eq!(value(&book.policy.timeout), Some(json!(600)));
    let items = &book.stages[0].items;
    let scripts: Vec<_> = items
        .iter()
        .map(|item| match &item.does {
            Does::Script(name) => {
                let go_on = value(&item.policy.continue_on_error);
                (&*name.value, go_on)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        scripts,
        [("0407", Some(json!(false))), ("0402", Some(json!(true)))]
    );
}
