//! Names: of accounts, and what guests may call themselves beside them.

use std::sync::Arc;

use super::accounts::{Accounts, AccountsError};
use crate::protocol::{
    error::{ErrorCode, Refusal},
    ids::UserId,
    text::{self, MAX_NAME_CHARS},
};

/// Folded names nobody gets but the administrator: they would speak for the server (PROTOCOL section 1).
pub const RESERVED: [&str; 3] = ["admin", "system", "hubbub"];

/// Characters of a guest's id that set its name apart.
const MARK_CHARS: usize = 4;

/// How many marks are tried: what 32 characters of an id hold.
const TURNS: usize = 8;

/// The name of an account: as shown, and as found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountName {
    /// As the person wrote it, in NFKC.
    pub shown: Box<str>,
    /// What it is found by and the user id is made of: `[a-z0-9._-]{1,32}`.
    pub folded: Box<str>,
}

impl AccountName {
    /// Takes a display name that folds to `[a-z0-9._-]{1,32}`, so that the user id is plain and no two accounts look
    /// alike. Reserved names pass: the administrator may have one.
    ///
    /// # Errors
    /// `invalid_argument`.
    pub fn parse(name: &str) -> Result<Self, Refusal> {
        let invalid = || {
            Refusal::new(ErrorCode::InvalidArgument, "a user name has 1 to 32 letters a-z, digits, '.', '_' and '-'")
        };
        let shown = text::display_name(name).map_err(|_| invalid())?;
        let folded = text::fold_name(&shown);
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
        if folded.len() <= MAX_NAME_CHARS && folded.bytes().all(plain) {
            Ok(Self { shown, folded: folded.into() })
        } else {
            Err(invalid())
        }
    }

    /// As [`Self::parse`], for somebody who registers: reserved names count as taken.
    ///
    /// # Errors
    /// `invalid_argument`; `conflict` for a reserved name.
    pub fn parse_new(name: &str) -> Result<Self, Refusal> {
        let name = Self::parse(name)?;
        if is_reserved(&name.folded) {
            return Err(Refusal::new(ErrorCode::Conflict, "that name is taken"));
        }
        Ok(name)
    }
}

/// Whether a folded name is one of [`RESERVED`].
pub fn is_reserved(folded: &str) -> bool {
    RESERVED.contains(&folded)
}

/// The name of a guest who asks for none: `guest-` and 4 characters of the id.
pub fn default_name(id: &UserId) -> Box<str> {
    format!("guest-{}", mark(id, 0)).into()
}

/// `name` with `-` and 4 characters of the id behind it, cut so that it still has at most 32 characters. `turn` chooses
/// which four, from 0.
pub fn set_apart(name: &str, id: &UserId, turn: usize) -> Box<str> {
    let start: String = name.chars().take(MAX_NAME_CHARS - 1 - MARK_CHARS).collect();
    format!("{}-{}", start.trim_end(), mark(id, turn)).into()
}

/// Whether a name ends as those set apart for this id do: it may be one already.
fn is_set_apart(name: &str, id: &UserId) -> bool {
    name.rsplit_once('-').is_some_and(|(_, end)| (0..TURNS).any(|turn| end == mark(id, turn)))
}

/// The `turn`th four characters of what follows `g:` in an id, starting over at its end.
fn mark(id: &UserId, turn: usize) -> String {
    let random = id.as_str().rsplit(':').next().unwrap_or_default();
    random.chars().cycle().skip(turn * MARK_CHARS).take(MARK_CHARS).collect()
}

/// Gives guests names that are nobody else's.
#[derive(Clone)]
pub struct Names {
    accounts: Arc<dyn Accounts>,
    /// The administrator's name, folded: known even while the store is away.
    admin: Option<Box<str>>,
}

impl Names {
    /// Over the accounts of `accounts` and the administrator's folded name.
    pub fn new(accounts: Arc<dyn Accounts>, admin: Option<Box<str>>) -> Self {
        Self { accounts, admin }
    }

    /// The name for the guest `id` who asks for `asked` (nothing or an empty text: [`default_name`]). One that folds to
    /// a reserved name or an account's is set apart. So is every asked one while the store cannot be asked, since it
    /// may be an account's.
    ///
    /// # Errors
    /// `invalid_argument` for a name that breaks the rules.
    pub async fn guest(&self, asked: Option<&str>, id: &UserId) -> Result<Box<str>, Refusal> {
        let (name, asked) = match asked.filter(|name| !name.trim().is_empty()) {
            Some(name) => (text::display_name(name)?, true),
            None => (default_name(id), false),
        };
        Ok(match self.is_taken(&name).await {
            Ok(false) => name,
            Ok(true) => self.free_of(&name, id).await,
            Err(_) if asked && !is_set_apart(&name, id) => set_apart(&name, id, 0),
            Err(_) => name,
        })
    }

