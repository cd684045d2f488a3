/** `sluice doctor`: which checks run, in which order, and what their findings add up to. */

import { networkInterfaces } from 'node:os';
import { Keys } from '../auth/keys.ts';
import { mintToken } from '../auth/token.ts';
import { apiCertificate, turnCertificate } from '../certificate-settings.ts';
import { ConfigError } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import type { Settled } from '../config/settle.ts';
import { urlHost } from '../lib/url-host.ts';
import { checkAddresses } from './addresses.ts';
import { checkCertificates } from './certificates.ts';
import { checkClock, DEFAULT_NTP_SERVER } from './clock.ts';
import { checkConfig } from './config.ts';
import { type Finding, Findings, hasFailure } from './finding.ts';
import { checkLimits } from './limits.ts';
import { checkPorts } from './ports.ts';
import { type ExitCode, json, lines, summary } from './print.ts';
import { checkReachability, type ReachabilityOptions } from './reachability.ts';
import { checkRedis } from './redis.ts';
import { Roots } from './roots.ts';
import { type Running, whatRunsAt } from './running.ts';
import { ConnectTo } from './ways.ts';

/** As the command line has them. */
export interface DoctorOptions {
  json?: boolean;
  /** Tries a running server from elsewhere; nothing else is checked. */
  from?: string;
  apiKey?: string;
  apiSecret?: string;
  token?: string;
  /** PEM files with further roots. */
  ca?: string[];
  /** `host:port:ip:port` */
  connectTo?: string[];
  ntp?: string;
  /** Seconds for each step of a way. */
  timeout?: string;
}

export interface DoctorParts {
  options: DoctorOptions;
  /** Whether there is a configuration at all. */
  configGiven: boolean;
  settle: () => Settled;
  /** A server of this process, for where none runs. */
  createServer: (config: Config) => Promise<{ start(): Promise<void>; close(): Promise<void> }>;
  print: (line: string) => void;
}

/** Prints what it found. Nothing is left running or changed. */
export async function doctor(parts: DoctorParts): Promise<ExitCode> {
  const { options, print } = parts;
  const findings: Finding[] = [];
  const exitCode = await examine(parts, findings);
  if (options.json === true) {
    print(json(findings, exitCode));
  } else {
    for (const line of lines(findings)) print(line);
    print(summary(findings));
  }
  return exitCode;
}

async function examine(parts: DoctorParts, findings: Finding[]): Promise<ExitCode> {
  try {
    const common = commonOptions(parts.options);
    const ran = parts.options.from === undefined ? examineHere : examineThere;
    if (!(await ran(parts, common, findings))) return 2;
    return hasFailure(findings) ? 1 : 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    findings.push({ check: 'doctor', status: 'fail', text: error.message, fix: error.fix });
    return 2;
  }
}

/** Options that make no sense. */
class UsageError extends Error {
  readonly fix: string;

  constructor(text: string, fix: string) {
    super(text);
    this.fix = fix;
  }
}

type Common = Pick<ReachabilityOptions, 'roots' | 'connectTo' | 'stepMs'>;

function commonOptions({ ca = [], connectTo = [], timeout = '5' }: DoctorOptions): Common {
  const seconds = Number(timeout);
  if (!(seconds > 0 && seconds <= 30)) throw new UsageError(`--timeout: got ${timeout}`, 'give seconds up to 30');
  try {
    return { roots: new Roots(ca), connectTo: new ConnectTo(connectTo), stepMs: seconds * 1000 };
  } catch (error) {
    throw new UsageError((error as Error).message, 'see `sluice doctor --help`');
  }
}

/** False where the checks could not run. */
async function examineHere(parts: DoctorParts, common: Common, findings: Finding[]): Promise<boolean> {
  const { config, findings: ofConfig } = checkConfig(parts.settle);
  findings.push(...ofConfig);
  if (config === undefined) return false;
  const { ntp = DEFAULT_NTP_SERVER } = parts.options;
  const certificates = checkCertificates(config, common.roots, new Date());
  const [addresses, redis, clock, running] = await Promise.all([
    checkAddresses(config),
    checkRedis(config),
    checkClock(ntp),
    whatRunsAt(localUrl(config), tokenFor(config, 'doctor', 'doctor')),
  ]);
  const runs = running.kind === 'ours' || running.kind === 'refuses';
  const ips = addresses.addresses?.media.map(({ bind }) => bind) ?? ['0.0.0.0', '::'];
  const ports = await checkPorts(config, ips, runs);
  const limits = checkLimits(config, ports.pid);
  findings.push(...ports.findings, ...addresses.findings, ...certificates.findings);
  findings.push(...redis, ...limits, ...clock);
  const startable = addresses.addresses !== undefined && !certificates.unusable && !hasFailure(ports.findings);
  findings.push(...(await reachHere(parts, config, common, { running, startable })));
  return true;
}

