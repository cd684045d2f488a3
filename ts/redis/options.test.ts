import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type RedisSection, redisSettings } from './options.ts';
import { openRedis, redisSection } from './testing/open.ts';
import { startRedis, startTlsRedis } from './testing/redis.ts';

const settings = (set: Partial<RedisSection>) => redisSettings(redisSection(set));

test('a section without an address means no Redis', () => {
  assert.equal(settings({ password: 'x' }), undefined);
});

test('Sentinels come before a cluster, a cluster before an address', () => {
  const all = {
    address: 'a:1',
    sentinel_addresses: ['s1', 's2:5'],
    sentinel_master_name: 'm',
    cluster_addresses: ['c'],
  };
  assert.deepEqual(settings(all)?.servers, {
    are: 'sentinels',
    at: [
      { host: 's1', port: 26_379 },
      { host: 's2', port: 5 },
    ],
    master: 'm',
    credentials: {},
  });
  const { servers } = settings({ ...all, sentinel_addresses: [], db: 3, max_redirects: 4 }) ?? {};
  assert.deepEqual(servers, { are: 'cluster', at: [{ host: 'c', port: 6379 }], maxRedirects: 4 });
  assert.equal(settings({ cluster_addresses: ['c'], db: 3 })?.db, 0);
  assert.equal(settings({ address: 'a', db: 3 })?.db, 3);
});

test('addresses of every form', () => {
  for (const [address, host, port] of [
    ['redis.test:1234', 'redis.test', 1234],
    ['redis.test', 'redis.test', 6379],
    ['192.0.2.1:1', '192.0.2.1', 1],
    ['[2001:db8::1]:2', '2001:db8::1', 2],
    ['[2001:db8::1]', '2001:db8::1', 6379],
    ['2001:db8::1', '2001:db8::1', 6379],
  ] as const) {
    assert.deepEqual(settings({ address })?.servers, { are: 'single', at: { host, port } }, address);
  }
  for (const address of ['redis://x:1', 'a:b', 'a:1:2', ':1', 'x:65536']) {
    assert.throws(() => settings({ address }), /is no address/, address);
  }
});

test('times: those configured, else livekit-server’s with Sentinels, else two seconds', () => {
  const times = (set: Partial<RedisSection>) => {
    const { dialMs, commandMs } = settings(set) ?? {};
    return [dialMs, commandMs];
  };
  assert.deepEqual(times({ address: 'a' }), [2000, 2000]);
  assert.deepEqual(times({ sentinel_addresses: ['a'] }), [2000, 400]);
  assert.deepEqual(times({ address: 'a', dial_timeout: 1, read_timeout: 20, write_timeout: 3 }), [1, 23]);
});

test('credentials of the servers and of the Sentinels are their own', () => {
  const both = settings({
    sentinel_addresses: ['a'],
    username: 'u',
    password: 'p',
    sentinel_username: 'su',
    sentinel_password: 'sp',
  });
  assert.deepEqual(both?.credentials, { username: 'u', password: 'p' });
  assert.ok(both?.servers.are === 'sentinels');
  assert.deepEqual(both.servers.credentials, { username: 'su', password: 'sp' });
});

test('the deprecated use_tls means TLS, and a missing file is named', () => {
  assert.equal(settings({ address: 'a' })?.tls, undefined);
  assert.equal(settings({ address: 'a', use_tls: true })?.tls?.rejectUnauthorized, true);
  const tls = { ...redisSection({}).tls, enabled: true, ca_cert_file: '/nowhere/ca.pem' };
  assert.throws(() => settings({ address: 'a', tls }), /\/nowhere\/ca\.pem/);
});

test('a username, a password and a database of its own', async (t) => {
  const redis = await startRedis();
  t.after(() => redis.stop());
  await redis.command('ACL', 'SETUSER', 'node', 'on', '>pass', '~*', '&*', '+@all');
  await redis.setPassword('other');
  const connection = await openRedis({ address: redis.address, username: 'node', password: 'pass', db: 5 });
  t.after(() => connection.close());
  await connection.send('set', 'here', '1');
  await connection.send('select', 5);
  assert.equal(String(await connection.send('get', 'here')), '1');
  assert.equal(String(await connection.send('acl', 'whoami')), 'node');
});

test('TLS: a name or an authority that is wrong, or no client certificate, leads nowhere and says why', async (t) => {
  const redis = await startTlsRedis();
  t.after(() => redis.stop());
  const attempt = async (tls: Partial<RedisSection['tls']>) => {
    const connection = await openRedis(
      { address: redis.redis.address, tls: { ...redis.redis.tls, ...tls } },
      { wait: false },
    );
    await connection.untilUp(600).finally(() => connection.close());
  };
  await attempt({});
  // A certificate holds 127.0.0.1 too.
  await attempt({ server_name: '' });
  await assert.rejects(attempt({ server_name: 'other.test' }), /altnames|other\.test/);
  await assert.rejects(attempt({ ca_cert_file: '' }), /certificate/);
  await attempt({ ca_cert_file: '', insecure: true });
  await assert.rejects(attempt({ client_cert_file: '', client_key_file: '' }), /certificate|closed|ECONNRESET|EPIPE/);
});
