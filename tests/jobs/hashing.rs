//! `quintet hash`.

use crate::Jobs;
use crate::support::Test;

const ABC_SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const ABC_SHA1: &str = "a9993e364706816aba3e25717850c26c9cd0d89d";

/// O28.
#[test]
fn o28_a_file_is_one_line_of_json_and_nothing_else() {
    let test = Test::new().file("sub/f", "abc");
    let path = test.path("work").canonicalize().expect("it is there");
    let path = path.join("sub/f");
    let line = format!(
        "{{\"file\":\"{}\",\"algorithm\":\"sha256\",\"hash\":\"{ABC_SHA256}\"}}\n",
        path.display()
    );
    let said = |line: &str| -> serde_json::Value { serde_json::from_str(line).expect("JSON") };
    let done = test.quintet(&["hash", "--file", "sub/f"]).stderr("").run();
    assert_eq!(done.text().lines().count(), 1);
    assert_eq!(said(&done.text()), said(&line));
    for args in [["--algo", "SHA1"], ["--algorithm", "sha1"]] {
        let args = [&["hash", "--file", "./sub/../sub/f"], &args[..]].concat();
        let json = test.quintet(&args).run().json();
        assert_eq!(json["hash"], ABC_SHA1);
        assert_eq!(json["algorithm"], "sha1");
    }
    test.quintet(&["hash", "--file", "sub/f", "--algo", "md4"])
        .status(2)
        .stdout("")
        .stderr_has("sha256, sha1, sha512, blake3")
        .run();
    test.quintet(&["hash"])
        .status(2)
        .stderr_has("which files?")
        .run();
    test.quintet(&["hash", "--file", "gone"])
        .status(2)
        .stdout("")
        .stderr_has("gone cannot be read")
        .run();
    assert!(!test.path("state").exists());
}

/// O28.
#[test]
fn o28_the_configuration_says_which_function_where_nobody_does() {
    let jobs = Jobs::new("[hash]\nalgorithm = \"sha1\"\n");
    std::fs::write(jobs.0.path("work/f"), "abc").expect("written");
    let json = jobs.0.quintet(&["hash", "--file", "f"]).run().json();
    assert_eq!(json["hash"], ABC_SHA1);
}

#[test]
fn a_directory_is_a_manifest_that_can_be_checked() {
    let test = Test::new()
        .file("d/b", "abc")
        .file("d/a/x", "")
        .file("d/c", "old");
    std::os::unix::fs::symlink("b", test.path("work/d/link")).expect("a link");
    let manifest = test
        .quintet(&["hash", "d", "--algo", "blake3"])
        .run()
        .text();
    let names: Vec<String> = manifest
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .map(|line| line["file"].as_str().expect("a path").to_owned())
        .collect();
    assert_eq!(names.len(), 3, "{manifest}");
    assert!(names[0].ends_with("/d/a/x") && names[2].ends_with("/d/c"));
    let test = test.file("manifest", &manifest);
    test.quintet(&["hash", "--check", "manifest"]).run();
    std::fs::write(test.path("work/d/c"), "new").expect("written");
    std::fs::remove_file(test.path("work/d/b")).expect("removed");
    test.quintet(&["hash", "--check", "manifest"])
        .status(1)
        .stdout_has("d/b\",\"status\":\"missing\"")
        .stdout_has("d/c\",\"status\":\"changed\"")
        .stdout_has("d/a/x\",\"status\":\"ok\"")
        .stderr_has("2 of 3 files are not as they were")
        .run();
}

#[test]
fn manifests_of_other_programs_are_checked() {
    let sums = format!("{ABC_SHA256}  f\n{ABC_SHA1} *f\n");
    let test = Test::new().file("f", "abc").file("sums", sums);
    test.quintet(&["hash", "--check", "sums"])
        .stdout("{\"file\":\"f\",\"status\":\"ok\"}\n{\"file\":\"f\",\"status\":\"ok\"}\n")
        .run();
    let test = test.file("odd", "no manifest\n");
    test.quintet(&["hash", "--check", "odd"])
        .status(2)
        .stdout("")
        .stderr_has("odd:1: this is no line of a manifest")
        .run();
}
