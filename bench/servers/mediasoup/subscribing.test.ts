import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SessionDescription, TrackInfo, TrackType, VideoQuality } from '@livekit/protocol';
import { parseDescription } from '../../../ts/negotiate/sdp.ts';
import type { Consumer, ConsumerOptions, Transport } from './api.ts';
import { Subscribing } from './subscribing.ts';
import type { Track } from './track.ts';

const ANSWER = [
  'v=0',
  'o=- 1 1 IN IP4 127.0.0.1',
  's=-',
  't=0 0',
  'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
  'a=ice-ufrag:abcd',
  'a=ice-pwd:aaaaaaaaaaaaaaaaaaaaaaaa',
  'a=fingerprint:sha-256 AA:BB',
  'a=setup:active',
  'a=mid:0',
  '',
].join('\r\n');

/** A transport that does as it is told and writes it down. */
function scripted() {
  const log: string[] = [];
  const consume = async ({ producerId, mid, paused, preferredLayers }: ConsumerOptions): Promise<Consumer> => {
    log.push(`consume ${producerId} as ${mid}${paused ? ' paused' : ''} ${preferredLayers?.spatialLayer ?? ''}`.trim());
    return {
      rtpParameters: {
        mid,
        codecs: [{ mimeType: 'video/VP8', payloadType: 96, clockRate: 90_000 }],
        headerExtensions: [],
        encodings: [{ ssrc: 100 + log.length }],
        rtcp: { cname: 'c' },
      },
      resume: async () => void log.push(`resume ${producerId}`),
      pause: async () => void log.push(`pause ${producerId}`),
      setPreferredLayers: async ({ spatialLayer }) => void log.push(`layer ${producerId} ${spatialLayer}`),
      close: () => void log.push(`close ${producerId}`),
    };
  };
  const transport = {
    iceParameters: { usernameFragment: 'u', password: 'p' },
    iceCandidates: [],
    dtlsParameters: { fingerprints: [{ algorithm: 'sha-256', value: 'CC:DD' }] },
    connect: async ({ dtlsParameters }) => void log.push(`connect ${dtlsParameters.role}`),
    consume,
  } as Partial<Transport> as Transport;
  const offers: SessionDescription[] = [];
  const nothing = { codecs: [], headerExtensions: [] };
  const subscribing = new Subscribing(transport, nothing, (offer) => offers.push(offer));
  return { subscribing, offers, log };
}

function camera(name: string): Track {
  const layers = [{ quality: VideoQuality.LOW }, { quality: VideoQuality.MEDIUM }, { quality: VideoQuality.HIGH }];
  const info = new TrackInfo({ sid: `TR_${name}`, type: TrackType.VIDEO, layers });
  return { info, kind: 'video', publisher: 'PA_1', producer: { id: name } };
}

function answer(id: number): SessionDescription {
  return new SessionDescription({ type: 'answer', sdp: ANSWER, id });
}

/** `mid direction track` of each media section. */
function sections({ sdp }: SessionDescription): string[] {
  return parseDescription(sdp).sections.flatMap((section) =>
    section.kind === 'application' ? [] : [`${section.mid} ${section.direction} ${section.msid?.track ?? ''}`.trim()],
  );
}

test('who receives nothing is offered the data channel alone', async () => {
  const { subscribing, offers } = scripted();
  await subscribing.add([]);
  const [section, ...others] = parseDescription(offers[0]?.sdp ?? '').sections;
  assert.equal(section?.kind, 'application');
  assert.deepEqual(others, []);
});

test('a consumer runs once the client has answered the offer that has it', async () => {
  const { subscribing, offers, log } = scripted();
  await subscribing.add([camera('a')]);
  assert.deepEqual(offers[0]?.midToTrackId, { 1: 'TR_a' });
  assert.deepEqual(log, ['consume a as 1 paused']);
  await subscribing.handleAnswer(answer(1));
  assert.deepEqual(log.slice(1).sort(), ['connect client', 'resume a']);
});

test('what comes while an offer is out goes into the next', async () => {
  const { subscribing, offers, log } = scripted();
  await subscribing.add([camera('a')]);
  await subscribing.add([camera('b')]);
  await subscribing.add([camera('c')]);
  assert.equal(offers.length, 1);
  await subscribing.handleAnswer(answer(1));
  assert.deepEqual(offers.slice(1).map(sections), [['1 sendonly TR_a', '2 sendonly TR_b', '3 sendonly TR_c']]);
  assert.ok(!log.includes('resume b'));
  await subscribing.handleAnswer(answer(2));
  assert.ok(log.includes('resume b') && log.includes('resume c'));
  assert.equal(log.filter((line) => line === 'resume a').length, 1);
});

test('the section of a track that ended is taken over by the next', async () => {
  const { subscribing, offers, log } = scripted();
  const [a, b] = [camera('a'), camera('b')];
  await subscribing.add([a]);
  await subscribing.handleAnswer(answer(1));
  subscribing.remove([a]);
  assert.ok(log.includes('close a'));
  await subscribing.handleAnswer(answer(2));
  await subscribing.add([b]);
  assert.deepEqual(offers.map(sections), [['1 sendonly TR_a'], ['1 inactive'], ['1 sendonly TR_b']]);
});

test('a track that is taken away before it could be consumed is not offered', async () => {
  const { subscribing, offers, log } = scripted();
  const a = camera('a');
  const adding = subscribing.add([a]);
  subscribing.remove([a]);
  await adding;
  await subscribing.handleAnswer(answer(1));
  assert.ok(log.includes('close a'));
  assert.deepEqual(offers.map(sections).at(-1), ['1 inactive']);
});

test('a wish for a layer holds for what is received and for what is to come', async () => {
  const { subscribing, log } = scripted();
  await subscribing.wish('TR_b', VideoQuality.MEDIUM, false);
  await subscribing.add([camera('a'), camera('b')]);
  assert.deepEqual(log, ['consume a as 1 paused', 'consume b as 2 paused 1']);
  await subscribing.handleAnswer(answer(1));
  await subscribing.wish('TR_a', VideoQuality.LOW, false);
  await subscribing.wish('TR_a', VideoQuality.LOW, true);
  assert.deepEqual(log.slice(-2), ['layer a 0', 'pause a']);
});
