import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ClientConfigSetting,
  LeaveRequest_Action,
  Ping,
  ReconnectReason,
  SessionDescription,
  SimulateScenario,
} from '@livekit/protocol';
import type { DownTrackId } from '../media/commands.ts';
import { createNegotiation } from '../negotiate/negotiation.ts';
import { DEFAULT_ROOM_CONFIG, type RoomConfig } from './config.ts';
import { type Client, Scene } from './testing/scene.ts';

const UDP = 'udp 192.0.2.1:7882 198.51.100.1:40000';
const TCP = 'tcp 192.0.2.1:7881 198.51.100.1:40000';
const TLS = 'relay-tls 192.0.2.1:7882 192.0.2.1:30001';

const WITH_TURN: Partial<RoomConfig> = {
  embeddedTurn: {
    udpUrls: ['turn:192.0.2.1:3478?transport=udp'],
    tlsUrl: 'turns:turn.example.com:443?transport=tcp',
    credentials: () => ({ username: 'u', credential: 'p' }),
  },
};

function switchTo(client: Client, protocol: 0 | 1 | 2): void {
  client.session.participant.simulate(
    new SimulateScenario({ scenario: { case: 'switchCandidateProtocol', value: protocol } }),
  );
}

function ping(client: Client, rtt = 0n): void {
  client.session.participant.ping(new Ping({ timestamp: 1n, rtt }));
}

async function fail(scene: Scene, client: Client): Promise<void> {
  ping(client);
  client.negotiation.host.onIceState('subscriber', 'failed', null);
  await scene.clock.advance(100);
}

function preferenceOf({ negotiation }: Client): string {
  return negotiation.options.candidatePreference();
}

async function figure(scene: Scene, name: string, labels: Record<string, string>): Promise<number> {
  const metric = scene.metrics.all.find((candidate) => (candidate as unknown as { name: string }).name === name);
  const { values } = (await metric?.get()) ?? { values: [] };
  const wanted = Object.entries(labels);
  const found = values.find((value) => wanted.every(([key, text]) => String(value.labels[key]) === text));
  return found?.value ?? 0;
}

test('a short UDP connection that fails brings the client back over TCP, then over TLS only', async () => {
  const scene = new Scene(WITH_TURN);
  const alice = await scene.active('alice');
  await fail(scene, alice);
  assert.equal(alice.sink.last('leave').action, LeaveRequest_Action.RESUME);
  const second = await scene.resume('alice', alice);
  assert.equal(preferenceOf(second), 'tcp');
  second.negotiation.host.onIceState('subscriber', 'connected', TCP);
  await fail(scene, second);
  const third = await scene.resume('alice', second);
  const { iceServers, clientConfiguration } = third.sink.last('reconnect');
  assert.deepEqual(iceServers[0]?.urls, ['turns:turn.example.com:443?transport=tcp']);
  assert.equal(clientConfiguration?.forceRelay, ClientConfigSetting.ENABLED);
  assert.equal(await figure(scene, 'sluice_connection_fallbacks_total', { preference: 'tls' }), 1);
  await scene.close();
});

test('who was led to TLS joins anew over TLS for five minutes', async () => {
  const scene = new Scene(WITH_TURN);
  const alice = await scene.active('alice');
  switchTo(alice, 2);
  const again = await scene.join('alice');
  const { clientConfiguration, fastPublish, iceServers } = again.sink.last('join');
  assert.equal(clientConfiguration?.forceRelay, ClientConfigSetting.ENABLED);
  assert.deepEqual([fastPublish, iceServers[0]?.urls.length], [false, 1]);
  await scene.clock.advance(300_000);
  const later = await scene.join('alice');
  assert.equal(later.sink.last('join').clientConfiguration, undefined);
  assert.equal(later.sink.last('join').fastPublish, true);
  await scene.close();
});