    /// The first free of the names set apart: somebody may own an account of just that name.
    async fn free_of(&self, name: &str, id: &UserId) -> Box<str> {
        for turn in 0..TURNS - 1 {
            let apart = set_apart(name, id, turn);
            if self.is_taken(&apart).await != Ok(true) {
                return apart;
            }
        }
        set_apart(name, id, TURNS - 1)
    }

    async fn is_taken(&self, name: &str) -> Result<bool, AccountsError> {
        let folded = text::fold_name(name);
        if is_reserved(&folded) || self.admin.as_deref() == Some(&*folded) {
            return Ok(true);
        }
        // A name no account can have is not looked up.
        if AccountName::parse(&folded).is_err() {
            return Ok(false);
        }
        Ok(self.accounts.find(folded).await?.is_some())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::testing::FakeAccounts, *};

    #[test]
    fn account_names_fold_to_plain_ids() {
        let name = AccountName::parse(" Ａna.B ").unwrap();
        assert_eq!((&*name.shown, &*name.folded), ("Ana.B", "ana.b"));
        for bad in ["", "a b", "ana!", "né", "аna", "a:b", &"x".repeat(33), "a\u{200B}"] {
            assert_eq!(AccountName::parse(bad).unwrap_err().code, ErrorCode::InvalidArgument, "{bad}");
        }
    }

    #[test]
    fn reserved_names_are_taken() {
        for name in ["Admin", "SYSTEM", "hubbub", "ａdmin"] {
            assert_eq!(AccountName::parse_new(name).unwrap_err().code, ErrorCode::Conflict, "{name}");
            assert!(AccountName::parse(name).is_ok());
        }
    }

    #[tokio::test]
    async fn guests_are_set_apart_from_accounts_the_admin_and_the_server() {
        let accounts = FakeAccounts::with(&["ana"]);
        let names = Names::new(accounts.clone(), Some("root".into()));
        let id = UserId::guest(0xab12_cd34 << 96);
        for (asked, given) in [
            (None, "guest-ab12"),
            (Some(" "), "guest-ab12"),
            (Some("Bob"), "Bob"),
            (Some("ANA"), "ANA-ab12"),
            (Some("Root"), "Root-ab12"),
            (Some("ＡDMIN"), "ADMIN-ab12"),
            (Some("Ana María"), "Ana María"),
        ] {
            assert_eq!(&*names.guest(asked, &id).await.unwrap(), given);
        }
        assert!(names.guest(Some("a\nb"), &id).await.is_err());
        accounts.add("ana-ab12");
        accounts.add("guest-ab12");
        assert_eq!(&*names.guest(Some("ana"), &id).await.unwrap(), "ana-cd34");
        assert_eq!(&*names.guest(None, &id).await.unwrap(), "guest-ab12-ab12");
    }

    #[tokio::test]
    async fn while_the_store_is_away_an_asked_name_is_set_apart() {
        let names = Names::new(FakeAccounts::away(), None);
        let id = UserId::guest(1);
        assert_eq!(&*names.guest(Some("ana"), &id).await.unwrap(), "ana-0000");
        assert_eq!(&*names.guest(None, &id).await.unwrap(), "guest-0000");
    }

    proptest! {
        #[test]
        fn a_name_set_apart_keeps_the_rules(name in "\\PC{1,40}", id: u128, turn in 0..9usize) {
            if let Ok(name) = text::display_name(&name) {
                let id = UserId::guest(id);
                let apart = set_apart(&name, &id, turn);
                prop_assert!(apart.chars().count() <= MAX_NAME_CHARS);
                prop_assert!(text::display_name(&apart).is_ok());
                prop_assert!(!is_reserved(&text::fold_name(&apart)));
                prop_assert!(apart.ends_with(&mark(&id, turn)));
            }
        }

        #[test]
        fn an_account_name_makes_a_user_id(name in "\\PC{0,40}") {
            if let Ok(name) = AccountName::parse(&name) {
                prop_assert!(UserId::parse(UserId::account(&name.folded).as_str()).is_ok());
                prop_assert_eq!(AccountName::parse(&name.folded).unwrap().folded, name.folded);
            }
        }
    }
}
