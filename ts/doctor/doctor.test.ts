import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { selfSigned } from '../lib/testing/self-signed.ts';
import type { Finding } from './finding.ts';
import { lines } from './print.ts';
import { type Bench, bench, freePort, KEY, ntpServer, type Report, redisServer, SECRET } from './testing/bench.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'sluice-doctor-'));
const ca = selfSigned({ name: 'Test CA' });
const caFile = file('ca.pem', ca.certPem);
let well: Bench;

before(async () => {
  well = await bench();
});
after(async () => {
  await well.close();
  rmSync(folder, { recursive: true });
});

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** Keys that are not effective yet are warned of; that is not what these tests are about. */
function bad({ findings }: Report): Finding[] {
  const wrong = findings.filter(({ status }) => status === 'fail' || status === 'warn');
  return wrong.filter(({ text }) => !text.includes('is not effective yet'));
}

/** The one line that something is wrong, with what mends it. */
function onlyLine(report: Report, status: Finding['status']): string {
  const found = bad(report);
  assert.equal(found.length, 1, JSON.stringify(found, undefined, 2));
  const [finding] = found;
  assert.ok(finding?.fix, 'there is a fix');
  assert.equal(finding.status, status);
  const [line = ''] = lines([finding]);
  assert.ok(!line.includes('\n'));
  return line;
}

/** A process that holds a port until it is killed. */
async function holder(code: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['-e', `${code}; setInterval(() => {}, 1000)`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout ?? child, 'data');
  return child;
}

test('a good configuration has no failure, and every way in is gone to its end', async () => {
  const report = await well.run();
  assert.deepEqual(bad(report), []);
  assert.equal(report.exitCode, 0);
  const ways = report.findings.filter(({ check }) => check === 'reachability').map(({ text }) => text);
  assert.ok(ways.some((text) => text.startsWith(`UDP 127.0.0.1:${well.ports.udp}: connect`) && text.includes('dtls')));
  assert.ok(ways.some((text) => text.startsWith(`TCP 127.0.0.1:${well.ports.tcp}: connect`) && text.includes('dtls')));
});

test('the report as JSON has a verdict and the findings of each check', async () => {
  const report = JSON.parse((await well.run()).text) as { ok: boolean; exitCode: number; findings: Finding[] };
  assert.equal(report.ok, true);
  assert.equal(report.exitCode, 0);
  const checks = [...new Set(report.findings.map(({ check }) => check))];
  assert.deepEqual(checks, [
    'config',
    'ports',
    'addresses',
    'certificates',
    'redis',
    'limits',
    'clock',
    'reachability',
  ]);
  for (const { status, text } of report.findings) {
    assert.match(status, /^(ok|warn|fail|skip)$/);
    assert.notEqual(text, '');
  }
});

test('an unknown key is one line, and the checks do not run', async () => {
  const report = await well.run({ rtc: { tpc_port: 7881 } });
  assert.equal(report.exitCode, 2);
  assert.match(onlyLine(report, 'fail'), /unknown key rtc\.tpc_port .*fix: write rtc\.tcp_port$/);
});

test('a taken TCP port is told with the process that has it', async () => {
  const { tcp } = well.ports;
  const child = await holder(`require('net').createServer().listen(${tcp}, '127.0.0.1', () => console.log('up'))`);
  try {
    const report = await well.run();
    assert.equal(report.exitCode, 1);
    const line = onlyLine(report, 'fail');
    assert.ok(line.includes(`TCP port ${tcp} (rtc.tcp_port) is in use by pid ${child.pid} (`), line);
    assert.ok(line.includes('set rtc.tcp_port to another port'), line);
  } finally {
    child.kill();
  }
});

test('a taken UDP port is told with the process that has it', async () => {
  const { udp } = well.ports;
  const child = await holder(`require('dgram').createSocket('udp4').bind(${udp}, () => console.log('up'))`);
  try {
    const line = onlyLine(await well.run(), 'fail');
    assert.ok(line.includes(`UDP port ${udp} (rtc.udp_port) is in use by pid ${child.pid} (`), line);
  } finally {
    child.kill();
  }
});

test('another server at the port of the API is told with its process', async () => {
  const { api } = well.ports;
  const child = await holder(
    `require('http').createServer((_, r) => { r.statusCode = 404; r.end() }).listen(${api}, '127.0.0.1', () => console.log('up'))`,
  );
  try {
    const line = onlyLine(await well.run(), 'fail');
    assert.ok(line.includes(`TCP port ${api} (port) is in use by pid ${child.pid} (`), line);
  } finally {
    child.kill();
  }
});

test('an expired certificate is one line', async () => {
  const { certPem, keyPem } = selfSigned({ issuer: ca, notAfter: new Date(Date.now() - 1000) });
  const tls = { cert_file: file('old.pem', certPem), key_file: file('old.key', keyPem) };
  const line = onlyLine(await well.run({ tls }, { ca: [caFile] }), 'fail');
  assert.match(line, /tls\.cert_file .* is expired since .*fix: renew it/);
});

