/** HTTPS and wss by the server itself, with livekit-client; certificates change under a call (acceptance 43). */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { after, before, test } from 'node:test';
import { connect } from 'node:tls';
import type { Certificate } from '../../ts/lib/certificate.ts';
import { selfSigned } from '../../ts/lib/testing/self-signed.ts';
import { type BrowserClient, TestBrowser } from './support/browser.ts';
import { freePort, freshRoom, joinToken, spawnServer, startServer, type TestServer } from './support/server.ts';

process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
const folder = mkdtempSync(`${tmpdir()}/tls-`);
const tls = { cert_file: `${folder}/cert.pem`, key_file: `${folder}/key.pem` };
let server: TestServer;
let browser: TestBrowser;
let prometheus: number;

before(async () => {
  prometheus = await freePort();
  put(selfSigned({ name: 'first.test' }));
  [server, browser] = await Promise.all([
    startServer({ tls, prometheus: { port: prometheus } }),
    TestBrowser.launch(['--ignore-certificate-errors']),
  ]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

function put({ certPem, keyPem }: Certificate): void {
  for (const [name, content] of [
    ['cert.pem', certPem],
    ['key.pem', keyPem],
  ] as const) {
    writeFileSync(`${folder}/.${name}`, content);
    renameSync(`${folder}/.${name}`, `${folder}/${name}`);
  }
}

/** Who the server says it is to a new connection. */
async function name(): Promise<string> {
  const { hostname, port } = new URL(server.url);
  const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return String(subject.CN);
}

async function metric(line: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${prometheus}/metrics`)).text();
  return Number(
    text
      .split('\n')
      .find((entry) => entry.startsWith(line))
      ?.split(' ')
      .at(-1),
  );
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await condition())) {
    if (Date.now() > deadline) assert.fail(`nothing came of it\n${server.output()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function join(room: string, identity: string): Promise<BrowserClient> {
  const client = await browser.client();
  await client.run((c, options) => c.join(options), { url: server.url, token: await joinToken(room, identity) });
  return client;
}

test('a call over wss goes on while its certificate changes, and new handshakes use the new one', async () => {
  assert.match(server.output(), /"scheme":"https"/);
  const room = freshRoom();
  const [alice, bob] = [await join(room, 'alice'), await join(room, 'bob')];
  await alice.run((c) => c.showPicture({ color: 'red' }));
  assert.equal((await bob.run((c) => c.see('alice'))).color, 'red');
  assert.equal(await name(), 'first.test');

  put(selfSigned({ name: 'second.test' }));
  server.process.kill('SIGHUP');
  await until(async () => (await name()) === 'second.test');

  put(selfSigned({ name: 'third.test' }));
  await until(async () => (await name()) === 'third.test');

  writeFileSync(tls.key_file, 'broken');
  server.process.kill('SIGHUP');
  await until(() => server.output().includes('keeping the former tls certificate'));
  assert.match(server.output(), /tls\.key_file \(.*key\.pem\) holds no key that can be read/);
  assert.equal(await name(), 'third.test');
  assert.ok((await metric('sluice_certificate_loads_total{section="tls",result="used"')) >= 3);
  assert.ok((await metric('sluice_certificate_loads_total{section="tls",result="refused"')) >= 1);
  assert.ok((await metric('sluice_certificate_expiry_timestamp_seconds{section="tls"')) > Date.now() / 1000);
  assert.equal((await server.rooms.listParticipants(room)).length, 2);

  const carol = await join(room, 'carol');
  assert.equal((await carol.run((c) => c.see('alice'))).color, 'red');
  for (const client of [alice, bob]) {
    assert.equal(await client.run((c) => c.count('signal-reconnecting') + c.count('reconnecting')), 0);
  }
});

test('a server whose certificate can not be used does not start, and says why', async () => {
  const other = selfSigned();
  const { certPem } = selfSigned();
  for (const [args, complaint] of [
    [['--tls.cert_file', `${folder}/none`, '--tls.key_file', `${folder}/none`], /could not read tls.cert_file/],
    [['--tls.cert_file', certPem, '--tls.key_file', other.keyPem], /tls.key_file is not the key of the certificate/],
    [['--tls.cert_file', certPem], /tls: cert_file and key_file must both be set/],
    [
      ['--turn.enabled', '--turn.domain=turn.test', '--turn.tls_port=1', '--turn-cert=/none', '--turn-key=/none'],
      /could not read turn.cert_file \(\/none\)/,
    ],
  ] as const) {
    const started = spawnServer(['--dev', '--port', String(await freePort()), '--rtc.tcp_port=0', ...args]);
    const [code] = await once(started.child, 'exit');
    assert.equal(code, 1, started.output());
    assert.match(started.output(), complaint);
  }
});
