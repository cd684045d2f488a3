/** Who holds which port, as the Linux kernel tells it in /proc. */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { isIPv4, SocketAddress } from 'node:net';

export interface Listener {
  protocol: 'udp' | 'tcp';
  ip: string;
  port: number;
  inode: string;
}

/** Undefined where the process is not ours to look at. */
export type Owner = { pid: number; command: string } | undefined;

/** Listening TCP sockets and bound UDP sockets; undefined where there is no /proc. */
export function readListeners(): Listener[] | undefined {
  const tables = (['tcp', 'udp'] as const).flatMap((protocol) =>
    ['', '6'].flatMap((suffix) => {
      try {
        const text = readFileSync(`/proc/net/${protocol}${suffix}`, 'utf8');
        return [parseTable(protocol, text)];
      } catch {
        return [];
      }
    }),
  );
  return tables.length === 0 ? undefined : tables.flat();
}

/** Rows of one of the kernel's tables (proc(5)): address and port in hexadecimal, state, inode. */
export function parseTable(protocol: Listener['protocol'], text: string): Listener[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((row) => {
      const [, local = '', , state, , , , , , inode = ''] = row.trim().split(/\s+/);
      const [address = '', port = ''] = local.split(':');
      if (state !== (protocol === 'tcp' ? TCP_LISTEN : UDP_UNCONNECTED) || port === '') return [];
      return [{ protocol, ip: readAddress(address), port: Number.parseInt(port, 16), inode }];
    });
}

/** Each 32-bit word is written as a number of the machine's byte order, which on Linux servers is little-endian. */
function readAddress(hex: string): string {
  const words = hex.match(/.{8}/g) ?? [];
  const bytes = words.flatMap((word) => (word.match(/../g) ?? []).reverse().map((pair) => Number.parseInt(pair, 16)));
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, index) =>
    (((bytes[2 * index] ?? 0) << 8) | (bytes[2 * index + 1] ?? 0)).toString(16),
  );
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
}

/** True where a listener takes what comes to `ip`, or keeps another one from doing so. */
export function covers(listener: Listener, ip: string): boolean {
  if (listener.ip === '::' || ip === '::' || ip === '') return true;
  if (isIPv4(listener.ip) !== isIPv4(ip)) return false;
  return listener.ip === ip || listener.ip === '0.0.0.0' || ip === '0.0.0.0';
}

/** Which process holds each socket, for all processes that this user may look at; built once, it reads a lot. */
export class Owners {
  readonly #byInode = new Map<string, number>();

  constructor() {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      for (const inode of socketsOf(pid)) this.#byInode.set(inode, Number(pid));
    }
  }

  of({ inode }: Listener): Owner {
    const pid = this.#byInode.get(inode);
    return pid === undefined ? undefined : { pid, command: commandOf(pid) };
  }
}

function socketsOf(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.slice(1, 2) ?? [];
      } catch {
        // Closed meanwhile.
        return [];
      }
    });
  } catch {
    // Somebody else's, or gone.
    return [];
  }
}

function commandOf(pid: number): string {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim();
    const name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
    return words === '' ? name : words.slice(0, MAX_COMMAND);
  } catch {
    return 'a process that ended';
  }
}

const TCP_LISTEN = '0A';
const UDP_UNCONNECTED = '07';
const MAX_COMMAND = 60;
