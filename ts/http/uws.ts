/** The HTTP server on uWebSockets.js: the only file that knows the library. */

import type * as Uws from 'uWebSockets.js';
import type { Certificate } from '../lib/certificate.ts';
import { canonicalAddress } from './address.ts';
import { BodyCollector } from './body.ts';
import { Newcomers } from './newcomers.ts';
import { statusLine } from './status-text.ts';
import {
  COMPRESSION_THRESHOLD,
  HEADER_TIMEOUT_MS,
  type HttpApp,
  type HttpAppFactory,
  type HttpHandler,
  type HttpRequest,
  type HttpSettings,
  type ListenAddress,
  MESSAGE_SLACK,
  type PlainReply,
  type ServerSocket,
  type SocketListener,
  type UpgradeReply,
} from './types.ts';
import { loadUwsAddon } from './uws-binary.ts';
import { withCertificateFiles } from './uws-certificate.ts';

/** The factory, or why this machine has none. */
export function uwsFactory(): { readonly create: HttpAppFactory } | { readonly reason: string } {
  const loaded = loadUwsAddon();
  if ('reason' in loaded) return loaded;
  const uws = loaded.addon as typeof Uws;
  return { create: (handler, settings, onError) => new UwsApp(uws, handler, settings, onError) };
}

/** What hangs on each WebSocket of the library. */
interface Attachment {
  reply: UpgradeReply;
  connection: UwsSocket | undefined;
}

class UwsApp implements HttpApp {
  readonly name = 'uws';
  readonly #uws: typeof Uws;
  readonly #handler: HttpHandler;
  readonly #settings: HttpSettings;
  readonly #onError: (error: unknown) => void;
  readonly #newcomers: Newcomers;
  /** Accepts connections. Without TLS it serves them too; with TLS it deals them to `#serving`. */
  readonly #front: App;
  /** Who serves new connections. */
  #serving: App;
  /** Former ones, whose connections live on; the library has no way to free them. */
  readonly #retired: App[] = [];
  readonly #listening: Uws.us_listen_socket[] = [];
  readonly #sockets = new Set<UwsSocket>();
  #closing: Promise<void> | undefined;

  constructor(uws: typeof Uws, handler: HttpHandler, settings: HttpSettings, onError: (error: unknown) => void) {
    this.#uws = uws;
    this.#handler = handler;
    this.#settings = settings;
    this.#onError = onError;
    this.#newcomers = new Newcomers(settings.maxNewcomers ?? 0);
    const { certificate } = settings;
    if (certificate === undefined) {
      this.#serving = this.#serve(uws.App() as App);
      this.#front = this.#serving;
    } else {
      this.#front = this.#tlsApp(certificate);
      this.#serving = this.#serve(this.#tlsApp(certificate));
      this.#front.addChildAppDescriptor(this.#serving.getDescriptor());
    }
  }

  get refusedNewcomers(): number {
    return this.#newcomers.refused;
  }

