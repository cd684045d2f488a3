import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { SignalTarget } from '@livekit/protocol';
import type { WorkerId } from '../media/commands.ts';
import { RecordingEngine } from '../media/testing/recording-engine.ts';
import { createNegotiation } from './negotiation.ts';
import { type MediaSection, parseDescription, SdpError, type Section } from './sdp.ts';
import type {
  NegotiationHost,
  NegotiationOptions,
  OfferedSection,
  PublicationMatch,
  SubscriptionRequest,
  UpTrackRef,
} from './types.ts';

const CODECS = [
  'audio/opus',
  'audio/red',
  'audio/PCMU',
  'audio/PCMA',
  'video/VP8',
  'video/H264',
  'video/VP9',
  'video/AV1',
  'video/H265',
];
const ENABLED = CODECS.map((mime) => ({ mime, fmtpLine: '' }));

const fixture = (name: string) => readFileSync(new URL(`./fixtures/${name}.sdp`, import.meta.url), 'utf8');

/** A participant that remembers what it was told. */
class Host implements NegotiationHost {
  readonly offers: { sdp: string; id: number; mids: Record<string, string> }[] = [];
  readonly answers: { sdp: string; id: number; mids: Record<string, string> }[] = [];
  readonly trickles: { target: SignalTarget; final: boolean }[] = [];
  readonly candidates: string[] = [];
  readonly requirements: [number, number][] = [];
  readonly published: UpTrackRef[] = [];
  readonly unpublished: UpTrackRef[] = [];
  readonly subscribed: string[] = [];
  readonly unsupported: string[] = [];
  matches: (section: OfferedSection) => PublicationMatch | undefined = () => undefined;

  sendOffer(sdp: string, id: number, mids: Record<string, string>): void {
    this.offers.push({ sdp, id, mids });
  }
  sendAnswer(sdp: string, id: number, mids: Record<string, string>): void {
    this.answers.push({ sdp, id, mids });
  }
  sendTrickle(init: string, target: SignalTarget, final: boolean): void {
    this.trickles.push({ target, final });
    this.candidates.push(JSON.parse(init).candidate);
  }
  sendMediaSectionsRequirement(audios: number, videos: number): void {
    this.requirements.push([audios, videos]);
  }
  matchPublication(section: OfferedSection): PublicationMatch | undefined {
    return this.matches(section);
  }
  awaits = false;
  awaitsPublication(): boolean {
    return this.awaits;
  }
  onPublished(source: UpTrackRef): void {
    this.published.push(source);
  }
  onUnpublished(source: UpTrackRef): void {
    this.unpublished.push(source);
  }
  onSubscribed(trackSid: string): void {
    this.subscribed.push(trackSid);
  }
  onSubscriptionStarted(): void {}
  onSubscriptionUnsupported(trackSid: string): void {
    this.unsupported.push(trackSid);
  }
  onSubscriptionQuality(): void {}
  onIceState(): void {}
  onConnected(): void {}
  onTransportClosed(): void {}
  onNegotiationFailed(): void {}
}

function setup(options: Partial<NegotiationOptions>) {
  const engine = new RecordingEngine();
  const host = new Host();
  const negotiation = createNegotiation(engine, host, {
    singlePc: false,
    subscriberPrimary: true,
    dataTracks: false,
    protocol: 17,
    worker: 0 as WorkerId,
    publishCodecs: ENABLED,
    subscribeCodecs: ENABLED,
    iceLite: false,
    candidatePreference: () => 'any',
    addresses: { translated: new Map(), internalToo: false, externalOnly: false },
    playoutDelay: false,
    onlyPreferredVideoCodec: false,
    ...options,
  });
  return { engine, host, negotiation };
}

function match(trackSid: string, changes: Partial<PublicationMatch> = {}): PublicationMatch {
  return {
    trackSid,
    preferredCodec: undefined,
    stereo: false,
    dtx: true,
    red: true,
    screenShare: false,
    encrypted: false,
    muted: false,
    ...changes,
  };
}

const source: UpTrackRef = {
  track: 900 as UpTrackRef['track'],
  worker: 0 as WorkerId,
  trackSid: 'TR_VC1',
  mid: '1',
  kind: 'video',
  codec: 'vp8',
  payloads: [{ pt: 120, codec: 'vp8', clockRate: 90_000, channels: 1, fmtp: '' }],
  rids: [],
  encrypted: false,
};

