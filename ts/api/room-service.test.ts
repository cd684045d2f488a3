import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  AgentDispatch,
  ListRoomsResponse,
  MuteRoomTrackResponse,
  ParticipantInfo,
  PerformRpcResponse,
  Room,
  TimedVersion,
} from '@livekit/protocol';
import { parseClaims } from '../auth/claims.ts';
import type { Claims } from '../auth/grants.ts';
import { RpcError } from '../lib/rpc-error.ts';
import { agentDispatchService } from './agent-dispatch-service.ts';
import { roomService } from './room-service.ts';
import { TwirpRouter } from './twirp.ts';
import type { DispatchControl, ParticipantControl, RoomControl, RoomDirectory } from './types.ts';
import { unconnectedServices } from './unconnected-services.ts';

const calls: string[] = [];
const called = <T>(name: string, answer: T) => {
  calls.push(name);
  return Promise.resolve(answer);
};

const controls: RoomControl & ParticipantControl & DispatchControl = {
  createRoom: ({ name }) => called('createRoom', new Room({ name })),
  deleteRoom: () => called('deleteRoom', undefined),
  sendData: () => called('sendData', undefined),
  updateRoomMetadata: ({ room }) => called('updateRoomMetadata', new Room({ name: room })),
  removeParticipant: () => called('removeParticipant', undefined),
  mutePublishedTrack: () => called('mutePublishedTrack', new MuteRoomTrackResponse()),
  updateParticipant: () => called('updateParticipant', new ParticipantInfo()),
  updateSubscriptions: () => called('updateSubscriptions', undefined),
  performRpc: () => called('performRpc', new PerformRpcResponse({ payload: 'p' })),
  listDispatches: async () => [],
  createDispatch: ({ agentName }) => called('createDispatch', new AgentDispatch({ agentName })),
  deleteDispatch: () => called('deleteDispatch', new AgentDispatch()),
};
const directory: RoomDirectory = {
  listRooms: async (names) =>
    names === undefined || names.some((name) => name === 'r') ? [new Room({ name: 'r' })] : [],
  listParticipants: async () => [],
  loadParticipant: async (_room, identity) => (identity === 'a' ? new ParticipantInfo({ identity }) : undefined),
};
const limits = { maxRoomNameLength: 8, maxMetadataSize: 10, maxAttributesSize: 10, maxParticipantNameLength: 8 };
const bugs: unknown[] = [];
const router = new TwirpRouter(
  {
    'livekit.RoomService': roomService({
      rooms: controls,
      participants: controls,
      directory,
      limits,
      mayRecord: false,
    }),
    'livekit.AgentDispatchService': agentDispatchService(controls, directory, limits),
    ...unconnectedServices(),
  },
  (error) => bugs.push(error),
);

interface Asked {
  method?: string;
  contentType?: string;
  body?: Uint8Array;
}

async function call(method: string, grant: object | undefined, request: object | string, asked: Asked = {}) {
  const claims: Claims | undefined = grant === undefined ? undefined : parseClaims({ video: grant, sip: grant });
  const { status, contentType, body } = await router.handle({
    method: asked.method ?? 'POST',
    path: `/twirp/livekit.${method.includes('/') ? method : `RoomService/${method}`}`,
    contentType: asked.contentType ?? 'application/json;charset=UTF-8',
    body: asked.body ?? Buffer.from(typeof request === 'string' ? request : JSON.stringify(request)),
    claims,
  });
  if (contentType !== 'application/json') return { status, contentType, json: {}, body };
  return { status, contentType, json: JSON.parse(String(body)), body };
}

const admin = { roomAdmin: true, room: 'r' };
const denied = { code: 'unauthenticated', msg: 'permissions denied' };

