import assert from 'node:assert/strict';
import { test } from 'node:test';
import { subscriberCapabilities } from './capabilities.ts';

const EXTENSIONS = [
  { kind: 'video', uri: 'urn:ietf:params:rtp-hdrext:sdes:mid', preferredId: 1 },
  { kind: 'video', uri: 'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time', preferredId: 4 },
  {
    kind: 'video',
    uri: 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
    preferredId: 5,
  },
] as const;

function ids(sendSideBwe: boolean): number[] {
  const { headerExtensions } = subscriberCapabilities({ codecs: [], headerExtensions: EXTENSIONS }, sendSideBwe);
  return headerExtensions.map(({ preferredId }) => preferredId);
}

test('what estimation needs is agreed on where the scenario asks for it alone', () => {
  assert.deepEqual(ids(false), [1]);
  assert.deepEqual(ids(true), [1, 5]);
});
