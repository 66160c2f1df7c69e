//! The parameters that a PowerShell script declares.
//!
//! Nothing of the script's text is ever evaluated; `param()` is only read, as
//! far as it takes to know the names.

use std::collections::BTreeMap;

/// A parameter that a PowerShell script declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    pub name: String,
    /// It takes no value: it is there or not.
    pub switch: bool,
}

/// The parameters of the script's own `param( … )`, by their names in small
/// letters. Read as text: of what is not understood nothing is taken.
pub fn of(text: &str) -> BTreeMap<String, Parameter> {
    let mut code = Code { rest: text };
    let declared = code.find_param().and_then(|()| declared(code));
    let by_name = |parameter: Parameter| (parameter.name.to_ascii_lowercase(), parameter);
    declared.into_iter().flatten().map(by_name).collect()
}

/// What is declared up to the parenthesis that closes: for each, the first
/// `$name` that stands in no brackets, and whether `[switch]` is before it.
fn declared(code: Code<'_>) -> Option<Vec<Parameter>> {
    let mut all = Vec::new();
    let (mut name, mut reading, mut switch) = (String::new(), false, false);
    let (mut depth, mut within) = (0u32, String::new());
    for c in code {
        match c {
            '(' | '[' | '{' => {
                depth += 1;
                within.clear();
            }
            ')' | ']' | '}' if depth > 0 => {
                depth -= 1;
                switch |= within.trim().eq_ignore_ascii_case("switch");
                within.clear();
            }
            _ if depth > 0 => within.push(c),
            ',' | ')' => {
                let name = std::mem::take(&mut name);
                let switch = std::mem::take(&mut switch);
                all.extend((!name.is_empty()).then_some(Parameter { name, switch }));
                if c == ')' {
                    return Some(all);
                }
            }
            '$' => reading = name.is_empty(),
            _ if reading && (c.is_ascii_alphanumeric() || c == '_') => name.push(c),
            _ => reading = false,
        }
    }
    None
}

/// A PowerShell text without its comments, and with its strings emptied.
struct Code<'t> {
    rest: &'t str,
}

impl Code<'_> {
    /// Goes on behind the parenthesis of the first `param(` that begins a line.
    fn find_param(&mut self) -> Option<()> {
        let mut line = String::new();
        for c in self.by_ref() {
            match c {
                '\n' => line.clear(),
                '(' if line.trim().eq_ignore_ascii_case("param") => return Some(()),
                // A function has parameters of its own.
                _ if line
                    .trim_start()
                    .to_ascii_lowercase()
                    .starts_with("function ") =>
                {
                    return None;
                }
                _ => line.push(c),
            }
        }
        None
    }
}

impl Iterator for Code<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        loop {
            let c = self.rest.chars().next()?;
            let past = |end: Option<usize>, len: usize| end.map_or("", |at| &self.rest[at + len..]);
            if self.rest.starts_with("<#") {
                self.rest = past(self.rest.find("#>"), 2);
            } else if c == '#' {
                self.rest = past(self.rest.find('\n'), 0);
            } else if c == '\'' || c == '"' {
                let inner = &self.rest[1..];
                self.rest = inner.find(c).map_or("", |at| &inner[at + 1..]);
            } else {
                self.rest = &self.rest[c.len_utf8()..];
                return Some(c);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A48.
    #[test]
    fn a48_the_parameters_of_a_powershell_script_are_read_and_not_evaluated() {
        let text = "<# param($Not) #>\n#Requires -Version 7.0\n[CmdletBinding(SupportsShouldProcess)]\n\
            param(\n    [Parameter(Mandatory = $true)]\n    [ValidateSet('a,b', \"$x\")]\n    \
            [string]$Name = 'x,$y',\n    [switch] $Force, # , $Commented\n    \
            [string[]]$Patterns = @($one, $two),\n    $Plain = (Get-Date)\n)\nparam($Later)\n";
        let found = of(text);
        let names: Vec<(&str, bool)> = found.values().map(|p| (&*p.name, p.switch)).collect();
        assert_eq!(
            names,
            [
                ("Force", true),
                ("Name", false),
                ("Patterns", false),
                ("Plain", false)
            ]
        );
        assert!(of("function x {\n param($Own)\n}\n").is_empty());
        assert!(of("param([string]$Open").is_empty());
        assert!(of("Write-Host 'param($No)'\n").is_empty());
    }
}