describe('RoomService', () => {
  it('refuses a missing and an insufficient grant alike', async () => {
    const methods: [string, object][] = [
      ['CreateRoom', { name: 'r' }],
      ['ListRooms', {}],
      ['DeleteRoom', { room: 'r' }],
      ['ListParticipants', { room: 'r' }],
      ['GetParticipant', { room: 'r', identity: 'a' }],
      ['RemoveParticipant', { room: 'r', identity: 'a' }],
      ['MutePublishedTrack', { room: 'r', identity: 'a' }],
      ['UpdateParticipant', { room: 'r', identity: 'a' }],
      ['UpdateSubscriptions', { room: 'r', identity: 'a' }],
      ['SendData', { room: 'r' }],
      ['UpdateRoomMetadata', { room: 'r' }],
      ['ForwardParticipant', { room: 'r', destinationRoom: 's' }],
      ['MoveParticipant', { room: 'r', destinationRoom: 's' }],
      ['PerformRpc', { room: 'r', destinationIdentity: 'a' }],
    ];
    for (const [method, request] of methods) {
      for (const grant of [undefined, {}, { roomJoin: true, room: 'r' }, { roomAdmin: true, room: 'other' }]) {
        const { status, json } = await call(method, grant, request);
        assert.deepEqual([status, json], [401, denied], method);
      }
    }
    assert.deepEqual(calls, []);
  });

  it('asks the host for what is allowed', async () => {
    calls.length = 0;
    const allowed: [string, object, object][] = [
      ['CreateRoom', { roomCreate: true }, { name: 'r' }],
      ['DeleteRoom', { roomCreate: true }, { room: 'r' }],
      ['SendData', admin, { room: 'r', data: 'aGk=', nonce: Buffer.alloc(16).toString('base64') }],
      ['UpdateRoomMetadata', admin, { room: 'r', metadata: 'm' }],
      ['RemoveParticipant', admin, { room: 'r', identity: 'a' }],
      ['MutePublishedTrack', admin, { room: 'r', identity: 'a', track_sid: 'TR_x' }],
      ['UpdateParticipant', admin, { room: 'r', identity: 'a' }],
      ['UpdateSubscriptions', admin, { room: 'r', identity: 'a' }],
      ['PerformRpc', admin, { room: 'r', destinationIdentity: 'a' }],
    ];
    for (const [method, grant, request] of allowed)
      assert.equal((await call(method, grant, request)).status, 200, method);
    assert.deepEqual(
      calls,
      allowed.map(([method]) => method.charAt(0).toLowerCase() + method.slice(1)),
    );
  });

  it('says what does not exist', async () => {
    const missing = async (method: string, grant: object, request: object) => (await call(method, grant, request)).json;
    const room = { code: 'not_found', msg: 'requested room does not exist' };
    assert.deepEqual(await missing('DeleteRoom', { roomCreate: true }, { room: 'x' }), room);
    const other = { roomAdmin: true, room: 'x' };
    assert.deepEqual(await missing('UpdateRoomMetadata', other, { room: 'x' }), room);
    const participant = { code: 'not_found', msg: 'participant does not exist' };
    for (const method of ['GetParticipant', 'RemoveParticipant', 'UpdateParticipant']) {
      assert.deepEqual(await missing(method, admin, { room: 'r', identity: 'b' }), participant);
    }
  });

  it('holds limits in bytes, before it looks at the grant where livekit-server does', async () => {
    const long = async (method: string, grant: object | undefined, request: object) =>
      (await call(method, grant, request)).json;
    assert.deepEqual(await long('CreateRoom', { roomCreate: true }, { name: 'äääää' }), {
      code: 'invalid_argument',
      msg: 'room name length exceeds limits: max length 8',
    });
    const metadata = {
      code: 'invalid_argument',
      msg: 'metadata size exceeds limits 10',
      meta: { argument: 'metadata size exceeds limits' },
    };
    assert.deepEqual(await long('CreateRoom', { roomCreate: true }, { name: 'r', metadata: 'x'.repeat(11) }), metadata);
    assert.deepEqual(await long('UpdateRoomMetadata', undefined, { room: 'r', metadata: 'x'.repeat(11) }), metadata);
    assert.deepEqual(await long('UpdateParticipant', undefined, { attributes: { aaaaa: 'bbbbbb' } }), {
      code: 'invalid_argument',
      msg: 'attribute size exceeds limits 10',
      meta: { argument: 'attribute size exceeds limits' },
    });
    assert.equal(
      (await long('UpdateParticipant', undefined, { name: 'x'.repeat(9) })).msg,
      'name length exceeds limits 8',
    );
    assert.equal(
      (await long('SendData', admin, { room: 'r', nonce: 'aGk=' })).msg,
      'nonce should be 16-bytes or not present, got: 2 bytes',
    );
  });

  it('moves nobody', async () => {
    const to = (destinationRoom: string) => ({ room: 'r', identity: 'a', destinationRoom });
    const same = await call('MoveParticipant', { ...admin, destinationRoom: 'r' }, to('r'));
    assert.equal(same.json.msg, 'destination room cannot be the same as source room ');
    assert.equal((await call('MoveParticipant', { ...admin, destinationRoom: 's' }, to('s'))).status, 501);
  });
});

