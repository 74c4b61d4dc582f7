//! A store of accounts in memory, for the tests of this folder.

use std::{
    cmp::Reverse,
    collections::HashMap,
    sync::{Arc, Mutex},
};

use super::accounts::{Account, Accounts, AccountsError, Stored, TokenHash};
use crate::protocol::{
    ids::{Millis, RoomName, Seq, UserId},
    text::fold_name,
    user::Role,
};

#[derive(Default)]
struct Kept {
    accounts: HashMap<String, Account>,
    sessions: HashMap<TokenHash, (String, Millis)>,
    bans: HashMap<UserId, Millis>,
    away: bool,
}

/// The store. While `away`, every question fails.
#[derive(Default)]
pub(super) struct FakeAccounts(Mutex<Kept>);

impl FakeAccounts {
    pub(super) fn with(names: &[&str]) -> Arc<Self> {
        let store = Arc::new(Self::default());
        names.iter().for_each(|name| store.add(name));
        store
    }

    pub(super) fn away() -> Arc<Self> {
        let store = Self::with(&[]);
        store.set_away(true);
        store
    }

    pub(super) fn set_away(&self, away: bool) {
        self.0.lock().unwrap().away = away;
    }

    pub(super) fn add(&self, name: &str) {
        let folded = fold_name(name);
        let account = Account {
            name: name.into(),
            folded: folded.as_str().into(),
            role: Role::Member,
            password_hash: "none".into(),
        };
        self.0.lock().unwrap().accounts.insert(folded, account);
    }

    fn ask<T: Send + 'static>(&self, answer: impl FnOnce(&mut Kept) -> Result<T, AccountsError>) -> Stored<T> {
        let mut kept = self.0.lock().unwrap();
        let answer = if kept.away { Err(AccountsError::Unavailable) } else { answer(&mut kept) };
        Box::pin(std::future::ready(answer))
    }
}

impl Accounts for FakeAccounts {
    fn create(&self, account: Account) -> Stored<()> {
        self.ask(|kept| {
            if kept.accounts.contains_key(&*account.folded) {
                return Err(AccountsError::NameTaken);
            }
            kept.accounts.insert(account.folded.to_string(), account);
            Ok(())
        })
    }

    fn put(&self, account: Account) -> Stored<()> {
        self.ask(|kept| {
            let was = kept.accounts.insert(account.folded.to_string(), account.clone());
            if was.is_some_and(|was| (was.role, was.password_hash) != (account.role, account.password_hash)) {
                kept.sessions.retain(|_, (folded, _)| **folded != *account.folded);
            }
            Ok(())
        })
    }

    fn demote_admins_but(&self, keep: Option<Box<str>>) -> Stored<()> {
        self.ask(|kept| {
            let others = |account: &&mut Account| account.role == Role::Admin && keep.as_ref() != Some(&account.folded);
            for account in kept.accounts.values_mut().filter(others) {
                account.role = Role::Member;
                kept.sessions.retain(|_, (folded, _)| **folded != *account.folded);
            }
            Ok(())
        })
    }

    fn rehash(&self, folded: Box<str>, old: Box<str>, new: Box<str>) -> Stored<()> {
        self.ask(|kept| {
            if let Some(account) = kept.accounts.get_mut(&*folded).filter(|account| account.password_hash == old) {
                account.password_hash = new;
            }
            Ok(())
        })
    }

    fn find(&self, folded: String) -> Stored<Option<Account>> {
        self.ask(|kept| Ok(kept.accounts.get(&folded).cloned()))
    }

    fn start_session(&self, token: TokenHash, folded: String, expires_ms: Millis) -> Stored<()> {
        self.ask(|kept| {
            kept.sessions.insert(token, (folded, expires_ms));
            Ok(())
        })
    }

    fn use_session(&self, token: TokenHash, now_ms: Millis, expires_ms: Millis) -> Stored<Option<Account>> {
        self.ask(|kept| {
            let Some((folded, ends)) = kept.sessions.get_mut(&token).filter(|(_, ends)| *ends > now_ms) else {
                return Ok(None);
            };
            *ends = expires_ms;
            Ok(kept.accounts.get(folded).cloned())
        })
    }

    fn end_session(&self, token: TokenHash) -> Stored<()> {
        self.ask(|kept| {
            kept.sessions.remove(&token);
            Ok(())
        })
    }

    fn ban(&self, user: UserId, until_ms: Millis) -> Stored<()> {
        self.ask(|kept| {
            kept.bans.insert(user, until_ms);
            Ok(())
        })
    }

    fn banned_until(&self, user: UserId, now_ms: Millis) -> Stored<Option<Millis>> {
        self.ask(|kept| Ok(kept.bans.get(&user).copied().filter(|until| *until > now_ms)))
    }

    fn bans(&self, now_ms: Millis, limit: usize) -> Stored<Vec<(UserId, Millis)>> {
        self.ask(|kept| {
            let mut bans: Vec<_> = kept.bans.iter().map(|(user, until)| (user.clone(), *until)).collect();
            bans.retain(|(_, until)| *until > now_ms);
            bans.sort_by_key(|(_, until)| Reverse(*until));
            bans.truncate(limit);
            Ok(bans)
        })
    }

    fn mark_read(&self, _: RoomName, _: UserId, seq: Seq) -> Stored<Seq> {
        self.ask(|_| Ok(seq))
    }

    fn read_marker(&self, _: RoomName, _: UserId) -> Stored<Option<Seq>> {
        self.ask(|_| Ok(None))
    }

    fn secret(&self) -> Stored<[u8; 32]> {
        self.ask(|_| Ok([7; 32]))
    }
}
