/** Measures all servers in turn, again and again, each time in the opposite order. */

import type { Scenario } from '../scenario/schema.ts';
import type { ServerKind } from '../servers/server.ts';
import type { Measurement } from './measurement.ts';

export interface Series {
  /** One measurement per server that could be measured, in the servers' order. */
  pairs: Measurement[][];
  /** Of measurements that there are not. */
  failures: string[];
}

export interface Turn {
  server: ServerKind;
  /** From 0. */
  pair: number;
}

/** The machine's clock and mood drift; what comes second in a pair must not always be the same server. */
export function turns(servers: readonly ServerKind[], pairs: number): Turn[] {
  return Array.from({ length: pairs }, (_, pair) => {
    const order = pair % 2 === 0 ? servers : [...servers].reverse();
    return order.map((server) => ({ server, pair }));
  }).flat();
}

/** A measurement that fails is left out and told; the others go on. Rejects only when the signal fires. */
export async function measurePairs(
  servers: readonly ServerKind[],
  scenario: Pick<Scenario, 'pairs'>,
  measure: (turn: Turn) => Promise<Measurement>,
  signal: AbortSignal,
): Promise<Series> {
  const pairs: Measurement[][] = Array.from({ length: scenario.pairs }, () => []);
  const failures: string[] = [];
  for (const turn of turns(servers, scenario.pairs)) {
    try {
      pairs[turn.pair]?.push(await measure(turn));
    } catch (error) {
      signal.throwIfAborted();
      failures.push(`pair ${turn.pair + 1}: ${(error as Error).message}`);
    }
  }
  const place = (name: string) => servers.findIndex((server) => server.name === name);
  for (const pair of pairs) pair.sort((one, other) => place(one.server) - place(other.server));
  return { pairs, failures };
}
