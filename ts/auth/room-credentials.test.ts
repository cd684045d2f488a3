import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AutoTrackEgress,
  EncodedFileOutput,
  RoomCompositeEgressRequest,
  RoomConfiguration,
  RoomEgress,
  S3Upload,
  StreamOutput,
} from '@livekit/protocol';
import { parseClaims, refreshedPayload } from './claims.ts';
import { hasCredentials, withoutCredentials } from './room-credentials.ts';

const recorded = (egress: RoomEgress) => new RoomConfiguration({ name: 'x', metadata: 'm', egress });
const s3 = (upload: Partial<S3Upload>) => ({ case: 's3', value: new S3Upload(upload) }) as const;

test('keys of storages and addresses to stream to are credentials; places to record to are not', () => {
  const tracks = (upload: Partial<S3Upload>) => new RoomEgress({ tracks: new AutoTrackEgress({ output: s3(upload) }) });
  assert.equal(hasCredentials(new RoomConfiguration()), false);
  assert.equal(hasCredentials(recorded(tracks({ bucket: 'b' }))), false);
  assert.equal(hasCredentials(recorded(tracks({ bucket: 'b', secret: 's' }))), true);
  assert.equal(hasCredentials(recorded(tracks({ proxy: { password: 'p' } as never }))), true);
  const fileOutputs = [new EncodedFileOutput({ output: s3({ secret: 's' }) })];
  const room = new RoomCompositeEgressRequest({ fileOutputs });
  assert.equal(hasCredentials(recorded(new RoomEgress({ room }))), true);
  const streamOutputs = [new StreamOutput({ urls: ['rtmp://a/key'] })];
  assert.equal(
    hasCredentials(recorded(new RoomEgress({ room: new RoomCompositeEgressRequest({ streamOutputs }) }))),
    true,
  );
});

test('a refreshed token has the configuration of the token before, without credentials', () => {
  const output = s3({ accessKey: 'AKIA', secret: 'sesame', bucket: 'b' });
  const secretive = recorded(new RoomEgress({ tracks: new AutoTrackEgress({ output }) }));
  const claims = (config: RoomConfiguration) =>
    parseClaims({ sub: 'alice', video: { roomJoin: true }, roomConfig: config.toJson() });
  const text = JSON.stringify(refreshedPayload(claims(secretive)));
  assert.doesNotMatch(text, /sesame|AKIA|egress/);
  assert.match(text, /"metadata":"m"/);
  const harmless = recorded(new RoomEgress({ tracks: new AutoTrackEgress({ filepath: 'f' }) }));
  assert.match(JSON.stringify(refreshedPayload(claims(harmless))), /"filepath":"f"/);
  assert.equal(withoutCredentials(harmless), harmless);
});
