/** Starts a server, puts the load on it, and looks at the server when the load says where it stands. */

import { setTimeout as sleep } from 'node:timers/promises';
import { loadRequest } from '../scenario/request.ts';
import { participants, type Scenario } from '../scenario/schema.ts';
import type { Network } from '../servers/network.ts';
import { end, type RunningServer, type ServerKind } from '../servers/server.ts';
import { type LoadEvent, type LoadReport, type Progress, runLoad } from './load.ts';
import type { Measurement } from './measurement.ts';
import { type CpuMark, coresByThread, cpuBetween, type Memory, machineCpu, markCpu, memoryOf } from './proc.ts';
import { Sampler } from './sampler.ts';
import { type Stays, staysBetween } from './stays.ts';

export interface Bench {
  network: Network;
  /** Command line of the load generator up to its subcommand. */
  load: readonly [string, ...string[]];
  /** Of the load; every few hundred milliseconds. */
  onProgress(progress: Progress): void;
  /** Everything ends when it fires. */
  signal: AbortSignal;
}

export async function measure(kind: ServerKind, scenario: Scenario, bench: Bench): Promise<Measurement> {
  const server = await kind.start(bench.network, scenario.server, bench.signal);
  const watch = new Watch(server);
  try {
    await sleep(IDLE_MS, undefined, { signal: bench.signal });
    watch.idle();
    const load = await putUnderLoad(server, scenario, bench, watch);
    return {
      server: kind.name,
      version: kind.version,
      participants: participants(scenario),
      load,
      ...watch.seen(load),
      stays: await watch.stays(),
    };
  } catch (error) {
    throw new Error(`${kind.name}: ${(error as Error).message}${told(server)}`, { cause: error });
  } finally {
    watch.close();
    await server.stop();
  }
}

async function putUnderLoad(
  server: RunningServer,
  scenario: Scenario,
  bench: Bench,
  watch: Watch,
): Promise<LoadReport> {
  const [program, ...args] = bench.load;
  const child = bench.network.spawn('load', program, [...args, 'run']);
  const { joinWithinSeconds } = scenario;
  const slow = new AbortController();
  const patience = setTimeout(
    () => slow.abort(new Error(`not everybody had joined after ${joinWithinSeconds} s`)),
    joinWithinSeconds * 1000,
  );
  try {
    const request = loadRequest(scenario, server.target);
    return await runLoad(
      child,
      request,
      (event) => {
        watch.handle(event);
        if (event.event === 'settled') clearTimeout(patience);
        if (event.event === 'progress') bench.onProgress(event);
      },
      AbortSignal.any([bench.signal, slow.signal]),
    );
  } finally {
    clearTimeout(patience);
    await end(child);
  }
}

/** What is seen of a server's process, at the lines of the load. */
class Watch {
  readonly #pid: number;
  readonly #sampler: Sampler;
  readonly #memory: { idle?: Memory; settled?: Memory; end?: Memory } = {};
  readonly #cpu: { idle?: CpuMark; settled?: CpuMark; measuring?: CpuMark; measured?: CpuMark } = {};
  readonly #machine: { before?: ReturnType<typeof machineCpu>; after?: ReturnType<typeof machineCpu> } = {};
  #threads: Record<string, number> = {};
  readonly #times = { settled: 0, measuring: 0, measured: 0 };
  readonly #server: RunningServer;
  readonly #metrics: { before?: Promise<string>; after?: Promise<string> } = {};

  constructor(server: RunningServer) {
    this.#server = server;
    this.#pid = server.pid;
    this.#sampler = new Sampler(server.pid);
  }

  idle(): void {
    this.#memory.idle = memoryOf(this.#pid);
    this.#cpu.idle = markCpu(this.#pid);
  }

  handle({ event }: LoadEvent): void {
    if (event === 'settled') {
      this.#cpu.settled = markCpu(this.#pid);
      this.#memory.settled = memoryOf(this.#pid);
    }
    if (event === 'measuring') {
      this.#cpu.measuring = markCpu(this.#pid);
      this.#machine.before = machineCpu();
      this.#metrics.before = this.#readMetrics();
      // Behind the reading, which needs the event loop.
      void Promise.resolve(this.#metrics.before).then(
        () => this.#server.block?.(),
        () => undefined,
      );
    }
    if (event === 'measured') {
      this.#cpu.measured = markCpu(this.#pid);
      this.#machine.after = machineCpu();
      if (this.#cpu.measuring) this.#threads = coresByThread(this.#pid, this.#cpu.measuring, this.#cpu.measured);
      this.#memory.end = memoryOf(this.#pid);
      this.#metrics.after = this.#readMetrics();
    }
    if (event === 'settled' || event === 'measuring' || event === 'measured') this.#times[event] = this.#sampler.now();
  }

  #readMetrics(): Promise<string> | undefined {
    const reading = this.#server.metrics?.();
    // Whoever asks for the stays hears of a failure.
    reading?.catch(() => undefined);
    return reading;
  }

  async stays(): Promise<Stays | null> {
    const { before, after } = this.#metrics;
    return before && after ? staysBetween(await before, await after) : null;
  }

  /** Throws where the load left a line out. */
  seen(load: LoadReport): Pick<Measurement, 'memory' | 'cpu' | 'threads' | 'others' | 'curve'> {
    const { idle, settled, end: last } = this.#memory;
    const cpu = this.#cpu;
    const { before, after } = this.#machine;
    if (
      !idle ||
      !settled ||
      !last ||
      !cpu.idle ||
      !cpu.settled ||
      !cpu.measuring ||
      !cpu.measured ||
      !before ||
      !after
    ) {
      throw new Error('the load generator did not say settled, measuring and measured');
    }
    const window = cpuBetween(cpu.measuring, cpu.measured);
    const known = window.seconds + load.load.cpuSeconds;
    const busy = after.busySeconds - before.busySeconds - known;
    return {
      memory: { idle, settled, end: last },
      cpu: { joining: cpuBetween(cpu.idle, cpu.settled), window },
      threads: this.#threads,
      others: {
        busyCores: Math.max(0, busy) / window.wallSeconds,
        stolenCores: (after.stolenSeconds - before.stolenSeconds) / window.wallSeconds,
      },
      curve: { samples: this.#sampler.samples, ...this.#times },
    };
  }

  close(): void {
    this.#sampler.close();
  }
}

function told(server: RunningServer): string {
  const text = server.output().trim();
  return text === '' ? '' : `\nThe server said:\n${text.slice(-TOLD)}`;
}

/** After a server listens, until its idle memory is looked at. */
const IDLE_MS = 1_500;
/** Characters of a server's output in a message. */
const TOLD = 2_000;