function request(changes: Partial<SubscriptionRequest> = {}): SubscriptionRequest {
  return {
    trackSid: 'TR_VC1',
    streamId: 'PA_x|TR_VC1',
    kind: 'video',
    sources: [source],
    stereo: false,
    wish: { enabled: true, maxSpatial: 2, maxTemporal: 3, maxFps: 0 },
    ...changes,
  };
}

const media = (sections: Section[]) =>
  sections.filter((section): section is MediaSection => section.kind !== 'application');

/** What a client would answer: receives everything, keeps these codecs. */
function clientAnswer(offer: string, keep: (name: string) => boolean = () => true): string {
  const dropped = [...offer.matchAll(/^a=rtpmap:(\d+) (\S+?)\//gm)]
    .filter(([, , name]) => !keep(name ?? ''))
    .map(([, pt]) => pt);
  return offer
    .replaceAll('a=setup:actpass', 'a=setup:active')
    .replaceAll('a=sendonly', 'a=recvonly')
    .replaceAll(/^a=(ssrc|ssrc-group|msid|candidate|end-of-candidates).*\r\n/gm, '')
    .split('\r\n')
    .filter((line) => !dropped.some((pt) => new RegExp(`^a=(rtpmap|fmtp|rtcp-fb):${pt} `).test(line)))
    .join('\r\n');
}

test('a publisher offer is answered with the preferred codec first and the rids received', async () => {
  const { engine, host, negotiation } = setup({});
  host.matches = (section) =>
    section.kind === 'video' ? match('TR_V', { preferredCodec: 'h264' }) : match('TR_A', { stereo: true });
  await negotiation.handleOffer(fixture('chromium-publisher'), 7);
  const [answer] = host.answers;
  assert.equal(answer?.id, 7);
  const parsed = parseDescription(answer?.sdp ?? '');
  assert.equal(parsed.setup, 'passive');
  const [audio, video] = media(parsed.sections);
  assert.equal(audio?.direction, 'recvonly');
  assert.equal(audio?.codecs[0]?.name, 'red');
  assert.match(audio?.codecs[1]?.fmtp ?? '', /usedtx=1;stereo=1;maxaveragebitrate=510000/);
  assert.ok(audio?.codecs[1]?.feedback.includes('nack'));
  assert.equal(video?.codecs[0]?.name, 'H264');
  assert.deepEqual(
    video?.rids.map((rid) => `${rid.id} ${rid.direction}`),
    ['q recv', 'h recv', 'f recv'],
  );
  const [, videoTrack] = engine.sent('openUpTrack');
  assert.deepEqual(videoTrack?.rids, ['q', 'h', 'f']);
  assert.equal(videoTrack?.codecs[0]?.codec, 'h264');
  assert.ok(videoTrack?.codecs.every((codec) => codec.rtxPt !== null));
  assert.deepEqual(
    host.published.map((entry) => [entry.trackSid, entry.codec]),
    [
      ['TR_A', 'opus'],
      ['TR_V', 'h264'],
    ],
  );
});

test('our candidates follow the answer once and the last is marked', async () => {
  const { host, negotiation } = setup({});
  await negotiation.handleOffer(fixture('chromium-publisher'), 1);
  await negotiation.handleOffer(fixture('chromium-publisher'), 2);
  assert.deepEqual(host.trickles, [{ target: SignalTarget.PUBLISHER, final: true }]);
});

test('a track announced after its offer is published then', async () => {
  const { engine, host, negotiation } = setup({});
  await negotiation.handleOffer(fixture('chromium-publisher'), 1);
  assert.equal(engine.sent('openUpTrack').length, 0);
  host.matches = (section) => match(section.kind === 'video' ? 'TR_V' : 'TR_A');
  negotiation.rematch();
  assert.equal(host.published.length, 2);
});

test('a section that the client stops sending on ends its track', async () => {
  const { engine, host, negotiation } = setup({});
  host.matches = (section) => match(section.kind === 'video' ? 'TR_V' : 'TR_A');
  const offer = fixture('chromium-publisher');
  await negotiation.handleOffer(offer, 1);
  await negotiation.handleOffer(offer.replaceAll('a=sendonly', 'a=inactive'), 2);
  assert.equal(engine.sent('closeUpTrack').length, 2);
  assert.equal(host.unpublished.length, 2);
});

test('disabled codecs are left out of the answer, and a section without any is refused', async () => {
  const { host, negotiation } = setup({ publishCodecs: [{ mime: 'video/vp8', fmtpLine: '' }] });
  host.matches = () => match('TR_V');
  await negotiation.handleOffer(fixture('chromium-publisher'), 1);
  const [audio, video] = media(parseDescription(host.answers[0]?.sdp ?? '').sections);
  assert.equal(audio?.rejected, true);
  assert.deepEqual(
    video?.codecs.map((codec) => codec.name),
    ['VP8'],
  );
});

test('the first subscriber offer holds the data channels and what is subscribed', async () => {
  const { engine, host, negotiation } = setup({});
  negotiation.subscribe(request());
  negotiation.start();
  await negotiation.ready;
  await Promise.resolve();
  const [offer] = host.offers;
  assert.ok(offer !== undefined);
  const parsed = parseDescription(offer.sdp);
  assert.equal(parsed.sections[0]?.kind, 'application');
  const [video] = media(parsed.sections);
  assert.deepEqual(video?.msid, { stream: 'PA_x|TR_VC1', track: 'TR_VC1' });
  assert.equal(video?.codecs[0]?.name, 'VP8');
  assert.ok(!offer.sdp.includes('640032'));
  assert.deepEqual(offer.mids, { '0': 'TR_VC1' });
  await negotiation.handleAnswer(clientAnswer(offer.sdp), offer.id);
  const [down] = engine.sent('openDownTrack');
  assert.deepEqual(down?.payloads, [{ from: 120, to: 96, rtx: 97 }]);
  assert.equal(down?.nack, true);
  assert.deepEqual(host.subscribed, ['TR_VC1']);
});

test('an offer that was lost with its signal connection is made again', async () => {
  const { engine, host, negotiation } = setup({});
  negotiation.subscribe(request());
  negotiation.start();
  await negotiation.ready;
  await Promise.resolve();
  negotiation.restartIce();
  await negotiation.ready;
  await Promise.resolve();
  const [first, second] = host.offers;
  assert.deepEqual([host.offers.length, second?.id], [2, (first?.id ?? 0) + 1]);
  assert.deepEqual(second?.mids, { '0': 'TR_VC1' });
  assert.equal(engine.sent('restartIce').length, 0);
  await negotiation.handleAnswer(clientAnswer(second?.sdp ?? ''), second?.id ?? 0);
  assert.equal(engine.sent('openDownTrack').length, 1);
  negotiation.close();
});

test('an answer to another offer is ignored', async () => {
  const { engine, host, negotiation } = setup({});
  negotiation.subscribe(request());
  negotiation.start();
  await negotiation.ready;
  await Promise.resolve();
  const [offer] = host.offers;
  await negotiation.handleAnswer(clientAnswer(offer?.sdp ?? ''), (offer?.id ?? 0) + 5);
  assert.equal(engine.sent('openDownTrack').length, 0);
  negotiation.close();
});

test('a client without the codec is told of, and the section is freed', async () => {
  const { engine, host, negotiation } = setup({});
  negotiation.subscribe(request());
  negotiation.start();
  await negotiation.ready;
  await Promise.resolve();
  const [offer] = host.offers;
  await negotiation.handleAnswer(
    clientAnswer(offer?.sdp ?? '', (name) => name !== 'VP8'),
    offer?.id ?? 0,
  );
  assert.deepEqual(host.unsupported, ['TR_VC1']);
  assert.equal(engine.sent('openDownTrack').length, 0);
  negotiation.close();
});

test('a single peer connection answers on receiving sections and asks for more', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const { engine, host, negotiation } = setup({ singlePc: true });
  negotiation.start();
  const subscribe = (sid: string) => negotiation.subscribe(request({ trackSid: sid, streamId: `PA_x|${sid}` }));
  for (const sid of ['TR_V1', 'TR_V2', 'TR_V3']) subscribe(sid);
  const offer = fixture('chromium-single');
  await negotiation.handleOffer(offer, 1);
  const sections = media(parseDescription(host.answers[0]?.sdp ?? '').sections);
  assert.deepEqual(
    sections.map((section) => section.direction),
    ['inactive', 'inactive', 'sendonly', 'sendonly'],
  );
  assert.deepEqual(Object.values(host.answers[0]?.mids ?? {}), ['TR_V1', 'TR_V2']);
  assert.equal(engine.sent('openDownTrack').length, 2);
  context.mock.timers.tick(10);
  assert.deepEqual(host.requirements, [[0, 1]]);
});

test('a client that ignores the counts is not asked in a circle', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const { host, negotiation } = setup({ singlePc: true });
  negotiation.start();
  for (const sid of ['TR_V1', 'TR_V2', 'TR_V3']) negotiation.subscribe(request({ trackSid: sid }));
  // Each requirement is answered by an offer that brings nothing new.
  for (let id = 1; id <= host.requirements.length + 1; id++) {
    assert.ok(id < 10);
    await negotiation.handleOffer(fixture('chromium-single'), id);
    context.mock.timers.tick(10);
  }
  assert.deepEqual(host.requirements, [[0, 1]]);
});

