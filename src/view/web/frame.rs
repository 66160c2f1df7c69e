//! What stands around every page: where one is, and where else one can go.

use maud::{Markup, html};

/// A page.
#[derive(Clone, Debug)]
pub struct Page {
    pub title: String,
    pub section: Section,
    /// When it is out of date.
    pub live: Live,
    pub body: Markup,
}

/// Which news make a page out of date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Live {
    /// None: it shows what does not change.
    Never,
    /// Those of any run.
    All,
    /// Those of the run with this id.
    Run(String),
}

/// Where a page belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Runs,
    Approvals,
    Checks,
    Agents,
    Start,
    Locks,
    Metrics,
}

impl Section {
    /// In the order in which they are offered.
    const ALL: &[(Section, &str, &str)] = &[
        (Section::Runs, "Runs", "/"),
        (Section::Approvals, "Approvals", "/approvals"),
        (Section::Checks, "Checks", "/checks"),
        (Section::Agents, "Agents", "/agents"),
        (Section::Start, "Start", "/start"),
        (Section::Locks, "Locks", "/locks"),
        (Section::Metrics, "Metrics", "/figures"),
    ];
}

/// What is true of the whole site.
#[derive(Clone, Copy, Debug)]
pub struct Site {
    /// Whether anything may be changed from it.
    pub control: bool,
}

/// A page with what stands around it: the fragment that the document shows.
pub fn render(page: &Page, site: Site) -> Markup {
    let live = match &page.live {
        Live::Never => None,
        Live::All => Some("/api/v1/changes".to_owned()),
        Live::Run(run_id) => Some(format!("/api/v1/changes?run={}", super::encoded(run_id))),
    };
    html! {
        div #app data-title=(page.title) data-live=[live] data-control[site.control] {
            header {
                a .brand href="/" { "quintet" }
                nav aria-label="Pages" {
                    @for (section, name, address) in Section::ALL {
                        a href=(address) aria-current=[(*section == page.section).then_some("page")] {
                            (name)
                        }
                    }
                }
                span #live role="status" aria-live="off" {}
            }
            main #main tabindex="-1" { (page.body) }
        }
    }
}
