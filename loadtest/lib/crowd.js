// The sockets of one virtual user: opens them, lets them talk, and counts what came of it.

import { scenario } from 'k6/execution';
import { clearInterval, setInterval, setTimeout } from 'k6/timers';

import { Client } from './client.js';
import { findings } from './feed.js';
import { compose, parse } from './message.js';
import * as metrics from './metrics.js';
import { CHAT_URLS, PATIENCE_MS, TEXT_SIZE, TIME_EVERY } from './settings.js';
import { WebSocket } from './websocket.js';

/** How often it is looked who is to speak, and how often counts are passed on and clients look after themselves. */
const TURN_MS = 20;
const SECOND_MS = 1_000;

/** The close code of a server that restarts (PROTOCOL section 3). */
const DRAINED = 1012;

const WORLD = {
  WebSocket,
  now: Date.now,
  random: Math.random,
  after: (then, ms) => setTimeout(then, ms),
};

/**
 * What a socket does. Times are milliseconds from the start of the run.
 * @typedef {object} Part
 * @property {{name: string, senders: number}[]} rooms what it joins, and how many speak there
 * @property {string[]} says the rooms it speaks in, at each of its turns
 * @property {number} openAt
 * @property {number} talkAt
 * @property {number} intervalMs between two turns
 * @property {number} messages turns
 */

/**
 * Runs the sockets of this virtual user to the end.
 * @param {object} run
 * @param {number} run.start milliseconds since 1970, the same for all
 * @param {number} run.sockets how many each virtual user has
 * @param {(index: number) => Part} run.part by the number of a socket over all virtual users
 * @param {string} [run.filler] what texts are filled up with, one character
 * @param {number} [run.size] characters of a text
 * @param {(ms: number) => object} [run.tags] of the times measured so many milliseconds after the start
 * @param {(people: {client: Client, speaksAt: number}[], ms: number) => void} [run.each] called about every
 *   20 ms, with who there is and when each has its next turn (`Infinity`: none)
 */
export function crowd(run) {
  metrics.countFromZero();
  new Crowd(run).begin();
}

class Crowd {
  constructor({ start, sockets, part, filler, size = TEXT_SIZE, tags = () => ({}), each = () => {} }) {
    Object.assign(this, { start, filler, size, tags, each });
    this.found = findings();
    this.told = findings();
    this.heard = 0;
    this.said = 0;
    this.acks = 0;
    const first = scenario.iterationInTest * sockets;
    this.members = Array.from({ length: sockets }, (_, index) => this.member(first + index, part(first + index)));
    this.clients = this.members.map(({ client }) => client);
    const ends = this.members.map(({ part: { talkAt, messages, intervalMs } }) => talkAt + messages * intervalMs);
    this.deadline = PATIENCE_MS + Math.max(...ends);
  }

  begin() {
    let looked = 0;
    const timer = setInterval(() => {
      const ms = Date.now() - this.start;
      this.members.forEach((member) => this.turn(member, ms));
      this.each(this.members, ms);
      if (ms - looked < SECOND_MS) return;
      looked = ms;
      this.clients.forEach((client) => client.tick());
      this.count();
      if (ms > this.deadline || this.members.every((member) => this.isDone(member))) {
        clearInterval(timer);
        this.close();
      }
    }, TURN_MS);
  }

  member(index, part) {
    const client = new Client({
      urls: CHAT_URLS,
      turn: index,
      name: `load-${index}`,
      world: WORLD,
      found: this.found,
      on: {
        ready: () => {},
        heard: (said, live) => this.time(said, live),
        acked: (message, now) => this.acked(message, now),
        refused: ({ code, message, room }) => {
          console.error(`refused: ${code}: ${message} (${room ?? 'no room'})`);
          metrics.refused.add(1);
        },
        unwelcomed: () => metrics.unwelcomed.add(1),
        interrupted: (code) => {
          metrics.interruptions.add(1, { code: String(code) });
          metrics.drained.add(code === DRAINED ? 1 : 0);
        },
        back: (ms) => metrics.interruptionTime.add(ms),
        ended: (code) => console.error(`closed for good: ${code}`),
      },
    });
    part.rooms.forEach(({ name }) => client.join(name));
    return { index, part, client, opened: false, turns: 0, speaksAt: part.says.length > 0 ? part.talkAt : Infinity };
  }

  turn(member, ms) {
    const { client, part } = member;
    if (!member.opened && ms >= part.openAt) {
      member.opened = true;
      client.open();
    }
    while (ms >= member.speaksAt) {
      const number = member.turns;
      member.turns += 1;
      member.speaksAt = member.turns < part.messages ? member.speaksAt + part.intervalMs : Infinity;
      part.says.forEach((room) => {
        const said = { sender: `s${member.index}`, number, at: Date.now(), last: number === part.messages - 1 };
        this.said += 1;
        client.say(room, `${room.slice(0, 40)}:${said.sender}:${number}`, compose(said, this.size, this.filler));
      });
    }
  }

  time({ at }, live) {
    this.heard += 1;
    if (live && this.heard % TIME_EVERY === 0) metrics.deliveryTime.add(Date.now() - at, this.tags(at - this.start));
  }

  acked({ tries, at, text }, now) {
    this.acks += 1;
    metrics.acked.add(true);
    if (tries === 1) metrics.ackTime.add(now - at, this.tags(parse(text).at - this.start));
    else metrics.retried.add(1);
  }

  isDone({ client, part, speaksAt }) {
    return speaksAt === Infinity && client.outbox.size === 0 && client.isReady
      && part.rooms.every(({ name, senders }) => client.rooms.get(name).feed.isComplete(senders));
  }

  /** Passes on what was found since the last time. */
  count() {
    for (const name of Object.keys(this.found)) {
      const more = this.found[name] - this.told[name];
      if (more > 0) metrics[name].add(more);
      this.told[name] = this.found[name];
    }
  }

  close() {
    this.count();
    for (let missing = this.acks; missing < this.said; missing += 1) metrics.acked.add(false);
    for (const { client, part } of this.members) {
      metrics.joined.add(client.wasReady);
      metrics.stayedAway.add(client.isReady ? 0 : 1);
      for (const { name, senders } of part.rooms) {
        const { complete, lost, gaps } = client.rooms.get(name).feed.close(senders);
        for (let sender = 0; sender < senders; sender += 1) metrics.complete.add(sender < complete);
        metrics.lost.add(lost);
        metrics.gaps.add(gaps);
      }
    }
    this.clients.forEach((client) => client.close());
    metrics.finished.add(1);
  }
}
