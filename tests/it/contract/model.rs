//! Random histories against a plain model: the same answers, the same log, the same messages.

use std::{collections::HashMap, sync::Arc};

use hubbub::{
    broker::{Append, AppendError, Change},
    protocol::{
        command::Cursor,
        entry::EntryBody,
        ids::{MessageId, RoomName, UserId},
        user::{Role, User},
    },
};
use proptest::prelude::*;

use super::{Opened, Store, local::Local, support::*};

/// One step; users and messages by index.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Say(usize, Option<u8>),
    Edit(usize, usize, u8),
    Delete(usize, usize),
    React(usize, usize, u8, bool),
    Reopen,
}

impl Step {
    /// Whether the store is closed and opened.
    pub(super) fn is_reopen(&self) -> bool {
        matches!(self, Step::Reopen)
    }
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3usize, proptest::option::of(0..4u8)).prop_map(|(user, key)| Step::Say(user, key)),
        3 => (0..3usize, 0..6usize, 0..3u8).prop_map(|(user, message, text)| Step::Edit(user, message, text)),
        1 => (0..3usize, 0..6usize).prop_map(|(user, message)| Step::Delete(user, message)),
        4 => (0..3usize, 0..6usize, 0..3u8, any::<bool>())
            .prop_map(|(user, message, emoji, on)| Step::React(user, message, emoji, on)),
        1 => Just(Step::Reopen),
    ]
}

#[derive(Debug, Default)]
struct Model {
    /// Text as logged, message, kind.
    log: Vec<(&'static str, MessageId, String)>,
    messages: Vec<Said>,
    keys: HashMap<(UserId, String), usize>,
}

#[derive(Debug)]
struct Said {
    id: MessageId,
    author: UserId,
    text: String,
    deleted: bool,
    reactions: Vec<(String, UserId)>,
}

impl Model {
    /// What a change must be answered: whether it is a duplicate, or why it is refused.
    fn expect(&self, user: &User, change: &Change) -> Result<bool, AppendError> {
        let find = |id: &MessageId| self.messages.iter().find(|said| said.id == *id).ok_or(AppendError::NotFound);
        match change {
            Change::Message { key, .. } => {
                Ok(key.as_ref().is_some_and(|key| self.keys.contains_key(&(user.id.clone(), key.to_string()))))
            }
            Change::Edit { message_id, text } => match find(message_id)? {
                said if said.deleted => Err(AppendError::NotFound),
                said if said.author != user.id => Err(AppendError::Forbidden),
                said => Ok(said.text == **text),
            },
            Change::Delete { message_id } => match find(message_id)? {
                said if said.author != user.id && user.role != Role::Admin => Err(AppendError::Forbidden),
                said => Ok(said.deleted),
            },
            Change::React { message_id, emoji, on } => match find(message_id)? {
                said if said.deleted => Err(AppendError::NotFound),
                said => Ok(said.reactions.contains(&(emoji.to_string(), user.id.clone())) == *on),
            },
        }
    }

