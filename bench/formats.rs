//! The same workload as each tool writes it: one writer per tool.
//!
//! Every file is written as somebody who knows the tool would write it. Where
//! a tool must see a file to know that a step is done, the step makes one.

use std::io::{Result, Write};

use crate::workload::Workload;

pub type Writer = fn(&Workload, &mut dyn Write) -> Result<()>;

/// A plan of quintet's.
pub fn plan(work: &Workload, out: &mut dyn Write) -> Result<()> {
    let at_once = work.at_once;
    writeln!(
        out,
        r#"{{"plan_id":"BENCH","globals":{{"max_concurrency":{at_once}}},"steps":["#
    )?;
    let arguments = listed(work.command[1..].iter().map(|word| format!("{word:?}")));
    for step in 0..work.steps {
        let needs = listed(work.needs(step).iter().map(|need| format!("\"s{need}\"")));
        write!(
            out,
            r#"{{"id":"s{step}","command":{:?},"args":[{arguments}],"depends_on":[{needs}]}}"#,
            work.command[0]
        )?;
        writeln!(out, "{}", if step + 1 < work.steps { "," } else { "" })?;
    }
    writeln!(out, "]}}")
}

/// ninja and n2. `nothing` is a target that is always made already, for those
/// who only want to have the file read.
pub fn ninja(work: &Workload, out: &mut dyn Write) -> Result<()> {
    let line = work.line();
    writeln!(out, "rule step\n  command = {line}\nbuild nothing: phony")?;
    for step in 0..work.steps {
        write!(out, "build s{step}: step")?;
        for need in work.needs(step) {
            write!(out, " s{need}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

pub fn makefile(work: &Workload, out: &mut dyn Write) -> Result<()> {
    let line = work.line();
    write!(out, "MAKEFLAGS += -r\n.SUFFIXES:\n.PHONY: all")?;
    for step in 0..work.steps {
        write!(out, " s{step}")?;
    }
    write!(out, "\nall:")?;
    for step in 0..work.steps {
        write!(out, " s{step}")?;
    }
    writeln!(out)?;
    for step in 0..work.steps {
        write!(out, "s{step}:")?;
        for need in work.needs(step) {
            write!(out, " s{need}")?;
        }
        writeln!(out, "\n\t@{line}")?;
    }
    Ok(())
}

/// One line for each step, for tools that run a command once for each line.
pub fn lines(work: &Workload, out: &mut dyn Write) -> Result<()> {
    (0..work.steps).try_for_each(|step| writeln!(out, "{step}"))
}

pub fn taskfile(work: &Workload, out: &mut dyn Write) -> Result<()> {
    let line = work.line();
    let all = listed((0..work.steps).map(|step| format!("s{step}")));
    writeln!(out, "version: '3'\nsilent: true\ntasks:")?;
    writeln!(out, "  default:\n    deps: [{all}]")?;
    for step in 0..work.steps {
        let needs = listed(work.needs(step).iter().map(|need| format!("s{need}")));
        writeln!(out, "  s{step}:\n    run: once\n    deps: [{needs}]")?;
        writeln!(out, "    cmds: ['{line}']")?;
    }
    Ok(())
}

pub fn dagu(work: &Workload, out: &mut dyn Write) -> Result<()> {
    let line = work.line();
    let at_once = work.at_once;
    writeln!(out, "type: graph\nmaxActiveSteps: {at_once}\nsteps:")?;
    for step in 0..work.steps {
        writeln!(out, "  - name: s{step}\n    command: {line}")?;
        let needs = listed(work.needs(step).iter().map(|need| format!("s{need}")));
        if !needs.is_empty() {
            writeln!(out, "    depends: [{needs}]")?;
        }
    }
    Ok(())
}

/// A module for luigi. Its workers are processes, which agree on what is done
/// by looking for files.
pub fn luigi(work: &Workload, out: &mut dyn Write) -> Result<()> {
    let command = listed(work.command.iter().map(|word| format!("{word:?}")));
    writeln!(out, "import subprocess\n\nimport luigi\n\nNEEDS = [")?;
    for step in 0..work.steps {
        writeln!(out, "    {:?},", work.needs(step))?;
    }
    write!(
        out,
        r#"]


class Step(luigi.Task):
    step = luigi.IntParameter()

    def requires(self):
        return [Step(step=need) for need in NEEDS[self.step]]

    def output(self):
        return luigi.LocalTarget("done/s%d" % self.step)

    def run(self):
        subprocess.check_call([{command}])
        with self.output().open("w"):
            pass


class All(luigi.WrapperTask):
    def requires(self):
        return [Step(step=step) for step in range(len(NEEDS))]
"#
    )
}

pub fn snakefile(work: &Workload, out: &mut dyn Write) -> Result<()> {
    let line = work.line();
    writeln!(out, "NEEDS = [")?;
    for step in 0..work.steps {
        writeln!(out, "    {:?},", work.needs(step))?;
    }
    write!(
        out,
        r#"]


rule all:
    input:
        ["done/s%d" % step for step in range(len(NEEDS))],


rule step:
    input:
        lambda wildcards: ["done/s%d" % need for need in NEEDS[int(wildcards.step)]],
    output:
        touch("done/s{{step}}"),
    shell:
        "{line}"
"#
    )
}

fn listed(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(",")
}