test('sections are asked for again where the requirement was lost with its signal connection', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const { host, negotiation } = setup({ singlePc: true });
  negotiation.start();
  for (const sid of ['TR_V1', 'TR_V2', 'TR_V3']) negotiation.subscribe(request({ trackSid: sid }));
  await negotiation.handleOffer(fixture('chromium-single'), 1);
  context.mock.timers.tick(10);
  negotiation.restartIce();
  await negotiation.handleOffer(fixture('chromium-single'), 2);
  context.mock.timers.tick(10);
  assert.deepEqual(host.requirements, [
    [0, 1],
    [0, 1],
  ]);
});

test('a track that was announced and that no offer brings is asked for, once', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const { host, negotiation } = setup({ singlePc: true });
  negotiation.start();
  host.awaits = true;
  negotiation.rematch();
  await negotiation.handleOffer(fixture('chromium-single'), 1);
  context.mock.timers.tick(990);
  assert.deepEqual(host.requirements, []);
  context.mock.timers.tick(20);
  context.mock.timers.tick(10);
  assert.deepEqual(host.requirements, [[0, 0]]);
  await negotiation.handleOffer(fixture('chromium-single'), 2);
  context.mock.timers.tick(5_000);
  assert.equal(host.requirements.length, 1);
  negotiation.rematch();
  host.awaits = false;
  context.mock.timers.tick(5_000);
  assert.equal(host.requirements.length, 1);
});

