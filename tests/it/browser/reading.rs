//! Rooms with a past.

use super::person::Person;
use crate::support::{browser::Driver, *};

/// Messages in the room: several pages of history, more than the page keeps in the document.
const SAID: usize = 300;

/// Most messages in the document at once.
const SHOWN: usize = 120;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_room_is_read_back_to_its_first_message_and_to_its_last() {
    let limits = ["COMMANDS", "MESSAGES"].map(|name| format!("HUBBUB__LIMITS__{name}_PER_SECOND"));
    let server = limits.iter().fold(Server::setup(), |setup, name| setup.env(name, 0)).start();
    let mut bob = server.guest("Bob").await;
    for number in 1..=SAID {
        bob.send_acked("global", &format!("number {number}")).await;
    }
    let driver = Driver::start();
    let ana = Person::open(&driver, &server.url("/")).await;
    let in_view = |text: &str| {
        format!(
            "[...document.querySelectorAll('#log > li[data-id]')].some((each) => {{ \
               const {{ top, bottom }} = each.getBoundingClientRect(); \
               const frame = document.querySelector('#scroll').getBoundingClientRect(); \
               return each.querySelector('.text').textContent === '{text}' && bottom > frame.top && top < frame.bottom; }})"
        )
    };
    let shown = "document.querySelectorAll('#log > li[data-id]').length";
    ana.waits_for(&in_view(&format!("number {SAID}"))).await;

    let jump = format!("document.querySelector('#scroll').scrollTop = 0; return [{shown}, {}]", in_view("number 1"));
    until("the first message", async || {
        let (count, there): (usize, bool) = serde_json::from_value(ana.script(&jump).await).unwrap();
        assert!(count <= SHOWN, "{count} messages in the document");
        there.then_some(())
    })
    .await;
    let numbers = "return [...document.querySelectorAll('#log > li[data-id]')].map((each) => Number(each.dataset.seq))";
    let numbers: Vec<u64> = serde_json::from_value(ana.script(numbers).await).unwrap();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "in order, and nothing left out: {numbers:?}");

    // What comes meanwhile moves nothing, and is offered.
    bob.send_acked("global", "news").await;
    ana.waits_for("!document.querySelector('#latest').hidden").await;
    ana.waits_for(&in_view("number 1")).await;
    ana.click("#latest").await;
    ana.waits_for(&in_view("news")).await;
    ana.waits_for(&format!("{shown} <= {SHOWN}")).await;
    ana.leave().await;
}