    fn take(&mut self, user: &User, change: &Change, id: &MessageId) {
        let (kind, text) = match change {
            Change::Message { text, key, .. } => {
                if let Some(key) = key {
                    self.keys.insert((user.id.clone(), key.to_string()), self.messages.len());
                }
                let (author, text) = (user.id.clone(), text.to_string());
                let said = Said { id: id.clone(), author, text: text.clone(), deleted: false, reactions: Vec::new() };
                self.messages.push(said);
                ("message", text)
            }
            Change::Edit { text, .. } => ("edited", text.to_string()),
            Change::Delete { .. } => ("deleted", String::new()),
            Change::React { emoji, .. } => ("reaction", emoji.to_string()),
        };
        let said = self.messages.iter_mut().find(|said| said.id == *id).unwrap();
        match change {
            Change::Message { .. } => {}
            Change::Edit { text, .. } => said.text = text.to_string(),
            Change::Delete { .. } => {
                (said.text, said.deleted, said.reactions) = (String::new(), true, Vec::new());
                for (kind, _, text) in self.log.iter_mut().filter(|(_, message, _)| message == id) {
                    if matches!(*kind, "message" | "edited") {
                        text.clear();
                    }
                }
            }
            Change::React { emoji, on: true, .. } => said.reactions.push((emoji.to_string(), user.id.clone())),
            Change::React { emoji, .. } => {
                said.reactions.retain(|reaction| *reaction != (emoji.to_string(), user.id.clone()));
            }
        }
        self.log.push((kind, id.clone(), text));
    }
}

fn change(step: &Step, n: usize, model: &Model) -> Option<(usize, Change)> {
    let id = |message: usize| {
        model.messages.get(message).map_or_else(|| MessageId::parse("nowhere").unwrap(), |said| said.id.clone())
    };
    Some(match step {
        Step::Say(user, key) => (*user, message(&format!("text {n}"), key.map(|key| format!("k{key}")).as_deref())),
        Step::Edit(user, message, text) => (*user, edit(&id(*message), &format!("edit {text}"))),
        Step::Delete(user, message) => (*user, delete(&id(*message))),
        Step::React(user, message, emoji, on) => (*user, react(&id(*message), &format!("e{emoji}"), *on)),
        Step::Reopen => return None,
    })
}

async fn agrees(opened: &Opened, room: &RoomName, model: &Model) {
    let log: Vec<_> = whole_log(&opened.broker, room)
        .await
        .into_iter()
        .map(|entry| match entry.body {
            EntryBody::Message(message) => ("message", message.id, message.text.to_string()),
            EntryBody::Edited { message_id, text, .. } => ("edited", message_id, text.to_string()),
            EntryBody::Deleted { message_id, .. } => ("deleted", message_id, String::new()),
            EntryBody::Reaction { message_id, emoji, .. } => ("reaction", message_id, emoji.to_string()),
        })
        .collect();
    assert_eq!(log, model.log);
    let page = history(&opened.broker, room, Cursor::Latest {}, 1_000).await;
    assert_eq!(page.messages.len(), model.messages.len());
    for (state, said) in page.messages.iter().zip(&model.messages) {
        assert_eq!((&state.message.id, &*state.message.text), (&said.id, &*said.text));
        assert_eq!((state.message.deleted, &state.message.from.id), (said.deleted, &said.author));
        let mut reactions: Vec<(String, Vec<UserId>)> = Vec::new();
        for (emoji, user) in &said.reactions {
            match reactions.iter_mut().find(|(known, _)| known == emoji) {
                Some((_, users)) => users.push(user.clone()),
                None => reactions.push((emoji.clone(), vec![user.clone()])),
            }
        }
        let mut found: Vec<_> =
            state.reactions.iter().map(|reactors| (reactors.emoji.to_string(), reactors.users.clone())).collect();
        // Where the first who used an emoji takes it off, stores differ in its place.
        reactions.sort();
        found.sort();
        assert_eq!(found, reactions);
    }
}

pub(super) async fn run(store: &impl Store, steps: Vec<Step>) {
    let room = fresh_room();
    let users: [Arc<User>; 3] =
        [fresh_user("ana", Role::Guest), fresh_user("bob", Role::Member), fresh_user("root", Role::Admin)];
    let mut model = Model::default();
    let mut opened = store.open().await;
    for (n, step) in steps.iter().enumerate() {
        let Some((user, change)) = change(step, n, &model) else {
            drop(opened);
            opened = store.open().await;
            agrees(&opened, &room, &model).await;
            continue;
        };
        let user = &users[user];
        let expected = model.expect(user, &change);
        let append = Append { room: room.clone(), user: user.clone(), change: change.clone() };
        let answer = opened.broker.append(vec![append]).await.remove(0);
        assert_eq!(answer.as_ref().map(|appended| appended.duplicate).map_err(|error| *error), expected);
        if let Ok(appended) = answer
            && !appended.duplicate
        {
            model.take(user, &change, &appended.message_id);
            assert_eq!(appended.seq, Some(model.log.len() as u64));
        }
    }
    agrees(&opened, &room, &model).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_agrees_with_a_plain_model(steps in proptest::collection::vec(step(), 1..60)) {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(run(&Local::new(), steps));
    }
}
