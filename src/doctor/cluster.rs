//! The instances that run, as the registry in Redis knows them.

use std::collections::BTreeSet;

use super::finding::Finding;
use crate::broker::redis::ListedInstance;

/// Fewer clients than this are spread by chance.
const FEW_CLIENTS: usize = 100;

/// So many times the mean of the others is a skew and no chance.
const SKEW: usize = 2;

/// Judges what the registry lists; `None` when it could not be read.
pub(super) fn judge(instances: Option<&[ListedInstance]>) -> Vec<Finding> {
    let Some(instances) = instances else {
        let fix = "put right what is said of Redis above";
        return vec![Finding::note("instances", "the registry cannot be read", fix)];
    };
    if instances.is_empty() {
        return vec![Finding::note("instances", "none runs at this moment", "nothing, before the first start")];
    }
    let each = instances.iter().map(|one| format!("{} {}", one.instance_id, one.connected_clients));
    let mut found = vec![Finding::ok("instances", format!("{} run; clients: {}", instances.len(), join(each)))];
    let versions: BTreeSet<_> = instances.iter().map(|one| one.version.as_str()).collect();
    if versions.len() > 1 {
        let what = format!("several run side by side: {}", join(versions.into_iter().map(str::to_owned)));
        found.push(Finding::warn("versions", what, "finish the update, or take it back"));
    }
    found.push(spread(instances));
    found
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

fn spread(instances: &[ListedInstance]) -> Finding {
    const CHECK: &str = "spread";
    let clients: usize = instances.iter().map(|one| one.connected_clients).sum();
    let others = instances.len() - 1;
    // With two, none has ever more than twice the mean of both.
    let skewed = |most: usize| others > 0 && most * others > SKEW * (clients - most);
    let fullest = instances.iter().max_by_key(|one| one.connected_clients);
    match fullest {
        Some(one) if clients >= FEW_CLIENTS && skewed(one.connected_clients) => Finding::warn(
            CHECK,
            format!(
                "{} has {} of {clients} clients, and {} would be its share",
                one.instance_id,
                one.connected_clients,
                clients / instances.len()
            ),
            "ip_hash sees three octets of an address: include another strategy (any instance resumes any client); one that \
             has just started fills up as people come",
        ),
        _ => Finding::ok(CHECK, format!("{clients} clients on {}", instances.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    fn instances(clients: &[usize]) -> Vec<ListedInstance> {
        let one = |(at, &connected_clients): (usize, &usize)| ListedInstance {
            instance_id: format!("api-{at}"),
            connected_clients,
            version: "1.0.0".into(),
        };
        clients.iter().enumerate().map(one).collect()
    }

    #[test]
    fn a_skew_is_told_from_chance() {
        let level = |clients: &[usize]| spread(&instances(clients)).level;
        assert_eq!(level(&[1000, 900, 1100]), Level::Ok);
        assert_eq!(level(&[50, 0, 0]), Level::Ok);
        assert_eq!(level(&[3000, 0, 0]), Level::Warn);
        assert_eq!(level(&[3000, 0]), Level::Warn);
        assert_eq!(level(&[2000, 1000]), Level::Ok);
        assert_eq!([level(&[0]), level(&[3000])], [Level::Ok; 2]);
    }

    #[test]
    fn versions_side_by_side_are_named() {
        let mut two = instances(&[1, 1]);
        assert!(judge(Some(&two)).iter().all(|finding| finding.level == Level::Ok));
        two[1].version = "1.1.0".into();
        assert!(judge(Some(&two)).iter().any(|finding| finding.check == "versions" && finding.what.contains("1.1.0")));
        assert_eq!(judge(Some(&[])).len(), 1);
        assert_eq!(judge(None)[0].level, Level::Note);
    }
}
