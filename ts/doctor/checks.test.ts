import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { settle } from '../config/settle.ts';
import { selfSigned } from '../lib/testing/self-signed.ts';
import { checkCertificates } from './certificates.ts';
import { checkLimits } from './limits.ts';
import { covers, parseTable } from './listeners.ts';
import { lines, summary } from './print.ts';
import { Roots } from './roots.ts';
import { withoutTokens } from './running.ts';

function config(body: string): Config {
  return settle(loadConfig({ body, overrides: [], strict: true }), false, false).config;
}

function limits(hard: number, buffer: number | undefined) {
  return {
    read: (path: string) => {
      if (path.endsWith('limits'))
        return `Limit  Soft Limit  Hard Limit  Units\nMax open files  1024  ${hard}  files\n`;
      if (buffer === undefined) throw new Error('ENOENT');
      return `${buffer}\n`;
    },
  };
}

test('a certificate for another domain than turn.domain is told with both', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-doctor-'));
  const ca = selfSigned({ name: 'Test CA' });
  const { certPem, keyPem } = selfSigned({ name: 'other.example.com', issuer: ca });
  writeFileSync(join(folder, 'ca.pem'), ca.certPem);
  const turn = { enabled: true, domain: 'turn.example.com', tls_port: 5349, cert_file: certPem, key_file: keyPem };
  const roots = new Roots([join(folder, 'ca.pem')]);
  const { findings, unusable } = checkCertificates(config(JSON.stringify({ turn })), roots, new Date());
  assert.equal(unusable, false, 'the server takes it');
  assert.deepEqual(
    findings.map(({ status }) => status),
    ['fail'],
  );
  assert.match(findings[0]?.text ?? '', /is for DNS:other\.example\.com.*, not for turn\.example\.com/);
  assert.match(findings[0]?.fix ?? '', /get a certificate for turn\.example\.com/);
});

test('a certificate that signed itself is known to nobody', () => {
  const { certPem, keyPem } = selfSigned();
  const tls = { cert_file: certPem, key_file: keyPem };
  const { findings } = checkCertificates(config(JSON.stringify({ tls })), new Roots([]), new Date());
  assert.match(findings[0]?.text ?? '', /signed by itself or by a CA that clients do not know/);
});

test('few files and small buffers are told with the line that mends them', () => {
  const small = checkLimits(config('{}'), 4711, limits(1000, 212_992));
  assert.deepEqual(
    small.map(({ status }) => status),
    ['fail', 'warn'],
  );
  assert.match(small[0]?.text ?? '', /the running server \(pid 4711\) may have 1000 open files/);
  assert.match(small[0]?.fix ?? '', /LimitNOFILE=\d+/);
  assert.match(small[1]?.fix ?? '', /^sysctl -w net\.core\.rmem_max=4194304 net\.core\.wmem_max=4194304/);
  const some = checkLimits(config('{}'), undefined, limits(4096, 4_194_304));
  assert.deepEqual(
    some.map(({ status }) => status),
    ['warn', 'ok'],
  );
  const unknown = checkLimits(config('{}'), undefined, limits(1_000_000, undefined));
  assert.deepEqual(
    unknown.map(({ status }) => status),
    ['ok', 'skip'],
  );
});

test('the tables of the kernel tell listeners of both families', () => {
  const tcp = [
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
    '   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0 100 0 0 10 0',
    '   1: 0100007F:1F91 0100007F:0050 01 00000000:00000000 00:00000000 00000000     0        0 4243 1 0 100 0 0 10 0',
  ].join('\n');
  assert.deepEqual(parseTable('tcp', tcp), [{ protocol: 'tcp', ip: '127.0.0.1', port: 8080, inode: '4242' }]);
  const udp6 = [
    '  sl  local_address                         remote_address                        st',
    ' 12: B80D0120000000000000000001000000:0D96 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000  0  0 77 2 0 0',
  ].join('\n');
  assert.deepEqual(parseTable('udp', udp6), [{ protocol: 'udp', ip: '2001:db8::1', port: 3478, inode: '77' }]);
});

test('a listener stands in the way of its own address and of wildcards', () => {
  const at = (ip: string) => ({ protocol: 'tcp' as const, ip, port: 1, inode: '1' });
  assert.ok(covers(at('0.0.0.0'), '192.0.2.1'));
  assert.ok(covers(at('192.0.2.1'), ''));
  assert.ok(covers(at('::'), '192.0.2.1'));
  assert.ok(!covers(at('192.0.2.2'), '192.0.2.1'));
  assert.ok(!covers(at('2001:db8::1'), '0.0.0.0'));
});

test('lines are aligned, and flat', () => {
  const findings = [
    { check: 'config', status: 'ok' as const, text: 'fine' },
    { check: 'certificates', status: 'fail' as const, text: 'two\n lines', fix: 'mend it' },
  ];
  assert.deepEqual(lines(findings), ['ok    config        fine', 'FAIL  certificates  two; lines | fix: mend it']);
  assert.equal(summary(findings), '1 failure, 0 warnings');
});

test('tokens that servers repeat are not printed', () => {
  assert.equal(
    withoutTokens('invalid token: eyJhbGci.eyJ2aWRl.c2ln-_, error: no\n'),
    'invalid token: (token), error: no',
  );
});
