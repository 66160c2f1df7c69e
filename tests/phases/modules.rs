//! Python modules, other programs, and what is passed to and from them.

use crate::Tree;
use crate::support::skip;

/// Whether there is a Python to test with.
fn python() -> bool {
    let there = std::process::Command::new("python3")
        .arg("-V")
        .output()
        .is_ok();
    if !there {
        skip("modules of phase trees", "there is no python3");
    }
    there
}

/// A tree of one module with this text, and the exit code of its run.
#[track_caller]
fn module(text: &str, status: i32) -> (Tree, String) {
    let tree = Tree::new().level("t", "m", "").file("t/m.py", text);
    let done = tree.0.quintet(&["run", "t"]).status(status).run();
    (tree, done.stderr)
}

/// H10.
#[test]
fn h10_what_a_module_returns_or_raises_is_its_steps_end() {
    if !python() {
        return;
    }
    for good in [
        "def main(config):\n    return {'success': True, 'message': 'fine'}\n",
        "def main(config): pass\n",
        "def main(): return 0\n",
        "def run(path, state):\n    state.status = 'completed'\n    return state\n",
        "class S:\n    status = 'COMPLETED'\n    errors = []\ndef main(config): return S()\n",
        "async def main(config): return True\n",
        "import sys\nif __name__ == '__main__': sys.exit(0)\n",
        "from pathlib import Path\nassert Path('m.py').exists(), 'it runs where it lies'\n",
    ] {
        module(good, 0);
    }
    for (bad, said) in [
        (
            "def main(config):\n    return {'success': False, 'message': 'no disk'}\n",
            "no disk",
        ),
        (
            "def main(config): raise ValueError('odd')\n",
            "ValueError: odd",
        ),
        ("def main(config): return False\n", "m says that it failed"),
        ("def main(config, *a): return 3\n", "m says that it failed"),
        ("import sys\nsys.exit('bye')\n", "bye"),
        (
            "def main(path, state): state.add_error('no net')\n",
            "no net",
        ),
        (
            "import enum\nclass E(enum.Enum):\n    F = 'failed'\nclass S:\n    status = E.F\n    errors = ['e1']\n\
             def main(config): return S()\n",
            "e1",
        ),
        ("def main(config:\n", "SyntaxError"),
    ] {
        let (_, stderr) = module(bad, 1);
        assert!(stderr.contains(said), "{bad}: {stderr}");
    }
}

/// H10. The `index.py` of a directory without `index.json` is told its place.
#[test]
fn h10_a_nested_index_is_called_with_its_directory() {
    if !python() {
        return;
    }
    let nested = "import helper\ndef main(path, config):\n    \
        assert path.name == 'p' and config == {'k': 1}, (path, config)\n    return helper.state()\n";
    let helper = "def state():\n    return {'success': True}\n";
    let tree = Tree::new()
        .level("t", "p q", r#", "p": {"k": 1}"#)
        .file("t/p/index.py", nested)
        .file("t/p/helper.py", helper)
        .level("t/q", "x", "")
        // What the engine orchestrates is not run.
        .file("t/q/index.py", "raise SystemExit(9)\n")
        .program("t/q/x.sh", "");
    tree.0.quintet(&["run", "t"]).run();
    assert_eq!(tree.ran(), "q/x");
}

/// H28. H29. What a module returns reaches later siblings, through whatever
/// stands between them, and all that is below them.
#[test]
fn h29_what_a_module_returns_is_part_of_later_siblings_configuration() {
    if !python() {
        return;
    }
    let more = r#", "c": {"mine": true, "disk": "none"}, "p": {"top": [1]},
        "execution": {"error_handling": {"b": {"continue_on_error": true}}}"#;
    let tree = Tree::new()
        .level("t", "a b c p", more)
        .level("t/p", "x y", "")
        .file(
            "t/a.py",
            "def main(config):\n    assert config == {}\n    return {'success': True, 'disk': 'sda'}\n",
        )
        .file("t/b.py", "def main(config):\n    assert config == {'disk': 'sda'}\n    raise OSError('b')\n")
        .file(
            "t/c.py",
            "def main(config):\n    assert config == {'mine': True, 'disk': 'sda'}, config\n    return {'n': 2}\n",
        )
        .file(
            "t/p/x.py",
            "def main(config):\n    assert config == {'disk': 'sda', 'n': 2, 'top': [1]}, config\n",
        )
        .program(
            "t/p/y.sh",
            "[ \"$QUINTET_CONFIG\" = '{\"top\":[1]}' ] && echo \"$QUINTET_HANDED_ON\" | grep -q '\"n\": 2'",
        );
    tree.0.quintet(&["run", "t"]).run();
    assert_eq!(tree.state("b"), "failed");
    assert_eq!(tree.state("p/y"), "succeeded");
}

/// H28.
#[test]
fn h28_variables_of_the_command_line_are_passed_to_all() {
    let tree = Tree::new()
        .level("t", "p", "")
        .level("t/p", "x", r#", "x": {"mode": "slow", "n": 1}"#)
        .program(
            "t/p/x.sh",
            "[ \"$QUINTET_CONFIG\" = '{\"mode\":\"fast\",\"n\":1}' ]",
        );
    tree.0.quintet(&["run", "t", "--var", "mode=fast"]).run();
}

/// H11.
#[test]
fn h11_programs_run_by_extension_first_line_or_mode() {
    use std::os::unix::fs::PermissionsExt;
    let tree = Tree::new()
        .level("t", "shebang plain", "")
        .program("t/plain", "")
        .file(
            "t/shebang",
            "#!/bin/sh\n[ \"$0\" = \"${0#/bin}\" ] || exit 1\n",
        );
    for file in ["plain", "shebang"] {
        let path = tree.0.path(&format!("work/t/{file}"));
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(path, mode).expect("a mode");
    }
    tree.0.quintet(&["run", "t"]).run();
    assert_eq!(tree.ran(), "plain");
    let tree = Tree::new().level("t", "x", "").file("t/x.ps1", "exit 0\n");
    let call = tree
        .0
        .quintet(&["run", "t"])
        .env("PATH", "/nowhere")
        .status(1);
    call.stderr_has("\"pwsh\", which runs").run();
}
