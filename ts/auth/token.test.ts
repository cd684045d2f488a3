import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import { ParticipantInfo_Kind, ParticipantPermission, TrackSource } from '@livekit/protocol';
import { AccessToken } from 'livekit-server-sdk';
import { isDependent, mayPublishData, mayPublishSource, permissionOf, withPermission } from './grants.ts';
import { Keys } from './keys.ts';
import { mintRefreshToken, verifyToken } from './token.ts';

const keys = new Keys({ devkey: 'secret', other: 'another', empty: '' });
const now = new Date('2026-01-01T00:00:00Z');
const seconds = now.getTime() / 1000;

const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

function sign(claims: Record<string, unknown>, header: Record<string, unknown> = { alg: 'HS256' }, secret = 'secret') {
  const content = `${base64(header)}.${base64({ iss: 'devkey', sub: 'alice', exp: seconds + 600, ...claims })}`;
  return `${content}.${createHmac('sha256', secret).update(content).digest('base64url')}`;
}

async function refused(token: string): Promise<string> {
  try {
    await verifyToken(token, keys, now);
  } catch (error) {
    return (error as Error).message;
  }
  return 'accepted';
}

describe('tokens', () => {
  it('reads what the server SDK writes', async () => {
    const token = new AccessToken('other', 'another', {
      identity: 'bob',
      name: 'Bob',
      metadata: 'm',
      attributes: { a: 'b' },
    });
    token.addGrant({
      roomJoin: true,
      room: 'r',
      canPublishSources: [TrackSource.CAMERA, TrackSource.SCREEN_SHARE_AUDIO],
    });
    token.kind = 'agent';
    const { claims, apiKey } = await verifyToken(await token.toJwt(), keys, new Date());
    assert.equal(apiKey, 'other');
    assert.equal(claims.identity, 'bob');
    assert.equal(claims.name, 'Bob');
    assert.equal(claims.metadata, 'm');
    assert.deepEqual(claims.attributes, { a: 'b' });
    assert.equal(claims.kind, ParticipantInfo_Kind.AGENT);
    assert.equal(claims.video?.room, 'r');
    assert.deepEqual(claims.video?.canPublishSources, [TrackSource.CAMERA, TrackSource.SCREEN_SHARE_AUDIO]);
    assert.equal(isDependent(claims), true);
  });

  it('takes the identity from jti where sub is missing, and never from the payload', async () => {
    const { claims } = await verifyToken(sign({ sub: undefined, jti: 'carol', identity: 'eve' }), keys, now);
    assert.equal(claims.identity, 'carol');
  });

  it('allows a minute of clock difference and no more', async () => {
    assert.equal(await refused(sign({ exp: seconds - 30 })), 'accepted');
    assert.equal(await refused(sign({ nbf: seconds + 30 })), 'accepted');
    assert.equal(await refused(sign({ iat: seconds + 100 })), 'accepted');
    assert.equal(
      await refused(sign({ exp: seconds - 61 })),
      'invalid authorization token: token has invalid claims: token is expired',
    );
    assert.equal(
      await refused(sign({ nbf: seconds + 61 })),
      'invalid authorization token: token has invalid claims: token is not valid yet',
    );
  });

  it('requires an expiry', async () => {
    assert.match(await refused(sign({ exp: undefined })), /missing required claim/);
  });

  it('refuses every other algorithm, signed or not', async () => {
    const [header, payload] = [base64({ alg: 'none' }), base64({ iss: 'devkey', sub: 'a', exp: seconds + 600 })];
    const text = 'invalid authorization token: token signature is invalid: signing method';
    assert.equal(await refused(`${header}.${payload}.`), `${text} none is invalid`);
    assert.equal(await refused(sign({}, { alg: 'RS256' })), `${text} RS256 is invalid`);
    assert.equal(await refused(sign({}, { alg: 'HS512' })), `${text} HS512 is invalid`);
    assert.equal(await refused(sign({}, { alg: 'foo' })), 'invalid authorization token');
    assert.equal(await refused(sign({}, {})), 'invalid authorization token');
  });

  it('refuses garbage, unknown keys, empty secrets and other signatures', async () => {
    for (const garbage of ['abc', 'a.b.c', '', '..', 'x'.repeat(1_000_000)]) {
      assert.equal(await refused(garbage), 'invalid authorization token');
    }
    assert.equal(await refused(sign({ iss: 'nobody' })), 'invalid API key');
    assert.equal(await refused(sign({ iss: 'empty' }, { alg: 'HS256' }, '')), 'invalid API key');
    assert.equal(
      await refused(sign({}, { alg: 'HS256' }, 'wrong')),
      'invalid authorization token: token signature is invalid: signature is invalid',
    );
  });

  it('refuses claims of the wrong type without repeating the token', async () => {
    for (const claims of [{ video: 'str' }, { video: { roomJoin: 'yes' } }, { attributes: { a: 1 } }]) {
      assert.match(
        await refused(sign(claims)),
        /^invalid authorization token: token is malformed: could not JSON decode /,
      );
    }
    assert.match(await refused(sign({ roomConfig: { emptyTimeout: 'abc' } })), /token is malformed/);
    assert.equal(await refused(sign({ roomConfig: { unknown: 1 } })), 'accepted');
    assert.equal(await refused(sign({ exp: 'x' })), 'invalid authorization token');
  });

  it('a refreshed token says what the participant may do now', async () => {
    const { claims } = await verifyToken(sign({ name: 'A', video: { roomJoin: true, room: 'r' } }), keys, now);
    assert.ok(claims.video);
    const video = withPermission(claims.video, new ParticipantPermission({ canSubscribe: true }));
    const refreshed = await mintRefreshToken(keys, { ...claims, video }, 600, now);
    const again = await verifyToken(refreshed, keys, now);
    assert.equal(again.expiresAt, seconds + 600);
    assert.equal(again.claims.identity, 'alice');
    assert.equal(again.claims.name, 'A');
    assert.equal(again.claims.video?.roomJoin, true);
    assert.equal(again.claims.video?.canPublish, false);
    assert.equal(again.claims.video?.canPublishData, false);
    assert.equal(again.claims.video?.canSubscribe, true);
  });
});

describe('grants', () => {
  const grant = async (video: Record<string, unknown>) => {
    const { claims } = await verifyToken(sign({ video }), keys, now);
    assert.ok(claims.video);
    return claims.video;
  };

  it('data follows publishing unless it is said', async () => {
    assert.equal(mayPublishData(await grant({})), true);
    assert.equal(mayPublishData(await grant({ canPublish: false })), false);
    assert.equal(mayPublishData(await grant({ canPublish: false, canPublishData: true })), true);
  });

  it('sources narrow what may be published', async () => {
    const video = await grant({ canPublishSources: ['camera'] });
    assert.equal(mayPublishSource(video, TrackSource.CAMERA), true);
    assert.equal(mayPublishSource(video, TrackSource.MICROPHONE), false);
    assert.equal(mayPublishSource(await grant({}), TrackSource.MICROPHONE), true);
    assert.equal(
      mayPublishSource(await grant({ canPublish: false, canPublishSources: ['camera'] }), TrackSource.CAMERA),
      false,
    );
  });

  it('defaults show in the permission', async () => {
    const permission = permissionOf(await grant({ roomJoin: true }));
    assert.equal(permission.canPublish && permission.canSubscribe && permission.canPublishData, true);
    assert.equal(permission.canUpdateMetadata || permission.hidden || permission.recorder, false);
  });
});
