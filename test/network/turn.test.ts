/** TURN with clients and servers that others wrote: coturn's client and Pion's against ours, browsers with coturn. */

import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { turnCredentials } from '../../ts/auth/turn-credentials.ts';
import { KEY, SECRET } from '../e2e/support/server.ts';
import { Authority } from './support/certificates.ts';
import { Internet, SERVER, SERVICES } from './support/internet.ts';
import { unavailable } from './support/lab.ts';
import { startCoturn, startEcho } from './support/programs.ts';
import { scene } from './support/scene.ts';
import { InnerServer } from './support/server.ts';

const TURN = 'turn.example.com';
const PION = fileURLToPath(new URL('pion', import.meta.url));
const ECHO_PORT = 3480;

/** How a client reaches the TURN server: the configuration that opens it, and where. */
const WAYS = {
  udp: { config: 'turn-tls', port: 3478, uclient: [] },
  tcp: { config: 'turn-behind-balancer', port: 5349, uclient: ['-t'] },
  tls: { config: 'turn-tls', port: 443, uclient: ['-t', '-S'] },
} as const;

type Way = keyof typeof WAYS;

const run = promisify(execFile);

/** Of Pion's client, once it is built. */
let pion = '';

describe('TURN', { skip: unavailable }, () => {
  let folder: string;
  let authority: Authority;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-network-'));
    authority = new Authority(folder);
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  describe('other clients of our server', () => {
    for (const way of Object.keys(WAYS) as Way[]) {
      test(`turnutils_uclient of coturn over ${way}`, async () => {
        await withTurn(way, true, async (internet) => {
          const { lost, received } = await uclient(internet, way);
          assert.deepEqual({ lost, received }, { lost: 0, received: 40 });
        });
      });
    }

    test('turnutils_uclient is refused where the peer is not of our media', async () => {
      await withTurn('udp', false, async (internet) => {
        await assert.rejects(uclient(internet, 'udp'), /403/);
      });
    });

    describe('Pion', { skip: buildPion() }, () => {
      for (const way of Object.keys(WAYS) as Way[]) {
        test(`over ${way}`, async () => {
          await withTurn(way, true, async (internet) => {
            const { username, credential } = credentials();
            const args = [way, `${SERVER}:${WAYS[way].port}`, TURN, authority.file, username, credential];
            const [program, words] = internet.browser.command(pion, [...args, `${SERVICES}:${ECHO_PORT}`]);
            const { stdout } = await run(program, words, { timeout: 20_000 });
            assert.match(stdout, /echoed 20 of 20/);
          });
        });
      }
    });
  });

  test('relays alone, over UDP, for a browser and a native client', async () => {
    const setting = {
      config: 'turn-tls',
      changes: { turn: authority.sign(TURN) },
      call: { relayOnly: true, hosts: { [TURN]: SERVER } },
    };
    await scene(setting, async ({ call, server }) => {
      assert.deepEqual(await call.routes(), { browser: ['relay-udp'], native: ['relay-udp'] });
      await server.carries({ 'relay-udp': 2 });
    });
  });

  const users = {
    'a shared secret': {
      coturn: '--use-auth-secret --static-auth-secret=the-static-auth-secret-of-coturn',
      changes: {},
    },
    'a fixed user': {
      coturn: '--lt-cred-mech --user=somebody:password',
      changes: { host: TURN, port: 3478, protocol: 'udp', username: 'somebody', credential: 'password' },
    },
  };
  for (const [user, { coturn, changes }] of Object.entries(users)) {
    test(`coturn instead of our own server, with ${user}`, async () => {
      const setting = {
        config: 'external-turn',
        changes: 'host' in changes ? { rtc: { turn_servers: [changes] } } : {},
        call: { relayOnly: true, hosts: { [TURN]: SERVICES } },
        prepare: (internet: Internet) => startCoturn(internet.services, SERVICES, `--realm=${TURN} ${coturn}`),
      };
      await scene(setting, async ({ call, server }) => {
        assert.deepEqual(await call.routes(), { browser: ['relay-udp'], native: ['relay-udp'] });
        // For the server they are clients like any other.
        await server.carries({ udp: 2 });
      });
    });
  }

  /** A server with TURN, and a program that echoes, which may be its peer or not. */
  async function withTurn(way: Way, allowed: boolean, during: (internet: Internet) => Promise<void>): Promise<void> {
    const internet = await Internet.create();
    try {
      await startEcho(internet.services, SERVICES, ECHO_PORT);
      const certificate = way === 'tcp' ? {} : authority.sign(TURN);
      const peers = allowed ? { allow_restricted_peer_cidrs: ['198.18.0.0/15'] } : {};
      const server = await InnerServer.start(internet.server, [WAYS[way].config], {
        turn: { ...certificate, ...peers },
      });
      try {
        await during(internet);
      } finally {
        await server.stop();
      }
    } finally {
      await internet.close();
    }
  }

  /** Two clients that send 20 messages each. Rejects with what it printed where it did not come so far. */
  async function uclient(internet: Internet, way: Way): Promise<{ lost: number; received: number }> {
    const { username, credential } = credentials();
    const { port, uclient } = WAYS[way];
    const user = ['-u', username, '-w', credential, '-E', authority.file];
    const load = ['-v', '-c', '-m', '2', '-n', '20', '-l', '170', '-e', SERVICES, '-r', String(ECHO_PORT)];
    const args = [...uclient, ...user, ...load, '-p', String(port), SERVER];
    const [program, words] = internet.browser.command('turnutils_uclient', args);
    const { stdout, stderr } = await run(program, words, { timeout: 20_000 }).catch((error) => error);
    const text = `${stdout}${stderr}`;
    const lost = /Total lost packets (\d+)/.exec(text)?.[1];
    const received = [...text.matchAll(/tot_recv_msgs=(\d+)/g)].at(-1)?.[1];
    if (lost === undefined || received === undefined || Number(received) === 0) throw new Error(text.slice(-2_000));
    return { lost: Number(lost), received: Number(received) };
  }
});

function credentials() {
  const expiry = Math.floor(Date.now() / 1000) + 600;
  return turnCredentials({ apiKey: KEY, apiSecret: SECRET }, 'PA_of_nobody', expiry);
}

/** Why Pion's client is not there, or false. */
function buildPion(): string | false {
  if (unavailable) return unavailable;
  if (spawnSync('which', ['go']).status !== 0) return 'Go is not installed';
  pion = join(mkdtempSync(join(tmpdir(), 'sluice-pion-')), 'client');
  process.once('exit', () => rmSync(join(pion, '..'), { recursive: true, force: true }));
  const built = spawnSync('go', ['build', '-o', pion, '.'], { cwd: PION, encoding: 'utf8' });
  return built.status === 0 ? false : `Pion's client does not build here: ${built.stderr.trim().split('\n').at(-1)}`;
}
