import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RtpParameters } from './api.ts';
import { sectionOf } from './receiving-section.ts';

/** As mediasoup tells of a consumer of simulcast. */
const PARAMETERS: RtpParameters = {
  mid: '2',
  codecs: [
    {
      mimeType: 'video/VP8',
      payloadType: 96,
      clockRate: 90_000,
      parameters: {},
      rtcpFeedback: [
        { type: 'nack', parameter: '' },
        { type: 'nack', parameter: 'pli' },
      ],
    },
    { mimeType: 'video/rtx', payloadType: 97, clockRate: 90_000, parameters: { apt: 96 }, rtcpFeedback: [] },
  ],
  headerExtensions: [{ uri: 'urn:ietf:params:rtp-hdrext:sdes:mid', id: 1 }],
  encodings: [{ ssrc: 11, rtx: { ssrc: 12 }, scalabilityMode: 'L3T1' }],
  rtcp: { cname: 'cam-1', reducedSize: true },
};

test('a consumer becomes a section that names publisher, track and streams', () => {
  const sent = { kind: 'video', mid: '2', publisher: 'PA_1', track: 'TR_1', parameters: PARAMETERS } as const;
  assert.deepEqual(sectionOf(sent), {
    kind: 'video',
    mid: '2',
    rejected: false,
    direction: 'sendonly',
    codecs: [
      { pt: 96, name: 'VP8', clockRate: 90_000, channels: 1, fmtp: '', feedback: ['nack', 'nack pli'], rtxPt: 97 },
    ],
    extensions: [{ id: 1, uri: 'urn:ietf:params:rtp-hdrext:sdes:mid' }],
    msid: { stream: 'PA_1', track: 'TR_1' },
    rids: [],
    ssrcs: [{ ssrc: 11, rtx: 12 }],
    cname: 'cam-1',
  });
});

test('audio keeps its channels and parameters, and needs no retransmissions', () => {
  const codec = { mimeType: 'audio/opus', payloadType: 111, clockRate: 48_000, channels: 2 };
  const parameters = {
    ...PARAMETERS,
    codecs: [{ ...codec, parameters: { minptime: 10, useinbandfec: 1 } }],
    encodings: [{ ssrc: 21 }],
  };
  const section = sectionOf({ kind: 'audio', mid: '1', publisher: 'PA_1', track: 'TR_2', parameters });
  assert.ok(section.kind !== 'application');
  assert.deepEqual(section.codecs, [
    {
      pt: 111,
      name: 'opus',
      clockRate: 48_000,
      channels: 2,
      fmtp: 'minptime=10;useinbandfec=1',
      feedback: [],
      rtxPt: null,
    },
  ]);
  assert.deepEqual(section.ssrcs, [{ ssrc: 21, rtx: null }]);
});
