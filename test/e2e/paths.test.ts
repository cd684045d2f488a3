/** Ways around firewalls: ICE over TCP, TURN over UDP and over TLS, and being led from one to another. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type BrowserClient, TestBrowser } from './support/browser.ts';
import { freePort, freshRoom, joinToken, startServer, type TestServer } from './support/server.ts';

/** Browsers relay to no loopback address. */
const outside = Object.entries(networkInterfaces())
  .flatMap(([name, infos]) => (infos ?? []).map((info) => ({ name, ...info })))
  .find(({ family, internal }) => family === 'IPv4' && !internal);
const DOMAIN = 'turn.sluice.test';

let browser: TestBrowser;
let folder: string;

before(async () => {
  folder = mkdtempSync(joinPath(tmpdir(), 'sluice-e2e-'));
  browser = await TestBrowser.launch([
    `--host-resolver-rules=MAP ${DOMAIN} ${outside?.address ?? '127.0.0.1'}`,
    '--ignore-certificate-errors',
  ]);
});

after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Options {
  single: boolean;
  relayOnly?: boolean;
}

async function withServer(config: Record<string, unknown>, run: (server: TestServer) => Promise<void>): Promise<void> {
  const port = await freePort();
  const server = await startServer({ ...config, prometheus: { port } });
  try {
    await run(Object.assign(server, { metricsUrl: `http://127.0.0.1:${port}/metrics` }));
  } finally {
    await server.stop();
  }
}

/** Two clients that see and hear each other. */
async function call(server: TestServer, { single, relayOnly = false }: Options): Promise<BrowserClient[]> {
  const room = freshRoom();
  const clients: BrowserClient[] = [];
  for (const identity of ['alice', 'bob']) {
    const client = await browser.client();
    clients.push(client);
    const token = await joinToken(room, identity);
    await client.run((c, options) => c.join(options), {
      url: server.url,
      token,
      singlePeerConnection: single,
      relayOnly,
    });
    await client.run((c, color) => c.showPicture({ color }), identity === 'alice' ? 'red' : 'blue');
  }
  await seeEachOther(clients);
  return clients;
}

async function seeEachOther([alice, bob]: BrowserClient[]): Promise<void> {
  assert.equal((await bob?.run((c) => c.see('alice')))?.color, 'red');
  assert.equal((await alice?.run((c) => c.see('bob')))?.color, 'blue');
}

async function routesOf(clients: BrowserClient[]): Promise<Set<string>> {
  const routes = await Promise.all(clients.map((client) => client.run((c) => c.routes())));
  return new Set(routes.flat());
}

/** How many peer connections take each path, as our server counts them. */
async function assertPaths(server: TestServer, expected: Record<string, number>): Promise<void> {
  if (process.env.E2E_SERVER !== undefined) return;
  const { metricsUrl } = server as TestServer & { metricsUrl: string };
  const text = await (await fetch(metricsUrl)).text();
  const lines = [...text.matchAll(/^sluice_connections\{path="([\w-]+)".*\} (\d+)$/gm)];
  const counts = lines.map(([, path, count]) => [path, Number(count)] as const);
  assert.deepEqual(Object.fromEntries(counts.filter(([, count]) => count !== 0)), expected);
}

async function close(clients: BrowserClient[]): Promise<void> {
  for (const client of clients) await client.close();
}

const IPV4 = { ips: { includes: ['127.0.0.0/8'] } };

for (const single of [true, false]) {
  const connections = single ? 2 : 4;
  describe(single ? 'single peer connection' : 'dual peer connection', () => {
    test('without UDP media goes over TCP', async () => {
      await withServer({ rtc: { ...IPV4, force_tcp: true, tcp_port: await freePort() } }, async (server) => {
        const clients = await call(server, { single });
        assert.deepEqual(await routesOf(clients), new Set(['tcp']));
        await assertPaths(server, { tcp: connections });
        await close(clients);
      });
    });

    test('a client that asks for TCP comes back over TCP, and stays there when it joins anew', async () => {
      await withServer({ rtc: { ...IPV4, tcp_port: await freePort() } }, async (server) => {
        const clients = await call(server, { single });
        const [alice] = clients as [BrowserClient];
        assert.deepEqual(await routesOf(clients), new Set(['udp']));
        await alice.run((c) => c.room.simulateScenario('force-tcp'));
        await alice.run((c) => c.waitFor('reconnected'));
        await seeEachOther(clients);
        assert.deepEqual(await routesOf([alice]), new Set(['tcp']));
        await assertPaths(server, { udp: connections / 2, tcp: connections / 2 });
        await close(clients);
      });
    });

    const skip = outside === undefined ? 'there is no address but loopback' : false;

    test('TURN over UDP', { skip }, async () => {
      const udp_port = await freePort();
      await withServer({ rtc: outsideOnly(), turn: { ...turn(), udp_port } }, async (server) => {
        const clients = await call(server, { single, relayOnly: true });
        assert.deepEqual(await routesOf(clients), new Set(['relay-udp']));
        await assertPaths(server, { 'relay-udp': connections });
        await close(clients);
      });
    });

    test('TURN over TLS', { skip }, async () => {
      const { cert_file, key_file } = certificate();
      const config = { rtc: outsideOnly(), turn: { ...turn(), tls_port: 443, domain: DOMAIN, cert_file, key_file } };
      await withServer(config, async (server) => {
        const clients = await call(server, { single, relayOnly: true });
        assert.deepEqual(await routesOf(clients), new Set(['relay-tls']));
        await assertPaths(server, { 'relay-tls': connections });
        await close(clients);
      });
    });

    test('a client that asks for TLS is made to relay', { skip }, async () => {
      const { cert_file, key_file } = certificate();
      const config = { rtc: outsideOnly(), turn: { ...turn(), tls_port: 443, domain: DOMAIN, cert_file, key_file } };
      await withServer(config, async (server) => {
        const clients = await call(server, { single });
        const [alice] = clients as [BrowserClient];
        await alice.run((c) => c.room.simulateScenario('force-tls'));
        await alice.run((c) => c.waitFor('reconnected'));
        await seeEachOther(clients);
        assert.deepEqual(await routesOf([alice]), new Set(['relay-tls']));
        await close(clients);
      });
    });
  });
}

function outsideOnly(): Record<string, unknown> {
  return {
    interfaces: { includes: [outside?.name] },
    node_ip: outside?.address,
    ips: { includes: [`${outside?.address}/32`] },
    tcp_port: 0,
  };
}

function turn(): Record<string, unknown> {
  // Below the ports that the system deals out, of which `freePort` is one.
  return { enabled: true, bind_addresses: [outside?.address], relay_range_start: 28_000, relay_range_end: 28_999 };
}

/** A self-signed one for the TURN server's domain. */
function certificate(): { cert_file: string; key_file: string } {
  const cert_file = joinPath(folder, 'cert.pem');
  const key_file = joinPath(folder, 'key.pem');
  const subject = ['-subj', `/CN=${DOMAIN}`, '-addext', `subjectAltName=DNS:${DOMAIN}`];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key_file];
  execFileSync('openssl', ['req', '-x509', ...key, '-days', '7', ...subject, '-out', cert_file], { stdio: 'ignore' });
  return { cert_file, key_file };
}
