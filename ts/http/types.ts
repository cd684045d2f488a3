/**
 * The narrow view of an HTTP server that the rest of the program sees. Two implementations, held to one conformance
 * suite: `uws.ts` over uWebSockets.js and `node.ts` over `node:http` and `ws`.
 */

import type { Certificate } from '../lib/certificate.ts';

/** One request, copied out of the server: safe to keep across `await`. */
export interface HttpRequest {
  /** Upper case. */
  readonly method: string;
  /** Percent-decoding is left to routes; without the query. */
  readonly path: string;
  /** What follows `?`, without it, undecoded. */
  readonly query: string;
  /** Names in lower case; repeated ones joined by `, `. */
  readonly headers: ReadonlyMap<string, string>;
  /** Peer address; IPv4 also where it came as a mapped IPv6 address. */
  readonly remoteAddress: string;
  /** A WebSocket handshake: the reply may be an `UpgradeReply`. */
  readonly upgrade: boolean;
  /** Fires when the client is gone before the reply went out. */
  readonly aborted: AbortSignal;
  /** The whole body; rejects with `BodyTooLarge`, or with the abort reason. */
  body(): Promise<Uint8Array>;
}

export interface PlainReply {
  readonly kind: 'plain';
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string | Uint8Array;
}

/** Turns the connection into a WebSocket; only for requests with `upgrade`. */
export interface UpgradeReply {
  readonly kind: 'upgrade';
  /** In place of the server's own limit, and at most its `largestMessageBytes`; 0 for no limit. */
  readonly maxMessageBytes?: number;
  /** Called once with the open socket, unless `aborted` of the request fires. */
  open(socket: ServerSocket): SocketListener;
}

export type Reply = PlainReply | UpgradeReply;

/** Answers every request. A rejection is answered with 500 and logged. */
export type HttpHandler = (request: HttpRequest) => Promise<Reply>;

/** A WebSocket; every method is safe after it closed. */
export interface ServerSocket {
  /** Strings go as text, bytes as binary frames. A socket whose unsent bytes exceed the limit is terminated. */
  send(data: string | Uint8Array, compress?: boolean): void;
  ping(): void;
  /** Bytes that the kernel has not taken yet. */
  bufferedBytes(): number;
  /** Sends a close frame behind what is queued and ends the connection. The listener hears `closed` once. */
  close(code: number): void;
  /** Ends the connection without a close frame. */
  terminate(): void;
}

export interface SocketListener {
  /** `data` is a copy: text as a string, binary as bytes. */
  message(data: string | Uint8Array): void;
  pong(): void;
  /** All that was queued has been handed to the kernel. */
  drained(): void;
  /** Last call. 1006 where the connection broke without a close frame, 1005 for one without a code. */
  closed(code: number): void;
}

export interface HttpSettings {
  /** Bodies longer than this make `body()` reject; 0 for no limit. */
  maxBodyBytes: number;
  /** Messages on the wire and inflated ones; longer ones end the socket. 0 for no limit. */
  maxMessageBytes: number;
  /** The highest limit of any reply, where that is above `maxMessageBytes`. */
  largestMessageBytes?: number;
  /** Unsent bytes above which a WebSocket counts as stalled and is terminated. */
  maxBufferedBytes: number;
  /** Connections of one address that have not sent a request yet; more are closed. 0, or absent, for no limit. */
  maxNewcomers?: number;
  /** HTTPS and `wss` instead of plain text. */
  certificate?: Certificate;
}

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface HttpApp {
  /** `uws` or `node`, for the log. */
  readonly name: string;
  /** Never shares a port; rejects with a text that names address and port. Host `''` means all addresses. */
  listen(host: string, port: number): Promise<ListenAddress>;
  /**
   * For the handshakes from now on; connections keep what they have. Throws, and changes nothing, where it can't be used.
   * Only for apps that were built with a certificate.
   */
  setCertificate(certificate: Certificate): void;
  /** Connections that were closed because of `maxNewcomers`. */
  readonly refusedNewcomers: number;
  /** Stops listening and ends all connections after `graceMs` at most. Idempotent. */
  close(graceMs: number): Promise<void>;
}

/** Builds an app; `onError` hears of handler rejections, which are answered with 500. */
export type HttpAppFactory = (
  handler: HttpHandler,
  settings: HttpSettings,
  onError: (error: unknown) => void,
) => HttpApp;

export class BodyTooLarge extends Error {
  constructor() {
    super('request body too large');
    this.name = 'BodyTooLarge';
  }
}

/** From the connection, TLS included, to the end of the first request's headers. */
export const HEADER_TIMEOUT_MS = 10_000;

/** Request line and headers: a token and a `join_request` travel in the URL. */
export const MAX_HEADER_BYTES = 131_072;

/** Messages up to this factor above the limit are received whole, so that they can be refused with close code 1009. */
export const MESSAGE_SLACK = 4;

/** Messages below this size are not worth compressing. */
export const COMPRESSION_THRESHOLD = 2048;