describe('Twirp', () => {
  it('writes proto names, defaults, null for unset messages and numbers of 64 bits as text', async () => {
    const { json } = await call('ListRooms', { roomList: true }, {});
    const [room] = json.rooms;
    assert.equal(room.version, null);
    assert.equal(room.creation_time, '0');
    assert.deepEqual(room.enabled_codecs, []);
    assert.equal(room.active_recording, false);
    directory.listRooms = async () => [new Room({ version: new TimedVersion() })];
    assert.deepEqual((await call('ListRooms', { roomList: true }, {})).json.rooms[0].version, {
      unix_micro: '0',
      ticks: 0,
    });
  });

  it('speaks protobuf to who speaks it', async () => {
    const asked = { contentType: 'application/protobuf', body: new Uint8Array() };
    const { status, contentType, body } = await call('ListRooms', { roomList: true }, '', asked);
    assert.deepEqual([status, contentType], [200, 'application/protobuf']);
    assert.equal(ListRoomsResponse.fromBinary(body as Uint8Array).rooms.length, 1);
  });

  it('answers what it cannot route or read in the words of livekit-server', async () => {
    const { json: none } = await call('Nope', {}, {});
    assert.deepEqual(none, {
      code: 'bad_route',
      msg: 'no handler for path "/twirp/livekit.RoomService/Nope"',
      meta: { twirp_invalid_route: 'POST /twirp/livekit.RoomService/Nope' },
    });
    const bad = async (asked: Asked, request = '{}') =>
      (await call('ListRooms', { roomList: true }, request, asked)).json;
    assert.equal((await bad({ method: 'GET' })).msg, 'unsupported method "GET" (only POST is allowed)');
    assert.equal((await bad({ contentType: 'text/plain' })).msg, 'unexpected Content-Type: "text/plain"');
    for (const request of ['', '{', '[]', '{"names": 3}', '{"a":'.repeat(100_000)]) {
      assert.deepEqual(await bad({}, request), { code: 'malformed', msg: 'the json request could not be decoded' });
    }
    const body = Uint8Array.of(255, 255);
    assert.deepEqual(await bad({ contentType: 'application/protobuf', body }), {
      code: 'malformed',
      msg: 'the protobuf request could not be decoded',
    });
    for (const name of ['__proto__', 'constructor', 'hasOwnProperty'])
      assert.equal((await call(name, {}, {})).json.code, 'bad_route');
  });

  it('tells nobody what a bug was', async () => {
    controls.createRoom = () => Promise.reject(new Error('secret detail'));
    const { status, json } = await call('CreateRoom', { roomCreate: true }, { name: 'r' });
    assert.deepEqual([status, json], [500, { code: 'internal', msg: 'internal error' }]);
    assert.equal(bugs.length, 1);
    controls.createRoom = () => Promise.reject(new RpcError('unavailable', 'no'));
    assert.equal((await call('CreateRoom', { roomCreate: true }, { name: 'r' })).status, 503);
  });
});

describe('services that need Redis', () => {
  it('say so to whom they would answer', async () => {
    const recorded = await call('CreateRoom', { roomCreate: true }, { name: 'r', egress: {} });
    assert.deepEqual(recorded.json, { code: 'internal', msg: 'egress not connected (redis required)' });
    const egress = await call('Egress/ListEgress', { roomRecord: true }, {});
    assert.deepEqual(egress.json, { code: 'internal', msg: 'egress not connected (redis required)' });
    assert.deepEqual((await call('Egress/StartWebEgress', {}, {})).json, denied);
    assert.equal(
      (await call('Ingress/ListIngress', { ingressAdmin: true }, {})).json.msg,
      'ingress not connected (redis required)',
    );
    assert.equal((await call('SIP/ListSIPTrunk', { admin: true }, {})).json.msg, 'sip not connected (redis required)');
    assert.equal((await call('SIP/TransferSIPParticipant', {}, {})).json.msg, 'Missing room name');
    assert.equal((await call('SIP/CreateSIPTrunk', { admin: true }, {})).json.code, 'bad_route');
  });
});

describe('AgentDispatchService', () => {
  it('takes deployments that can be part of a name', async () => {
    const create = async (deployment: string) =>
      (await call('AgentDispatchService/CreateDispatch', admin, { room: 'r', agentName: 'x', deployment })).json;
    assert.equal((await create('blue')).agent_name, 'x');
    assert.equal((await create('a_b')).msg, "deployment contains reserved character '_'");
    assert.equal((await create('x'.repeat(65))).msg, 'deployment exceeds 64 bytes');
    assert.equal((await create('a b')).code, 'invalid_argument');
  });

  it('refuses who may not administrate the room', async () => {
    for (const method of ['CreateDispatch', 'DeleteDispatch', 'ListDispatch']) {
      const { status, json } = await call(
        `AgentDispatchService/${method}`,
        { roomAdmin: true, room: 'x' },
        { room: 'r' },
      );
      assert.deepEqual([status, json], [401, denied], method);
    }
  });
});