test('a switch of protocols restarts ICE, or asks the client to where only it can', async () => {
  const scene = new Scene();
  const dual = await scene.active('alice');
  switchTo(dual, 1);
  assert.deepEqual([dual.negotiation.calls.at(-1), preferenceOf(dual), dual.sink.closed], ['restartIce', 'tcp', false]);
  switchTo(dual, 0);
  assert.equal(preferenceOf(dual), 'any');
  const single = await scene.active('bob', { singlePc: true });
  switchTo(single, 1);
  assert.equal(single.sink.last('leave').action, LeaveRequest_Action.RESUME);
  const resumed = await scene.resume('bob', single);
  assert.equal(preferenceOf(resumed), 'tcp');
  await scene.close();
});

test('a transport that only the client saw fail counts as well', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  await scene.clock.advance(89_000);
  const resumed = await scene.resume('alice', alice, { reconnectReason: ReconnectReason.RR_SUBSCRIBER_FAILED });
  assert.equal(preferenceOf(resumed), 'tcp');
  const bob = await scene.active('bob');
  await scene.clock.advance(91_000);
  const back = await scene.resume('bob', bob, { reconnectReason: ReconnectReason.RR_SUBSCRIBER_FAILED });
  assert.equal(preferenceOf(back), 'any', 'it stood for long');
  await scene.close();
});

test('both transports of a long session failing together are two failures', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  alice.negotiation.host.onIceState('publisher', 'checking', null);
  alice.negotiation.host.onIceState('publisher', 'connected', UDP);
  alice.negotiation.host.onConnected('publisher', false, { iceMs: 1, dtlsMs: 1 });
  await scene.clock.advance(100_000);
  ping(alice);
  alice.negotiation.host.onIceState('publisher', 'failed', null);
  assert.equal(preferenceOf(alice), 'any');
  const resumed = await scene.resume('alice', alice);
  await fail(scene, resumed);
  assert.equal(preferenceOf(resumed), 'tcp');
  await scene.close();
});

test('TCP that does not connect within eight round trips, five seconds at least, has failed', async () => {
  const scene = new Scene(WITH_TURN);
  switchTo(await scene.active('alice'), 1);
  const alice = await scene.join('alice');
  ping(alice, 800n);
  alice.negotiation.host.onIceState('subscriber', 'checking', null);
  await scene.clock.advance(6_399);
  ping(alice);
  assert.equal(alice.sink.closed, false);
  await scene.clock.advance(1);
  assert.equal(alice.sink.last('leave').action, LeaveRequest_Action.RESUME);
  assert.equal(preferenceOf(alice), 'tls');
  assert.equal(await figure(scene, 'sluice_connection_failures_total', { reason: 'tcpTimeout' }), 1);
  await scene.close();
});

test('DTLS has ten seconds, or three times what ICE took, to stand', async () => {
  const scene = new Scene();
  const alice = await scene.join('alice');
  const { host } = alice.negotiation;
  host.onIceState('subscriber', 'checking', null);
  await scene.clock.advance(5_000);
  host.onIceState('subscriber', 'connected', UDP);
  await scene.clock.advance(14_999);
  assert.equal(alice.sink.closed, false);
  await scene.clock.advance(1);
  assert.equal(alice.sink.last('leave').action, LeaveRequest_Action.RESUME);
  await scene.close();
});

test('lossy UDP brings the client back over TCP where that is asked for', async () => {
  const fallback = { ...DEFAULT_ROOM_CONFIG.rtc.fallback, udpUnstable: true, tcpRttThresholdMs: 300 };
  const scene = new Scene({ rtc: { ...DEFAULT_ROOM_CONFIG.rtc, fallback } });
  const alice = await scene.active('alice');
  ping(alice, 50n);
  const report = {
    down: 1 as DownTrackId,
    score: 20,
    lost: false,
    loss: 0.3,
    rttMs: 60,
    window: { expected: 0, received: 0, late: 0, jitterUs: 0 },
  };
  for (let count = 0; count < 20; count++) alice.negotiation.host.onSubscriptionQuality('TR_x', report);
  assert.equal(alice.sink.last('leave').action, LeaveRequest_Action.RESUME);
  assert.equal(preferenceOf(alice), 'tcp');
  await scene.close();
});

