/** Whether this process may open as many files as its configuration can come to need: every socket is one. */

import { readFileSync } from 'node:fs';
import type { Config } from './config/schema.ts';

/** What to tell the operator; undefined where the limit does, or is not known (other systems than Linux). */
export function fileLimitWarning(config: Config, limit: number | undefined = openFilesLimit()): string | undefined {
  const needed = neededFiles(config);
  if (limit === undefined || limit >= needed) return undefined;
  return `only ${limit} files may be open at a time, and up to ${needed} are needed: raise it, for example with \`ulimit -n ${needed}\``;
}

/** A socket for each media port and each relay, and one that signals for each participant that these ports can serve. */
export function neededFiles({ rtc, turn }: Config): number {
  const own = rtc.udp_port === undefined && !rtc.force_tcp;
  const media = own ? rtc.port_range_end - rtc.port_range_start + 1 : 0;
  const relays = turn.enabled ? turn.relay_range_end - turn.relay_range_start + 1 : 0;
  const participants = own ? Math.ceil(media / PORTS_PER_PARTICIPANT) : SHARED_PARTICIPANTS;
  const tcp = rtc.tcp_port === 0 ? 0 : participants;
  return OF_THE_PROCESS + media + relays + participants + tcp;
}

function openFilesLimit(): number | undefined {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}

/** Clients with one peer connection for each direction take two. */
const PORTS_PER_PARTICIPANT = 2;
/** Where all share one port nothing says how many there will be; this is what a large machine serves. */
const SHARED_PARTICIPANTS = 2000;
/** Code, logs, listeners, the API's callers. */
const OF_THE_PROCESS = 500;
