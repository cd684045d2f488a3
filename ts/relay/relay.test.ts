/** A client's socket on one node, its room on another, one bus between them. */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  AddTrackRequest,
  CreateRoomRequest,
  LeaveRequest,
  LeaveRequest_Action,
  TrackSource,
  TrackType,
} from '@livekit/protocol';
import { pino } from 'pino';
import type { NodeId, ParticipantSid, RoomName } from '../lib/ids.ts';
import type { Bus } from '../psrpc/bus.ts';
import { RpcClient } from '../psrpc/client.ts';
import { LocalBus } from '../psrpc/local-bus.ts';
import { RpcServer } from '../psrpc/server.ts';
import { systemClock } from '../room/clock.ts';
import { RecordingSink } from '../room/testing/recording-sink.ts';
import { type JoinOptions, joinParams, Scene } from '../room/testing/scene.ts';
import type { SignalSession } from '../signal/types.ts';
import { RelayFigures } from './figures.ts';
import { RelayServer } from './relay-server.ts';
import { RelayedSessions } from './relayed-sessions.ts';
import { RoutedSessions } from './routed-sessions.ts';
import { SwitchedLink } from './testing/switched-link.ts';

const ROOM_NODE = 'ND_room' as NodeId;
const EDGE_NODE = 'ND_edge' as NodeId;
const SETTINGS = { retryTimeoutMs: 300, minRetryMs: 50, maxRetryMs: 100, bufferSize: 100 };
const log = pino({ enabled: false });

/** A bus that loses messages when told to. */
class LossyBus implements Bus {
  readonly #inner: Bus;
  lose = false;

  constructor(inner: Bus) {
    this.#inner = inner;
  }

  async publish(channel: string, payload: Uint8Array): Promise<void> {
    if (!this.lose) await this.#inner.publish(channel, payload);
  }

  subscribe: Bus['subscribe'] = (channel, handler) => this.#inner.subscribe(channel, handler);
  claim: Bus['claim'] = (key, ms) => this.#inner.claim(key, ms);
  close = () => this.#inner.close();
}

class TwoNodes {
  readonly bus = new LossyBus(new LocalBus());
  readonly room = new Scene();
  readonly link = new SwitchedLink();
  readonly relays = { out: new RelayFigures(), in: new RelayFigures() };
  readonly client = new RpcClient(this.bus, { id: EDGE_NODE, log, timeoutMs: 500 });
  readonly server = new RpcServer(this.bus, { id: ROOM_NODE, log, timeoutMs: 500 });
  readonly taken = new RelayServer({
    self: ROOM_NODE,
    server: this.server,
    host: this.room.host,
    settings: SETTINGS,
    link: this.link,
    clock: systemClock,
    figures: this.relays.in,
    log,
  });
  readonly sessions = new RelayedSessions({
    node: ROOM_NODE,
    client: this.client,
    settings: SETTINGS,
    link: this.link,
    clock: systemClock,
    figures: this.relays.out,
    log,
  });

  static async start(t: TestContext): Promise<TwoNodes> {
    const nodes = new TwoNodes();
    await nodes.taken.start();
    t.after(async () => {
      nodes.bus.lose = false;
      await nodes.room.close();
      await nodes.client.close();
      await nodes.server.close();
    });
    return nodes;
  }

  async join(identity: string, options: JoinOptions = {}): Promise<{ sink: RecordingSink; session: SignalSession }> {
    const sink = new RecordingSink();
    const session = await this.sessions.startSession(joinParams(identity, options), sink, new AbortController().signal);
    return { sink, session };
  }

