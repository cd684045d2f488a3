/**
 * Finds the addresses behind `.local` names by multicast DNS (RFC 6762 section 5.1), as browsers hide theirs in ICE
 * candidates. The system's own resolver is not asked: few servers have one for `.local`, and its lookups block threads
 * that everybody shares.
 *
 * ```
 * idle ──resolve()──► listening ──close()──► closed
 * ```
 */

import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv4, SocketAddress } from 'node:net';

export interface MdnsOptions {
  /** Where to ask from: the local addresses, and the interface of each. */
  locals: readonly { ip: string; interface: string }[];
  /** Told once for a socket that can't be had; names stay unknown there. */
  onError: (error: Error) => void;
  /** Milliseconds after which a question is asked again, and after the last it is given up. */
  waits?: readonly number[];
}

interface Question {
  answer: Promise<string | undefined>;
  settle(ip: string | undefined): void;
}

export class MdnsResolver {
  readonly #options: MdnsOptions;
  readonly #questions = new Map<string, Question>();
  #sockets: Promise<Asker[]> | undefined;
  #closed = false;

  constructor(options: MdnsOptions) {
    this.#options = options;
  }

  /** The address behind a name; undefined where nobody answers in time, or too much is being asked. */
  resolve(name: string): Promise<string | undefined> {
    const key = name.toLowerCase();
    const asked = this.#questions.get(key);
    if (asked !== undefined) return asked.answer;
    if (this.#closed || this.#questions.size >= MAX_QUESTIONS || !isMdnsName(key)) return Promise.resolve(undefined);
    let settle: Question['settle'] = () => {};
    const answer = new Promise<string | undefined>((resolve) => {
      settle = resolve;
    });
    this.#questions.set(key, { answer, settle });
    return this.#ask(key, answer, settle);
  }

  async #ask(name: string, answer: Promise<string | undefined>, settle: Question['settle']) {
    this.#sockets ??= this.#open();
    const query = encodeMdnsQuery(name);
    for (const wait of this.#options.waits ?? WAITS) {
      const sockets = await this.#sockets;
      if (this.#closed) break;
      for (const { socket, group } of sockets) socket.send(query, PORT, group, () => {});
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<'late'>((resolve) => {
        timer = setTimeout(() => resolve('late'), wait);
      });
      const first = await Promise.race([answer, late]);
      clearTimeout(timer);
      if (first !== 'late' || this.#closed) break;
    }
    settle(undefined);
    this.#questions.delete(name);
    return answer;
  }

  async #open(): Promise<Asker[]> {
    const opened = await Promise.all(this.#options.locals.map((local) => this.#openOne(local)));
    return opened.filter((asker) => asker !== undefined);
  }

  async #openOne(local: { ip: string; interface: string }): Promise<Asker | undefined> {
    const v4 = isIPv4(local.ip);
    const socket = createSocket({ type: v4 ? 'udp4' : 'udp6', reuseAddr: true, ipv6Only: !v4 });
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject);
        // The port is shared with whoever else speaks mDNS on this machine: all of them hear what is multicast.
        socket.bind(PORT, v4 ? '0.0.0.0' : '::', resolve);
      });
      const from = v4 ? local.ip : `::%${local.interface}`;
      socket.addMembership(v4 ? GROUP_V4 : GROUP_V6, from);
      socket.setMulticastInterface(from);
      socket.setMulticastTTL(255);
    } catch (error) {
      socket.close();
      this.#options.onError(error as Error);
      return undefined;
    }
    socket.on('error', this.#options.onError);
    socket.on('message', (bytes, from) => this.#handle(bytes, from));
    socket.unref();
    return { socket, group: v4 ? GROUP_V4 : `${GROUP_V6}%${local.interface}` };
  }

  #handle(bytes: Uint8Array, from: RemoteInfo): void {
    if (from.port !== PORT || this.#questions.size === 0) return;
    for (const { name, ip } of decodeMdnsAnswers(bytes)) this.#questions.get(name)?.settle(ip);
  }

  /** Questions that are open stay without an answer. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const { settle } of this.#questions.values()) settle(undefined);
    for (const { socket } of (await this.#sockets) ?? []) await new Promise<void>((resolve) => socket.close(resolve));
  }
}

interface Asker {
  socket: Socket;
  group: string;
}

/** True for the names that browsers make up, and no others: one label before `.local`. */
export function isMdnsName(name: string): boolean {
  return /^[a-z\d-]{1,63}\.local$/i.test(name);
}

/** Asks for both kinds of addresses of a name. */
export function encodeMdnsQuery(name: string): Buffer {
  const labels = name.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  const qname = Buffer.concat([...labels, Buffer.from([0])]);
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(2, 4);
  const question = (type: number) => Buffer.concat([qname, Buffer.from([0, type, 0, CLASS_INTERNET])]);
  return Buffer.concat([header, question(TYPE_A), question(TYPE_AAAA)]);
}

/** The addresses that a response tells, names in lower case; what is malformed ends the reading. */
export function decodeMdnsAnswers(bytes: Uint8Array): { name: string; ip: string }[] {
  const message = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: { name: string; ip: string }[] = [];
  // Responses only (the first bit), and only those without an error (the last four).
  if (message.length < HEADER_BYTES || (message.readUInt16BE(2) & 0x800f) !== 0x8000) return found;
  let at = HEADER_BYTES;
  for (let questions = message.readUInt16BE(4); questions > 0; questions--) {
    const name = readName(message, at);
    if (name === undefined) return found;
    at = name.end + 4;
  }
  const records = message.readUInt16BE(6) + message.readUInt16BE(8) + message.readUInt16BE(10);
  for (let record = 0; record < records; record++) {
    const name = readName(message, at);
    if (name === undefined || name.end + RECORD_BYTES > message.length) return found;
    const start = name.end + RECORD_BYTES;
    const end = start + message.readUInt16BE(name.end + 8);
    if (end > message.length) return found;
    const ip = readIp(message.readUInt16BE(name.end), message.subarray(start, end));
    if (ip !== undefined) found.push({ name: name.text, ip });
    at = end;
  }
  return found;
}

/** RFC 1035 section 4.1.4. Pointers lead backwards only, and not for long. */
function readName(message: Buffer, start: number): { text: string; end: number } | undefined {
  const labels: string[] = [];
  let end: number | undefined;
  let at = start;
  let lowest = start;
  for (let step = 0; step < MAX_STEPS; step++) {
    const length = message[at];
    if (length === undefined) return undefined;
    if (length === 0) return { text: labels.join('.').toLowerCase(), end: end ?? at + 1 };
    if (length >= 0xc0) {
      const low = message[at + 1];
      if (low === undefined) return undefined;
      const target = (length & 0x3f) * 256 + low;
      if (target >= lowest) return undefined;
      end ??= at + 2;
      lowest = target;
      at = target;
    } else {
      if (length > 63 || at + 1 + length > message.length) return undefined;
      labels.push(message.toString('latin1', at + 1, at + 1 + length));
      at += 1 + length;
    }
  }
  return undefined;
}

function readIp(type: number, data: Buffer): string | undefined {
  if (type === TYPE_A && data.length === 4) return data.join('.');
  if (type !== TYPE_AAAA || data.length !== 16) return undefined;
  const groups = Array.from({ length: 8 }, (_, index) => data.readUInt16BE(index * 2).toString(16));
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
}

const PORT = 5353;
const GROUP_V4 = '224.0.0.251';
const GROUP_V6 = 'ff02::fb';
const HEADER_BYTES = 12;
/** Type, class, lifetime and length. */
const RECORD_BYTES = 10;
const TYPE_A = 1;
const TYPE_AAAA = 28;
const CLASS_INTERNET = 1;
/** Labels and pointers of one name; ours have three. */
const MAX_STEPS = 32;
/** A browser answers within milliseconds; the later ones are for datagrams that were lost. */
const WAITS: readonly number[] = [500, 1000, 1500];
/** Asked for at a time: everything beyond is somebody's flood. */
const MAX_QUESTIONS = 256;
