/** The load generator's request, as JSON on its standard input. */

import type { Scenario } from './schema.ts';

/** Where clients join, and the key pair that makes their tokens. */
export interface Target {
  kind: 'livekit';
  url: string;
  apiKey: string;
  apiSecret: string;
}

export interface LoadRequest {
  target: Target;
  seed: number;
  threads: number;
  seconds: number;
  warmupSeconds: number;
  singlePeerConnection: boolean;
  scenario: object;
}

export function loadRequest(scenario: Scenario, target: Target): LoadRequest {
  const { name, seed, threads, seconds, warmupSeconds, singlePeerConnection } = scenario;
  const { rooms, join, churn, layerSwitch, hands, slow } = scenario;
  const groups = Object.entries(scenario.groups)
    .filter(([, group]) => group.count > 0)
    .map(([group, rest]) => ({ name: group, ...rest }));
  const load = { name, rooms, groups, join, churn, layerSwitch, hands, slow };
  return { target, seed, threads, seconds, warmupSeconds, singlePeerConnection, scenario: load };
}
