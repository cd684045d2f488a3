/** The pair of addresses that a worker reports for a transport, as text: `relay-tls 192.0.2.1:50000 192.0.2.1:30001`. */

import type { UsedPath } from './fallback.ts';

/** How datagrams travel; the last two go through our TURN server, and say how the client reaches it. */
export const VIAS = ['udp', 'tcp', 'relay-udp', 'relay-tcp', 'relay-tls'] as const;
export type Via = (typeof VIAS)[number];

export interface Pair {
  via: Via;
  /** As reported. */
  text: string;
}

/** Undefined for what names no path. */
export function parsePair(text: string): Pair | undefined {
  const word = text.split(' ', 1)[0];
  const via = VIAS.find((candidate) => candidate === word);
  return via === undefined ? undefined : { via, text };
}

export function usedPath(via: Via): UsedPath {
  return via === 'udp' || via === 'tcp' ? via : 'relay';
}
