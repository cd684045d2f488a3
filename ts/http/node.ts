/** The HTTP server on `node:http` and `ws`, for platforms and Node releases without a uWebSockets.js binary. */

import { constants } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { WebSocket, WebSocketServer } from 'ws';
import type { Certificate } from '../lib/certificate.ts';
import { canonicalAddress } from './address.ts';
import { BodyCollector } from './body.ts';
import { Newcomers } from './newcomers.ts';
import {
  COMPRESSION_THRESHOLD,
  HEADER_TIMEOUT_MS,
  type HttpApp,
  type HttpAppFactory,
  type HttpHandler,
  type HttpRequest,
  type HttpSettings,
  type ListenAddress,
  MAX_HEADER_BYTES,
  MESSAGE_SLACK,
  type PlainReply,
  type Reply,
  type ServerSocket,
  type SocketListener,
  type UpgradeReply,
} from './types.ts';

export const createNodeApp: HttpAppFactory = (handler, settings, onError) => new NodeApp(handler, settings, onError);

class NodeApp implements HttpApp {
  readonly name = 'node';
  readonly #handler: HttpHandler;
  readonly #settings: HttpSettings;
  readonly #onError: (error: unknown) => void;
  readonly #servers: (Server | TlsServer)[] = [];
  readonly #newcomers: Newcomers;
  /** Connections without a request, by their two ends. */
  readonly #silent = new Map<string, { readonly socket: Socket; readonly settle: () => void }>();
  readonly #sockets = new Set<WebSocket>();
  readonly #webSockets: WebSocketServer;
  #certificate: Certificate | undefined;
  #closing: Promise<void> | undefined;

