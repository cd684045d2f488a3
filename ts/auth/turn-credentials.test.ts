import assert from 'node:assert/strict';
import { test } from 'node:test';
import { base62, turnCredentials } from './turn-credentials.ts';

/** What livekit-server 1.13.5 gave three participants in join responses of one second. */
const FROM_LIVEKIT_SERVER = [
  [
    'PA_EGn2wCfGufYC',
    '2czNwgzM1kzNxw3QZZWdHZ2Q3JjbHV0XBBFfk7N6GrM7SCqgA',
    'DBFfqUjmucS5mfbQEcPPdi3uCRNukpIdoiG37qUI4hG',
  ],
  [
    'PA_UbDbTpevqhp3',
    '2czNwgzM1kzNxw3MwhWc2VGcUJGRiV1XBBFfk7N6GrM7SCqgA',
    'qyxgqeU3ccAGjh4tTvby5f1uG9RhrXRw6MY40CPHnT5',
  ],
  [
    'PA_HLSUiKj57fWJ',
    '2czNwgzM1kzNxwnSXZ2N1o2SpV1UMh0XBBFfk7N6GrM7SCqgA',
    'PP9c9MQ883wiAzGY2EE7BfTgXXt0Zn3DxRjpVTB95DM',
  ],
] as const;

test('credentials are those of livekit-server', () => {
  const signer = { apiKey: 'APIvector', apiSecret: 'secretsecretsecretsecretsecretsecret' };
  for (const [sid, username, credential] of FROM_LIVEKIT_SERVER) {
    assert.deepEqual(turnCredentials(signer, sid, 1_795_380_776), { username, credential });
  }
});

test('the highest six-bit values take five bits, at the start too', () => {
  assert.equal(base62(Uint8Array.of()), '');
  assert.equal(base62(Uint8Array.of(0xff)), 'fH');
  assert.equal(base62(Uint8Array.of(0x1f)), 'fA');
});
