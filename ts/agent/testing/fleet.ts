import { type Job, JobType, Room, ServerInfo } from '@livekit/protocol';
import { RpcClient } from '../../psrpc/client.ts';
import type { LocalBus } from '../../psrpc/local-bus.ts';
import { RpcServer } from '../../psrpc/server.ts';
import { AgentHost } from '../agent-host.ts';
import { JobLauncher } from '../job-launcher.ts';
import type { JobOffer } from '../types.ts';

const LOG = { debug() {}, info() {}, warn() {} };

/** One node: its workers, and jobs of its rooms. */
export class TestNode {
  readonly host: AgentHost;
  readonly jobs: JobLauncher;
  readonly client: RpcClient;
  readonly #server: RpcServer;

  private constructor(bus: LocalBus, id: string, now: () => number) {
    this.client = new RpcClient(bus, { id, log: LOG });
    this.#server = new RpcServer(bus, { id, log: LOG });
    const { client } = this;
    const server = this.#server;
    const serverInfo = new ServerInfo({ nodeId: id, agentProtocol: 1 });
    this.host = new AgentHost({ client, server, serverInfo, targetLoad: 0.7, log: LOG, answerMs: 300 });
    const { host } = this;
    this.jobs = new JobLauncher({
      client,
      server,
      host,
      recording: true,
      redaction: true,
      log: LOG,
      now,
      collectMs: 300,
    });
  }

  static async start(bus: LocalBus, id: string, now: () => number = Date.now): Promise<TestNode> {
    const node = new TestNode(bus, id, now);
    await Promise.all([node.host.start(), node.jobs.start()]);
    return node;
  }

  /** The jobs that workers took. */
  async launch(offer: Partial<JobOffer> = {}): Promise<Job[]> {
    const jobs: Job[] = [];
    await this.jobs.launch({ ...OFFER, ...offer }, (job) => jobs.push(job));
    return jobs;
  }

  async close(): Promise<void> {
    await this.jobs.close();
    await this.host.close();
    await this.#server.close();
    await this.client.close();
  }
}

const OFFER: JobOffer = {
  dispatchId: 'AD_test',
  type: JobType.JT_ROOM,
  room: new Room({ name: 'room', sid: 'RM_test' }),
  participant: undefined,
  agentName: '',
  deployment: '',
  metadata: 'of the dispatch',
  attributes: { a: '1' },
};
