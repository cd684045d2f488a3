/**
 * How clients of ioredis get their connections. A connection listens for its first error only there, and an encrypted one may
 * have another after its end: an alert that was on its way when it was destroyed. Nobody listening, that would end the
 * process.
 */

import { createConnection, type Socket } from 'node:net';
import { type ConnectionOptions, connect } from 'node:tls';
import { AbstractConnector, SentinelConnector } from 'ioredis';

export interface ServerAddress {
  readonly host: string;
  readonly port: number;
  readonly tls?: ConnectionOptions;
  readonly disconnectTimeout?: number;
}

/** To a server by its address. */
export class ServerConnector extends AbstractConnector {
  readonly #address: ServerAddress;

  /** ioredis hands the options of the client over. */
  constructor(options: unknown) {
    const address = options as ServerAddress;
    super(address.disconnectTimeout ?? 0);
    this.#address = address;
  }

  async connect(): Promise<Socket> {
    const { host, port, tls } = this.#address;
    this.connecting = true;
    const stream = guarded(tls === undefined ? createConnection({ host, port }) : connect({ ...tls, host, port }));
    stream.once('error', (error) => {
      this.firstError = error;
    });
    this.stream = stream;
    return stream;
  }
}

/** To the master that the Sentinels name. */
export class MasterConnector extends SentinelConnector {
  constructor(options: unknown) {
    super(options as ConstructorParameters<typeof SentinelConnector>[0]);
  }

  override async connect(...parts: Parameters<SentinelConnector['connect']>): ReturnType<SentinelConnector['connect']> {
    return guarded(await super.connect(...parts));
  }
}

function guarded<Stream extends Socket>(stream: Stream): Stream {
  return stream.on('error', () => {});
}
