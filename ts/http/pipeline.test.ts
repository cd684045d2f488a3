import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Keys } from '../auth/keys.ts';
import { mintToken } from '../auth/token.ts';
import { health, liveness, readiness } from './health.ts';
import { pipeline } from './pipeline.ts';
import { text } from './reply.ts';
import { Routes } from './routes.ts';
import { BodyTooLarge, type HttpRequest, type PlainReply } from './types.ts';

const keys = new Keys({ key: 'secret' });
const now = new Date('2026-01-01T00:00:00Z');
const seconds = now.getTime() / 1000;
let age = 0;
let takesRooms = true;

const routes = new Routes()
  .exact(
    '/',
    health(
      () => age,
      () => now,
    ),
  )
  .exact(
    '/readyz',
    readiness(() => takesRooms),
  )
  .exact('/healthz', liveness)
  .exact('/who', async ({ token }) => text(200, token?.claims.identity ?? 'nobody'))
  .exact('/rtc/validate', async ({ request }) => text(200, String((await request.body()).length)))
  .below('/files/', async ({ path }) => text(200, path));
const handler = pipeline(routes.handle, { keys, maxBodyBytes: 100, now: () => now });

async function ask(path: string, parts: { method?: string; headers?: Record<string, string>; body?: string } = {}) {
  const [bare = '', query = ''] = path.split('?');
  const request: HttpRequest = {
    method: parts.method ?? 'GET',
    path: bare,
    query,
    headers: new Map(Object.entries(parts.headers ?? {})),
    remoteAddress: '127.0.0.1',
    upgrade: false,
    aborted: new AbortController().signal,
    body: async () => {
      const body = Buffer.from(parts.body ?? '');
      if (body.length > 100) throw new BodyTooLarge();
      return body;
    },
  };
  const reply = (await handler(request)) as PlainReply;
  return { status: reply.status, body: reply.body, headers: Object.fromEntries(reply.headers) };
}

const token = () => mintToken(keys, {}, 'alice', seconds + 60, now);

describe('routes', () => {
  it('match whole paths, prefixes, and one doubled slash', async () => {
    assert.equal((await ask('/who')).body, 'nobody');
    assert.equal((await ask('//who')).body, 'nobody');
    assert.equal((await ask('/files/a/b')).body, '/files/a/b');
    for (const path of ['/nope', '/who/', '///who', '/files', '/rtc/']) {
      const { status, body } = await ask(path);
      assert.deepEqual([status, body], [404, '404 page not found\n'], path);
    }
  });

  it('the root is ready while the node is fresh', async () => {
    age = 4000;
    assert.deepEqual([(await ask('/')).status, (await ask('//')).body], [200, 'OK']);
    age = 5000;
    const { status, body } = await ask('/');
    assert.deepEqual([status, body], [406, 'Not Ready\nNode Updated At 2025-12-31 23:59:55 +0000 UTC']);
    assert.equal((await ask('/healthz')).status, 200);
    age = 0;
  });

  it('readiness is about new rooms alone', async () => {
    assert.equal((await ask('/readyz')).status, 200);
    takesRooms = false;
    assert.deepEqual([(await ask('/readyz')).status, (await ask('/')).status], [503, 200]);
    takesRooms = true;
  });
});

describe('tokens', () => {
  it('come in a header, the query or a form', async () => {
    const value = await token();
    assert.equal((await ask('/who', { headers: { authorization: `Bearer ${value}` } })).body, 'alice');
    assert.equal((await ask(`/who?access_token=${value}`)).body, 'alice');
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    assert.equal(
      (await ask('/who', { method: 'POST', headers: form, body: `access_token=${'x'.repeat(50)}` })).status,
      401,
    );
  });

  it('are refused on every path, unknown ones too', async () => {
    const refused = async (headers: Record<string, string>) => (await ask('/nope', { headers })).body;
    assert.equal(await refused({ authorization: 'Basic x' }), 'invalid authorization header. Must start with Bearer ');
    assert.equal(await refused({ authorization: 'Bearer x' }), 'invalid authorization token');
    assert.equal((await ask('/nope', { headers: { authorization: 'Bearer x' } })).status, 401);
  });
});

describe('bodies', () => {
  it('over the limit are refused, whatever length they claim', async () => {
    const declared = await ask('/rtc/validate', { method: 'POST', headers: { 'content-length': '101' } });
    assert.deepEqual([declared.status, declared.body], [413, 'request body too large']);
    const lying = await ask('/rtc/validate', {
      method: 'POST',
      headers: { 'content-length': '1' },
      body: 'x'.repeat(101),
    });
    assert.deepEqual([lying.status, lying.body], [413, 'request body too large']);
    assert.equal((await ask('/rtc/validate', { method: 'POST', body: 'x'.repeat(100) })).body, '100');
  });
});

describe('CORS', () => {
  const origin = 'https://example.org';

  it('shares answers with every origin, refusals too', async () => {
    const { headers } = await ask('/nope', { headers: { origin, authorization: 'Bearer x' } });
    assert.equal(headers['Access-Control-Allow-Origin'], origin);
    assert.equal(headers['Access-Control-Expose-Headers'], '*');
    assert.equal(headers['Access-Control-Allow-Credentials'], undefined);
    assert.equal((await ask('/rtc/validate')).headers['Access-Control-Allow-Origin'], '*');
    assert.equal((await ask('/')).headers['Access-Control-Allow-Origin'], undefined);
    assert.equal(
      (await ask('/', { method: 'PUT', headers: { origin } })).headers['Access-Control-Allow-Origin'],
      undefined,
    );
  });

  it('answers preflights of the methods there are', async () => {
    const preflight = (method: string) =>
      ask('/rtc', {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': method, 'access-control-request-headers': 'x-a, b' },
      });
    const { status, headers } = await preflight('POST');
    assert.equal(status, 204);
    assert.equal(headers['Access-Control-Allow-Origin'], origin);
    assert.equal(headers['Access-Control-Allow-Methods'], 'POST');
    assert.equal(headers['Access-Control-Allow-Headers'], 'x-a, b');
    assert.equal(headers['Access-Control-Max-Age'], '86400');
    assert.equal((await preflight('PUT')).headers['Access-Control-Allow-Origin'], undefined);
  });
});
