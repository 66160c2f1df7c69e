//! What of a run's steps a page shows: as its address says it.

use serde::Deserialize;

use crate::run::Seq;
use crate::view::groups::Open;
use crate::view::web::encoded;

/// All of it empty shows what there is, from the beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Scope {
    /// Groups that a person opened or closed, each the other way than by default.
    #[serde(skip)]
    pub open: Vec<String>,
    #[serde(skip)]
    pub fold: Vec<String>,
    /// The moment: just after this event. It is now, without.
    pub at: Option<Seq>,
    /// In percent; 0 for as large as there is room.
    pub zoom: Option<u16>,
    /// A part of the run's time, in milliseconds since its beginning.
    pub from: Option<u64>,
    pub to: Option<u64>,
    /// From 0.
    pub page: usize,
    /// Only steps that stand so.
    pub show: Option<Show>,
    /// Only steps with this in their id or name.
    pub q: String,
    /// Only steps in these layers of the graph, from 0, both included.
    pub first: Option<usize>,
    pub last: Option<usize>,
    /// Only steps in this group.
    #[serde(rename = "in")]
    pub within: Option<String>,
}

/// A step's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Show {
    Pending,
    Running,
    Succeeded,
    Failed,
    Skipped,
    Canceled,
}

impl Show {
    pub const ALL: [Show; 6] = [
        Show::Running,
        Show::Failed,
        Show::Succeeded,
        Show::Skipped,
        Show::Canceled,
        Show::Pending,
    ];

    /// As the step's record has it.
    pub fn word(self) -> &'static str {
        match self {
            Show::Pending => "pending",
            Show::Running => "running",
            Show::Succeeded => "succeeded",
            Show::Failed => "failed",
            Show::Skipped => "skipped",
            Show::Canceled => "canceled",
        }
    }
}

impl Scope {
    /// Takes in what an address may say several times, as the query's pairs have it.
    pub fn with_groups(mut self, pairs: Vec<(String, String)>) -> Scope {
        for (name, value) in pairs {
            match name.as_str() {
                "open" => self.open.push(value),
                "fold" => self.fold.push(value),
                _ => {}
            }
        }
        self
    }

    /// All there is at the same moment.
    pub fn everything(&self) -> Scope {
        Scope {
            at: self.at,
            ..Scope::default()
        }
    }

    /// What an address says of it.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let numbers = [
            ("at", self.at),
            ("zoom", self.zoom.map(u64::from)),
            ("from", self.from),
            ("to", self.to),
            ("page", Some(self.page as u64).filter(|page| *page > 0)),
            ("first", self.first.map(|layer| layer as u64)),
            ("last", self.last.map(|layer| layer as u64)),
        ];
        let numbers = numbers.into_iter();
        let mut pairs: Vec<_> = numbers
            .filter_map(|(name, number)| Some((name, number?.to_string())))
            .collect();
        let show = self.show.map(|show| ("show", show.word().to_owned()));
        pairs.extend(show);
        pairs.extend((!self.q.is_empty()).then(|| ("q", self.q.clone())));
        pairs.extend(self.within.clone().map(|within| ("in", within)));
        pairs.extend(self.open.iter().map(|group| ("open", group.clone())));
        pairs.extend(self.fold.iter().map(|group| ("fold", group.clone())));
        pairs
    }

    /// The address of this part of a run, looked at in this way.
    pub fn address(&self, run_id: &str, tab: &str) -> String {
        let mut address = format!("/runs/{}?tab={tab}", encoded(run_id));
        for (name, value) in self.pairs() {
            address.push_str(&format!("&{name}={}", encoded(&value)));
        }
        address
    }

    /// The same with that group closed, if it is open, and else with it open.
    pub fn turned(&self, group: &str, is_open: bool) -> Scope {
        let mut turned = Scope {
            page: 0,
            ..self.clone()
        };
        let (from, to) = match is_open {
            true => (&mut turned.open, &mut turned.fold),
            false => (&mut turned.fold, &mut turned.open),
        };
        let before = from.len();
        from.retain(|listed| listed != group);
        if from.len() == before {
            to.push(group.to_owned());
        }
        turned
    }

    /// Which groups are open, where so many are to begin with.
    pub fn groups(&self, by_default: bool) -> Open<'_> {
        Open {
            by_default,
            opened: self.open.iter().map(String::as_str).collect(),
            closed: self.fold.iter().map(String::as_str).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_all_that_is_not_as_it_is_anyway() {
        let plain = Scope::default();
        assert_eq!(plain.address("r", "list"), "/runs/r?tab=list");
        let scope = Scope {
            page: 2,
            show: Some(Show::Failed),
            q: "a&b".into(),
            ..Scope::default()
        };
        let opened = scope.turned("conf/hw", false);
        assert_eq!(
            opened.address("r", "list"),
            "/runs/r?tab=list&show=failed&q=a%26b&open=conf%2Fhw"
        );
        assert_eq!(opened.turned("conf/hw", true), Scope { page: 0, ..scope });
        let closed = plain.turned("x", true);
        assert_eq!(closed.address("r", "graph"), "/runs/r?tab=graph&fold=x");
        assert!(closed.groups(true).is_open("y") && !closed.groups(true).is_open("x"));
    }
}
