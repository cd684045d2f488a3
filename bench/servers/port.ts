/** The TCP port that a server is given. */

import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Network } from './network.ts';

/** In a namespace of its own it is the usual one; on loopback any that is free. */
export async function freePort(network: Network, usual = 7880): Promise<number> {
  if (network.kind === 'veth') return usual;
  const probe = createServer().listen(0, network.host);
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
