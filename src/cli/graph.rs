//! `quintet graph`: what waits for what.

use std::io::Write;
use std::process::ExitCode;

use super::error::Failure;
use super::global::Global;
use super::output;
use super::target::Target;
use crate::plan::StepIx;
use crate::view::forecast;
use crate::view::graph::{self, Drawing, critical, svg};
use crate::view::recorded::Recorded;
use crate::view::tree::Rails;

/// Draw the graph of a target or of a run
///
/// Solid edges are needs, dashed ones mere order; what steps provide and consume
/// is drawn between them. The steps of a run have the colour of their state. A
/// target that is no file is taken for a run: its id, the beginning or end of it,
/// or `last`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ quintet graph plan.json
  $ quintet graph plan.json --format dot | dot -Tsvg > plan.svg
  $ quintet graph last --format mermaid
  $ quintet graph last --svg > last.svg")]
pub struct Args {
    #[command(flatten)]
    target: Target,

    /// Lines for people, the same in ASCII, Graphviz, Mermaid, SVG, or JSON
    #[arg(long, value_name = "FORMAT", default_value = "tree")]
    format: Format,

    /// The same as --format json
    #[arg(long)]
    json: bool,

    /// The same as --format svg
    #[arg(long, conflicts_with = "json")]
    svg: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Tree,
    Ascii,
    Dot,
    Mermaid,
    Svg,
    Json,
}

pub fn run(mut args: Args, global: &Global) -> Result<ExitCode, Failure> {
    if args.target.target.exists() {
        // What waits for what does not depend on any variable.
        args.target.allow_unresolved = true;
        let plan = args.target.ready(global, false)?.plan;
        let drawing = Drawing {
            plan: &plan,
            run: None,
        };
        // What will take long, earlier runs tell.
        let known = || global.store_if_any().ok()??.usual(&plan).ok();
        let expected = || forecast::critical_path(&plan, &known().unwrap_or_default());
        args.draw(drawing, expected)?;
    } else {
        let store = global.store()?;
        let recorded = Recorded::find(&store, &args.target.target.to_string_lossy())?;
        let drawing = Drawing {
            plan: recorded.state.plan(),
            run: Some(&recorded.state),
        };
        args.draw(drawing, || critical::path(&recorded.state))?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Args {
    fn draw(
        &self,
        drawing: Drawing<'_>,
        critical: impl FnOnce() -> Vec<StepIx>,
    ) -> Result<(), Failure> {
        let mut out = output::results();
        let format = match (self.json, self.svg) {
            (true, _) => Format::Json,
            (_, true) => Format::Svg,
            _ => self.format,
        };
        match format {
            Format::Tree => graph::tree(drawing, Rails::default(), &mut out)?,
            Format::Ascii => graph::tree(drawing, Rails::ascii(), &mut out)?,
            Format::Dot => graph::dot(drawing, &mut out)?,
            Format::Mermaid => graph::mermaid(drawing, &mut out)?,
            Format::Svg => {
                write!(out, "{}", svg::document(drawing, &critical()))?;
            }
            Format::Json => writeln!(out, "{:#}", graph::json(drawing))?,
        }
        Ok(out.flush()?)
    }
}