test('an unsubscribed section is offered again and serves the next subscription', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const { engine, host, negotiation } = setup({ singlePc: true });
  negotiation.start();
  const first = negotiation.subscribe(request({ trackSid: 'TR_V1' }));
  await negotiation.handleOffer(fixture('chromium-single'), 1);
  first.close();
  context.mock.timers.tick(10);
  assert.deepEqual(host.requirements, [[0, 0]]);
  negotiation.subscribe(request({ trackSid: 'TR_V2' }));
  await negotiation.handleOffer(fixture('chromium-single'), 2);
  assert.deepEqual(Object.values(host.answers[1]?.mids ?? {}), ['TR_V2']);
  const [one, two] = engine.sent('openDownTrack');
  assert.notEqual(one?.ssrc, two?.ssrc);
  assert.equal(engine.sent('closeDownTrack').length, 1);
});

test('an offer with new credentials restarts ICE and gets new ones', async () => {
  const { engine, negotiation } = setup({});
  const offer = fixture('chromium-publisher');
  await negotiation.handleOffer(offer, 1);
  await negotiation.handleOffer(offer.replaceAll(/a=ice-ufrag:\S+/g, 'a=ice-ufrag:other'), 2);
  assert.equal(engine.sent('restartIce').length, 1);
  assert.equal(engine.sent('setRemote').length, 2);
});