  constructor(handler: HttpHandler, settings: HttpSettings, onError: (error: unknown) => void) {
    this.#handler = handler;
    this.#settings = settings;
    this.#onError = onError;
    this.#newcomers = new Newcomers(settings.maxNewcomers ?? 0);
    this.#certificate = settings.certificate;
    // What can't be used throws here, as it does with uWebSockets.js.
    if (settings.certificate !== undefined) createSecureContext(tlsOptions(settings.certificate));
    this.#webSockets = new WebSocketServer({
      noServer: true,
      WebSocket: SignalWebSocket,
      clientTracking: false,
      // Up to this a message is received whole, so that both implementations refuse it in the same way.
      maxPayload: (settings.largestMessageBytes ?? settings.maxMessageBytes) * MESSAGE_SLACK,
      perMessageDeflate: {
        serverNoContextTakeover: true,
        clientNoContextTakeover: true,
        threshold: COMPRESSION_THRESHOLD,
      },
    });
  }

  get refusedNewcomers(): number {
    return this.#newcomers.refused;
  }

  listen(host: string, port: number): Promise<ListenAddress> {
    const server = this.#createServer();
    server.on('connection', (socket: Socket) => this.#arrived(socket));
    server.on('request', (request, response) => this.#plain(request, response));
    server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    return new Promise((resolve, reject) => {
      server.once('error', (error) => reject(new Error(`cannot listen on ${host}:${port}: ${error.message}`)));
      server.listen({ ...(host === '' ? {} : { host }), port, exclusive: true }, () => {
        this.#servers.push(server);
        resolve({ host, port: (server.address() as AddressInfo).port });
      });
    });
  }

  #createServer(): Server | TlsServer {
    const options = {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: HEADER_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
    };
    if (this.#certificate === undefined) return createServer(options);
    return createTlsServer({ ...options, ...tlsOptions(this.#certificate), handshakeTimeout: HEADER_TIMEOUT_MS });
  }

  setCertificate(certificate: Certificate): void {
    if (this.#certificate === undefined) throw new Error('not a TLS server');
    const options = tlsOptions(certificate);
    // What can't be used throws here, before any server has it.
    createSecureContext(options);
    for (const server of this.#servers) if ('setSecureContext' in server) server.setSecureContext(options);
    this.#certificate = certificate;
  }

  close(graceMs: number): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  async #close(graceMs: number): Promise<void> {
    const stopped = this.#servers.map((server) => new Promise((resolve) => server.close(resolve)));
    for (const server of this.#servers) server.closeIdleConnections();
    const deadline = setTimeout(() => {
      for (const socket of this.#sockets) socket.terminate();
      for (const server of this.#servers) server.closeAllConnections();
      for (const { socket } of this.#silent.values()) socket.destroy();
    }, graceMs);
    await Promise.all(stopped);
    clearTimeout(deadline);
  }

  #arrived(socket: Socket): void {
    const newcomer = this.#newcomers.arrive(canonicalAddress(socket.remoteAddress ?? ''));
    if (newcomer === undefined) {
      socket.destroy();
      return;
    }
    const ends = endsOf(socket);
    const settle = () => {
      this.#newcomers.settle(newcomer);
      this.#silent.delete(ends);
    };
    this.#silent.set(ends, { socket, settle });
    socket.once('close', settle);
  }

  #spoke(socket: Socket): void {
    this.#silent.get(endsOf(socket))?.settle();
  }

  #plain(incoming: IncomingMessage, response: ServerResponse): void {
    this.#spoke(incoming.socket);
    const exchange = new Exchange(incoming, this.#settings.maxBodyBytes, false);
    response.once('close', () => {
      if (!response.writableFinished) exchange.abort();
    });
    this.#reply(exchange)
      .then(async (reply) => {
        await exchange.bodyPassed();
        if (exchange.aborted.aborted) return;
        if (reply.kind === 'upgrade') throw new Error('an upgrade reply to a plain request');
        for (const [name, value] of reply.headers) response.setHeader(name, value);
        // A body that is still coming would be taken for the next request.
        if (!exchange.complete) response.setHeader('Connection', 'close');
        if (reply.status !== 204) response.setHeader('Content-Length', Buffer.byteLength(reply.body));
        response.writeHead(reply.status);
        response.end(reply.body);
      })
      .catch(this.#onError);
  }

  #upgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#spoke(incoming.socket);
    const exchange = new Exchange(incoming, this.#settings.maxBodyBytes, true);
    const release = watchSocket(socket, () => exchange.abort());
    this.#reply(exchange)
      .then((reply) => {
        release();
        if (exchange.aborted.aborted) socket.destroy();
        else if (reply.kind === 'plain') respondRaw(socket, reply);
        else
          this.#webSockets.handleUpgrade(incoming, socket, head, (opened) =>
            this.#opened(opened as SignalWebSocket, reply),
          );
      })
      .catch(this.#onError);
  }

  async #reply(exchange: Exchange): Promise<Reply> {
    try {
      return await this.#handler(exchange);
    } catch (error) {
      this.#onError(error);
      return { kind: 'plain', status: 500, headers: [], body: '' };
    }
  }

  #opened(webSocket: SignalWebSocket, reply: UpgradeReply): void {
    this.#sockets.add(webSocket);
    const { maxBufferedBytes } = this.#settings;
    const { maxMessageBytes = this.#settings.maxMessageBytes } = reply;
    const socket = new NodeSocket(webSocket, maxBufferedBytes, () => listener.drained());
    const listener: SocketListener = reply.open(socket);
    webSocket.on('message', (data: Buffer, isBinary) => {
      if (maxMessageBytes > 0 && data.length > maxMessageBytes) return socket.close(MESSAGE_TOO_BIG);
      listener.message(isBinary ? data : data.toString('utf8'));
    });
    webSocket.on('pong', () => listener.pong());
    // Protocol errors end the socket with the right code by themselves.
    webSocket.on('error', () => {});
    webSocket.on('close', (code) => {
      this.#sockets.delete(webSocket);
      socket.ended();
      listener.closed(code);
    });
  }
}

class Exchange implements HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly remoteAddress: string;
  readonly upgrade: boolean;
  readonly #abort = new AbortController();
  readonly #body: BodyCollector;

  constructor(incoming: IncomingMessage, maxBodyBytes: number, upgrade: boolean) {
    const url = incoming.url ?? '/';
    const mark = url.indexOf('?');
    this.method = incoming.method ?? 'GET';
    this.path = mark === -1 ? url : url.slice(0, mark);
    this.query = mark === -1 ? '' : url.slice(mark + 1);
    const headers = new Map<string, string>();
    for (const [name, value] of Object.entries(incoming.headers)) {
      if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value);
    }
    this.headers = headers;
    this.remoteAddress = canonicalAddress(incoming.socket.remoteAddress ?? '');
    this.upgrade = upgrade;
    this.#body = new BodyCollector(maxBodyBytes);
    if (upgrade) {
      this.#body.end();
    } else {
      incoming.on('data', (chunk: Buffer) => this.#body.add(chunk));
      incoming.on('end', () => this.#body.end());
      incoming.on('error', () => this.abort());
    }
  }

  get aborted(): AbortSignal {
    return this.#abort.signal;
  }

  get complete(): boolean {
    return this.#body.complete;
  }

  body(): Promise<Uint8Array> {
    return this.#body.whole;
  }

  bodyPassed(): Promise<void> {
    return this.#body.passed();
  }

  abort(): void {
    this.#body.abort();
    this.#abort.abort();
  }
}

/**
 * The library answers what it can't take whole with 1009, a message that inflates too far included. Only who sent too
 * much is told so; a bomb ends the connection without a word.
 */
class SignalWebSocket extends WebSocket {
  override close(code?: number): void {
    if (code === MESSAGE_TOO_BIG) this.terminate();
    else super.close(code);
  }

  refuse(): void {
    super.close(MESSAGE_TOO_BIG);
  }
}

class NodeSocket implements ServerSocket {
  readonly #socket: SignalWebSocket;
  readonly #maxBufferedBytes: number;
  readonly #onDrained: () => void;
  #deadline: NodeJS.Timeout | undefined;

  constructor(socket: SignalWebSocket, maxBufferedBytes: number, onDrained: () => void) {
    this.#socket = socket;
    this.#maxBufferedBytes = maxBufferedBytes;
    this.#onDrained = onDrained;
  }

  send(data: string | Uint8Array, compress = true): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    if (this.#socket.bufferedAmount > this.#maxBufferedBytes) {
      this.terminate();
      return;
    }
    this.#socket.send(data, { binary: typeof data !== 'string', compress }, () => {
      if (this.bufferedBytes() === 0 && this.#socket.readyState === WebSocket.OPEN) this.#onDrained();
    });
  }

  ping(): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.ping();
  }

  bufferedBytes(): number {
    return this.#socket.readyState === WebSocket.CLOSED ? 0 : this.#socket.bufferedAmount;
  }

  close(code: number): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    if (code === MESSAGE_TOO_BIG) this.#socket.refuse();
    else this.#socket.close(code);
    this.#deadline = setTimeout(() => this.#socket.terminate(), CLOSE_TIMEOUT_MS);
  }

  terminate(): void {
    this.#socket.terminate();
  }

  ended(): void {
    clearTimeout(this.#deadline);
  }
}

/** The same for a connection and for what TLS makes of it. */
function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}

function tlsOptions({ certPem, keyPem }: Certificate): SecureContextOptions {
  // A client that could ask for new handshakes on one connection would have us calculate without end (TLS 1.2 only).
  return { cert: certPem, key: keyPem, minVersion: 'TLSv1.2', secureOptions: constants.SSL_OP_NO_RENEGOTIATION };
}

/**
 * Notices a client that leaves before its handshake was answered; the returned function ends the watch. A socket must be
 * read for that. Nothing may come before our answer (RFC 6455 section 4.1), so what does counts as leaving.
 */
function watchSocket(socket: Duplex, onGone: () => void): () => void {
  const events = ['data', 'end', 'close', 'error'];
  for (const event of events) socket.on(event, onGone);
  return () => {
    for (const event of events) socket.off(event, onGone);
    socket.on('error', () => {});
  };
}

/** Answers a handshake that is refused; `node:http` hands out the bare socket for those. */
function respondRaw(socket: Duplex, reply: PlainReply): void {
  const head = [
    `HTTP/1.1 ${reply.status} ${STATUS_CODES[reply.status] ?? 'Unknown'}`,
    ...reply.headers.map(([name, value]) => `${name}: ${value}`),
    `Content-Length: ${Buffer.byteLength(reply.body)}`,
    'Connection: close',
  ];
  socket.end(Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'), Buffer.from(reply.body)]));
}

const MESSAGE_TOO_BIG = 1009;
const REQUEST_TIMEOUT_MS = 60_000;
const TIMEOUT_CHECK_MS = 2000;
const KEEP_ALIVE_MS = 10_000;
/** Clients that stop reading our close frame are cut, as uWebSockets.js does it. */
const CLOSE_TIMEOUT_MS = 5000;
