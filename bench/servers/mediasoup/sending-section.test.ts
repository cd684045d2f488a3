import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MediaSection, parseDescription } from '../../../ts/negotiate/sdp.ts';
import { answerTo, rtpParametersOf } from './sending-section.ts';

const HEAD = [
  'v=0',
  'o=- 1 1 IN IP4 127.0.0.1',
  's=-',
  't=0 0',
  'a=ice-ufrag:abcd',
  'a=ice-pwd:aaaaaaaaaaaaaaaaaaaaaaaa',
  'a=fingerprint:sha-256 AA:BB',
];

const MICROPHONE = [
  'm=audio 9 UDP/TLS/RTP/SAVPF 111 63',
  'a=mid:0',
  'a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level',
  'a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
  'a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid',
  'a=sendonly',
  'a=msid:- mic-0',
  'a=rtpmap:111 opus/48000/2',
  'a=rtcp-fb:111 transport-cc',
  'a=rtcp-fb:111 nack',
  'a=fmtp:111 minptime=10;useinbandfec=1',
  'a=rtpmap:63 red/48000/2',
  'a=fmtp:63 111/111',
  'a=ssrc:5 cname:mic-0',
];

const SIMULCAST = [
  'm=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99',
  'a=mid:1',
  'a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid',
  'a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay',
  'a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id',
  'a=sendonly',
  'a=msid:- cam-1',
  'a=rtpmap:96 VP8/90000',
  'a=rtcp-fb:96 goog-remb',
  'a=rtcp-fb:96 ccm fir',
  'a=rtcp-fb:96 nack',
  'a=rtcp-fb:96 nack pli',
  'a=rtpmap:97 rtx/90000',
  'a=fmtp:97 apt=96',
  'a=rtpmap:98 VP9/90000',
  'a=fmtp:98 profile-id=0',
  'a=rtpmap:99 rtx/90000',
  'a=fmtp:99 apt=98',
  'a=rid:q send',
  'a=rid:h send',
  'a=simulcast:send q;h',
];

const LAYERED = [
  'm=video 9 UDP/TLS/RTP/SAVPF 98 99',
  'a=mid:0',
  'a=sendonly',
  'a=msid:- cam-0',
  'a=rtpmap:98 VP9/90000',
  'a=fmtp:98 profile-id=0',
  'a=rtpmap:99 rtx/90000',
  'a=fmtp:99 apt=98',
  'a=ssrc-group:FID 7 8',
  'a=ssrc:7 cname:cam-0',
  'a=ssrc:8 cname:cam-0',
];

function section(lines: string[]): MediaSection {
  const [found] = parseDescription(`${[...HEAD, ...lines].join('\r\n')}\r\n`).sections;
  assert.ok(found !== undefined && found.kind !== 'application');
  return found;
}

test('a microphone is one stream of the first codec there is, with what Sluice accepts too', () => {
  assert.deepEqual(rtpParametersOf(section(MICROPHONE), { codec: undefined, layers: 1 }), {
    mid: '0',
    codecs: [
      {
        mimeType: 'audio/opus',
        payloadType: 111,
        clockRate: 48_000,
        channels: 2,
        parameters: { minptime: 10, useinbandfec: 1 },
        rtcpFeedback: [{ type: 'nack' }],
      },
    ],
    headerExtensions: [
      { id: 1, uri: 'urn:ietf:params:rtp-hdrext:ssrc-audio-level' },
      { id: 4, uri: 'urn:ietf:params:rtp-hdrext:sdes:mid' },
    ],
    encodings: [{ ssrc: 5 }],
    rtcp: { cname: 'mic-0', reducedSize: true },
  });
});

test('simulcast is known by its rids, the lowest first, with retransmissions as a codec', () => {
  const { codecs, headerExtensions, encodings } = rtpParametersOf(section(SIMULCAST), { codec: 'vp8', layers: 1 });
  assert.deepEqual(codecs, [
    {
      mimeType: 'video/VP8',
      payloadType: 96,
      clockRate: 90_000,
      parameters: {},
      rtcpFeedback: [{ type: 'ccm', parameter: 'fir' }, { type: 'nack' }, { type: 'nack', parameter: 'pli' }],
    },
    { mimeType: 'video/rtx', payloadType: 97, clockRate: 90_000, parameters: { apt: 96 } },
  ]);
  assert.deepEqual(
    headerExtensions.map(({ id }) => id),
    [4, 10],
  );
  assert.deepEqual(encodings, [{ rid: 'q' }, { rid: 'h' }]);
});

test('layers in one stream are told as its scalability', () => {
  const { codecs, encodings } = rtpParametersOf(section(LAYERED), { codec: 'vp9', layers: 3 });
  assert.deepEqual(codecs[0]?.parameters, { 'profile-id': 0 });
  assert.deepEqual(encodings, [{ ssrc: 7, rtx: { ssrc: 8 }, scalabilityMode: 'L3T1' }]);
});

test('the answer takes the announced codec and all rids', () => {
  const answer = answerTo(section(SIMULCAST), { codec: 'vp8', layers: 1 });
  assert.ok(answer.kind !== 'application');
  const { direction, codecs, rids, extensions } = answer;
  assert.equal(direction, 'recvonly');
  assert.deepEqual(codecs, [
    {
      pt: 96,
      name: 'VP8',
      clockRate: 90_000,
      channels: 1,
      fmtp: '',
      feedback: ['ccm fir', 'nack', 'nack pli'],
      rtxPt: 97,
    },
  ]);
  assert.deepEqual(rids, [
    { id: 'q', direction: 'recv' },
    { id: 'h', direction: 'recv' },
  ]);
  assert.deepEqual(
    extensions.map(({ id }) => id),
    [4, 10],
  );
});

test('a section without the announced codec is refused with its name', () => {
  const mismatch = () => answerTo(section(LAYERED), { codec: 'vp8', layers: 1 });
  assert.throws(mismatch, { message: 'the video section 0 has no codec vp8' });
});

test('the announced codec is taken wherever it stands', () => {
  const { codecs } = rtpParametersOf(section(SIMULCAST), { codec: 'vp9', layers: 1 });
  assert.deepEqual(
    codecs.map(({ mimeType, payloadType }) => `${payloadType} ${mimeType}`),
    ['98 video/VP9', '99 video/rtx'],
  );
});
