//! What Slurm's words mean, for people.

/// Why a job waits, from Slurm's own word for it; nothing where it has none so far. Of
/// words that are not here Slurm's own manual tells.
pub fn waits(reason: &str) -> Option<Box<str>> {
    let word = reason.split(',').next().unwrap_or(reason).trim();
    let meaning = match word {
        "" | "None" => return None,
        "Resources" => "what it asks for is in use",
        "Priority" => "other jobs go first",
        "Dependency" => "another job has to end first",
        "BeginTime" => "it is not yet time",
        "Licenses" => "no licence is free",
        "Reservation" => "its reservation has not begun",
        "PartitionDown" => "its partition is down",
        "PartitionInactive" => "its partition starts nothing at present",
        "PartitionTimeLimit" => "it asks for more time than its partition gives",
        "PartitionNodeLimit" => "it asks for more nodes than its partition gives",
        "JobHeldUser" => "its owner holds it back",
        "JobHeldAdmin" => "an administrator holds it back",
        "ReqNodeNotAvail" | "Nodes required for job are DOWN" => "no node that it can use is up",
        "PartitionConfig" => "it asks for more than a node of its partition has",
        "BadConstraints" => "no node is as it asks",
        "NodeDown" => "its node is down",
        "JobArrayTaskLimit" => "so many of its array may run at once",
        _ if word.contains("MaxJobs") || word.contains("JobLimit") => {
            "so many jobs of this user may run at once"
        }
        _ if word.starts_with("QOS") || word.starts_with("Assoc") => "a limit of the site",
        _ => return Some(format!("in Slurm's queue: {reason}").into()),
    };
    Some(format!("in Slurm's queue: {reason} ({meaning})").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_words_are_explained_and_others_shown() {
        assert_eq!(waits("None"), None);
        let known = waits("ReqNodeNotAvail, UnavailableNodes:n3").expect("a reason");
        assert!(known.contains("UnavailableNodes:n3 (no node that it can use is up)"));
        let unknown = waits("Whatever").expect("a reason");
        assert_eq!(&*unknown, "in Slurm's queue: Whatever");
    }
}
