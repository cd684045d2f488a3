import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setUp } from './setup.ts';

const options = { loopback: true, say: () => {} };

test('a server that nobody knows to start is refused by name', async () => {
  await assert.rejects(
    setUp({ ...options, compare: ['janus'] }),
    /--compare janus: expected livekit-server=PATH or mediasoup=FOLDER/,
  );
});

test('livekit-server needs a path, and one that runs', async () => {
  delete process.env.LIVEKIT_SERVER;
  await assert.rejects(setUp({ ...options, compare: ['livekit-server'] }), /give its path/);
  await assert.rejects(setUp({ ...options, compare: ['livekit-server=/nowhere'] }), /ENOENT/);
});

test('mediasoup is asked for with a folder that has it', async () => {
  const missing = setUp({ ...options, compare: ['mediasoup=/nowhere'] });
  await assert.rejects(missing, /^Error: mediasoup is not in \/nowhere\/node_modules: run npm install mediasoup .*$/);
});
