import assert from 'node:assert/strict';
import { test } from 'node:test';
import { format, isLong } from '../../static/js/format.js';

/** Pieces in short: `kind:text`, plain text as it is. */
const short = (text) => format(text).map(({ kind, text: said }) => (kind === 'text' ? said : `${kind}:${said}`));

test('plain text is one piece', () => {
  assert.deepEqual(format('hello <b>you</b>'), [{ kind: 'text', text: 'hello <b>you</b>' }]);
  assert.deepEqual(format(''), []);
});

test('links are http and https only, without what ends the sentence', () => {
  assert.deepEqual(short('see https://a.example/b.'), ['see ', 'link:https://a.example/b', '.']);
  assert.deepEqual(short('(http://a.example/b_(c))'), ['(', 'link:http://a.example/b_(c)', ')']);
  assert.deepEqual(short('HTTPS://A.example?x=1&y, or'), ['link:HTTPS://A.example?x=1&y', ', or']);
  assert.equal(format('HTTPS://A.example/x')[0].href, 'https://a.example/x');
  for (const text of ['javascript:alert(1)', 'data:text/html,x', 'ftp://a.example', 'xhttp://a.example', 'http://', 'https://:80']) {
    assert.ok(format(text).every(({ kind }) => kind !== 'link'), text);
  }
});

test('a link that carries another address goes where it says', () => {
  const [{ href }] = format('https://a.example/?to=javascript:alert(1)');
  assert.equal(new URL(href).protocol, 'https:');
});

test('code is left as it is, also where it looks like a link or a mention', () => {
  assert.deepEqual(short('run `curl http://a.example @b` now'), ['run ', 'code:curl http://a.example @b', ' now']);
  assert.deepEqual(short('a ` b'), ['a ` b']);
  assert.deepEqual(short('```inline```'), ['block:inline']);
});

test('a block keeps its lines, and the fences take their line breaks along', () => {
  assert.deepEqual(short('look:\n```rust\nfn a() {\n  b\n}\n```\nthere'), ['look:', 'block:fn a() {\n  b\n}', 'there']);
  assert.deepEqual(short('```\nnever closed'), ['```\nnever closed']);
  assert.deepEqual(short('```\n```'), ['block:']);
  assert.deepEqual(short('```\na\n```\n```js\nb\n```'), ['block:a', 'block:b']);
});

test('brackets that a link did not open are none of it', () => {
  assert.deepEqual(short('([https://a.example/(b)])'), ['([', 'link:https://a.example/(b)', '])']);
  assert.deepEqual(short('https://a.example/b)))'), ['link:https://a.example/b', ')))']);
});

test('mentions start a word', () => {
  assert.deepEqual(short('@ana, hi @Ben-1.'), ['mention:@ana', ', hi ', 'mention:@Ben-1', '.']);
  assert.deepEqual(short('mail me@example.org'), ['mail me@example.org']);
  assert.deepEqual(short('שלום @דנה'), ['שלום ', 'mention:@דנה']);
});

test('nothing is lost but the marks of code', () => {
  const text = 'a @b https://c.example/d). `e` ) @ ` http:// (https://f.example)';
  assert.equal(format(text).map(({ text: said }) => said).join(''), text.replace('`e`', 'e'));
});

test('the worst texts take no time to speak of', () => {
  for (const worst of ['`'.repeat(4_000), '```\n'.repeat(1_000), 'http://('.repeat(500), `https://a/${')'.repeat(3_900)}`, '@'.repeat(4_000)]) {
    assert.ok(format(worst).length >= 1);
  }
});

test('a text is long by its lines or by its length', () => {
  assert.equal(isLong('a\n'.repeat(10)), false);
  assert.equal(isLong('a\n'.repeat(18)), true);
  assert.equal(isLong('a'.repeat(1_501)), true);
});
