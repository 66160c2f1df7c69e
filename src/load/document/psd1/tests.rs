//! What of PowerShell is data, what it means, and what is refused.

use serde_json::{Value, json};

use crate::load::document::tests::{good, read, wrong};
use crate::load::document::{Format, Kind, Piece, parse};

fn data(text: &str) -> Value {
    good(text, Format::Psd1)
}

fn refused(text: &str) -> Vec<String> {
    wrong(text, Format::Psd1)
}

fn number(text: &str) -> Value {
    json!({ "number": text })
}

/// A31, A41.
#[test]
fn a31_a_playbook_is_read_as_data() {
    let text = concat!(
        "<#\n  What it is for: @{ not this }\n#>\n",
        "@{\n",
        "    Name = 'checks' # the name\n",
        "    'Quoted Key' = \"two words\"; Version = '1.0.0'\n",
        "    Sequence = @(\n",
        "        @{\n",
        "            Script = '0407_Check-Syntax.ps1'\n",
        "            Parameters = @{ All = $true; Format = 'HTML' }\n",
        "            ContinueOnError = $False\n",
        "            Timeout = 120\n",
        "        },\n",
        "        '0413'\n",
        "        @{ Script = '0404' }\n",
        "    )\n",
        "    Variables = @{ CI = $env:CI }\n",
        "    Features = 'a', 'b',\n        'c'\n",
        "    Nothing = $null\n",
        "    Empty = @(); None = @{}\n",
        "}\n"
    );
    assert_eq!(
        data(text),
        json!({
            "Name": "checks", "Quoted Key": "two words", "Version": "1.0.0",
            "Sequence": [
                {
                    "Script": "0407_Check-Syntax.ps1",
                    "Parameters": {"All": true, "Format": "HTML"},
                    "ContinueOnError": false, "Timeout": number("120"),
                },
                "0413",
                {"Script": "0404"},
            ],
            "Variables": {"CI": {"env": "[Env(\"CI\")]"}},
            "Features": ["a", "b", "c"], "Nothing": null, "Empty": [], "None": {},
        })
    );
}

#[test]
fn lists_are_what_powershell_makes_of_them() {
    let one = || number("1");
    let cases = [
        ("1, 2", json!([one(), number("2")])),
        ("@(1)", json!([one()])),
        ("@(@(1))", json!([one()])),
        ("@(,@(1))", json!([[one()]])),
        ("@(@(1)\n@(1))", json!([one(), one()])),
        ("@(@(1), @(1))", json!([[one()], [one()]])),
        ("@(@(1), @(1)\n1)", json!([[one()], [one()], one()])),
        ("@((1, 1))", json!([one(), one()])),
        ("(1)", one()),
        ("((1, 1))", json!([one(), one()])),
        ("(1, 1), 1", json!([[one(), one()], one()])),
        (",1", json!([one()])),
        (",1, 1", json!([[one()], one()])),
        (",,1", json!([[one()]])),
        (
            "@{x = 1}, @{x = 1, 1}",
            json!([{"x": one()}, {"x": [one(), one()]}]),
        ),
        ("@(1; 1;\n; 1)", json!([one(), one(), one()])),
        ("@(\n# none\n)", json!([])),
        ("(\n1\n)", one()),
        ("\n  1", one()),
        ("`\r\n  1", one()),
        ("1 <# in\nbetween #>, 1", json!([one(), one()])),
        ("@($null)", json!([null])),
    ];
    for (written, expected) in cases {
        let text = format!("@{{ a = {written}\nb = $true }}");
        assert_eq!(
            data(&text),
            json!({"a": expected, "b": true}),
            "{written:?}"
        );
    }
}

