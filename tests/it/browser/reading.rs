//! Rooms with a past.

use super::person::Person;
use crate::support::{browser::Driver, *};

/// `look()` finds the message at the top of the view, and `movedBy()` says later how far it has moved.
const NOTE: &str = "
    window.scroller = document.querySelector('#scroll');
    const topOf = (node) => node.getBoundingClientRect().top - scroller.getBoundingClientRect().top;
    window.look = () => {
        const node = [...document.querySelectorAll('#log > li')].find((each) => topOf(each) + each.offsetHeight > 1);
        return { node, top: topOf(node) };
    };
    window.movedBy = ({ node, top }) => node.isConnected ? Math.abs(topOf(node) - top) : 'gone';
    window.frames = async (count) => {
        for (; count > 0; count -= 1) await new Promise(requestAnimationFrame);
    };";

/// Messages in the room: several pages of history, more than the page keeps in the document.
const SAID: usize = 300;

/// Messages in a very long room, and how far back somebody reads in it: ten pages of history.
const MANY: u64 = 100_000;
const BACK: u64 = 2_000;

/// Most messages in the document at once.
const SHOWN: usize = 120;

/// The place in the log of an item of the page.
fn seq(which: &str) -> String {
    format!("Number(document.querySelector('#log > li:{which}')?.dataset.seq)")
}

/// A room with a past, somebody who speaks in it, and Ana, who has just come and sees its end.
struct LongRoom {
    bob: Client,
    ana: Person,
    _driver: Driver,
    _server: Server,
}

