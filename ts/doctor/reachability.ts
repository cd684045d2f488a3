/** Joins a server and goes every way in that it tells its clients of, to the end: ICE, DTLS, a data channel. */

import { randomBytes } from 'node:crypto';
import { isPublic } from '../media/addresses.ts';
import { discoverExternal } from '../media/external-address.ts';
import { judgeClock } from './clock.ts';
import { type Finding, Findings } from './finding.ts';
import { Prober, type Step } from './prober.ts';
import type { Roots } from './roots.ts';
import { servedCertificate } from './served-certificate.ts';
import { Visit, VisitError } from './visit.ts';
import { describeRoute, fixFor, type Hints } from './way-fixes.ts';
import { type ConnectTo, type Route, routesOf, stunServers, turnUrls, wayOf } from './ways.ts';

export interface ReachabilityOptions {
  /** `ws://…` or `wss://…`, without a path. */
  url: string;
  /** A token for a room and an identity of its own. */
  token: (room: string, identity: string) => string;
  /** The token is for one room and one identity: one visit at a time. */
  oneVisit: boolean;
  /** Whether the server's own TLS certificate has to hold; not where the server is asked at its loopback address. */
  trustApi: boolean;
  roots: Roots;
  connectTo: ConnectTo;
  /** Names whose certificate another check has judged. */
  judgedNames: readonly string[];
  /** Addresses that this machine has; undefined where it is not the server. */
  ownAddresses: readonly string[] | undefined;
  /** An address that does not answer this machine is a warning (rtc.skip_external_ip_validation). */
  lenientNat: boolean;
  udpPorts: string | undefined;
  /** Milliseconds that each step may take. */
  stepMs: number;
}

export async function checkReachability(options: ReachabilityOptions): Promise<Finding[]> {
  return new Reachability(options).run();
}

interface Outcome {
  route: Route;
  /** The one that failed; undefined where all went well. */
  failure: Pick<Step, 'step' | 'detail'> | undefined;
  steps: readonly Step[];
}

class Reachability {
  readonly #options: ReachabilityOptions;
  readonly #prober = new Prober();
  readonly #findings = new Findings('reachability');
  readonly #clock = new Findings('clock');
  /** Rooms of ours end when we leave, and are nobody else's. */
  readonly #room = `sluice-doctor-${randomBytes(6).toString('hex')}`;
  #visits = 0;

  constructor(options: ReachabilityOptions) {
    this.#options = options;
  }

