//! The built-in writer of documents: a task's page, and its section of the README,
//! in the task's own repository.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::plan::agent::Task;
use crate::view::job_record::TaskRecord;
use crate::view::task_page;

/// Writes them. `context` is what was done so far.
///
/// # Errors
/// In words: one of them cannot be written.
pub fn document(task: &Task, context: &Map<String, Value>) -> Result<Value, String> {
    let record = TaskRecord {
        name: task.name.clone(),
        description: task.description.clone(),
        repo: task.repo.clone(),
        status: status(context).into(),
        outputs: task.outputs.clone(),
        documents: task.documents.clone(),
        ..TaskRecord::default()
    };
    let paths = write(
        Path::new(&task.working_dir),
        &task.name,
        &task.command,
        &record,
    )?;
    Ok(json!({"doc": {"paths": paths}}))
}

/// Where the task stands, by what the agents before have found.
fn status(context: &Map<String, Value>) -> &'static str {
    let found = |agent: &str, key: &str| context.get(agent).and_then(|part| part.get(key)).cloned();
    match (found("review", "status"), found("build", "exit_code")) {
        (Some(status), _) if status == "passed" => "done",
        (Some(_), _) => "failed",
        (None, Some(code)) if code == 0 => "done",
        (None, Some(_)) => "failed",
        (None, None) => "planned",
    }
}

/// Writes a task's page and its section of the README below a directory, and gives
/// the paths of both. To write twice is to write once (O14).
///
/// # Errors
/// In words: one of them cannot be written.
pub fn write(
    dir: &Path,
    name: &str,
    command: &[String],
    record: &TaskRecord,
) -> Result<[String; 2], String> {
    let failed = |path: &Path, error: &io::Error| {
        format!("{} cannot be read or written: {error}", path.display())
    };
    let pages = dir.join("docs/tasks");
    fs::create_dir_all(&pages).map_err(|error| failed(&pages, &error))?;
    let page = pages.join(format!("{name}.md"));
    replace(&page, &task_page::page(name, command, record)).map_err(|e| failed(&page, &e))?;
    let readme = dir.join("README.md");
    let before = match fs::read_to_string(&readme) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(&readme, &error)),
    };
    let section = task_page::section(name, command, record);
    let after = task_page::with_section(&before, name, &section);
    if after != before {
        replace(&readme, &after).map_err(|error| failed(&readme, &error))?;
    }
    Ok([page, readme].map(|path| path.to_string_lossy().into_owned()))
}

/// Whoever looks sees all of the text or what was there before. A link stays one.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut beside = path.clone().into_os_string();
    beside.push(format!(".{}.tmp", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = File::create(&beside).and_then(|mut file| {
        // It stays open to those to whom it was.
        if let Ok(found) = fs::metadata(&path) {
            file.set_permissions(found.permissions())?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written
        .and_then(|()| fs::rename(&beside, &path))
        .inspect_err(|_| {
            let _ = fs::remove_file(&beside);
        })
}
