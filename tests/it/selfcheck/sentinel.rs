//! The Sentinels of the tests: the roles change when asked to, and when the primary dies.

use crate::support::sentinel::Sentinels;

#[test]
fn roles_change_and_what_was_replicated_stays() {
    let mut all = Sentinels::start(3);
    let first = all.primary_address();
    let url = all.url();
    assert!(url.starts_with("redis-sentinel://api-chat:") && url.matches("node=").count() == 2, "{url}");
    let set = |all: &mut Sentinels, value: &str| {
        assert_eq!(all.primary().command_as_chat(&["SET", "chat:test", value]).text(), "OK");
        // A fail-over keeps what the replica has.
        all.wait_for_replica();
    };
    set(&mut all, "one");
    all.fail_over();
    assert_ne!(all.primary_address(), first);
    assert_eq!(all.primary().command(&["GET", "chat:test"]).text(), "one");

    set(&mut all, "two");
    all.kill_primary();
    assert_eq!(all.primary_address(), first);
    assert_eq!(all.primary().command(&["GET", "chat:test"]).text(), "two");
    all.replica().restart();
    set(&mut all, "three");
    assert_eq!(all.replica().command(&["GET", "chat:test"]).text(), "three");
}