test('who does not get in is counted by what kept it out', async () => {
  const scene = new Scene({ maxParticipants: 1 }, createNegotiation);
  const failures = (reason: string) => figure(scene, 'sluice_join_failures_total', { reason });
  scene.engine.portsExhausted = true;
  await assert.rejects(scene.enter('alice'), /portsExhausted/);
  assert.equal(await failures('portsExhausted'), 1);
  scene.engine.portsExhausted = false;
  await scene.enter('alice');
  await assert.rejects(scene.enter('bob'));
  assert.equal(await failures('roomFull'), 1);
  await scene.clock.advance(60_000);
  assert.equal(await failures('timeout'), 1);
  await scene.close();
});

test('figures follow the path of each transport until it ends', async () => {
  const scene = new Scene();
  const open = (path: string) => figure(scene, 'sluice_connections', { path });
  const alice = await scene.active('alice');
  assert.equal(await open('udp'), 1);
  alice.negotiation.host.onIceState('subscriber', 'connected', TLS);
  assert.deepEqual([await open('udp'), await open('relay-tls')], [0, 1]);
  await scene.rooms.close();
  assert.equal(await open('relay-tls'), 0);
  assert.equal(await figure(scene, 'sluice_connections_total', { path: 'udp' }), 1);
  assert.equal(
    await figure(scene, 'livekit_peer_connection_state', { transport: 'SUBSCRIBER', state: 'connected' }),
    1,
  );
});

test('a handshake that ends before a pair is nominated is told with the pair', async () => {
  const scene = new Scene();
  const { host } = (await scene.join('alice')).negotiation;
  host.onIceState('subscriber', 'checking', null);
  host.onConnected('subscriber', true, { iceMs: 20, dtlsMs: 0 });
  const observed = () => figure(scene, 'sluice_ice_duration_seconds', { path: 'udp', le: '0.025' });
  assert.equal(await observed(), 0);
  host.onIceState('subscriber', 'connected', UDP);
  assert.equal(await observed(), 1);
  host.onIceState('subscriber', 'connected', TCP);
  assert.equal(await observed(), 1);
  await scene.close();
});

test('where TCP is preferred no UDP candidate passes, in either direction', async () => {
  const scene = new Scene({}, createNegotiation);
  scene.engine.candidates = [
    { foundation: '1', protocol: 'udp', priority: 2, ip: '192.0.2.1', port: 7882, kind: 'host' },
    { foundation: '2', protocol: 'tcp', priority: 1, ip: '192.0.2.1', port: 7881, kind: 'host', tcpType: 'passive' },
  ];
  const first = await scene.enter('alice');
  first.session.participant.simulate(new SimulateScenario({ scenario: { case: 'switchCandidateProtocol', value: 1 } }));
  const { sink, session } = await scene.enter('alice');
  const { sdp, id } = sink.last('offer');
  assert.deepEqual(
    sdp.match(/a=candidate:.*/g)?.map((line) => line.split(' ')[2]),
    ['tcp'],
  );
  assert.deepEqual(
    sink.all('trickle').map(({ candidateInit }) => / (udp|tcp) /.exec(candidateInit)?.[1]),
    ['tcp'],
  );
  session.negotiation.answer(new SessionDescription({ type: 'answer', sdp: answerTo(sdp), id }));
  await scene.clock.advance(10);
  const heard = scene.engine.sent('addRemoteCandidate').map(({ candidate }) => candidate.protocol);
  assert.deepEqual(heard, ['tcp']);
  await scene.close();
});

/** A client's answer with a candidate of each kind inside. */
function answerTo(offer: string): string {
  const candidates = [
    'a=candidate:1 1 udp 2 198.51.100.1 40000 typ host',
    'a=candidate:2 1 tcp 1 198.51.100.1 9 typ host tcptype active',
  ];
  return offer
    .replace(/a=candidate:.*\r\n/g, '')
    .replace('a=setup:actpass', 'a=setup:active')
    .replace(/a=ice-ufrag:.*/, 'a=ice-ufrag:clientufrag')
    .replace(/(m=application.*\r\n(?:.*\r\n)*)/, `$1${candidates.join('\r\n')}\r\n`);
}
