//! Who may join and post where: the rules `[[rooms]]` of the settings, role by role.

use serde::{Deserialize, Serialize};

use crate::protocol::{ids::RoomName, user::Role};

/// One entry of `[[rooms]]`. A room follows the first one that matches it, and is open to every role if none does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoomRule {
    /// A room's name, or the start of names with `*` behind it: `staff`, `staff.*`, `*`.
    #[serde(rename = "match")]
    pub pattern: String,
    /// The least role that may join and read. Everybody.
    #[serde(default = "everybody")]
    pub join: Role,
    /// The least role that may post; who may not join may not post either. Everybody.
    #[serde(default = "everybody")]
    pub post: Role,
}

fn everybody() -> Role {
    Role::Guest
}

/// A rule whose pattern matches no room there can be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rooms[{index}].match: '{pattern}' {problem}")]
pub struct BadPattern {
    /// Which entry of `[[rooms]]`, from 0.
    pub index: usize,
    /// The pattern as written.
    pub pattern: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// The rules of all rooms.
#[derive(Clone, Debug, Default)]
pub struct RoomRules(Box<[Compiled]>);

#[derive(Clone, Debug)]
struct Compiled {
    text: Box<str>,
    prefix: bool,
    join: Role,
    post: Role,
}

impl RoomRules {
    /// Takes the rules in their order.
    ///
    /// # Errors
    /// The first pattern that is no room name, nor the start of one with a `*` at its end.
    pub fn new(rules: &[RoomRule]) -> Result<Self, BadPattern> {
        let compile = |(index, rule): (usize, &RoomRule)| {
            let (text, prefix) =
                parse(&rule.pattern).map_err(|problem| BadPattern { index, pattern: rule.pattern.clone(), problem })?;
            Ok(Compiled { text: text.into(), prefix, join: rule.join, post: rule.post.max(rule.join) })
        };
        rules.iter().enumerate().map(compile).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a role may join the room, see who is there and read its history.
    pub fn may_join(&self, role: Role, room: &RoomName) -> bool {
        self.rule(room).is_none_or(|rule| role >= rule.join)
    }

    /// Whether a role may post in the room.
    pub fn may_post(&self, role: Role, room: &RoomName) -> bool {
        self.rule(room).is_none_or(|rule| role >= rule.post)
    }

    fn rule(&self, room: &RoomName) -> Option<&Compiled> {
        let room = room.as_str();
        self.0.iter().find(|rule| if rule.prefix { room.starts_with(&*rule.text) } else { *rule.text == *room })
    }
}

/// The text of a pattern, and whether a `*` followed it.
fn parse(pattern: &str) -> Result<(&str, bool), &'static str> {
    let (text, prefix) = match pattern.strip_suffix('*') {
        Some(start) => (start, true),
        None => (pattern, false),
    };
    if text.contains('*') {
        return Err("has a '*' that is not at its end");
    }
    let everything = prefix && text.is_empty();
    if !everything && RoomName::parse(text).is_err() {
        return Err("is no room name: 1 to 64 of a-z, 0-9, '.', '_' and '-', first a letter or digit");
    }
    Ok((text, prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(rules: &[(&str, Role, Role)]) -> Result<RoomRules, BadPattern> {
        let rules: Vec<_> =
            rules.iter().map(|&(pattern, join, post)| RoomRule { pattern: pattern.into(), join, post }).collect();
        RoomRules::new(&rules)
    }

    fn room(name: &str) -> RoomName {
        RoomName::parse(name).unwrap()
    }

    #[test]
    fn without_rules_everybody_may() {
        let rules = RoomRules::default();
        for role in Role::ALL {
            assert!(rules.may_join(role, &room("a")) && rules.may_post(role, &room("a")));
        }
    }

    #[test]
    fn the_first_match_decides() {
        use Role::{Admin, Guest, Member};
        let rules = rules(&[
            ("staff.open", Guest, Guest),
            ("staff.*", Member, Admin),
            ("news", Guest, Admin),
            ("*", Member, Guest),
        ])
        .unwrap();
        for (name, role, join, post) in [
            ("staff.open", Guest, true, true),
            ("staff.opened", Guest, false, false),
            ("staff.a", Member, true, false),
            ("staff.a", Admin, true, true),
            ("news", Guest, true, false),
            ("news2", Guest, false, false),
            ("staff", Member, true, true),
        ] {
            let room = room(name);
            assert_eq!((rules.may_join(role, &room), rules.may_post(role, &room)), (join, post), "{name} {role:?}");
        }
    }

    #[test]
    fn a_bad_pattern_is_named() {
        for bad in ["", "a*b", "*a", "**", "Staff", ".a*", "a b", &"x".repeat(65)] {
            let error = rules(&[("ok", Role::Guest, Role::Guest), (bad, Role::Guest, Role::Guest)]).unwrap_err();
            assert_eq!(error.index, 1);
            assert!(error.to_string().starts_with("rooms[1].match: '"), "{error}");
        }
    }

    #[test]
    fn rules_are_read_from_the_settings() {
        #[derive(Deserialize)]
        struct File {
            rooms: Vec<RoomRule>,
        }
        let file: File = toml::from_str("[[rooms]]\nmatch = 'staff.*'\njoin = 'member'\npost = 'admin'").unwrap();
        let rule = RoomRule { pattern: "staff.*".into(), join: Role::Member, post: Role::Admin };
        assert_eq!(file.rooms, [rule]);
        let open: RoomRule = toml::from_str("match = 'a'").unwrap();
        assert_eq!((open.join, open.post), (Role::Guest, Role::Guest));
        assert!(toml::from_str::<RoomRule>("match = 'a'\njoin = 'owner'").is_err());
        assert!(toml::from_str::<RoomRule>("match = 'a'\njion = 'member'").is_err());
    }
}