  async run(): Promise<Finding[]> {
    const first = await this.#visit();
    if (first === undefined) return this.#findings.list;
    const { answer, iceServers, clockOffsetMs } = first;
    await first.leave();
    this.#findings.ok(`signal: joined ${this.#options.url} and got an answer`);
    if (this.#options.ownAddresses === undefined && clockOffsetMs !== undefined) {
      judgeClock(clockOffsetMs, 'the server', this.#clock);
    }
    const routes = routesOf(answer, iceServers);
    if (routes.length === 0) {
      this.#findings.fail('the server names no candidate and no TURN server', 'look into its log, and see rtc.ips');
    }
    const tried = await inGroups(routes, this.#options.oneVisit ? 1 : AT_ONCE, (route) => this.#try(route));
    const outcomes = tried.filter((outcome) => outcome !== undefined);
    for (const outcome of outcomes) this.#report(outcome, outcomes);
    if (outcomes.length > 0 && outcomes.every(({ failure }) => failure !== undefined && isLackOfNetwork(failure))) {
      this.#findings.fail(
        'none of the addresses that clients are told can be tried from here',
        'run doctor on a machine with the networks of your clients',
      );
    }
    await Promise.all([...turnUrls(iceServers)].map((turn) => this.#checkServed(turn)));
    // On the server's own machine that is the check of addresses.
    if (this.#options.ownAddresses === undefined) await this.#checkStun(stunServers(iceServers));
    return [...this.#findings.list, ...this.#clock.list];
  }

  async #visit(): Promise<Visit | undefined> {
    const { url, token, trustApi, roots, stepMs } = this.#options;
    this.#visits += 1;
    const name = `${this.#room}-${this.#visits}`;
    try {
      const roomToken = token(name, name);
      const { fingerprint } = this.#prober;
      const trusted = trustApi ? roots.pem : undefined;
      return await Visit.begin({ url, token: roomToken, roots: trusted, fingerprint, timeoutMs: 2 * stepMs });
    } catch (error) {
      if (!(error instanceof VisitError)) throw error;
      const { status, message } = error;
      const words = status === 0 ? message : `${status} ${message}`;
      this.#findings.fail(`signal: ${url} does not let a participant join: ${words}`, joinFix(status, message));
      return undefined;
    }
  }

  /** Undefined where joining failed, which is told already. */
  async #try(route: Route): Promise<Outcome | undefined> {
    const { stepMs, connectTo } = this.#options;
    const visit = await this.#visit();
    if (visit === undefined) return undefined;
    try {
      const way = await wayOf(route, visit.answer, visit.iceServers, connectTo);
      if (typeof way === 'string') return { route, failure: { step: 'connect', detail: way }, steps: [] };
      const steps = await this.#prober.probe(way, visit.local, visit.answer.remote, stepMs);
      return { route, failure: steps.find(({ ok }) => !ok), steps };
    } catch (error) {
      // What the server sent can't be worked with.
      return { route, failure: { step: 'connect', detail: (error as Error).message }, steps: [] };
    } finally {
      await visit.leave();
    }
  }

  #report({ route, failure, steps }: Outcome, all: readonly Outcome[]): void {
    const name = describeRoute(route);
    if (failure === undefined) {
      const times = steps.filter(({ step }) => step !== 'data').map(({ step, ms }) => `${step} ${ms.toFixed(0)} ms`);
      this.#findings.ok(`${name}: ${times.join(', ')}`);
      return;
    }
    const { step, detail } = failure;
    const text = `${name}: ${step} failed, ${detail}`;
    if (isLackOfNetwork(failure)) {
      this.#findings.skip(`${name}: this machine has no such network`);
      return;
    }
    const { ownAddresses, lenientNat, udpPorts } = this.#options;
    const throughNat = ownAddresses !== undefined && 'ip' in route && !ownAddresses.includes(route.ip);
    const hints: Hints = { udpPorts, throughNat };
    const fix = fixFor(route, failure, hints);
    const onlyOther =
      'ip' in route &&
      !isPublic(route.ip) &&
      all.some((other) => other.failure === undefined && other.route.kind === route.kind);
    if ((throughNat && lenientNat) || onlyOther) this.#findings.warn(text, fix);
    else this.#findings.fail(text, fix);
  }

  async #checkServed({ kind, host, port }: { kind: string; host: string; port: number }): Promise<void> {
    const { connectTo, judgedNames, roots } = this.#options;
    if (kind !== 'turn-tls' || judgedNames.includes(host)) return;
    const at = await connectTo.resolve(host, port);
    if (typeof at === 'string') return;
    try {
      const { problem } = await servedCertificate({ host: at.ip, port: at.port }, host, roots.pem);
      if (problem === undefined) this.#findings.ok(`certificate of ${host}:${port}: clients take it`);
      else {
        this.#findings.fail(
          `certificate of ${host}:${port}: ${problem}`,
          `give what ends TLS there a certificate for ${host} with its full chain; for a CA of your own use --ca`,
        );
      }
    } catch {
      // The way itself told that nothing answers.
    }
  }

  async #checkStun(servers: readonly string[]): Promise<void> {
    if (servers.length === 0) return;
    const options = {
      stunServers: servers,
      ports: [0],
      selfCheck: false,
      times: { resolve: 1500, waits: [500, 1000] },
    };
    const { found } = await discoverExternal(['0.0.0.0'], options);
    const [result] = found.values();
    if (result !== undefined && 'external' in result) {
      this.#findings.ok(`STUN ${result.server}: it sees ${result.external}`);
    } else {
      this.#findings.warn(
        `STUN: ${result?.failure ?? 'no answer'}`,
        'set rtc.stun_servers to servers that clients reach; they matter to clients that look for their own address',
      );
    }
  }
}

/** Mostly IPv6: this machine knows no way to addresses of that kind. */
function isLackOfNetwork({ detail }: Pick<Step, 'detail'>): boolean {
  return /Network is unreachable|Address family not supported|Cannot assign requested address/.test(detail);
}

/** At most `size` at once, in order. */
async function inGroups<T, R>(list: readonly T[], size: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < list.length; at += size) {
    results.push(...(await Promise.all(list.slice(at, at + size).map(work))));
  }
  return results;
}

function joinFix(status: number, message: string): string {
  if (/expired|not valid yet|nbf|iat|before/.test(message))
    return 'set the clock of this machine and of the server by NTP';
  if (status === 401 || status === 403)
    return 'use a key and secret that the server has: --api-key and --api-secret, or --config';
  if (status === 404) return 'give the address of the server itself, without a path';
  if (status === 503) return 'see the log of the server: it has no room, no port or no worker left';
  if (/EPROTO|wrong version number/.test(message)) {
    return 'give http:// or ws:// to --from, or let the server or a balancer speak TLS there';
  }
  if (/CERT|certificate|self.signed|ALTNAME/i.test(message)) {
    return 'give the server a certificate for this name with its full chain; for a CA of your own use --ca';
  }
  return 'start the server, open its port up to here, and compare port and bind_addresses';
}

const AT_ONCE = 4;