impl LongRoom {
    async fn enter() -> Self {
        let server = Server::setup().without_limits().start();
        let mut bob = server.guest("Bob").await;
        for number in 1..=SAID {
            bob.send_acked("global", &format!("number {number}")).await;
        }
        let driver = Driver::start();
        let ana = Person::open(&driver, &server.url("/")).await;
        ana.waits_for(&format!("{} === {SAID}", seq("last-child"))).await;
        ana.script(NOTE).await;
        Self { bob, ana, _driver: driver, _server: server }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_room_is_read_back_to_its_first_message_and_to_its_last() {
    let room = LongRoom::enter().await;
    let (mut bob, ana) = (room.bob, room.ana);
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

    let jump = format!("scroller.scrollTop = 0; return [{shown}, {}]", in_view("number 1"));
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_scrolls_up_is_not_pulled_back_to_the_end() {
    let room = LongRoom::enter().await;
    let ana = room.ana;
    // In the very frame in which somebody scrolls the page draws before it hears of that; mostly, since it rests at times.
    let pulled = "
        const latest = document.querySelector('#latest');
        const frame = () => new Promise(requestAnimationFrame);
        window.pulled = [];
        (async () => {
            for (let round = 0; round < 10; round += 1) {
                if (!latest.hidden) latest.click();
                while (!latest.hidden) await frame();
                const scrolled = frame().then(() => {
                    scroller.scrollTop -= 300;
                    return look();
                });
                dispatchEvent(new HashChangeEvent('hashchange'));
                const seen = await scrolled;
                while (latest.hidden && movedBy(seen) <= 2) await frame();
                pulled.push(movedBy(seen));
            }
        })();";
    ana.script(pulled).await;
    ana.waits_for("pulled.length === 10").await;
    let moved: Vec<Option<f64>> = serde_json::from_value(ana.script("return pulled").await).unwrap();
    assert!(moved.iter().all(|moved| moved.is_some_and(|moved| moved <= 2.0)), "pulled back to the end: {moved:?}");
    ana.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_takes_room_from_the_messages_moves_no_reader() {
    let room = LongRoom::enter().await;
    let (mut bob, ana) = (room.bob, room.ana);
    // A draft of many lines is measured at each key.
    let write = "
        const text = document.querySelector('#text');
        window.left = null;
        (async () => {
            let left = 0;
            for (let key = 0; key < 10; key += 1) {
                text.value = 'a line\\n'.repeat(6) + key;
                text.dispatchEvent(new InputEvent('input', { bubbles: true }));
                await frames(3);
                left += !document.querySelector('#latest').hidden;
            }
            window.left = left;
        })();";
    ana.script(write).await;
    ana.waits_for("left !== null").await;
    assert_eq!(ana.script("return left").await, 0, "who writes many lines still goes along with the end");
    bob.send_acked("global", "news").await;
    ana.waits_for("scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 1").await;
    ana.waits_for(&format!("{} === {}", seq("last-child"), SAID + 1)).await;

    // A larger text moves all that is above.
    ana.script("scroller.scrollTop -= 900").await;
    ana.waits_for("!document.querySelector('#latest').hidden").await;
    let larger = "
        window.moved = undefined;
        (async () => {
            while (scroller.scrollTop < 100) await frames(1);
            scroller.scrollTop -= 50;
            await frames(3);
            const seen = look();
            const before = seen.node.offsetHeight;
            document.documentElement.dataset.size = 'huge';
            while (seen.node.offsetHeight === before) await frames(1);
            await frames(3);
            window.moved = movedBy(seen);
        })();";
    ana.script(larger).await;
    ana.waits_for("window.moved !== undefined").await;
    let moved = ana.script("return moved").await;
    assert!(moved.as_f64().is_some_and(|moved| moved <= 2.0), "moved by {moved}");
    ana.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quote_of_what_is_in_view_is_gone_to_without_leaving_the_end() {
    let server = Server::setup().without_limits().start();
    let mut bob = server.guest("Bob").await;
    let first = bob.send_acked("global", "biscuits?").await;
    let reply = json!({"type": "message", "room": "global", "text": "two left", "replyTo": first["messageId"]});
    assert_eq!(bob.ask(reply).await["type"], "ack");
    let driver = Driver::start();
    let ana = Person::open(&driver, &server.url("/")).await;
    ana.sees(&["biscuits?", "two left"]).await;
    ana.click("#log [data-action=jump]").await;
    ana.waits_for("document.activeElement.querySelector?.('.text')?.textContent === 'biscuits?'").await;
    for number in 1..=SAID {
        bob.send_acked("global", &format!("number {number}")).await;
    }
    ana.script(NOTE).await;
    ana.waits_for(&format!("{} === {}", seq("last-child"), SAID + 2)).await;
    ana.waits_for("scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 1").await;
    assert_eq!(ana.script("return document.querySelector('#latest').hidden").await, true);
    ana.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_to_much_that_is_new_has_read_what_they_have_seen() {
    let server = Server::setup().without_limits().start();
    let mut bob = server.dial().query("name=Bob").rooms("tea").enter().await;
    let driver = Driver::start();
    let ana = Person::open(&driver, &server.url("/")).await;
    ana.enter("tea").await;
    ana.say("any biscuits?").await;
    ana.sees(&["any biscuits?"]).await;
    ana.enter("global").await;
    for number in 1..=SAID {
        bob.send_acked("tea", &format!("number {number}")).await;
    }
    let unread = "document.querySelector('#rooms [data-room=tea] .unread')";
    ana.waits_for(&format!("{unread}?.textContent === '99+'")).await;
    ana.click("#rooms [data-room=tea]").await;
    ana.script(NOTE).await;
    let line = "document.querySelector('#log .first-unread')?.getBoundingClientRect().top";
    ana.waits_for(&format!("{line} - scroller.getBoundingClientRect().top < 100")).await;
    ana.waits_for("!document.querySelector('#latest').hidden").await;
    assert_eq!(ana.script(&format!("return {unread}?.textContent")).await, "99+", "the end was not in view yet");
    let on = format!("scroller.scrollTop = scroller.scrollHeight; return {unread} === null");
    until("the end", async || ana.script(&on).await.as_bool()?.then_some(())).await;
    ana.leave().await;
}

/// Makes the one message of `global` the first of [`MANY`], as if they had been said: sending them would take minutes.
fn lengthen(store: &std::path::Path) {
    let store = rusqlite::Connection::open(store).unwrap();
    let columns = "room, seq, ts, id, user, name, role, text, key, reply_to, instance, edited_text, edited_ts, deleted";
    let others = columns
        .replace("seq, ts, id", "seq + n, ts + n, substr(id, 1, 18) || printf('%08d', n)")
        .replace("text, key", "'number ' || (seq + n), NULL");
    let numbers = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1 - 1)";
    let others = format!("{numbers} INSERT INTO messages ({columns}) SELECT {others} FROM messages, numbers");
    store.execute(&others, [MANY]).unwrap();
    store.execute("UPDATE rooms SET head = ?1", [MANY]).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_of_a_hundred_thousand_messages_is_as_light_as_any() {
    let mut server = Server::setup().without_limits().env("HUBBUB__HISTORY__MAX_ENTRIES", MANY).start();
    server.guest("Bob").await.send_acked("global", "number 1").await;
    server.term();
    assert_eq!(server.exit_code(), Some(0));
    lengthen(&server.folder().join("data/hubbub.db"));
    server.restart();

    let driver = Driver::start();
    let ana = Person::open(&driver, &server.url("/")).await;
    ana.waits_for(&format!("{} === {MANY}", seq("last-child"))).await;
    let (most, jumps) = read_back(&ana, MANY - BACK).await;
    assert!(most <= SHOWN, "{most} messages in the document");
    assert!(jumps.is_empty(), "{jumps:?}");
    // A screen on its side holds more messages than the page usually has in the document on both sides of it.
    ana.browser.page.set_window_size(1_080, 2_400).await.unwrap();
    ana.waits_for("innerHeight > 2000").await;
    let (_, jumps) = read_back(&ana, MANY - 2 * BACK).await;
    assert!(jumps.is_empty(), "on a tall screen: {jumps:?}");
    let numbers = "return [...document.querySelectorAll('#log > li[data-id]')].map((each) => Number(each.dataset.seq))";
    let numbers: Vec<u64> = serde_json::from_value(ana.script(numbers).await).unwrap();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "in order, and nothing left out: {numbers:?}");

    ana.click("#latest").await;
    ana.waits_for(&format!("{} === {MANY}", seq("last-child"))).await;
    ana.leave().await;
}

/// Reads back to a message in steps of a screen, as fast as there is more above. Looks each frame at how many messages
/// are in the document, and at whether what was in view stays where it was while more is put above it.
async fn read_back(ana: &Person, to: u64) -> (usize, Vec<Value>) {
    ana.script(NOTE).await;
    let read = "
        const [to] = arguments;
        window.read = { most: 0, jumps: [], done: false };
        let seen = look();
        const step = () => {
            const items = document.querySelectorAll('#log > li');
            read.most = Math.max(read.most, items.length);
            const moved = movedBy(seen);
            if (!(moved <= 2)) read.jumps.push([seen.node.dataset.seq, moved]);
            if (Number(items[0].dataset.seq) <= to) return void (read.done = true);
            scroller.scrollTop -= Math.min(scroller.scrollTop, 600);
            seen = look();
            requestAnimationFrame(step);
        };
        step();";
    ana.script_with(read, vec![json!(to)]).await;
    until("the messages of long ago", async || (ana.script("return read.done").await == true).then_some(())).await;
    serde_json::from_value(ana.script("return [read.most, read.jumps]").await).unwrap()
}
