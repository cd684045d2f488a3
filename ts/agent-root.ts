import type { ServerInfo } from '@livekit/protocol';
import { AgentHost } from './agent/agent-host.ts';
import { JobLauncher } from './agent/job-launcher.ts';
import type { AgentJobs, AgentLog } from './agent/types.ts';
import type { Keys } from './auth/keys.ts';
import type { DrainedAgents } from './cluster/drain.ts';
import type { Link } from './cluster/keyspace.ts';
import type { Config } from './config/schema.ts';
import { addAgentRoutes } from './http/agent-routes.ts';
import type { Routes } from './http/routes.ts';
import type { RpcClient } from './psrpc/client.ts';
import type { RpcServer } from './psrpc/server.ts';

export interface AgentServicesParts {
  readonly config: Config;
  readonly keys: Keys;
  readonly serverInfo: ServerInfo;
  readonly client: RpcClient;
  readonly server: RpcServer;
  /** While it is down nobody hears of new workers. */
  readonly link: Link;
  readonly log: AgentLog;
}

/** Agents' workers at this node, and jobs of its rooms for the workers of all nodes. */
export class AgentServices implements DrainedAgents {
  readonly jobs: AgentJobs;
  readonly host: AgentHost;
  readonly #launcher: JobLauncher;
  readonly #parts: AgentServicesParts;
  #forgetLink: (() => void) | undefined;
  #leaving: { readonly stop: AbortController; readonly left: Promise<void> } | undefined;

  constructor(parts: AgentServicesParts) {
    const { config, client, server, serverInfo, log } = parts;
    const { enable_user_data_recording: recording, enable_user_data_redaction: redaction, target_load } = config.agents;
    this.#parts = parts;
    this.host = new AgentHost({ client, server, serverInfo, targetLoad: target_load, log });
    this.#launcher = new JobLauncher({ client, server, host: this.host, recording, redaction, log });
    this.jobs = this.#launcher;
  }

  addTo(routes: Routes): void {
    const { config, keys } = this.#parts;
    addAgentRoutes(routes, {
      host: this.host,
      keys,
      maxMessageBytes: config.limit.agent_signal_message_size_limit,
    });
  }

  async start(): Promise<void> {
    this.#forgetLink ??= this.#parts.link.onUp(() => this.host.announceLater());
    await Promise.all([this.host.start(), this.#launcher.start()]);
  }

  leave(): void {
    if (this.#leaving !== undefined) return;
    const stop = new AbortController();
    // `drain` never rejects.
    this.#leaving = { stop, left: this.host.drain(DRAIN_INTERVAL_MS, stop.signal) };
  }

  stay(): void {
    this.#leaving?.stop.abort();
    this.#leaving = undefined;
    this.host.undrain();
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#forgetLink?.();
    this.#leaving?.stop.abort();
    await this.#leaving?.left;
    await this.#launcher.close();
    await this.host.close();
  }
}

/** So that a fleet's other nodes are not overrun by workers that come back. */
const DRAIN_INTERVAL_MS = 1000;