test('a key that belongs to another certificate is one line', async () => {
  const tls = {
    cert_file: file('a.pem', selfSigned({ issuer: ca }).certPem),
    key_file: file('b.key', selfSigned().keyPem),
  };
  const line = onlyLine(await well.run({ tls }, { ca: [caFile] }), 'fail');
  assert.match(line, /tls\.key_file .* is not the key of .*fix: set tls\.key_file/);
});

test('a chain that ends before a root is one line', async () => {
  const { certPem, keyPem } = selfSigned({ issuer: ca });
  const tls = { cert_file: file('leaf.pem', certPem), key_file: file('leaf.key', keyPem) };
  const report = await well.run({ tls });
  const line = onlyLine(report, 'fail');
  assert.match(
    line,
    /the chain ends before a root: the certificate of CN=Test CA is missing .*fix: put the full chain/,
  );
  assert.ok(
    report.findings.some(({ text }) => text.startsWith('UDP 127.0.0.1')),
    'the server is tried all the same',
  );
});

test('a certificate that ends soon is a warning, a good one none', async () => {
  const soon = selfSigned({ issuer: ca, notAfter: new Date(Date.now() + 5.5 * 86_400_000) });
  const tls = { cert_file: file('soon.pem', soon.certPem), key_file: file('soon.key', soon.keyPem) };
  const report = await well.run({ tls }, { ca: [caFile] });
  assert.match(onlyLine(report, 'warn'), /expires in 5 days .*fix: renew it/);
  assert.equal(report.exitCode, 0);
  const good = selfSigned({ issuer: ca });
  const other = { cert_file: file('good.pem', good.certPem), key_file: file('good.key', good.keyPem) };
  assert.deepEqual(bad(await well.run({ tls: other }, { ca: [caFile] })), []);
});

test('an advertised address that swallows datagrams is one line', async () => {
  const hole = createSocket('udp4');
  hole.bind(well.ports.udp, '127.0.0.77');
  await once(hole, 'listening');
  try {
    const report = await well.run({ rtc: { node_ip: '127.0.0.77', tcp_port: 0 } }, { timeout: '1' });
    assert.equal(report.exitCode, 1);
    const line = onlyLine(report, 'fail');
    assert.match(line, /UDP 127\.0\.0\.77:\d+: ice failed, no answer within 1 s/);
    assert.ok(line.includes(`fix: open UDP ${well.ports.udp} in every firewall`), line);
    assert.ok(line.includes('sluice doctor --from'), line);
  } finally {
    hole.close();
  }
});

/** A TURN server inside, reached over TLS at its own port instead of the one that clients are sent to. */
async function turn(extra: Record<string, unknown> = {}, name = 'turn.sluice.test') {
  const { certPem, keyPem } = selfSigned({ name, issuer: ca });
  const [udp, tls] = [await freePort(), await freePort()];
  const settings = {
    enabled: true,
    domain: 'turn.sluice.test',
    tls_port: tls,
    cert_file: file('turn.pem', certPem),
    key_file: file('turn.key', keyPem),
    relay_range_start: 30_200,
    relay_range_end: 30_219,
    ...extra,
  };
  const options = { ca: [caFile], connectTo: [`turn.sluice.test:443:127.0.0.1:${tls}`] };
  return { tls, options, config: { turn: settings }, withUdp: { turn: { ...settings, udp_port: udp } } };
}

test('TURN over UDP and TLS is gone through to a data channel', async () => {
  const { withUdp, options } = await turn();
  const report = await well.run(withUdp, options);
  assert.deepEqual(bad(report), []);
  const texts = report.findings.map(({ text }) => text);
  assert.ok(
    texts.some((text) => /^TURN over UDP 127\.0\.0\.1:\d+: connect .*allocate .*permit .*channel .*dtls/.test(text)),
  );
  assert.ok(texts.some((text) => /^TURN over TLS turn\.sluice\.test:443: connect .*tls .*allocate .*dtls/.test(text)));
});

test('a certificate for another domain than turn.domain is one line', async () => {
  const { config, options } = await turn({}, 'other.sluice.test');
  const line = onlyLine(await well.run(config, options), 'fail');
  assert.match(
    line,
    /turn\.cert_file is for DNS:other\.sluice\.test.*, not for turn\.sluice\.test .*fix: get a certificate/,
  );
});

test('a domain without a record, and a port that leads nowhere, are one line each', async () => {
  const { config, options } = await turn();
  const nameless = onlyLine(await well.run(config, { ca: options.ca }), 'fail');
  assert.match(nameless, /TURN over TLS turn\.sluice\.test:443: .*fix: create an A or AAAA record/);
  const connectTo = [`turn.sluice.test:443:127.0.0.1:${await freePort()}`];
  const closed = onlyLine(await well.run(config, { ...options, connectTo }), 'fail');
  assert.match(closed, /TURN over TLS turn\.sluice\.test:443: connect failed, Connection refused.*fix: open TCP 443/);
});