#[test]
fn strings_are_read_as_they_are_quoted() {
    let cases = [
        ("'it''s $env:X `n \"q\"'", "it's $env:X `n \"q\""),
        ("\"a`tb`\"c\"\"d`$e`u{e9}``f`0`q\"", "a\tb\"c\"d$eé`f\0q"),
        ("\"5$ and $ 6 and $\"", "5$ and $ 6 and $"),
        ("'two\nlines'", "two\nlines"),
        (
            "@'\nit's \"so\"\n  '@ not yet\n'@",
            "it's \"so\"\n  '@ not yet",
        ),
        ("@'\r\na\r\nb\r\n'@", "a\r\nb"),
        ("@'\n'@", ""),
        ("@'  \n\n'@", ""),
        (
            "@\"\nsay \"`$x\" \"\"twice\"\"\n\"@",
            "say \"$x\" \"\"twice\"\"",
        ),
        ("''", ""),
        ("\"\"", ""),
    ];
    for (written, expected) in cases {
        assert_eq!(
            data(&format!("@{{a = {written}}}")),
            json!({ "a": expected }),
            "{written}"
        );
    }
}

#[test]
fn numbers_are_kept_in_decimal() {
    let cases = [
        ("0", "0"),
        ("-5", "-5"),
        ("+5", "5"),
        ("0402", "0402"),
        ("1.50", "1.50"),
        (".5", "0.5"),
        ("-.5", "-0.5"),
        ("1e3", "1e3"),
        ("1.5E-3", "1.5e-3"),
        ("0x1F", "31"),
        ("-0x10", "-16"),
        ("0xFFFFFFFF", "-1"),
        ("0x0FFFFFFFF", "4294967295"),
        ("1KB", "1024"),
        ("10mb", "10485760"),
        ("1.5GB", "1610612736"),
        ("0x10KB", "16384"),
        ("2TB", "2199023255552"),
        ("5L", "5"),
        ("1.5d", "1.5"),
        ("99999999999999999999999999999999999999999999KB", "1e999"),
    ];
    for (written, expected) in cases {
        assert_eq!(
            data(&format!("@{{a = {written}}}")),
            json!({ "a": number(expected) }),
            "{written}"
        );
    }
    for written in ["1.2.3", "1x", "0x", "5MBs", "1_000", "0xFFFFFFFFFFFFFFFFF"] {
        let problems = refused(&format!("@{{a = {written}}}"));
        let end = 6 + written.len();
        assert_eq!(
            problems,
            [format!(
                "6..{end} a: {written:?} is not a number of PowerShell"
            )]
        );
    }
}

/// A31: what the environment says is no text, so that nobody reads it for one.
#[test]
fn a31_the_environment_is_a_value_of_its_own() {
    let text = concat!(
        "@{ a = $env:CI; b = \"$env:HOME/x ${env:A_B}`n$Env:N\"; ",
        "c = [string]$env:UNSET; d = \"x${env:UNSET}y\"; e = \"it costs $env:\" }"
    );
    let mut problems = Vec::new();
    let document = parse(text, Format::Psd1, 0, &mut problems).unwrap();
    let messages: Vec<_> = problems.iter().map(|p| p.message.clone()).collect();
    assert_eq!(messages, ["e: the variable \"$env\" is code, not data"]);
    let values: Vec<_> = document
        .root()
        .entries()
        .take(4)
        .map(|entry| {
            assert_eq!(entry.value.kind(), Kind::Env);
            assert_eq!(entry.value.text(), None);
            let span = entry.value.span();
            let shown = &text[span.start as usize..span.end as usize];
            (shown, entry.value.pieces())
        })
        .collect();
    let text = |text: &'static str| Piece::Text(text.into());
    assert_eq!(
        values,
        [
            ("CI", vec![Piece::Env("CI")]),
            (
                "$env:HOME/x ${env:A_B}`n$Env:N",
                vec![
                    Piece::Env("HOME"),
                    text("/x "),
                    Piece::Env("A_B"),
                    text("\n"),
                    Piece::Env("N"),
                ]
            ),
            ("UNSET", vec![Piece::Env("UNSET")]),
            (
                "x${env:UNSET}y",
                vec![text("x"), Piece::Env("UNSET"), text("y")]
            ),
        ]
    );
}

