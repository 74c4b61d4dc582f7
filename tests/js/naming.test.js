import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nameAt, namesLike } from '../../static/js/naming.js';

const user = (name) => ({ id: `g:${name}`, name, role: 'guest' });
const names = (users, begun) => namesLike(users, begun).map(({ name }) => name);

test('a name is begun with an @ that is not within a word', () => {
  for (const [text, found] of [
    ['@', { from: 0, begun: '' }],
    ['hi @An', { from: 3, begun: 'An' }],
    ['(@Ana Ma', { from: 1, begun: 'Ana Ma' }],
    ['@Ana @B', { from: 5, begun: 'B' }],
  ]) assert.deepEqual(nameAt(text, text.length), found, text);
  for (const text of ['', 'hi', 'ana@b', '@ a', '@a\nb', `@${'a'.repeat(33)}`]) assert.equal(nameAt(text, text.length), null, text);
});

test('only what stands before the caret counts', () => {
  assert.deepEqual(nameAt('hi @Ana', 5), { from: 3, begun: 'A' });
  assert.equal(nameAt('hi @Ana', 3), null);
  assert.equal(nameAt('@Ana', 0), null);
});

test('names that begin so come first, in the order of those who are likeliest', () => {
  const users = ['Zoe An', 'Bob', 'anna', 'Ana', 'Bob'].map(user);
  assert.deepEqual(names(users, 'an'), ['anna', 'Ana', 'Zoe An']);
  assert.deepEqual(names(users, ''), ['Zoe An', 'Bob', 'anna', 'Ana']);
  assert.deepEqual(names(users, 'Zoe A'), ['Zoe An']);
  assert.deepEqual(names(users, 'ob'), [], 'not within a word');
  assert.deepEqual(names([user('Ａｎａ')], 'ana'), ['Ａｎａ'], 'as mentions are found');
});

test('who is called just so comes before those who spoke later', () => {
  const users = ['Bobby', 'Bob', 'Bob Ross', 'Jim Bob'].map(user);
  assert.deepEqual(names(users, 'bob'), ['Bob', 'Bobby', 'Bob Ross', 'Jim Bob']);
  const crowd = [...Array.from({ length: 9 }, (_, at) => user(`Bob${at}`)), user('Bob')];
  assert.equal(names(crowd, 'Bob')[0], 'Bob', 'not cut off either');
});

test('a crowd is not a list', () => {
  assert.equal(namesLike(Array.from({ length: 500 }, (_, at) => user(`n${at}`)), 'n').length, 8);
});