  participants(): string[] {
    return [...(this.room.rooms.get('room' as RoomName)?.members ?? [])].map(({ participant }) => participant.identity);
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

test('a client joins, talks and leaves by way of another node', async (t) => {
  const nodes = await TwoNodes.start(t);
  const { sink, session } = await nodes.join('alice');
  assert.equal(sink.last('join').participant?.identity, 'alice');
  assert.deepEqual([nodes.relays.out.out, nodes.relays.in.in], [1, 1]);
  session.publishing.addTrack(trackRequest());
  await until(() => sink.kinds.includes('trackPublished'));
  session.participant.leave(new LeaveRequest());
  await until(() => sink.closed);
  session.closed(true);
  assert.deepEqual(nodes.participants(), []);
  await until(() => nodes.relays.out.out === 0 && nodes.relays.in.in === 0);
  assert.deepEqual([nodes.relays.out.broken, nodes.relays.in.broken], [0, 0]);
});

test('the reason of a refused join comes back with its code', async (t) => {
  const nodes = await TwoNodes.start(t);
  await nodes.room.control.createRoom(createRequest({ maxParticipants: 1 }));
  await nodes.join('alice');
  await assert.rejects(nodes.join('bob'), {
    code: 'resource_exhausted',
    message: 'room has exceeded its max participants',
  });
  assert.equal(nodes.relays.out.out, 1);
});

test('a socket that closes is told to the room, and the client comes back by the same way', async (t) => {
  const nodes = await TwoNodes.start(t);
  const { sink, session } = await nodes.join('alice');
  const participantSid = (sink.last('join').participant?.sid ?? '') as ParticipantSid;
  // Stands already, so that the room waits for it.
  nodes.room.connectAll();
  session.closed(true);
  await until(() => nodes.relays.in.in === 0);
  assert.deepEqual(nodes.participants(), ['alice']);
  const back = await nodes.join('alice', { reconnect: true, participantSid });
  assert.deepEqual(back.sink.kinds[0], 'reconnect');
});

test('a resume of nobody is answered with leave and the end of the socket', async (t) => {
  const nodes = await TwoNodes.start(t);
  const { sink } = await nodes.join('alice', { reconnect: true, participantSid: 'PA_gone' as ParticipantSid });
  assert.equal(sink.kinds[0], 'leave');
  await until(() => sink.closed);
});

test('a node that is gone sends its clients back at once', async (t) => {
  const nodes = await TwoNodes.start(t);
  const { sink } = await nodes.join('alice');
  nodes.sessions.nodeGone();
  assert.equal(sink.last('leave').action, LeaveRequest_Action.RECONNECT);
  assert.equal(sink.closed, true);
});

test('a node that is gone takes its clients’ sockets with it', async (t) => {
  const nodes = await TwoNodes.start(t);
  await nodes.join('alice');
  nodes.taken.nodeGone(EDGE_NODE);
  assert.equal(nodes.relays.in.in, 0);
  // It had not connected yet: nobody waits for it.
  assert.deepEqual(nodes.participants(), []);
});

test('signals that are lost for long break the relay, and the client’s socket closes', async (t) => {
  const nodes = await TwoNodes.start(t);
  const { sink, session } = await nodes.join('alice');
  nodes.bus.lose = true;
  session.publishing.addTrack(trackRequest());
  await until(() => sink.closed);
  assert.equal(nodes.relays.out.broken, 1);
});

test('signals that are lost for a while arrive later, each once', async (t) => {
  const nodes = await TwoNodes.start(t);
  const { sink, session } = await nodes.join('alice');
  nodes.bus.lose = true;
  session.publishing.addTrack(trackRequest());
  await new Promise((resolve) => setTimeout(resolve, 100));
  nodes.bus.lose = false;
  await until(() => sink.kinds.includes('trackPublished'));
  assert.equal(sink.all('trackPublished').length, 1);
});

test('without Redis a relay waits, however long', async (t) => {
  const nodes = await TwoNodes.start(t);
  const { sink, session } = await nodes.join('alice');
  nodes.link.turn(false);
  nodes.bus.lose = true;
  session.publishing.addTrack(trackRequest());
  await new Promise((resolve) => setTimeout(resolve, 2 * SETTINGS.retryTimeoutMs));
  assert.equal(sink.closed, false);
  nodes.bus.lose = false;
  nodes.link.turn(true);
  await until(() => sink.kinds.includes('trackPublished'));
});

test('a join that waits for a node goes to the next when that one dies', async (t) => {
  const nodes = await TwoNodes.start(t);
  const dead = new RelayedSessions({
    node: 'ND_dead' as NodeId,
    client: nodes.client,
    settings: SETTINGS,
    link: nodes.link,
    clock: systemClock,
    figures: nodes.relays.out,
    log,
  });
  const hosts = [dead, nodes.sessions];
  const routed = new RoutedSessions(async () => hosts.shift() ?? assert.fail('asked once more'));
  const sink = new RecordingSink();
  const joining = routed.startSession(joinParams('alice'), sink, new AbortController().signal);
  setImmediate(() => dead.nodeGone());
  await joining;
  assert.equal(sink.kinds[0], 'join');
  assert.equal(sink.closed, false);
});

test('nobody listens at a node that is not there', async (t) => {
  const nodes = await TwoNodes.start(t);
  await nodes.taken.stop();
  await assert.rejects(nodes.join('alice'), { code: 'deadline_exceeded' });
});

function trackRequest() {
  return new AddTrackRequest({ cid: 'mic', type: TrackType.AUDIO, source: TrackSource.MICROPHONE });
}

function createRequest(fields: Partial<CreateRoomRequest>) {
  return new CreateRoomRequest({ name: 'room', ...fields });
}
