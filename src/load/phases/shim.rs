//! The program that runs a Python module of a tree.
//!
//! Its text is part of the plan, so a run that is resumed next week needs no
//! file that this program has put somewhere; and it is part of it once, however
//! many modules there are. Python is never embedded: a module is a process like
//! any other.

use std::path::Path;

use crate::plan::Text;

/// Calls the module's `main`, and makes an exit code of what it returns.
pub const SHIM: &str = include_str!("shim.py");

/// The environment variable that brings it.
pub const VARIABLE: &str = "QUINTET_SHIM";

/// What runs Python.
pub const PYTHON: &str = "python3";

/// The output key that carries what a module returns beside its success.
pub const HANDED_ON: &str = "config";

/// Runs the shim, of which what the module starts need know nothing.
const BEGIN: &str = "import os; exec(os.environ.pop(\"QUINTET_SHIM\"))";

/// The command line for a module in the tree of this root.
pub fn argv(path: &Path, orchestrates: bool, root: &str) -> Box<[Text]> {
    let kind = match orchestrates {
        true => "orchestrator",
        false => "module",
    };
    let path = path.to_string_lossy();
    // Unbuffered, so that what the module and its children print stays in order.
    let words = [PYTHON, "-u", "-c", BEGIN, kind, &*path, root];
    words.map(Text::from).into()
}
