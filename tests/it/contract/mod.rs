//! What every store promises, whichever mode it serves: one suite, run against each implementation.
//!
//! A check is an async function over a [`Store`]; rooms and names are fresh for each, so that checks may share one
//! server. [`suite!`] makes a test of each check.

mod accounts;
mod crash;
mod history;
mod local;
mod log;
mod model;
mod presence;
mod recovery;
mod redis;
mod redis_accounts;
mod redis_presence;
mod support;

use std::{any::Any, sync::Arc};

use hubbub::{
    auth::accounts::Accounts,
    broker::{Broker, BrokerEvents, PresenceStore},
};

/// A place that keeps things, to be opened again and again.
pub(crate) trait Store {
    /// Opens it; what an earlier opening kept is there. The earlier one must be dropped first.
    async fn open(&self) -> Opened;
}

/// An open store.
pub(crate) struct Opened {
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) accounts: Arc<dyn Accounts>,
    pub(crate) presence: Arc<dyn PresenceStore>,
    pub(crate) events: BrokerEvents,
    /// What has to live as long.
    pub(crate) _rest: Box<dyn Any + Send>,
}

/// Makes a test of each check in the suite, against the store that `$store` makes.
macro_rules! suite {
    ($store:expr; $($module:ident: $($check:ident),+;)+) => {
        mod suite {
            $(mod $module {
                $(#[tokio::test]
                async fn $check() {
                    $crate::contract::$module::$check(&$store).await;
                })+
            })+
        }
    };
    ($store:expr) => {
        $crate::contract::suite! {
            $store;
            log: numbers_rise_by_one, answers_are_in_order, entries_say_what_was_said, retries_give_the_first_answer,
                retries_in_one_batch, retries_after_reopening, keys_are_per_user_and_room, concurrent_appends_have_one_order,
                replies_need_their_message, only_authors_edit, the_same_text_again_logs_nothing,
                authors_and_admins_delete, a_delete_takes_the_texts, reactions_go_on_and_off,
                changes_of_one_message_in_one_batch,
                a_message_takes_twenty_emoji, a_refusal_leaves_its_batch_alone, messages_belong_to_their_room;
            recovery: an_empty_room_has_an_epoch, release_keeps_a_log, every_position_resumes,
                pages_by_entries, pages_by_bytes, a_position_not_covered_gives_a_snapshot, reopening_keeps_the_log;
            history: pages_go_back, pages_go_on, pages_hold_messages_as_they_are_now, an_unknown_room_is_empty,
                rooms_are_listed_by_name;
            accounts: names_are_taken_once, put_replaces, put_ends_sessions_of_another_password_or_role,
                admins_are_demoted, a_hash_is_renewed, sessions_end_and_are_prolonged, sessions_of_a_short_life_are_prolonged, sessions_can_be_ended,
                bans_end_and_are_lifted, bans_are_listed_those_that_last_longest_first, markers_only_rise, the_secret_stays,
                people_outlive_reopening;
            presence: coming_and_going, users_are_listed_by_role_and_name, rooms_with_users_are_listed;
        }
    };
}

pub(crate) use suite;