#[test]
fn casts_to_the_type_that_a_value_has_are_read() {
    let text = concat!(
        "@{ a = [int]5; b = [string] 'x'; c = [ordered]@{ d = [bool]$true }; ",
        "e = [string[]]@('x'); f = [Double]1.5; g = [switch]$False, [string]\"y\" }"
    );
    assert_eq!(
        data(text),
        json!({
            "a": number("5"), "b": "x", "c": {"d": true}, "e": ["x"], "f": number("1.5"),
            "g": [false, "y"],
        })
    );
    let cases = [
        (
            "[int]'5'",
            "6..11 a: the cast \"[int]\" of a value that is of another type",
        ),
        (
            "[int]1.5",
            "6..11 a: the cast \"[int]\" of a value that is of another type",
        ),
        (
            "[datetime]'2020-01-01'",
            "6..16 a: the type \"[datetime]\" is code, not data",
        ),
        (
            "[IO.Path]::Combine('a', 'b')",
            "6..15 a: the type \"[IO.Path]\" is code, not data",
        ),
        ("[int", "6..7 a: the type \"[\" is code, not data"),
    ];
    for (written, expected) in cases {
        assert_eq!(refused(&format!("@{{a = {written}\n}}")), [expected]);
    }
}

/// A31: what PowerShell would run is refused by name, all of it, each at its place.
#[test]
fn a31_code_is_refused_by_name() {
    let cases = [
        ("{ Get-Date }", "6..7 a: a script block is code, not data"),
        (
            "(Get-Date -Format 'o')",
            "7..15 a: the command \"Get-Date\" is code, not data",
        ),
        (
            "if ($x) { 1 }\nelse { 2 }",
            "6..8 a: \"if\" begins a statement, which is code, not data",
        ),
        ("$name", "6..11 a: the variable \"$name\" is code, not data"),
        ("$x.y[0]", "6..8 a: the variable \"$x\" is code, not data"),
        (
            "$PSScriptRoot",
            "6..19 a: the variable \"$PSScriptRoot\" is code, not data",
        ),
        ("$(1 + 2)", "6..8 a: a subexpression is code, not data"),
        (
            "\"v $name\"",
            "9..14 a: the variable \"$name\" is code, not data",
        ),
        (
            "\"v $(Get-Date \")\") w\"",
            "9..11 a: a subexpression is code, not data",
        ),
        (
            "\"${name}\"",
            "7..14 a: the variable \"${name}\" is code, not data",
        ),
        ("\"$?\"", "7..9 a: the variable \"$?\" is code, not data"),
        (
            "@\"\n$true\n\"@",
            "9..14 a: the variable \"$true\" is code, not data",
        ),
        ("'a' | Sort", "10..11 a: a pipeline is code, not data"),
        ("1 + 2", "8..9 a: the operator \"+\" is code, not data"),
        (
            "'{0}' -f 'x', \"y}\"",
            "12..14 a: the operator \"-f\" is code, not data",
        ),
        (
            "'a'.Length",
            "9..10 a: the operator \".\" is code, not data",
        ),
        (
            "-not $true",
            "6..10 a: the operator \"-not\" is code, not data",
        ),
        ("!$true", "6..7 a: the operator \"!\" is code, not data"),
        ("& 'x'", "6..7 a: a call is code, not data"),
        ("@args", "6..7 a: splatting is code, not data"),
        ("yes", "6..9 a: the command \"yes\" is code, not data"),
        ("true", "6..10 a: \"true\" is written with a dollar sign"),
    ];
    for (written, expected) in cases {
        let text = format!("@{{a = {written}\nb = 1; c = 'd'}}");
        let (value, problems) = read(&text, Format::Psd1);
        assert_eq!(problems, [expected], "{written}");
        let value = value.unwrap();
        assert_eq!(value["b"], number("1"), "{written}: the rest is read");
        assert_eq!(value["c"], "d", "{written}: the rest is read");
    }
    assert_eq!(
        refused("@{ a = @($x, 'b', $y)\n if ($z) { 'c' = 1 }\n d = { }\n}"),
        [
            "9..11 a[0]: the variable \"$x\" is code, not data",
            "18..20 a[2]: the variable \"$y\" is code, not data",
            "23..25 if: \"if\" begins a statement, which is code, not data",
            "48..49 d: a script block is code, not data",
        ]
    );
}

