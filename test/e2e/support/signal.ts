/** A bare signal connection, for what no SDK would send. */

import { once } from 'node:events';
import { gzipSync } from 'node:zlib';
import {
  ClientInfo,
  ClientInfo_SDK,
  ConnectionSettings,
  JoinRequest,
  type SignalRequest,
  SignalResponse,
  WrappedJoinRequest,
  WrappedJoinRequest_Compression,
} from '@livekit/protocol';
import { WebSocket } from 'ws';

export class SignalClient {
  readonly socket: WebSocket;
  readonly messages: SignalResponse[] = [];
  readonly closed: Promise<number>;
  #wake: (() => void)[] = [];

  constructor(socket: WebSocket) {
    this.socket = socket;
    this.closed = once(socket, 'close').then(([code]) => code as number);
    const wakeAll = () => {
      for (const wake of this.#wake.splice(0)) wake();
    };
    socket.on('message', (data: Buffer, binary: boolean) => {
      this.messages.push(binary ? SignalResponse.fromBinary(data) : SignalResponse.fromJsonString(data.toString()));
      wakeAll();
    });
    socket.on('error', () => {});
    void this.closed.then(wakeAll);
  }

  send(request: SignalRequest): void {
    this.socket.send(request.toBinary());
  }

  /** The next message of a kind; each is given out once. Rejects when the socket is closed and none came. */
  async next(kind: SignalResponse['message']['case'], timeout = 10_000): Promise<SignalResponse> {
    const deadline = Date.now() + timeout;
    for (;;) {
      const index = this.messages.findIndex((message) => message.message.case === kind);
      const [found] = index < 0 ? [] : this.messages.splice(index, 1);
      if (found !== undefined) return found;
      if (this.socket.readyState === WebSocket.CLOSED) throw new Error(`closed without ${kind}`);
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`no ${kind} within ${timeout} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  close(): void {
    this.socket.close();
  }
}

/** Opens `/rtc` or `/rtc/v1`; rejects with the status and text of a refused upgrade. */
export async function connect(url: string, options: { compressed?: boolean } = {}): Promise<SignalClient> {
  const socket = new WebSocket(url, { perMessageDeflate: options.compressed === true });
  const client = new SignalClient(socket);
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
    socket.once('unexpected-response', (_request, response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => reject(new Refused(response.statusCode ?? 0, Buffer.concat(chunks).toString())));
    });
  });
  return client;
}

export class Refused extends Error {
  readonly status: number;

  constructor(status: number, text: string) {
    super(text);
    this.status = status;
  }
}

/** The query of a v0 connection. */
export function v0(token: string, more: Record<string, string> = {}): string {
  return `/rtc?${new URLSearchParams({ access_token: token, protocol: '17', sdk: 'js', version: '2.21.0', ...more })}`;
}

/** The path and query of a v1 connection. */
export function v1(token: string, changes: Partial<JoinRequest> = {}, compress = false): string {
  const inner = new JoinRequest({
    clientInfo: new ClientInfo({ sdk: ClientInfo_SDK.JS, protocol: 17, version: '2.23.0' }),
    connectionSettings: new ConnectionSettings({ autoSubscribe: true }),
    ...changes,
  }).toBinary();
  const wrapped = new WrappedJoinRequest({
    compression: compress ? WrappedJoinRequest_Compression.GZIP : WrappedJoinRequest_Compression.NONE,
    joinRequest: compress ? new Uint8Array(gzipSync(inner)) : inner,
  });
  return `/rtc/v1?${new URLSearchParams({ access_token: token, join_request: base64(wrapped.toBinary()) })}`;
}

/** URL alphabet with padding, as clients write it. */
export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}
