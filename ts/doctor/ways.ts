/** The ways into a server that clients are told of, and what opens each of them when it is closed. */

import { lookup } from 'node:dns/promises';
import { isIP, isIPv4 } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ICEServer } from '@livekit/protocol';
import { urlHost } from '../lib/url-host.ts';
import type { Answer, ServerCandidate } from './offer.ts';
import type { Way } from './prober.ts';

/** A `turn:` or `turns:` URL (RFC 7065) with credentials. */
export interface TurnUrl {
  url: string;
  kind: 'turn-udp' | 'turn-tcp' | 'turn-tls';
  host: string;
  port: number;
  username: string;
  credential: string;
}

/** One way, as all visits can go it: the numbers that differ between visits are left out. */
export type Route =
  | { kind: 'udp' | 'tcp'; ip: string /** Of the first visit. */; port: number }
  | { kind: TurnUrl['kind']; url: string; host: string; port: number /** Of the server's candidates. */; v4: boolean };

/** Candidates first, in the order told, each address once. */
export function routesOf({ candidates }: Answer, iceServers: readonly ICEServer[]): Route[] {
  const direct = candidates.map(({ protocol, ip, port }): Route => ({ kind: protocol, ip, port }));
  const distinct = direct.filter((route, index) => direct.findIndex((other) => same(route, other)) === index);
  const [target] = candidates.filter(({ protocol }) => protocol === 'udp');
  const relays = turnUrls(iceServers).map(({ kind, url, host, port }): Route => {
    const v4 = isIP(host) === 0 ? isIPv4(target?.ip ?? '') || target === undefined : isIPv4(host);
    return { kind, url, host, port, v4 };
  });
  return [...distinct, ...relays];
}

function same(a: Route, b: Route): boolean {
  return 'ip' in a && 'ip' in b && a.kind === b.kind && a.ip === b.ip;
}

export function turnUrls(iceServers: readonly ICEServer[]): TurnUrl[] {
  return iceServers.flatMap(({ urls, username, credential }) =>
    urls.flatMap((url) => {
      const [, scheme, bracketed, plain, port, transport] =
        /^(turns?):(?:\[([^\]]+)\]|([^:?]+))(?::(\d+))?(?:\?transport=(udp|tcp))?$/.exec(url) ?? [];
      const host = bracketed ?? plain;
      if (scheme === undefined || host === undefined) return [];
      const kind = scheme === 'turns' ? 'turn-tls' : transport === 'tcp' ? 'turn-tcp' : 'turn-udp';
      return [{ url, kind, host, port: Number(port ?? (scheme === 'turns' ? 5349 : 3478)), username, credential }];
    }),
  );
}

/** `stun:` URLs as `host:port`. */
export function stunServers(iceServers: readonly ICEServer[]): string[] {
  return iceServers.flatMap(({ urls }) =>
    urls.flatMap((url) => {
      const rest = /^stun:([^?]+)/.exec(url)?.[1];
      if (rest === undefined) return [];
      return [/:\d+$/.test(rest) ? rest : `${rest}:3478`];
    }),
  );
}

/** A route's way in another visit; why not where the visit does not have it. */
export async function wayOf(
  route: Route,
  { candidates }: Answer,
  iceServers: readonly ICEServer[],
  connectTo: ConnectTo,
): Promise<Way | string> {
  if ('ip' in route) {
    const found = candidates.find(({ protocol, ip }) => protocol === route.kind && ip === route.ip);
    if (found === undefined) return 'the server did not offer it again';
    return { kind: route.kind, candidate: endpoint(found) };
  }
  const login = turnUrls(iceServers).find(({ url }) => url === route.url);
  if (login === undefined) return 'the server did not offer it again';
  const peer = candidates.find(({ protocol, ip }) => protocol === 'udp' && isIPv4(ip) === route.v4);
  if (peer === undefined) return `the server has no IPv${route.v4 ? 4 : 6} candidate over UDP to relay to`;
  const at = await connectTo.resolve(route.host, route.port);
  if (typeof at === 'string') return at;
  const { username, credential } = login;
  const turn = { server: endpoint(at), username, credential, peer: endpoint(peer) };
  return route.kind === 'turn-tls' ? { kind: route.kind, turn, serverName: route.host } : { kind: route.kind, turn };
}

function endpoint({ ip, port }: Pick<ServerCandidate, 'ip' | 'port'>): string {
  return `${urlHost(ip)}:${port}`;
}

/** Where names lead to; some elsewhere than the DNS says, as `--connect-to` asks. */
export class ConnectTo {
  readonly #rules: ReadonlyMap<string, { ip: string; port: number }>;

  /** Each `host:port:ip:port`, as curl has it. Throws for anything else. */
  constructor(rules: readonly string[]) {
    this.#rules = new Map(
      rules.map((rule) => {
        const [, host, port, bracketed, plain, to] = /^([^:]+):(\d+):(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(rule) ?? [];
        const ip = bracketed ?? plain ?? '';
        if (isIP(ip) === 0) throw new Error(`--connect-to: expected host:port:ip:port, got ${rule}`);
        return [`${host}:${port}`, { ip, port: Number(to) }];
      }),
    );
  }

  /** Why not, where the name is not resolved. */
  async resolve(host: string, port: number): Promise<{ ip: string; port: number } | string> {
    const rule = this.#rules.get(`${host}:${port}`);
    if (rule !== undefined) return rule;
    if (isIP(host) !== 0) return { ip: host, port };
    // The system's own patience is half a minute.
    const late = sleep(RESOLVE_MS, undefined, { ref: false }).then(() => {
      throw new Error('no answer');
    });
    try {
      return { ip: (await Promise.race([lookup(host), late])).address, port };
    } catch (error) {
      return `${UNRESOLVED}: ${host} (${(error as NodeJS.ErrnoException).code ?? 'no answer'})`;
    } finally {
      late.catch(() => {});
    }
  }
}

const RESOLVE_MS = 5000;
export const UNRESOLVED = 'the name is not resolved';
