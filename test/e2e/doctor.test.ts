/** `sluice doctor --from` against a server process: every way in that it names is gone to its end. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { selfSigned } from '../../ts/lib/testing/self-signed.ts';
import { freePort, KEY, SECRET, startServer } from './support/server.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DOMAIN = 'turn.sluice.test';
const folder = mkdtempSync(join(tmpdir(), 'sluice-e2e-'));
after(() => rmSync(folder, { recursive: true }));

interface Finding {
  check: string;
  status: string;
  text: string;
  fix?: string;
}

async function doctor(...args: string[]): Promise<{ code: number; findings: Finding[] }> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'ts/main.ts', 'doctor', '--json', ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  const [code] = await once(child, 'close');
  return { code, findings: JSON.parse(output).findings };
}

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function wrong(findings: readonly Finding[]): Finding[] {
  // Public STUN servers may be out of reach here.
  return findings.filter(({ status, text }) => (status === 'fail' || status === 'warn') && !text.startsWith('STUN'));
}

test('UDP, TCP, TURN over UDP and TURN over TLS are gone to their end', async () => {
  const ca = selfSigned({ name: 'Test CA' });
  const caFile = file('ca.pem', ca.certPem);
  const { certPem, keyPem } = selfSigned({ name: DOMAIN, issuer: ca });
  const [tcp, udp, tls] = [await freePort(), await freePort(), await freePort()];
  const server = await startServer({
    rtc: { tcp_port: tcp },
    turn: {
      enabled: true,
      domain: DOMAIN,
      udp_port: udp,
      tls_port: tls,
      cert_file: file('turn.pem', certPem),
      key_file: file('turn.key', keyPem),
      relay_range_start: 30_100,
      relay_range_end: 30_199,
      // livekit-server relays to no loopback address otherwise.
      allow_restricted_peer_cidrs: ['127.0.0.0/8'],
    },
  });
  const common = ['--from', server.httpUrl, '--api-key', KEY, '--api-secret', SECRET];
  const there = ['--connect-to', `${DOMAIN}:443:127.0.0.1:${tls}`];
  try {
    const good = await doctor(...common, ...there, '--ca', caFile);
    assert.deepEqual(wrong(good.findings), []);
    assert.equal(good.code, 0);
    const texts = good.findings.map(({ text }) => text);
    for (const way of ['UDP 127.0.0.1:', 'TCP 127.0.0.1:', 'TURN over UDP 127.0.0.1:', `TURN over TLS ${DOMAIN}:443`]) {
      assert.ok(
        texts.some((text) => text.startsWith(way) && text.includes('dtls')),
        `${way} in ${texts.join('\n')}`,
      );
    }
    assert.ok(texts.includes(`certificate of ${DOMAIN}:443: clients take it`));

    const unknown = await doctor(...common, ...there);
    assert.equal(unknown.code, 1);
    assert.match(
      only(unknown.findings).text,
      /certificate of turn\.sluice\.test:443: the certificates that lead to a root/,
    );

    const unresolved = await doctor(...common, '--ca', caFile);
    assert.match(only(unresolved.findings).fix ?? '', /create an A or AAAA record for turn\.sluice\.test/);
  } finally {
    await server.stop();
  }
});

function only(findings: readonly Finding[]): Finding {
  const [finding, ...others] = wrong(findings);
  assert.deepEqual(others, []);
  assert.ok(finding?.fix);
  return finding;
}
