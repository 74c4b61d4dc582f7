// People who chat without a page: the client library in Node, each with a token of their own.

import { createHmac } from 'node:crypto';
import { HubbubClient } from '../../static/js/client.js';

/** Signs tokens; one run's own. At least 32 characters. */
export const SECRET = 'only for the pictures and measures of one run';

const encode = (part) => Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url');

/** @param {{name: string, role: string}} who @returns {string} a JWT good for an hour */
export function token({ name, role }) {
  const claims = { sub: name.toLowerCase().replace(/[^a-z]/g, ''), name, role, exp: Math.floor(Date.now() / 1_000) + 3_600 };
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
}

/**
 * Somebody who says much and listens to nothing: what a flood costs is to be paid by the page, not by who makes it.
 * @param {string} server
 * @param {{name: string, role: string}} who
 * @param {string} room
 * @returns {Promise<(text: string) => void>} says something
 */
export async function talker(server, who, room) {
  const socket = new WebSocket(`${server.replace('http', 'ws')}/chat?room=${room}`, ['hubbub.v1', `hubbub.token.${token(who)}`]);
  await new Promise((resolve, reject) => {
    socket.onmessage = ({ data }) => data.includes('"type":"joined"') && resolve();
    socket.onclose = () => reject(new Error(`${who.name} is not let in`));
  });
  socket.onmessage = socket.onclose = null;
  return (text) => socket.send(JSON.stringify({ type: 'message', room, text }));
}

/**
 * Somebody who is there.
 * @param {string} server
 * @param {{name: string, role: string}} who
 * @param {string[]} rooms
 */
export async function arrive(server, who, rooms) {
  const client = new HubbubClient(`${server.replace('http', 'ws')}/chat`, { token: token(who), storage: null });
  client.connect();
  for (const room of rooms) await client.join(room);
  return client;
}
