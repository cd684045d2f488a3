import { RpcError } from '../lib/rpc-error.ts';

/** An address that an ingress worker fetches from. */
export interface PullUrl {
  /** In lower case. */
  readonly scheme: string;
  /** As stored: what has no place in a URL is escaped, everything else as it was given. */
  readonly text: string;
}

/**
 * Rejects with `invalid_argument` what is no URL. The text must survive as it is, also where `URL` would normalise it:
 * workers hand it to their media libraries.
 */
export function parsePullUrl(text: string): PullUrl {
  const fault = faultOf(text);
  if (fault !== undefined) throw new RpcError('invalid_argument', `parse ${JSON.stringify(text)}: ${fault}`);
  const [, scheme = '', rest = ''] = SCHEME.exec(text) ?? [undefined, '', text];
  const [, beforeFragment = '', fragment = ''] = /^([^#]*)(.*)$/su.exec(rest) ?? [];
  const [, path = '', query = ''] = /^([^?]*)(.*)$/su.exec(beforeFragment) ?? [];
  const lower = scheme.toLowerCase();
  return { scheme: lower, text: `${lower}${lower === '' ? '' : ':'}${escaped(path)}${query}${escaped(fragment)}` };
}

function faultOf(text: string): string | undefined {
  if (CONTROL.test(text)) return 'net/url: invalid control character in URL';
  if (text.startsWith(':')) return 'missing protocol scheme';
  const [, authority] = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/iu.exec(text) ?? [];
  if (authority?.includes(' ')) return 'invalid character " " in host name';
  const port = /^(?:.*@)?(?:\[[^\]]*\]|[^:[\]]*)(:.*)?$/u.exec(authority ?? '')?.[1];
  if (port !== undefined && !/^:\d*$/u.test(port)) return `invalid port ${JSON.stringify(port)} after host`;
  const broken = /%(?![0-9a-f]{2}).{0,2}/iu.exec(text.split('?', 1)[0] ?? '');
  return broken === null ? undefined : `invalid URL escape ${JSON.stringify(broken[0])}`;
}

function escaped(part: string): string {
  return part.replace(UNSAFE, (characters) => encodeURIComponent(characters));
}

const SCHEME = /^([a-z][a-z0-9+.-]*):(.*)$/isu;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const CONTROL = /[\u0000-\u001f\u007f]/u;
/** What a path does not carry as it is. */
const UNSAFE = /[\s"<>\\^`{|}\u0080-\u{10ffff}]+/gu;
