import {
  AvailabilityResponse,
  type JobAssignment,
  type JobTermination,
  JobType,
  RegisterWorkerRequest,
  ServerMessage,
  WorkerMessage,
} from '@livekit/protocol';
import type { AgentHost } from '../agent-host.ts';
import { WorkerConnection } from '../worker-connection.ts';

export interface ScriptedWorkerOptions
  extends Partial<Pick<RegisterWorkerRequest, 'agentName' | 'namespace' | 'deployment'>> {
  readonly type?: JobType;
  /** What it answers to offers; nothing where undefined is returned. */
  readonly answer?: (jobId: string) => Partial<AvailabilityResponse> | undefined;
  /** Speaks JSON. */
  readonly json?: boolean;
  /** Does not register by itself. */
  readonly silent?: boolean;
  readonly registerMs?: number;
}

export const WORKER_KEY = { key: 'key', secret: new TextEncoder().encode('a secret that is long enough for a test') };

/** A worker at the end of a socket that is not there: what it is sent is decoded, what it says goes to the connection. */
export class ScriptedWorker {
  readonly received: ServerMessage[] = [];
  /** The close code of the server; 0 where it cut the connection. */
  closeCode: number | undefined;
  readonly #connection: WorkerConnection;
  readonly #options: ScriptedWorkerOptions;

  constructor(host: AgentHost, options: ScriptedWorkerOptions = {}) {
    this.#options = options;
    this.#connection = new WorkerConnection(
      host,
      WORKER_KEY,
      {
        send: (frame) => this.#receive(frame),
        ping() {},
        close: (code) => {
          this.closeCode ??= code;
        },
        terminate: () => {
          this.closeCode ??= 0;
        },
      },
      { registerMs: options.registerMs ?? 10_000, pingMs: 10_000, silenceMs: 30_000 },
    );
    const { type = JobType.JT_ROOM, agentName = '', namespace, deployment = '' } = options;
    if (options.silent === true) return;
    const request = new RegisterWorkerRequest({ type, agentName, deployment, version: '1.0' });
    if (namespace !== undefined) request.namespace = namespace;
    this.say({ case: 'register', value: request });
  }

  get id(): string {
    const message = this.received.map((one) => one.message).find((one) => one.case === 'register');
    return message?.case === 'register' ? message.value.workerId : '';
  }

  get offered(): string[] {
    return this.received.flatMap(({ message }) =>
      message.case === 'availability' ? [message.value.job?.id ?? ''] : [],
    );
  }

  get assignments(): JobAssignment[] {
    return this.received.flatMap(({ message }) => (message.case === 'assignment' ? [message.value] : []));
  }

  get terminations(): JobTermination[] {
    return this.received.flatMap(({ message }) => (message.case === 'termination' ? [message.value] : []));
  }

  say(message: WorkerMessage['message']): void {
    const frame = new WorkerMessage({ message });
    this.raw(this.#options.json === true ? frame.toJsonString() : frame.toBinary());
  }

  raw(frame: string | Uint8Array): void {
    this.#connection.message(frame);
  }

  /** Its socket breaks. */
  vanish(): void {
    this.#connection.closed();
  }

  #receive(frame: string | Uint8Array): void {
    const message = typeof frame === 'string' ? ServerMessage.fromJsonString(frame) : ServerMessage.fromBinary(frame);
    this.received.push(message);
    if (message.message.case !== 'availability') return;
    const jobId = message.message.value.job?.id ?? '';
    const { answer = () => ({ available: true, participantIdentity: `agent-${jobId}` }) } = this.#options;
    const answered = answer(jobId);
    if (answered === undefined) return;
    // As over a network: after the message that asks.
    setImmediate(() => this.say({ case: 'availability', value: new AvailabilityResponse({ jobId, ...answered }) }));
  }
}
