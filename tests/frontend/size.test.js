import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import test from 'node:test';
import { gzipSync } from 'node:zlib';

const root = new URL('../../frontend/', import.meta.url);
const source = (name) => readFileSync(new URL(name, root), 'utf8');
const gzipped = (text) => gzipSync(text, { level: 9 }).length;
const KIB = 1024;

/** As served: without block comments, line comments of their own, and indentation. */
const served = (text) => text.replace(/\/\*[^]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '').replace(/^\s+/gm, '');

/** All modules that a page loads. */
function graph(entry, seen = new Set()) {
  if (seen.has(entry)) return seen;
  seen.add(entry);
  for (const [, name] of source(`static/${entry}`).matchAll(/^(?:import|\} from)[^;]*?'\.\/(.+?)';/gm)) graph(name, seen);
  return seen;
}

for (const page of ['home', 'cast']) {
  test(`the ${page} page's modules stay within 15 KiB gzipped`, () => {
    const sizes = [...graph(`${page}.js`)].map((name) => gzipped(served(source(`static/${name}`))));
    const total = sizes.reduce((sum, size) => sum + size, 0);
    assert.ok(sizes.length > 5, 'the graph was not followed');
    assert.ok(total <= 15 * KIB, `${total} bytes`);
  });

  test(`the ${page} page preloads exactly its modules`, () => {
    const [, list] = /for module in \[(.+?)\]/.exec(source(`templates/${page}.html`));
    const preloaded = list.split(',').map((name) => `${name.trim().replaceAll("'", '')}.js`);
    assert.deepEqual(preloaded.sort(), [...graph(`${page}.js`)].sort());
  });
}

test('the style sheet stays within 5 KiB gzipped', () => assert.ok(gzipped(source('static/style.css')) <= 5 * KIB));

for (const name of readdirSync(new URL('templates/', root))) {
  test(`${name} keeps the content policy: nothing inline, nothing from elsewhere`, () => {
    const html = source(`templates/${name}`);
    assert.doesNotMatch(html, /<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)/i);
    assert.doesNotMatch(html, /(?:src|href)="(?:https?:)?\/\//i);
    assert.doesNotMatch(html, /\|\s*safe\b/);
  });
}

for (const name of readdirSync(new URL('static/', root)).filter((file) => file.endsWith('.js'))) {
  test(`${name} builds no markup from strings`, () => {
    assert.doesNotMatch(source(`static/${name}`), /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(/);
  });
}
