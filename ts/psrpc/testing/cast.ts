import type { TestContext } from 'node:test';
import type { Bus } from '../bus.ts';
import { RpcClient, type RpcClientSettings } from '../client.ts';
import { LocalBus } from '../local-bus.ts';
import { type RpcObserver, unobserved } from '../observer.ts';
import { RpcServer } from '../server.ts';

/** What an observer was told, as words. */
export interface Observed extends RpcObserver {
  readonly events: string[];
}

export function observed(): Observed {
  const events: string[] = [];
  return {
    ...unobserved,
    events,
    requestDone: ({ role, kind, method }, { error, responses, errors }) =>
      events.push(`${role} ${kind} ${method} ${error ?? 'ok'} ${responses}/${errors}`),
    requestReceived: ({ method }) => events.push(`received ${method}`),
    requestExpired: ({ method }, lateMs) => events.push(`expired ${method} ${lateMs}`),
    claimDecided: ({ method }, outcome) => events.push(`claim ${method} ${outcome}`),
    streamOpened: ({ role }) => events.push(`${role} opened`),
    streamClosed: ({ role }) => events.push(`${role} closed`),
    streamSent: ({ role }, _ms, bytes, error) => events.push(`${role} sent ${bytes} ${error ?? 'ok'}`),
    streamReceived: ({ role }, bytes) => events.push(`${role} received ${bytes}`),
    dropped: (service, reason) => events.push(`dropped ${service} ${reason}`),
  };
}

export const silent = { debug() {}, warn() {} };

/** A client and servers on one bus; all end with the test. */
export class Cast {
  readonly bus: Bus;
  readonly clientSees = observed();
  readonly serverSees = observed();
  readonly client: RpcClient;
  readonly server: RpcServer;
  readonly #t: TestContext;

  constructor(t: TestContext, settings: Partial<RpcClientSettings> = {}, bus: Bus = new LocalBus()) {
    this.#t = t;
    this.bus = bus;
    this.client = new RpcClient(bus, {
      id: 'CLI_1',
      maxAttempts: 1,
      log: silent,
      observe: this.clientSees,
      ...settings,
    });
    this.server = this.anotherServer('SRV_1');
    t.after(() => this.client.close());
  }

  anotherServer(id: string): RpcServer {
    const server = new RpcServer(this.bus, { id, log: silent, observe: this.serverSees });
    this.#t.after(() => server.close());
    return server;
  }
}

/** Lets messages that are under way arrive, and what they set off. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 12; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
