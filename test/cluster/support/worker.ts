/** An agent worker that takes every job it is offered (livekit-facts 11.2). */

import { once } from 'node:events';
import {
  AvailabilityResponse,
  type Job,
  type JobAssignment,
  type JobType,
  RegisterWorkerRequest,
  ServerMessage,
  WorkerMessage,
} from '@livekit/protocol';
import { AccessToken } from 'livekit-server-sdk';
import { WebSocket } from 'ws';
import { KEY, SECRET } from '../../e2e/support/server.ts';
import { until } from './fleet.ts';

export class Worker {
  readonly socket: WebSocket;
  /** Jobs that it was given, with a token to join for each. */
  readonly assigned: JobAssignment[] = [];
  readonly offered: Job[] = [];
  #id = '';

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data: Buffer) => this.#handle(ServerMessage.fromBinary(data)));
    socket.on('error', () => {});
  }

  /** Registers at a node; resolves when the node has taken it. */
  static async start(url: string, type: JobType, agentName = '', namespace?: string): Promise<Worker> {
    const token = new AccessToken(KEY, SECRET, { ttl: '1h' });
    token.addGrant({ agent: true });
    const headers = { authorization: `Bearer ${await token.toJwt()}` };
    const socket = new WebSocket(`${url}/agent?protocol=1`, { headers });
    const worker = new Worker(socket);
    await once(socket, 'open');
    const value = new RegisterWorkerRequest({ type, agentName, version: '1.0.0' });
    if (namespace !== undefined) value.namespace = namespace;
    worker.#send({ case: 'register', value });
    await until('the worker is registered', () => worker.#id.startsWith('AW_'));
    return worker;
  }

  close(): void {
    this.socket.close();
  }

  #handle({ message }: ServerMessage): void {
    switch (message.case) {
      case 'register':
        this.#id = message.value.workerId;
        break;
      case 'availability': {
        const { job } = message.value;
        if (job === undefined) return;
        this.offered.push(job);
        const value = new AvailabilityResponse({
          jobId: job.id,
          available: true,
          supportsResume: false,
          participantIdentity: `agent-${job.id}`,
          participantName: 'agent',
        });
        this.#send({ case: 'availability', value });
        break;
      }
      case 'assignment':
        this.assigned.push(message.value);
        break;
      default:
    }
  }

  #send(message: WorkerMessage['message']): void {
    this.socket.send(new WorkerMessage({ message }).toBinary());
  }
}
