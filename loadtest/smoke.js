// A smoke test under load: many WebSockets talk at once, and everything acked must reach everyone, once and in order.
//
//   k6 run loadtest/smoke.js                  the server at http://127.0.0.1:3001
//   k6 run -e BASE_URL=https://chat.example.org -e VUS=10 loadtest/smoke.js
//   make loadtest                             with a server of its own
//
// Each virtual user has a room of its own, in which all of its sockets say something and each must have all of it, and is
// in one room with all others, to which its first socket speaks and whose order every socket checks.
// lib/settings.js lists what can be set, lib/metrics.js what is measured.

import { check } from 'k6';
import { clearInterval, setInterval, setTimeout } from 'k6/timers';

import { Account } from './lib/account.js';
import { Client } from './lib/client.js';
import * as metrics from './lib/metrics.js';
import { INTERVAL_MS, MESSAGES, PATIENCE_MS, RUN, SOCKETS, VUS } from './lib/settings.js';

/** How often it is looked whether all is done. */
const LOOK_MS = 100;

export const options = {
  scenarios: {
    chat: {
      executor: 'per-vu-iterations',
      vus: VUS,
      iterations: 1,
      maxDuration: `${MESSAGES * INTERVAL_MS + 3 * PATIENCE_MS}ms`,
    },
  },
  thresholds: metrics.thresholds,
};

export default function smoke() {
  metrics.countFromZero();
  const own = `${RUN}-${__VU}`;
  const shared = `${RUN}-all`;
  // The first socket says as much in the shared room as in its own.
  const expected = (SOCKETS + 1) * MESSAGES;
  const account = new Account(SOCKETS);
  const clients = [];
  let ready = 0;
  let ended = 0;

  for (let index = 0; index < SOCKETS; index += 1) {
    clients.push(
      new Client(`vu${__VU}-${index}`, [own, shared], {
        ready: () => {
          ready += 1;
        },
        acked: (key) => account.ack(key),
        message: ({ key }) => account.deliver(key),
        ended: () => {
          ended += 1;
        },
      }),
    );
  }

  within(PATIENCE_MS, () => ready === SOCKETS || ended > 0, () => {
    clients.forEach((client) => metrics.joined.add(client.ready));
    talk(clients, account, own, shared, () => {
      within(PATIENCE_MS, () => account.isSettled(expected) || ended > 0, () => {
        account.close(expected);
        check(account, { 'everything said is acked and delivered': (it) => it.isSettled(expected) });
        clients.forEach((client) => client.leave());
      });
    });
  });
}

/** Lets every client that is ready say its messages, one per interval, spread so that they do not all speak at once. */
function talk(clients, account, own, shared, then) {
  let round = 0;
  const speakers = clients.filter((client) => client.ready);
  const say = (client, room, key) => {
    account.say(key);
    client.say(room, key, `message ${key} of a load test`);
  };
  const timer = setInterval(() => {
    if (round === MESSAGES) {
      clearInterval(timer);
      then();
      return;
    }
    const number = round;
    round += 1;
    speakers.forEach((client, index) => {
      setTimeout(() => {
        say(client, own, `${__VU}-${index}-${number}`);
        if (index === 0) {
          say(client, shared, `${__VU}-all-${number}`);
        }
      }, (index * INTERVAL_MS) / speakers.length);
    });
  }, INTERVAL_MS);
}

/** Goes on as soon as `done`, but no later than after `limitMs`. */
function within(limitMs, done, then) {
  const start = Date.now();
  const timer = setInterval(() => {
    if (done() || Date.now() - start >= limitMs) {
      clearInterval(timer);
      then();
    }
  }, LOOK_MS);
}
