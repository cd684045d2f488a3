/** Chooses the mode of a session: how many peer connections, and who offers. */

import type { MediaEngine } from '../media/types.ts';
import { DualPc } from './dual-pc.ts';
import { SinglePc } from './single-pc.ts';
import type { Negotiation, NegotiationHost, NegotiationOptions } from './types.ts';

export function createNegotiation(
  engine: MediaEngine,
  host: NegotiationHost,
  options: NegotiationOptions,
): Negotiation {
  return options.singlePc ? new SinglePc(engine, host, options) : new DualPc(engine, host, options);
}