#[test]
fn mistakes_are_named_and_read_on_from() {
    let text = "@{ a = 'x' b: 'y'\n c = 1,\n\n my-key = 2; d = @(1 2,); e = ; f = ,\n}";
    assert_eq!(
        refused(text),
        [
            "11..11 a: the next entry begins on the same line",
            "12..13 b: a colon after a key",
            "28..34 c[1]: the command \"my-key\" is code, not data",
            "48..48 d[0]: a comma is missing",
            "49..50 d[1]: a comma and nothing after it",
            "57..57 e: a value is missing",
            "65..65 f[0]: a value is missing",
        ]
    );
    assert_eq!(
        refused("@{ my-key = 1 }"),
        ["3..9 the key \"my-key\" is not one word"]
    );
    assert_eq!(
        refused("@{ \"$env:X\" = 1 }"),
        ["4..10 a key that depends on the environment"]
    );
}

/// PowerShell's keys are the same whatever their case.
#[test]
fn keys_that_differ_in_case_only_are_given_twice() {
    assert_eq!(
        refused("@{ Name = 1; x = @{ Ä = 1; 'ä' = 2 }; name = 2 }"),
        [
            "29..31 x: the key \"ä\" is given twice",
            "40..44 the key \"name\" is given twice",
        ]
    );
}

#[test]
fn what_cannot_be_read_on_from_is_shown_where_it_begins() {
    let cases = [
        ("", "0..0 the file is empty"),
        ("# only a comment", "16..16 the file is empty"),
        ("@(1)", "0..1 a PowerShell data file is one hashtable"),
        ("param($x)", "0..1 a PowerShell data file is one hashtable"),
        ("@{}\n@{}", "4..5 something follows the end of the document"),
        ("@{ a = 1", "0..2 a \"@{\" that is never closed"),
        ("@{ a = @( 1\n", "7..9 a \"@(\" that is never closed"),
        ("@{ a = (1,", "7..8 a \"(\" that is never closed"),
        ("@{ a", "0..2 a \"@{\" that is never closed"),
        ("@{ a = @(1}", "10..11 a[0]: expected \")\", found \"}\""),
        ("@{ a = 'x\n}", "7..9 a: a string without its closing quote"),
        (
            "@{ a = \"x`\"\n}",
            "7..11 a: a string without its closing quote",
        ),
        (
            "@{ a = @'\nx\n '@\n}",
            "7..9 a: a here-string that is never closed",
        ),
        (
            "@{ a = @\"x\n\"@ }",
            "9..10 a: a here-string begins on a line of its own",
        ),
        ("@{ a = 1 <# x", "9..11 a: a comment that is never closed"),
        (
            "@{ a 1 }",
            "5..6 a: expected an equals sign and a value, found \"1\"",
        ),
        ("@{ = 1 }", "3..4 expected a key, found \"=\""),
        (
            "@{ a = \u{201c}x\u{201d} }",
            "7..10 a: expected a value, found \"\u{201c}\"",
        ),
        (
            "@{ a = (1; 2) }",
            "9..10 a: expected a comma, a new line or a closing bracket, found \";\"",
        ),
    ];
    for (text, expected) in cases {
        let (value, problems) = read(text, Format::Psd1);
        assert_eq!(problems, [expected], "{text}");
        assert_eq!(value, None, "{text}");
    }
}

/// XF04.
#[test]
fn xf04_lists_without_brackets_nest_no_deeper_than_others() {
    let nested = |deep: usize| {
        let inner = "@{a=".repeat(deep);
        format!("{inner}1{}", "},1".repeat(deep - 1) + "}")
    };
    data(&nested(64));
    assert_eq!(
        refused(&nested(65))[0].split_once(' ').unwrap().1,
        "nested more than 128 deep"
    );
}
