/** Signal connections over real sockets, with a host that does as told. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, beforeEach, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import {
  ClientInfo,
  ClientInfo_Capability,
  ClientInfo_SDK,
  ConnectionSettings,
  JoinRequest,
  LeaveRequest,
  MuteTrackRequest,
  Ping,
  ReconnectReason,
  SessionDescription,
  SignalRequest,
  SignalResponse,
  WrappedJoinRequest,
  WrappedJoinRequest_Compression,
} from '@livekit/protocol';
import { AccessToken, type VideoGrant } from 'livekit-server-sdk';
import { type RawData, WebSocket } from 'ws';
import { Keys } from '../auth/keys.ts';
import { RpcError } from '../lib/rpc-error.ts';
import { SignalMetrics } from '../metrics/signals.ts';
import { chooseHttpApp } from './choose.ts';
import { pipeline } from './pipeline.ts';
import { Routes } from './routes.ts';
import { addSignalRoutes } from './signal-routes.ts';
import { refreshToken, ScriptedHost } from './testing/session-host.ts';
import type { HttpApp } from './types.ts';

const keys = new Keys({ key: 'secret' });
const silent = { debug: () => {}, warn: () => {} };
let app: HttpApp;
let origin: string;
let host = new ScriptedHost();
let roomExists = true;

before(async () => {
  const routes = new Routes();
  addSignalRoutes(routes, {
    limits: { maxIdentityLength: 256, maxRoomNameLength: 256 },
    checks: { autoCreate: false, roomExists: async () => roomExists },
    findHost: async () => host,
    waits: [100, 100, 100],
    observer: new SignalMetrics(),
    maxEntering: 20,
    logFor: () => silent,
  });
  const settings = { maxBodyBytes: 10_000, maxMessageBytes: 100_000, maxBufferedBytes: 1_000_000 };
  const handler = pipeline(routes.handle, { keys, maxBodyBytes: 10_000, now: () => new Date() });
  app = chooseHttpApp().create(handler, settings, (error) => assert.fail(String(error)));
  const { port } = await app.listen('127.0.0.1', 0);
  origin = `127.0.0.1:${port}`;
});

after(() => app.close(0));

beforeEach(() => {
  host = new ScriptedHost();
  roomExists = true;
});

function token(grant: VideoGrant = {}, options: object = {}): Promise<string> {
  const access = new AccessToken('key', 'secret', { identity: 'alice', ...options });
  access.addGrant({ roomJoin: true, room: 'room', ...grant });
  return access.toJwt();
}

async function query(parameters: Record<string, string> = {}, grant: VideoGrant = {}, options: object = {}) {
  return new URLSearchParams({ access_token: await token(grant, options), ...parameters }).toString();
}

function wrap(join: JoinRequest, compression = WrappedJoinRequest_Compression.NONE): string {
  const bytes = join.toBinary();
  const joinRequest = compression === WrappedJoinRequest_Compression.GZIP ? gzipSync(bytes) : bytes;
  return urlBase64(new WrappedJoinRequest({ compression, joinRequest }).toBinary());
}

function urlBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}

async function validate(path: string, parameters: Record<string, string> = {}, grant: VideoGrant = {}, options = {}) {
  const answer = await fetch(`http://${origin}${path}/validate?${await query(parameters, grant, options)}`);
  return [answer.status, await answer.text()];
}

class Client {
  readonly socket: WebSocket;
  readonly #frames: { data: RawData; binary: boolean }[] = [];
  #wake: () => void = () => {};

  constructor(path: string, search: string) {
    this.socket = new WebSocket(`ws://${origin}${path}?${search}`);
    this.socket.on('message', (data, binary) => {
      this.#frames.push({ data, binary });
      this.#wake();
    });
    this.socket.on('error', () => {});
  }

  async next(): Promise<SignalResponse['message'] & { binary: boolean }> {
    while (this.#frames.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const frame = this.#frames.shift();
    assert.ok(frame);
    const { message } = frame.binary
      ? SignalResponse.fromBinary(frame.data as Buffer)
      : SignalResponse.fromJsonString(String(frame.data));
    return { ...message, binary: frame.binary };
  }

  send(message: SignalRequest['message'], json = false): void {
    const request = new SignalRequest({ message });
    this.socket.send(json ? request.toJsonString() : request.toBinary());
  }

  async refused(): Promise<[number, string]> {
    const [, answer] = await once(this.socket, 'unexpected-response');
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(chunk);
    return [answer.statusCode, Buffer.concat(chunks).toString()];
  }
}

describe('validation', () => {
  it('accepts what may join and refuses the rest in the words clients know', async () => {
    assert.deepEqual(await validate('/rtc'), [200, 'success']);
    assert.deepEqual(await validate('/rtc', {}, { roomJoin: false }), [401, 'permissions denied']);
    assert.deepEqual(await validate('/rtc', {}, { room: '' }), [400, 'no room name']);
    assert.deepEqual(await validate('/rtc', {}, {}, { identity: 'ä'.repeat(129) }), [
      400,
      'participant identity length exceeds limits: max length 256',
    ]);
    assert.deepEqual(await validate('/rtc', {}, { room: 'x'.repeat(257) }), [
      400,
      'room name length exceeds limits: max length 256',
    ]);
    const bare = await fetch(`http://${origin}/rtc/validate`);
    assert.deepEqual([bare.status, await bare.text()], [401, 'no permissions to access the room']);
    assert.equal(host.joins.length, 0);
  });

  it('knows missing rooms by the sentence that clients look for', async () => {
    roomExists = false;
    assert.deepEqual(await validate('/rtc'), [404, 'requested room does not exist']);
    assert.deepEqual(await validate('/rtc', {}, { roomCreate: true }), [200, 'success']);
  });

  it('names what is wrong with a join request', async () => {
    const wrapped = (bytes: Uint8Array, compression = 0) =>
      urlBase64(new WrappedJoinRequest({ compression, joinRequest: bytes }).toBinary());
    const cases: [Record<string, string>, string][] = [
      [{}, 'join_request is required'],
      [{ join_request: '***' }, 'cannot base64 decode wrapped join request'],
      [{ join_request: 'AA' }, 'cannot base64 decode wrapped join request'],
      [{ join_request: urlBase64(Uint8Array.of(255, 255)) }, 'cannot unmarshal wrapped join request'],
      [{ join_request: wrapped(Uint8Array.of(255, 255)) }, 'cannot unmarshal join request'],
      [{ join_request: wrapped(Uint8Array.of(1, 2, 3), 1) }, 'cannot read decompressed join request'],
      [{ join_request: wrapped(gzipSync(Buffer.alloc(1_048_577)), 1) }, 'join request too large'],
      [{ join_request: wrapped(gzipSync(Uint8Array.of(255, 255)), 1) }, 'cannot unmarshal join request'],
    ];
    for (const [parameters, text] of cases) assert.deepEqual(await validate('/rtc/v1', parameters), [400, text]);
    assert.deepEqual(await validate('/rtc/v1', { join_request: wrap(new JoinRequest({ participantSid: 'x' })) }), [
      200,
      'success',
    ]);
  });

  it('lets only those with the grant bring metadata and attributes', async () => {
    const attributes = urlBase64(Buffer.from('{"a":"b"}'));
    const own = { join_request: wrap(new JoinRequest({ metadata: 'm' })) };
    assert.deepEqual(await validate('/rtc', { attributes: '***' }), [400, 'cannot decode attributes']);
    assert.equal((await validate('/rtc', { attributes }))[0], 401);
    assert.equal((await validate('/rtc', { attributes }, { canUpdateOwnMetadata: true }))[0], 200);
    assert.equal((await validate('/rtc/v1', own))[0], 401);
    assert.equal((await validate('/rtc', { publish: 'cam' }, { canPublish: false }))[0], 401);
  });
});

describe('joining', () => {
  it('answers with 404 where there is no handshake', async () => {
    const answer = await fetch(`http://${origin}/rtc?${await query()}`);
    assert.deepEqual([answer.status, await answer.text()], [404, '']);
  });

  it('reads the query of version 0', async () => {
    const parameters = {
      protocol: '17',
      client_protocol: '2',
      sdk: 'js',
      version: '2.23.0',
      os: 'Linux',
      capabilities: 'CAP_PACKET_TRAILER, nonsense',
      adaptive_stream: '1',
      auto_subscribe: 'false',
      reconnect: '1',
      reconnect_reason: '2',
      sid: 'PA_x',
      publish: 'cam',
    };
    const client = new Client('/rtc', await query(parameters, {}, { attributes: { a: 'b' } }));
    await client.next();
    const [join] = host.joins;
    assert.ok(join);
    assert.match(join.connectionId, /^CO_\w{12}$/);
    assert.equal(join.room, 'room');
    assert.equal(join.identity, 'alice#cam');
    assert.equal(join.claims.video.canSubscribe, false);
    assert.deepEqual(join.claims.attributes, { a: 'b' });
    assert.equal(join.createRoom.name, 'room');
    assert.equal(join.client.sdk, ClientInfo_SDK.JS);
    assert.equal(join.client.protocol, 17);
    assert.equal(join.client.clientProtocol, 2);
    assert.equal(join.client.address, '127.0.0.1');
    assert.deepEqual(join.client.capabilities, [ClientInfo_Capability.CAP_PACKET_TRAILER]);
    assert.deepEqual([join.singlePc, join.autoSubscribe, join.adaptiveStream], [false, false, true]);
    assert.deepEqual([join.autoSubscribeDataTrack, join.subscriberAllowPause], [undefined, undefined]);
    assert.deepEqual(
      [join.reconnect, join.reconnectReason, join.participantSid],
      [true, ReconnectReason.RR_PUBLISHER_FAILED, 'PA_x'],
    );
    client.socket.close();
  });

  it('reads the join request of version 1, compressed or not', async () => {
    const request = new JoinRequest({
      clientInfo: new ClientInfo({ sdk: ClientInfo_SDK.JS, protocol: 17, browser: 'Own' }),
      connectionSettings: new ConnectionSettings({ autoSubscribe: true, disableIceLite: true }),
      metadata: 'mine',
      participantAttributes: { b: 'c', a: '' },
      publisherOffer: new SessionDescription({ type: 'offer', sdp: 'v=0', id: 1 }),
    });
    for (const compression of [WrappedJoinRequest_Compression.NONE, WrappedJoinRequest_Compression.GZIP]) {
      const search = await query(
        { join_request: wrap(request, compression) },
        { canUpdateOwnMetadata: true },
        { attributes: { a: 'b' }, metadata: 'token' },
      );
      const client = new Client('/rtc/v1', search);
      await client.next();
      const join = host.joins.pop();
      assert.ok(join);
      assert.deepEqual([join.singlePc, join.autoSubscribe, join.disableIceLite], [true, true, true]);
      assert.deepEqual([join.autoSubscribeDataTrack, join.subscriberAllowPause], [false, false]);
      assert.equal(join.claims.metadata, 'mine');
      assert.deepEqual(join.claims.attributes, { a: 'b', b: 'c' });
      assert.equal(join.publisherOffer?.id, 1);
      assert.equal(join.client.browser, 'Own');
      assert.equal(join.client.os, 'Other');
      client.socket.close();
    }
  });

  it('takes device and address from headers where the client says nothing', async () => {
    const agent =
      'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36';
    const socket = new WebSocket(`ws://${origin}/rtc?${await query({ sdk: 'js' })}`, {
      headers: { 'User-Agent': agent, 'X-Forwarded-For': '192.0.2.9, 10.0.0.1' },
    });
    await once(socket, 'message');
    const client = host.joins[0]?.client;
    assert.deepEqual([client?.browser, client?.os, client?.deviceModel], ['Chrome', 'Mac OS X', 'Mac']);
    assert.equal(client?.address, '192.0.2.9, 10.0.0.1');
    socket.close();
  });

  it('upgrades with the first message and keeps the order of what follows', async () => {
    host.onStart = async (sink) => {
      sink.send(refreshToken('1'));
      sink.sendShared(refreshToken('2'));
      await new Promise((resolve) => setTimeout(resolve, 20));
      sink.send(refreshToken('3'));
    };
    const client = new Client('/rtc', await query());
    for (const value of ['1', '2', '3']) assert.equal((await client.next()).value, value);
    client.socket.close();
  });

  it('answers a refused session with its status and text', async () => {
    const cases: [RpcError, number][] = [
      [new RpcError('resource_exhausted', 'room has exceeded its max participants'), 429],
      [new RpcError('not_found', 'requested room does not exist'), 404],
      [new RpcError('invalid_argument', 'unknown room configuration in create room request'), 400],
    ];
    for (const [error, status] of cases) {
      host.onStart = () => Promise.reject(error);
      assert.deepEqual(await new Client('/rtc', await query()).refused(), [status, error.message]);
    }
    assert.equal(host.joins.length, cases.length);
  });

  it('tries three times when nothing comes, and tells each session that it is not wanted', async () => {
    host.onStart = () => {};
    const [status, text] = await new Client('/rtc', await query()).refused();
    assert.deepEqual([status, text], [503, 'timed out while waiting for signal response']);
    assert.equal(host.joins.length, 3);
    assert.deepEqual(host.closed, [true, true, true]);
  });

  it('asks clients to come again while too many are on their way in', async () => {
    host.onStart = () => {};
    const search = await query();
    const entering = Array.from({ length: 20 }, () => new Client('/rtc', search).refused());
    await until(() => host.joins.length >= 20);
    const { socket } = new Client('/rtc', search);
    const [, answer] = await once(socket, 'unexpected-response');
    answer.resume();
    assert.deepEqual([answer.statusCode, answer.headers['retry-after']], [503, '1']);
    await Promise.all(entering);
    host.onStart = (sink) => sink.send(refreshToken('first'));
    assert.equal((await new Client('/rtc', search).next()).case, 'refreshToken');
  });

  it('a session that closes without a word is an error, one that says leave is not', async () => {
    host.onStart = (sink) => sink.close();
    assert.deepEqual(await new Client('/rtc', await query()).refused(), [500, 'connection closed by media']);
    host.onStart = (sink) => {
      sink.send(new SignalResponse({ message: { case: 'leave', value: new LeaveRequest() } }));
      sink.close();
      sink.send(refreshToken('late'));
    };
    const client = new Client('/rtc', await query());
    const closed = once(client.socket, 'close');
    assert.equal((await client.next()).case, 'leave');
    assert.equal((await closed)[0], 1000);
    assert.deepEqual(host.closed.slice(1), []);
  });

  it('a client that leaves before its session stands is reported', async () => {
    let abandoned = false;
    host.onStart = async (_sink, signal) => {
      await once(signal, 'abort');
      abandoned = true;
    };
    const client = new Client('/rtc', await query());
    await until(() => host.joins.length === 1);
    client.socket.terminate();
    await until(() => abandoned && host.closed.length === 1);
    assert.equal(host.joins.length, 1);
  });
});

describe('an open connection', () => {
  const opened = async () => {
    const client = new Client('/rtc', await query());
    await client.next();
    return client;
  };

  it('dispatches requests and answers pings', async () => {
    const client = await opened();
    client.send({ case: 'mute', value: new MuteTrackRequest({ sid: 'TR_x' }) });
    client.send({ case: 'ping', value: 1n });
    const pong = await client.next();
    assert.ok(pong.case === 'pong' && Math.abs(Number(pong.value) - Date.now()) < 5000);
    client.send({ case: 'pingReq', value: new Ping({ timestamp: 7n, rtt: 3n }) });
    const response = await client.next();
    assert.ok(response.case === 'pongResp');
    assert.equal(response.value.lastPingTimestamp, 7n);
    assert.deepEqual(host.requests, ['mute', 'ping', 'ping']);
    client.socket.close();
  });

  it('answers in the form the client last used', async () => {
    const client = await opened();
    const forms: boolean[] = [];
    for (const json of [true, false, true]) {
      client.send({ case: 'ping', value: 1n }, json);
      forms.push((await client.next()).binary);
    }
    assert.deepEqual(forms, [false, true, false]);
    host.sinks[0]?.sendShared(refreshToken('x'));
    assert.deepEqual(await client.next(), { case: 'refreshToken', value: 'x', binary: false });
    client.socket.close();
  });

  it('ignores unknown fields and unknown requests', async () => {
    const client = await opened();
    client.socket.send('{"nonsense": {"a": 1}, "ping": "1", "other": [1]}');
    assert.equal((await client.next()).case, 'pong');
    client.socket.send(Uint8Array.of(0xfa, 0x3e, 1, 0));
    client.socket.send('{}');
    client.send({ case: 'ping', value: 1n });
    assert.equal((await client.next()).case, 'pong');
    client.socket.close();
  });

  it('says how the client went', async () => {
    for (const end of [(c: Client) => c.socket.close(1000), (c: Client) => c.socket.terminate()]) {
      const client = await opened();
      const before = host.closed.length;
      end(client);
      await until(() => host.closed.length > before);
    }
    const strange = await opened();
    strange.socket.close(4000);
    await until(() => host.closed.length === 3);
    assert.deepEqual(host.closed, [true, true, false]);
  });

  it('garbage ends it; what the session says on its way out is still written', async () => {
    for (const garbage of [Uint8Array.of(255, 255, 255), '{', '[]', `${'{"a":'.repeat(15_000)}1`]) {
      host.closed.length = 0;
      host.onClosed = (sink) => {
        sink.send(new SignalResponse({ message: { case: 'leave', value: new LeaveRequest() } }));
        sink.close();
      };
      const client = await opened();
      const closed = once(client.socket, 'close');
      client.socket.send(garbage);
      assert.equal((await client.next()).case, 'leave');
      assert.equal((await closed)[0], 1000);
      assert.deepEqual(host.closed, [false]);
    }
  });

  it('a session that does not close itself is closed after 250 ms', async () => {
    const client = await opened();
    const started = Date.now();
    client.socket.send('{');
    const [code] = await once(client.socket, 'close');
    assert.equal(code, 1000);
    assert.ok(Date.now() - started >= 200);
  });

  it('a frame over the limit closes with 1009 and counts as the client’s fault', async () => {
    const client = await opened();
    client.socket.send(Buffer.alloc(100_001));
    assert.equal((await once(client.socket, 'close'))[0], 1009);
    await until(() => host.closed.length === 1);
    assert.deepEqual(host.closed, [false]);
  });

  it('a flood of requests ends it', async () => {
    const client = await opened();
    const closed = once(client.socket, 'close');
    const request = new SignalRequest({ message: { case: 'mute', value: new MuteTrackRequest() } }).toBinary();
    for (let index = 0; index < 20_000; index++) client.socket.send(request);
    await closed;
    assert.deepEqual(host.closed, [false]);
    assert.ok(host.requests.length >= 5000 && host.requests.length < 10_000, String(host.requests.length));
  });
});

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!condition()) {
    if (Date.now() > deadline) assert.fail('condition not met within 5 s');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
