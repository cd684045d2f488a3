import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseDocument } from 'yaml';
import { loadFromFlags } from './flags.ts';
import { ConfigError, leafPaths, loadConfig } from './load.ts';
import { schema } from './schema.ts';
import { settle } from './settle.ts';
import { NOT_EFFECTIVE, notEffective } from './status.ts';

const ROOT = new URL('../../', import.meta.url);
const KEYS = 'keys: { key: a secret that is long enough to be safe }\n';

function load(body: string, strict = true) {
  return loadConfig({ body, overrides: [], strict });
}

function complaints(body: string): string[] {
  try {
    load(body);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.complaints;
  }
  return [];
}

test('an empty file gives every default', () => {
  const { config } = load('');
  assert.equal(config.port, 7880);
  assert.equal(config.rtc.pli_throttle.low_quality, 500);
  assert.equal(config.limit.max_metadata_size, 524_288);
});

test('durations are read as Go writes them', () => {
  const { config } = load('rtc:\n  pli_throttle: { low_quality: 1m30s, mid_quality: 250ms, high_quality: 1000000 }\n');
  assert.deepEqual(config.rtc.pli_throttle, { low_quality: 90_000, mid_quality: 250, high_quality: 1 });
});

test('an unknown key is fatal and the complaint has its line and what was meant', () => {
  assert.deepEqual(complaints('port: 7880\nrtc:\n  udp_prt: 7882\n'), [
    'unknown key rtc.udp_prt (line 3 of --config-body); did you mean rtc.udp_port?',
  ]);
});

test('an unknown key inside a list of sections is found too', () => {
  assert.deepEqual(complaints('rtc:\n  turn_servers:\n    - hst: example.org\n').length, 1);
});

test('without strict config unknown keys are let pass and told', () => {
  const loaded = load('foo: 1\nport: 7000\n', false);
  assert.equal(loaded.config.port, 7000);
  assert.equal(loaded.ignored.length, 1);
});

test('a wrong type names key, value, expected type and line', () => {
  assert.deepEqual(complaints('port: abc\n'), [
    'port: expected a whole number from 0 to 65535, got "abc" (line 1 of --config-body)',
  ]);
  assert.deepEqual(complaints('room:\n  empty_timeout: soon\n'), [
    'room.empty_timeout: expected a whole number, 0 or more, got "soon" (line 2 of --config-body)',
  ]);
  assert.match(complaints('rtc: 3\n')[0] ?? '', /^rtc: expected a section/);
});

test('broken YAML is told with its place', () => {
  assert.match(complaints('port: [\n')[0] ?? '', /^could not parse --config-body: .* at line/);
});

test('flags win over the environment, which wins over the file', () => {
  const body = 'port: 1\nregion: file\nrtc: { tcp_port: 3 }\n';
  const env = { LIVEKIT_PORT: '2', LIVEKIT_REGION: 'environment', NODE_IP: '192.0.2.1' };
  const { config } = loadFromFlags({ configBody: body, region: 'flag', 'rtc.tcp_port': '4' }, env);
  assert.equal(config.port, 2);
  assert.equal(config.region, 'flag');
  assert.equal(config.rtc.tcp_port, 4);
  assert.deepEqual(config.rtc.node_ip, { v4: '192.0.2.1', v6: '' });
});

test('a bad flag is named in the complaint', () => {
  assert.throws(() => loadFromFlags({ port: 'x' }, {}), /port: expected .* \(from --port\)/);
});

test('the body wins over the file', () => {
  const folder = mkdtempSync(`${tmpdir()}/config-`);
  writeFileSync(`${folder}/a.yaml`, 'port: 1\n');
  assert.equal(loadConfig({ file: `${folder}/a.yaml`, overrides: [], strict: true }).config.port, 1);
  assert.equal(loadConfig({ file: `${folder}/a.yaml`, body: 'port: 2\n', overrides: [], strict: true }).config.port, 2);
});

test('a server without keys does not start, except in development on the loopback addresses', () => {
  assert.throws(() => settle(load(''), false), /one of key-file or keys must be provided/);
  assert.deepEqual(settle(load(''), false, false).config.keys, {});
  const { config } = settle(load(''), true);
  assert.deepEqual(config.keys, { devkey: 'secret' });
  assert.deepEqual(config.bind_addresses, ['127.0.0.1', '::1']);
  assert.deepEqual(config.rtc.udp_port, { start: 7882, end: 7882 });
  assert.equal(config.logging.level, 'debug');
});

test('ports default to the range and a short secret is told', () => {
  const { config, notices } = settle(load('keys: { key: short }\n'), false);
  assert.deepEqual([config.rtc.port_range_start, config.rtc.port_range_end], [50_000, 60_000]);
  assert.deepEqual(
    notices.map((notice) => notice.level),
    ['error'],
  );
});

test('a key file must not be readable by others', () => {
  const path = `${mkdtempSync(`${tmpdir()}/keys-`)}/keys`;
  writeFileSync(path, 'filekey: a secret that is long enough to be safe\n');
  chmodSync(path, 0o644);
  assert.throws(() => settle(load(`key_file: ${path}\n`), false), /must not be accessible to others/);
  chmodSync(path, 0o600);
  assert.deepEqual(Object.keys(settle(load(`key_file: ${path}\n`), false).config.keys), ['filekey']);
});

test('TCP alone needs a port', () => {
  assert.throws(
    () => settle(load(`${KEYS}rtc: { force_tcp: true, tcp_port: 0 }\n`), false),
    /^ConfigError: rtc\.tcp_port/,
  );
});

test('a key that does nothing yet is told once, unless it only repeats its default', () => {
  const { notices } = settle(
    load(`${KEYS}trace: { jaeger_url: "http://localhost" }\nagents: { target_load: 0.7 }\n`),
    false,
  );
  assert.deepEqual(
    notices.map((notice) => notice.text),
    ['trace.jaeger_url is not effective yet: tracing comes later'],
  );
});

test('config-sample.yaml has every key with its default', () => {
  const text = readFileSync(new URL('config-sample.yaml', ROOT), 'utf8');
  assert.deepEqual(load(text).config, schema.parse(undefined));
  const document = parseDocument(text);
  for (const { path } of leafPaths()) {
    const keys = path.split('.').map((key) => (/^\d$/.test(key) ? Number(key) : key));
    assert.ok(document.hasIn(keys), `${path} is missing`);
  }
});

test('docs/status.md lists exactly the keys that do nothing yet', () => {
  const text = readFileSync(new URL('docs/status.md', ROOT), 'utf8');
  const listed = [...text.matchAll(/^\| `([a-z_.]+)` \| (.+) \|$/gm)].map(([, path, reason]) => [path, reason]);
  assert.deepEqual(listed, Object.entries(NOT_EFFECTIVE));
});

test('every other key is read somewhere', () => {
  const folder = fileURLToPath(new URL('ts/', ROOT));
  const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .filter((file) => !/config\/(schema|congestion|status)\.ts$/.test(file))
    .map((file) => readFileSync(`${folder}${file}`, 'utf8'))
    .join('\n');
  for (const { path } of leafPaths()) {
    if (notEffective(path) !== undefined) continue;
    const name = path.split('.').at(-1);
    assert.ok(new RegExp(`\\b${name}\\b`).test(sources), `${path} is neither read nor listed as not effective`);
  }
});