test('what answers in place of TURN over TLS is told from a closed port', async () => {
  const { config, options } = await turn();
  const web = await redisServer(['HTTP/1.1 400 Bad Request']);
  const connectTo = [`turn.sluice.test:443:127.0.0.1:${web.port}`];
  const line = onlyLine(await well.run(config, { ...options, connectTo }), 'fail');
  assert.match(line, /TURN over TLS turn\.sluice\.test:443: tls failed, .*fix: let TURN over TLS answer/);
  web.close();
});

test('a relay that may not reach the server is one line', async () => {
  const { config, options } = await turn({ deny_peer_cidrs: ['127.0.0.0/8'] });
  const line = onlyLine(await well.run(config, options), 'fail');
  assert.match(line, /: permit failed, refused with 403 .*fix: let the TURN server relay to the media addresses/);
});

test('Redis that is down, and Redis that wants a password, are one line each', async () => {
  const port = await freePort();
  const down = await well.run({ redis: { address: `127.0.0.1:${port}` } });
  assert.match(
    onlyLine(down, 'fail'),
    /Redis at 127\.0\.0\.1:\d+ \(redis\.address\) can't be used: ECONNREFUSED .*fix: start Redis/,
  );
  const locked = await redisServer(['-NOAUTH Authentication required.']);
  const closed = await well.run({ redis: { address: `127.0.0.1:${locked.port}` } });
  assert.match(onlyLine(closed, 'fail'), /refuses PING: NOAUTH .*fix: set redis\.username and redis\.password/);
  locked.close();
  const open = await redisServer(['+OK', '+PONG']);
  const fine = await well.run({ redis: { address: `127.0.0.1:${open.port}`, password: 'word' } });
  assert.deepEqual(
    fine.findings.filter(({ check }) => check === 'redis').map(({ status }) => status),
    ['ok'],
  );
  assert.ok(open.commands[0]?.includes('AUTH\r\n$4\r\nword'));
  open.close();
});

test('a clock that is off is one line', async () => {
  const ahead = await ntpServer(30);
  const report = await well.run({}, { ntp: `127.0.0.1:${ahead.port}` });
  assert.match(onlyLine(report, 'warn'), /this clock is 30\.\d s behind .*fix: let NTP set the clock/);
  assert.equal(report.exitCode, 0);
  ahead.close();
  const hour = await ntpServer(-3600);
  const far = await well.run({}, { ntp: `127.0.0.1:${hour.port}` });
  assert.match(onlyLine(far, 'fail'), /ahead of .*fresh tokens are refused/);
  assert.equal(far.exitCode, 1);
  hour.close();
});

test('a running server is used, and tried from elsewhere by the command itself', async () => {
  const server = spawn(process.execPath, ['--import', 'tsx', 'ts/main.ts', '--config-body', well.config()], {
    cwd: ROOT,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  try {
    await untilStarted(server);
    const here = await well.run();
    assert.deepEqual(bad(here), []);
    assert.ok(here.findings.some(({ text }) => text.startsWith(`the running server (pid ${server.pid}) has`)));
    const moved = await freePort();
    const elsewhere = await well.run({ rtc: { tcp_port: moved } });
    assert.match(onlyLine(elsewhere, 'fail'), /rtc\.tcp_port\) is not open, although the server runs .*fix: restart/);
    const url = `http://127.0.0.1:${well.ports.api}`;
    const good = await command(['--from', url, '--api-key', KEY, '--api-secret', SECRET, '--json']);
    assert.equal(good.code, 0, good.output);
    const { findings } = JSON.parse(good.output) as { findings: Finding[] };
    assert.ok(findings.some(({ text }) => text.startsWith('UDP 127.0.0.1') && text.includes('dtls')));
    assert.ok(findings.some(({ text }) => text.startsWith('STUN 127.0.0.1:')));
    assert.deepEqual([...new Set(findings.map(({ check }) => check))], ['reachability', 'clock']);
    const refused = await command(['--from', url, '--api-key', KEY, '--api-secret', 'wrong']);
    assert.equal(refused.code, 1);
    assert.match(refused.output, /^FAIL .*does not let a participant join: 401 .*fix: use a key and secret/m);
    assert.ok(!refused.output.includes('eyJ'), 'no token is printed');
    const keyless = await command(['--from', url]);
    assert.equal(keyless.code, 2);
    assert.match(keyless.output, /fix: give --config, --api-key and --api-secret, or --token/);
  } finally {
    server.kill();
    await once(server, 'exit');
  }
});

function untilStarted(server: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('exit', () => reject(new Error('the server ended')));
    let log = '';
    server.stderr?.on('data', (chunk) => {
      log += chunk;
      if (log.includes('starting LiveKit server')) resolve();
    });
  });
}

async function command(args: string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'ts/main.ts', 'doctor', ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output };
}