test('a client may be told internal addresses beside external ones, or external ones only', async () => {
  const told = async (addresses: Partial<NegotiationOptions['addresses']>) => {
    const translated = new Map([['198.51.100.7', '10.0.0.5']]);
    const rules = { translated, internalToo: false, externalOnly: false, ...addresses };
    const { engine, host, negotiation } = setup({ addresses: rules });
    const [sample] = engine.candidates;
    assert.ok(sample !== undefined);
    engine.candidates = ['198.51.100.7', '172.17.0.1', '2001:db8::5'].map((ip, index) => ({
      ...sample,
      ip,
      foundation: `f${index}`,
      priority: 2_130_706_431 - index * 256,
    }));
    await negotiation.handleOffer(fixture('chromium-publisher'), 1);
    return host.candidates.map((candidate) => candidate.split(' ').slice(0, 6).join(' '));
  };
  const all = [
    'candidate:f0 1 udp 2130706431 198.51.100.7 50000',
    'candidate:f1 1 udp 2130706175 172.17.0.1 50000',
    'candidate:f2 1 udp 2130705919 2001:db8::5 50000',
  ];
  assert.deepEqual(await told({}), all);
  assert.deepEqual(await told({ externalOnly: true }), [all[0], all[2]]);
  const internal = 'candidate:f0i 1 udp 2130705663 10.0.0.5 50000';
  assert.deepEqual(await told({ internalToo: true }), [all[0], internal, all[1], all[2]]);
});

test('names in candidates are resolved where that is asked for, and an unknown one is dropped', async () => {
  const asked: string[] = [];
  const resolve = async (name: string) => {
    asked.push(name);
    return name === 'known.local' ? '192.0.2.9' : undefined;
  };
  const { engine, negotiation } = setup({ mdns: { resolve } });
  const init = (ip: string) =>
    JSON.stringify({ candidate: `candidate:1 1 udp 2122260223 ${ip} 50000 typ host`, sdpMid: '0' });
  negotiation.handleTrickle(init('known.local'), SignalTarget.PUBLISHER);
  await negotiation.handleOffer(fixture('chromium-publisher'), 1);
  for (const name of ['unknown.local', 'example.com']) negotiation.handleTrickle(init(name), SignalTarget.PUBLISHER);
  await new Promise(setImmediate);
  assert.deepEqual(asked, ['known.local', 'unknown.local']);
  assert.deepEqual(
    engine.sent('addRemoteCandidate').map((command) => command.candidate.ip),
    ['192.0.2.9'],
  );
});

test('candidates before the description wait for it, and names are ignored', async () => {
  const { engine, negotiation } = setup({});
  const init = (ip: string) =>
    JSON.stringify({ candidate: `candidate:1 1 udp 2122260223 ${ip} 50000 typ host`, sdpMid: '0' });
  negotiation.handleTrickle(init('192.0.2.7'), SignalTarget.PUBLISHER);
  negotiation.handleTrickle(init('a1b2.local'), SignalTarget.PUBLISHER);
  assert.equal(engine.sent('addRemoteCandidate').length, 0);
  await negotiation.handleOffer(fixture('chromium-publisher'), 1);
  assert.deepEqual(
    engine.sent('addRemoteCandidate').map((command) => command.candidate.ip),
    ['192.0.2.7'],
  );
  assert.throws(() => negotiation.handleTrickle('{', SignalTarget.PUBLISHER), SyntaxError);
});

test('an offer of data channels alone is answered', async () => {
  const { host, negotiation } = setup({});
  const offer = fixture('chromium-publisher');
  const session = offer.slice(0, offer.indexOf('m=audio')).replace('BUNDLE 0 1 2', 'BUNDLE 2');
  await negotiation.handleOffer(session + offer.slice(offer.indexOf('m=application')), 1);
  assert.match(host.answers[0]?.sdp ?? '', /a=group:BUNDLE 2\r\n/);
});

test('a description without a fingerprint or credentials is refused by name', async () => {
  const { negotiation } = setup({});
  const without = (line: RegExp) => fixture('chromium-publisher').replaceAll(line, '');
  await assert.rejects(
    negotiation.handleOffer(without(/a=fingerprint.*\r\n/g), 1),
    new SdpError('the description has no fingerprint'),
  );
  await assert.rejects(negotiation.handleOffer(without(/a=ice-ufrag.*\r\n/g), 1), /ice-ufrag/);
  await assert.rejects(negotiation.handleOffer('v=0\r\n', 1), SdpError);
});
