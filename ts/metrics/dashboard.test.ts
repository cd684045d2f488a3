/** The Grafana dashboard of docs/grafana loads, and shows only what is exported. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

interface Panel {
  id: number;
  type: string;
  title: string;
  datasource?: { uid: string };
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: { refId: string; expr: string }[];
}

const dashboard: { title: string; uid: string; schemaVersion: number; panels: Panel[] } = JSON.parse(
  readFileSync(new URL('../../docs/grafana/sluice.json', import.meta.url), 'utf8'),
);
const documented = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
const shown = dashboard.panels.filter(({ type }) => type !== 'row');

test('there are about thirty panels, each with an id, a title and a place of its own', () => {
  assert.ok(shown.length >= 30 && shown.length <= 45, `${shown.length}`);
  const ids = dashboard.panels.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
  assert.equal(new Set(shown.map(({ title }) => title)).size, shown.length);
  const taken = new Set<string>();
  for (const { title, gridPos } of dashboard.panels) {
    assert.ok(gridPos.x + gridPos.w <= 24, title);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        assert.ok(!taken.has(`${x} ${y}`), `${title} covers another panel`);
        taken.add(`${x} ${y}`);
      }
    }
  }
});

test('each panel asks the chosen data source, in expressions whose brackets close', () => {
  for (const { title, targets = [], datasource } of shown) {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of Grafana
    assert.equal(datasource?.uid, '${datasource}', title);
    assert.ok(targets.length > 0, title);
    assert.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length, title);
    for (const { expr } of targets) {
      const open: string[] = [];
      for (const character of expr) {
        if ('([{'.includes(character)) open.push(character);
        if (')]}'.includes(character)) assert.equal(open.pop(), CLOSED_BY[character], `${title}: ${expr}`);
      }
      assert.deepEqual(open, [], `${title}: ${expr}`);
    }
  }
});

test('every metric on it is one of docs/metrics.md', () => {
  for (const { title, targets = [] } of shown) {
    for (const { expr } of targets) {
      const names = [...expr.matchAll(/\b(?:livekit|sluice)_\w+/g)].map(([name]) => name);
      assert.ok(names.length > 0 || /\b(?:process|nodejs)_\w+/.test(expr), `${title}: ${expr}`);
      for (const name of names) {
        const whole = name.replace(/_bucket$/, '');
        assert.ok(documented.includes(`\`${whole}\``), `${title}: ${name} is no metric of docs/metrics.md`);
      }
    }
  }
});

const CLOSED_BY: Record<string, string> = { ')': '(', ']': '[', '}': '{' };