async function reachHere(
  { createServer }: DoctorParts,
  config: Config,
  common: Common,
  { running, startable }: { running: Running; startable: boolean },
): Promise<Finding[]> {
  const findings = new Findings('reachability');
  if (running.kind === 'ours') return checkReachability(reachOptions(config, common));
  if (running.kind === 'refuses') {
    findings.fail(
      `the server at ${localUrl(config)} refuses a token of this configuration: ${running.reason}`,
      'restart the server with this configuration, or correct keys',
    );
  } else if (running.kind === 'other' && startable) {
    findings.fail(
      `what answers at ${localUrl(config)} is no LiveKit server: ${running.reason}`,
      'stop it, or set port to a free one',
    );
  } else if (!startable) {
    findings.skip('not tried: the server does not start with the failures above');
  } else {
    return reachOwn(createServer, config, common);
  }
  return findings.list;
}

/** Against a server that runs for as long as that takes, by itself: no cluster is to give it rooms. */
async function reachOwn(createServer: DoctorParts['createServer'], config: Config, common: Common): Promise<Finding[]> {
  const findings = new Findings('reachability');
  let server: Awaited<ReturnType<DoctorParts['createServer']>> | undefined;
  try {
    server = await createServer({ ...config, redis: withoutRedis(config.redis) });
    await server.start();
  } catch (error) {
    await server?.close();
    const complaints = error instanceof ConfigError ? error.complaints : [(error as Error).message];
    for (const complaint of complaints) {
      findings.fail(`the server does not start: ${complaint}`, 'mend what it says; `sluice` itself tells the same');
    }
    return findings.list;
  }
  try {
    return await checkReachability(reachOptions(config, common));
  } finally {
    await server.close();
  }
}

function withoutRedis(redis: Config['redis']): Config['redis'] {
  return { ...redis, address: '', sentinel_addresses: [], cluster_addresses: [] };
}

function reachOptions(config: Config, common: Common): ReachabilityOptions {
  const turn = turnCertificate(config);
  const interfaces = Object.values(networkInterfaces()).flatMap((infos) => infos ?? []);
  return {
    ...common,
    url: localUrl(config).replace(/^http/, 'ws'),
    token: (room, identity) => tokenFor(config, room, identity),
    oneVisit: false,
    trustApi: false,
    judgedNames: turn === undefined ? [] : [config.turn.domain],
    ownAddresses: interfaces.map(({ address }) => address),
    lenientNat: config.rtc.skip_external_ip_validation,
    udpPorts: udpPorts(config),
  };
}

/** Only what shows from outside. */
async function examineThere(parts: DoctorParts, common: Common, findings: Finding[]): Promise<boolean> {
  const { options, configGiven } = parts;
  const url = signalUrl(options.from ?? '');
  let config: Config | undefined;
  if (configGiven) {
    const checked = checkConfig(parts.settle);
    config = checked.config;
    if (config === undefined) {
      findings.push(...checked.findings);
      return false;
    }
  }
  const { token } = options;
  const keys = keysFor(options, config);
  if (token === undefined && keys === undefined) {
    throw new UsageError(
      '--from needs something to join with',
      'give --config, --api-key and --api-secret, or --token',
    );
  }
  findings.push(
    ...(await checkReachability({
      ...common,
      url,
      token: (room, identity) => token ?? sign(keys ?? {}, room, identity),
      oneVisit: token !== undefined,
      trustApi: true,
      judgedNames: [],
      ownAddresses: undefined,
      lenientNat: false,
      udpPorts: config === undefined ? undefined : udpPorts(config),
    })),
  );
  return true;
}

function keysFor({ apiKey, apiSecret }: DoctorOptions, config: Config | undefined): Record<string, string> | undefined {
  if (apiKey !== undefined && apiSecret !== undefined) return { [apiKey]: apiSecret };
  return config?.keys;
}

function signalUrl(from: string): string {
  const [, scheme, rest = ''] = /^(https?|wss?):\/\/([^/?#]+)/.exec(from) ?? [];
  if (scheme === undefined)
    throw new UsageError(`--from: ${from} is no URL`, 'give an address such as https://sluice.example.com');
  return `${scheme.replace('http', 'ws')}://${rest}`;
}

/** Where the server of a configuration answers on this machine. */
function localUrl(config: Config): string {
  const [bound = ''] = config.bind_addresses;
  const host = bound === '' || bound === '0.0.0.0' ? '127.0.0.1' : bound === '::' ? '::1' : bound;
  const scheme = apiCertificate(config) === undefined ? 'http' : 'https';
  return `${scheme}://${urlHost(host)}:${config.port}`;
}

function tokenFor({ keys }: Config, room: string, identity: string): string {
  return sign(keys, room, identity);
}

/** For a room of our own that nobody sees us in. */
function sign(keys: Record<string, string>, room: string, identity: string): string {
  const now = new Date();
  const video = {
    roomJoin: true,
    roomCreate: true,
    room,
    canPublish: true,
    canPublishData: true,
    canSubscribe: false,
    hidden: true,
  };
  return mintToken(new Keys(keys), { video }, identity, Math.floor(now.getTime() / 1000) + TOKEN_TTL_S, now);
}

function udpPorts({ rtc }: Config): string {
  const { udp_port: shared } = rtc;
  if (shared === undefined) return `${rtc.port_range_start}-${rtc.port_range_end}`;
  return shared.start === shared.end ? String(shared.start) : `${shared.start}-${shared.end}`;
}

const TOKEN_TTL_S = 600;
