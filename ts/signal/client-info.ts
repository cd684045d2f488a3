/** Who is calling: what the client says of itself, its address, and what its User-Agent tells (livekit-facts 1.3, 1.8). */

import { ClientInfo, ClientInfo_Capability, ClientInfo_SDK } from '@livekit/protocol';
import { UAParser } from 'ua-parser-js';

export interface ClientOrigin {
  readonly headers: ReadonlyMap<string, string>;
  readonly remoteAddress: string;
}

/** From the query of a connection without `join_request`. */
export function clientInfoFromQuery(form: URLSearchParams, origin: ClientOrigin): ClientInfo {
  const info = new ClientInfo({
    sdk: SDKS[form.get('sdk') ?? ''] ?? ClientInfo_SDK.UNKNOWN,
    version: form.get('version') ?? '',
    protocol: integer(form.get('protocol')),
    clientProtocol: integer(form.get('client_protocol')),
    os: form.get('os') ?? '',
    osVersion: form.get('os_version') ?? '',
    deviceModel: form.get('device_model') ?? '',
    browser: form.get('browser') ?? '',
    browserVersion: form.get('browser_version') ?? '',
    network: form.get('network') ?? '',
    capabilities: capabilities(form.get('capabilities') ?? ''),
  });
  return completeClientInfo(info, origin);
}

/** Sets the address, and for SDKs that run in browsers fills what they left out from the User-Agent. */
export function completeClientInfo(info: ClientInfo, origin: ClientOrigin): ClientInfo {
  const complete = info.clone();
  complete.address = clientAddress(origin);
  if (BROWSER_SDKS.has(info.sdk)) fillFromUserAgent(complete, origin.headers.get('user-agent') ?? '');
  return complete;
}

/** Proxies tell the real address; `X-Forwarded-For` is taken whole, as livekit-server does. */
export function clientAddress({ headers, remoteAddress }: ClientOrigin): string {
  return headers.get('cf-connecting-ip') || headers.get('x-forwarded-for') || headers.get('x-real-ip') || remoteAddress;
}

function fillFromUserAgent(info: ClientInfo, userAgent: string): void {
  const { browser, os, device } = parseUserAgent(userAgent);
  if (info.browser === '') {
    const studio = OBS_STUDIO.exec(userAgent)?.[1];
    info.browser = studio === undefined ? (BROWSER_NAMES[browser.name ?? ''] ?? browser.name ?? OTHER) : 'OBS Studio';
    info.browserVersion = studio ?? browser.version ?? '';
  }
  if (info.os === '') {
    info.os = OS_NAMES[os.name ?? ''] ?? os.name ?? OTHER;
    info.osVersion = os.version ?? '';
  }
  if (info.deviceModel === '') info.deviceModel = DEVICE_NAMES[device.model ?? ''] ?? device.model ?? OTHER;
}

/** Parsing one takes longer than all else that a request is read for, and many clients send the same. */
function parseUserAgent(userAgent: string): UserAgent {
  const known = userAgents.get(userAgent);
  if (known !== undefined) return known;
  const { browser, os, device } = new UAParser(userAgent).getResult();
  if (userAgents.size >= MAX_USER_AGENTS) userAgents.clear();
  const parsed = { browser, os, device };
  if (userAgent.length <= MAX_KEPT_LENGTH) userAgents.set(userAgent, parsed);
  return parsed;
}

type UserAgent = Pick<ReturnType<UAParser['getResult']>, 'browser' | 'os' | 'device'>;
const userAgents = new Map<string, UserAgent>();
/** A few hundred kilobytes; fewer are parsed again where clients are many and varied. */
const MAX_USER_AGENTS = 512;
/** Characters; no real one is longer. */
const MAX_KEPT_LENGTH = 512;

function capabilities(list: string): ClientInfo_Capability[] {
  return list
    .split(',')
    .map((name) => ClientInfo_Capability[name.trim() as keyof typeof ClientInfo_Capability])
    .filter((value) => typeof value === 'number');
}

/** A 32-bit number, 0 for anything else. */
function integer(text: string | null): number {
  const value = text !== null && /^[+-]?\d+$/.test(text) ? Number(text) : 0;
  return Math.abs(value) <= MAX_INT32 ? value : 0;
}

const MAX_INT32 = 0x7fff_ffff;
const OTHER = 'Other';
const OBS_STUDIO = /OBS-Studio\/([0-9.]+)/;

const SDKS: Readonly<Record<string, ClientInfo_SDK>> = {
  js: ClientInfo_SDK.JS,
  ios: ClientInfo_SDK.SWIFT,
  swift: ClientInfo_SDK.SWIFT,
  android: ClientInfo_SDK.ANDROID,
  flutter: ClientInfo_SDK.FLUTTER,
  go: ClientInfo_SDK.GO,
  unity: ClientInfo_SDK.UNITY,
  reactnative: ClientInfo_SDK.REACT_NATIVE,
  rust: ClientInfo_SDK.RUST,
  python: ClientInfo_SDK.PYTHON,
  cpp: ClientInfo_SDK.CPP,
  unityweb: ClientInfo_SDK.UNITY_WEB,
  node: ClientInfo_SDK.NODE,
  esp32: ClientInfo_SDK.ESP32,
};

const BROWSER_SDKS: ReadonlySet<ClientInfo_SDK> = new Set([
  ClientInfo_SDK.JS,
  ClientInfo_SDK.REACT_NATIVE,
  ClientInfo_SDK.FLUTTER,
  ClientInfo_SDK.UNITY,
  ClientInfo_SDK.UNKNOWN,
]);

/** Names as the parser of livekit-server (uap-core) gives them, where ours differ. */
const BROWSER_NAMES: Readonly<Record<string, string>> = {
  'Mobile Chrome': 'Chrome Mobile',
  'Mobile Firefox': 'Firefox Mobile',
  'Chrome WebView': 'Chrome Mobile WebView',
  'Chrome Headless': 'HeadlessChrome',
  'Samsung Browser': 'Samsung Internet',
};
const OS_NAMES: Readonly<Record<string, string>> = { 'Mac OS': 'Mac OS X', 'Chromium OS': 'Chrome OS' };
const DEVICE_NAMES: Readonly<Record<string, string>> = { Macintosh: 'Mac' };
