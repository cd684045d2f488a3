/**
 * One worker's connection.
 *
 * ```
 * new ──register──► registered ──closed by either side──► closed
 *  └──10 s, or anything else but ping──► closed
 * ```
 */

import {
  ParticipantPermission,
  type RegisterWorkerRequest,
  ServerMessage,
  type WorkerMessage,
  WorkerPong,
} from '@livekit/protocol';
import type { SigningKey } from '../auth/token.ts';
import { deploymentFault } from '../lib/deployment.ts';
import type { AgentHost, WorkerLink } from './agent-host.ts';
import { decodeWorkerMessage, encodeServerMessage, type Frame } from './frames.ts';
import { isJobType } from './topics.ts';
import type { Worker } from './worker.ts';

/** What a connection needs of a WebSocket. */
export interface WorkerSocket {
  send(frame: Frame): void;
  ping(): void;
  close(code: number): void;
  terminate(): void;
}

type State =
  | { readonly name: 'new' }
  | { readonly name: 'registered'; readonly worker: Worker }
  | { readonly name: 'closed' };

export interface ConnectionTimes {
  /** Milliseconds to register in. */
  readonly registerMs: number;
  readonly pingMs: number;
  /** Without a sign of life for so long the connection is cut. */
  readonly silenceMs: number;
}

export class WorkerConnection {
  readonly #host: AgentHost;
  readonly #key: SigningKey;
  readonly #socket: WorkerSocket;
  readonly #link: WorkerLink;
  readonly #times: ConnectionTimes;
  readonly #deadline: NodeJS.Timeout;
  readonly #pings: NodeJS.Timeout;
  #state: State = { name: 'new' };
  /** It is answered as it last spoke. */
  #json = false;
  #heardAt: number;

  constructor(host: AgentHost, key: SigningKey, socket: WorkerSocket, times: ConnectionTimes = TIMES) {
    this.#host = host;
    this.#key = key;
    this.#socket = socket;
    this.#times = times;
    this.#heardAt = host.now();
    this.#link = {
      send: (message) => this.#send(message),
      close: () => this.#end(GOING_AWAY),
    };
    this.#deadline = setTimeout(() => this.#end(POLICY_VIOLATION), times.registerMs);
    this.#pings = setInterval(() => this.#ping(), times.pingMs);
  }

  message(frame: Frame): void {
    if (this.#state.name === 'closed') return;
    this.#heardAt = this.#host.now();
    this.#json = typeof frame === 'string';
    try {
      const message = decodeWorkerMessage(frame);
      if (message.message.case === 'ping') this.#pong(message.message.value.timestamp);
      else if (this.#state.name === 'new') this.#register(message);
      else dispatch(this.#state.worker, message);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#host.log.warn({ error: reason }, 'unable to handle worker signal');
      this.#end(POLICY_VIOLATION);
    }
  }

  pong(): void {
    this.#heardAt = this.#host.now();
  }

  /** The socket is gone. */
  closed(): void {
    const state = this.#state;
    this.#state = { name: 'closed' };
    clearTimeout(this.#deadline);
    clearInterval(this.#pings);
    if (state.name === 'registered') this.#host.remove(state.worker);
  }

  #register({ message }: WorkerMessage): void {
    if (message.case !== 'register') throw new Error(`${message.case ?? 'unknown message'} before register`);
    const worker = this.#host.register({ ...applicationOf(message.value), key: this.#key }, this.#link);
    if (worker === undefined) {
      this.#end(GOING_AWAY);
      return;
    }
    clearTimeout(this.#deadline);
    this.#state = { name: 'registered', worker };
  }

  #pong(lastTimestamp: bigint): void {
    const value = new WorkerPong({ lastTimestamp, timestamp: BigInt(this.#host.now()) });
    this.#send(new ServerMessage({ message: { case: 'pong', value } }));
  }

  #send(message: ServerMessage): void {
    if (this.#state.name !== 'closed') this.#socket.send(encodeServerMessage(message, this.#json));
  }

  #ping(): void {
    if (this.#host.now() - this.#heardAt < this.#times.silenceMs) {
      this.#socket.ping();
    } else {
      this.closed();
      this.#socket.terminate();
    }
  }

  #end(code: number): void {
    this.closed();
    this.#socket.close(code);
  }
}

/** Throws what is wrong with it. */
function applicationOf(request: RegisterWorkerRequest) {
  const { type, agentName, namespace = '', deployment, version, allowedPermissions } = request;
  if (!isJobType(type)) throw new Error('unknown job type');
  const fault = deploymentFault(deployment);
  if (fault !== undefined) throw new Error(fault);
  const permissions = allowedPermissions ?? new ParticipantPermission(DEFAULT_PERMISSIONS);
  return { type, agentName, namespace, deployment, version, permissions };
}

/** Throws for messages that have no place here. */
function dispatch(worker: Worker, { message }: WorkerMessage): void {
  switch (message.case) {
    case 'availability':
      worker.answered(message.value);
      break;
    case 'updateWorker':
      worker.update(message.value);
      break;
    case 'updateJob':
      worker.updateJob(message.value);
      break;
    case 'simulateJob':
      worker.simulate(message.value);
      break;
    case 'migrateJob':
      // Jobs stay where they are, as with livekit-server.
      break;
    default:
      throw new Error(message.case === 'register' ? 'already registered' : 'unknown worker signal');
  }
}

const DEFAULT_PERMISSIONS = { canSubscribe: true, canPublish: true, canPublishData: true, canUpdateMetadata: true };
const TIMES: ConnectionTimes = { registerMs: 10_000, pingMs: 10_000, silenceMs: 30_000 };
const GOING_AWAY = 1001;
const POLICY_VIOLATION = 1008;
