import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

const root = new URL('../../static/', import.meta.url);
const read = (path) => readFileSync(new URL(path, root), 'utf8');
const html = read('index.html');

/** What the server says before a file, bytes. */
const HEADERS = 300;

/** The modules a module needs before it runs, itself included. */
function needs(path, found = new Set()) {
  if (found.has(path)) return found;
  found.add(path);
  for (const [, name] of read(path).matchAll(/^(?:import|export) [^;]*?from '\.\/([\w.]+)'/gm)) needs(`js/${name}`, found);
  return found;
}

test('all modules are asked for at once', () => {
  const preloaded = [...html.matchAll(/rel="modulepreload" href="([^"]+)"/g)].map(([, path]) => path);
  assert.deepEqual(new Set([...preloaded, 'js/app.js']), needs('js/app.js'));
});

test('no file is there that nothing uses', () => {
  const all = readdirSync(new URL('js/', root)).filter((name) => name !== 'admin').map((name) => `js/${name}`);
  const used = new Set([...needs('js/app.js'), 'js/early.js']);
  const later = [...used].flatMap((path) => [...read(path).matchAll(/import\('\.\/([\w.]+)'\)/g)].map(([, name]) => `js/${name}`));
  for (const path of later) needs(path, used);
  assert.deepEqual(all.filter((path) => !used.has(path)), []);
});

test('the page has nothing inline, and no module reads text as markup', () => {
  assert.doesNotMatch(html, /<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|<style/);
  for (const path of needs('js/app.js')) {
    assert.doesNotMatch(read(path), /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\('style'/, path);
  }
});

test('every id is there once, and every label, control and icon finds its own', () => {
  const ids = [...html.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id);
  assert.equal(new Set(ids).size, ids.length);
  const wanted = [...html.matchAll(/\s(?:for|aria-labelledby|aria-controls|aria-describedby)="([^"]+)"|href="#([\w-]+)"/g)].map(([, a, b]) => a ?? b);
  assert.deepEqual(wanted.filter((id) => !ids.includes(id)), []);
  for (const path of needs('js/app.js')) {
    for (const [, id] of read(path).matchAll(/\$\('([\w-]+)'\)/g)) assert.ok(ids.includes(id), `${path}: ${id}`);
  }
});

// A first look without a server: tests/it/browser/weight.rs weighs what really comes.
test('the first page weighs at most 60 KB, with headers, compressed, scripts without their comments', () => {
  const files = ['index.html', 'favicon.svg', 'css/app.css', 'js/early.js', ...needs('js/app.js')];
  const bare = (path) => (path.endsWith('.js') ? read(path).replace(/\/\*\*[\s\S]*?\*\/|^\s*\/\/.*$|^ +/gm, '') : read(path));
  const bytes = files.reduce((sum, path) => sum + HEADERS + gzipSync(bare(path), { level: 9 }).length, 0);
  assert.ok(bytes <= 60_000, `${bytes} bytes`);
});