  listen(host: string, port: number): Promise<ListenAddress> {
    return new Promise((resolve, reject) => {
      const settle = (socket: Uws.us_listen_socket | false) => {
        if (socket === false) return reject(new Error(`cannot listen on ${host}:${port}`));
        this.#listening.push(socket);
        resolve({ host, port: this.#uws.us_socket_local_port(socket) });
      };
      // The library shares a port silently unless told not to; its types lack the form with host and options.
      const listen = this.#front.listen as unknown as Listen;
      // An empty host is none to it, but then it takes the port for one too.
      if (host === '') this.#front.listen(port, EXCLUSIVE_PORT, settle);
      else listen.call(this.#front, host, port, EXCLUSIVE_PORT, settle);
    });
  }

  /** The listener stays, so no connection is lost and the port stays ours alone; only who gets the next one changes. */
  setCertificate(certificate: Certificate): void {
    if (this.#front === this.#serving) throw new Error('not a TLS server');
    const former = this.#serving;
    this.#serving = this.#serve(this.#tlsApp(certificate));
    this.#front.addChildAppDescriptor(this.#serving.getDescriptor());
    this.#front.removeChildAppDescriptor(former.getDescriptor());
    this.#retired.push(former);
  }

  /** Throws where the library can't use the pair. */
  #tlsApp(certificate: Certificate): App {
    return withCertificateFiles(certificate, (cert_file_name, key_file_name) => {
      return this.#uws.SSLApp({ cert_file_name, key_file_name }) as App;
    });
  }

  #serve(app: App): App {
    app.setIdleTimeout(HEADER_TIMEOUT_MS / 1000);
    app.ws<Attachment>('/*', this.#webSockets());
    app.any('/*', (response, request) => this.#answer(response, request, undefined));
    if (!this.#newcomers.unlimited) app.filter((response, change) => this.#changed(response, Number(change)));
    return app;
  }

  /**
   * A connection came, or went. The library does not say which connection a request is on, so who speaks is recognised
   * by the end of its first request's body, which comes at once where a request has none (see `Exchange`). `response`
   * must not be kept: once a request came, it is invalid without a word.
   */
  #changed(response: Uws.HttpResponse, change: number | number): void {
    if (change !== 1) return;
    const newcomer = this.#newcomers.arrive(addressOf(response));
    if (newcomer === undefined) {
      response.close();
      return;
    }
    response.onAborted(() => this.#newcomers.settle(newcomer));
    response.onData(() => this.#newcomers.settle(newcomer));
  }

  close(graceMs: number): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  async #close(graceMs: number): Promise<void> {
    for (const socket of this.#listening.splice(0)) this.#uws.us_listen_socket_close(socket);
    const deadline = Date.now() + graceMs;
    while (this.#sockets.size > 0 && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, CLOSE_POLL_MS));
    }
    for (const app of new Set([this.#front, this.#serving, ...this.#retired])) app.close();
  }

  #webSockets(): Uws.WebSocketBehavior<Attachment> {
    const { maxMessageBytes, largestMessageBytes = maxMessageBytes } = this.#settings;
    return {
      compression: this.#uws.SHARED_COMPRESSOR | this.#uws.SHARED_DECOMPRESSOR,
      // Above this the library breaks the connection without a close frame, so our own limit comes first.
      maxPayloadLength: largestMessageBytes === 0 ? NO_LIMIT : largestMessageBytes * MESSAGE_SLACK,
      maxBackpressure: this.#settings.maxBufferedBytes,
      closeOnBackpressureLimit: true,
      idleTimeout: 0,
      sendPingsAutomatically: false,
      upgrade: (response, request, context) => this.#answer(response, request, context),
      open: (socket) => {
        const attachment = socket.getUserData();
        const connection = new UwsSocket(socket);
        attachment.connection = connection;
        this.#sockets.add(connection);
        socket.cork(() => connection.attach(attachment.reply.open(connection)));
      },
      message: (socket, message, isBinary) => {
        const { connection, reply } = socket.getUserData();
        connection?.receive(message, isBinary, reply.maxMessageBytes ?? maxMessageBytes);
      },
      pong: (socket) => socket.getUserData().connection?.pong(),
      drain: (socket) => socket.getUserData().connection?.drain(),
      close: (socket, code) => {
        const connection = socket.getUserData().connection;
        if (connection === undefined) return;
        this.#sockets.delete(connection);
        connection.ended(code);
      },
    };
  }

  #answer(response: Uws.HttpResponse, request: Uws.HttpRequest, context: Uws.us_socket_context_t | undefined): void {
    const exchange = new Exchange(response, request, this.#settings.maxBodyBytes, context !== undefined);
    if (exchange.hasBody) this.#newcomers.settleOldest(exchange.remoteAddress);
    const webSocket = {
      key: request.getHeader('sec-websocket-key'),
      protocol: request.getHeader('sec-websocket-protocol'),
      extensions: request.getHeader('sec-websocket-extensions'),
    };
    this.#handler(exchange)
      .catch((error: unknown) => {
        this.#onError(error);
        return INTERNAL_ERROR;
      })
      .then(async (reply) => {
        await exchange.bodyPassed();
        if (exchange.aborted.aborted) return;
        if (reply.kind === 'plain') {
          exchange.respond(reply);
          return;
        }
        if (context === undefined) throw new Error('an upgrade reply to a plain request');
        // A handler that answers at once is still inside the library's own cork, and before the end of the request.
        await new Promise((resolve) => setImmediate(resolve));
        if (exchange.aborted.aborted) return;
        exchange.upgraded();
        const attachment: Attachment = { reply, connection: undefined };
        // Not corked: after a corked upgrade the library goes on with the connection as HTTP if its memory happened to stay
        // in place, and may close it. Seen as sockets that broke at random right after they opened.
        response.upgrade(attachment, webSocket.key, webSocket.protocol, webSocket.extensions, context);
      })
      .catch(this.#onError);
  }
}

/** One request and its answer. Everything is copied at once: the library's request is gone after the first `await`. */
class Exchange implements HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly remoteAddress: string;
  readonly upgrade: boolean;
  readonly hasBody: boolean;
  readonly #response: Uws.HttpResponse;
  readonly #abort = new AbortController();
  readonly #body: BodyCollector;
  #done = false;

  constructor(response: Uws.HttpResponse, request: Uws.HttpRequest, maxBodyBytes: number, upgrade: boolean) {
    this.#response = response;
    this.method = request.getCaseSensitiveMethod().toUpperCase();
    this.path = request.getUrl();
    this.query = request.getQuery();
    const headers = new Map<string, string>();
    request.forEach((name, value) => {
      const former = headers.get(name);
      headers.set(name, former === undefined ? value : `${former}, ${value}`);
    });
    this.headers = headers;
    this.remoteAddress = addressOf(response);
    this.upgrade = upgrade;
    this.hasBody = !upgrade && (headers.has('transfer-encoding') || (headers.get('content-length') ?? '0') !== '0');
    this.#body = new BodyCollector(maxBodyBytes);
    response.onAborted(() => {
      if (this.#done) return;
      this.#done = true;
      this.#body.abort();
      this.#abort.abort();
    });
    // Chunks that come before a handler is set are lost, so it is set even where nobody asks for the body. It is not where
    // there is none: the connection's own handler has to hear of its first request then.
    if (this.hasBody) {
      response.onData((chunk, last) => {
        this.#body.add(Buffer.from(chunk.slice(0)));
        if (last) this.#body.end();
      });
    } else {
      this.#body.end();
    }
  }

  get aborted(): AbortSignal {
    return this.#abort.signal;
  }

  body(): Promise<Uint8Array> {
    return this.#body.whole;
  }

  bodyPassed(): Promise<void> {
    return this.#body.passed();
  }

  /** The connection is a WebSocket from here on. */
  upgraded(): void {
    this.#done = true;
  }

  respond(reply: PlainReply): void {
    const response = this.#response;
    const length = Buffer.byteLength(reply.body);
    const bodyless = reply.status === 204 || reply.status === 304 || this.method === 'HEAD';
    // A body that is still coming would be taken for the next request.
    const closeConnection = !this.#body.complete;
    response.cork(() => {
      response.writeStatus(statusLine(reply.status));
      for (const [name, value] of reply.headers) response.writeHeader(name, value);
      if (closeConnection && !bodyless) {
        this.#lingerBehind(reply.body);
        return;
      }
      this.#done = true;
      if (!bodyless) response.end(reply.body, closeConnection);
      else response.endWithoutBody(this.method === 'HEAD' ? length : undefined, closeConnection);
    });
  }

  /**
   * To a client that is still sending, closing at once is a reset, which destroys what it has not read yet. So the reply
   * goes out whole, what comes is dropped for a moment more, and only then the connection ends.
   */
  #lingerBehind(body: PlainReply['body']): void {
    this.#response.write(body);
    setTimeout(() => {
      if (this.#done) return;
      this.#done = true;
      this.#response.cork(() => this.#response.end(undefined, true));
    }, LINGER_MS);
  }
}

class UwsSocket implements ServerSocket {
  /** Undefined once closed: the library forbids every use then. */
  #socket: Uws.WebSocket<Attachment> | undefined;
  #listener: SocketListener | undefined;
  #closedWith: number | undefined;

  constructor(socket: Uws.WebSocket<Attachment>) {
    this.#socket = socket;
  }

  /** Sets who hears of the socket; it may have been closed on the way. */
  attach(listener: SocketListener): void {
    this.#listener = listener;
    if (this.#closedWith !== undefined) listener.closed(this.#closedWith);
  }

  send(data: string | Uint8Array, compress = true): void {
    this.#socket?.send(data, typeof data !== 'string', compress && data.length >= COMPRESSION_THRESHOLD);
  }

  ping(): void {
    this.#socket?.ping();
  }

  bufferedBytes(): number {
    return this.#socket?.getBufferedAmount() ?? 0;
  }

  close(code: number): void {
    this.#socket?.end(code);
  }

  terminate(): void {
    this.#socket?.close();
  }

  receive(message: ArrayBuffer, isBinary: boolean, limit: number): void {
    if (limit > 0 && message.byteLength > limit) {
      this.close(MESSAGE_TOO_BIG);
      return;
    }
    const copy = Buffer.from(message.slice(0));
    this.#listener?.message(isBinary ? copy : copy.toString('utf8'));
  }

  pong(): void {
    this.#listener?.pong();
  }

  drain(): void {
    if (this.bufferedBytes() === 0) this.#listener?.drained();
  }

  ended(code: number): void {
    this.#socket = undefined;
    this.#closedWith = code;
    this.#listener?.closed(code);
  }
}

function addressOf(response: Uws.HttpResponse): string {
  return canonicalAddress(Buffer.from(response.getRemoteAddressAsText()).toString('latin1'));
}

/** What the library's types lack. */
interface App extends Uws.TemplatedApp {
  /** Seconds for the headers of a request, and between requests. */
  setIdleTimeout(seconds: number): void;
  getDescriptor(): Descriptor;
  /** Deals accepted connections to another app, in place of serving them. */
  addChildAppDescriptor(descriptor: Descriptor): void;
  removeChildAppDescriptor(descriptor: Descriptor): void;
}

type Descriptor = number & { readonly brand: 'app descriptor' };
type Settle = (socket: Uws.us_listen_socket | false) => void;
type Listen = (host: string, port: number, options: number, settle: Settle) => unknown;

const INTERNAL_ERROR: PlainReply = { kind: 'plain', status: 500, headers: [], body: '' };
const MESSAGE_TOO_BIG = 1009;
/** `LIBUS_LISTEN_EXCLUSIVE_PORT`; the enumeration exists only in the library's types. */
const EXCLUSIVE_PORT = 1;
/** The library's field is an unsigned 32-bit number. */
const NO_LIMIT = 0x7fff_ffff;
const CLOSE_POLL_MS = 20;
const LINGER_MS = 500;
