/**
 * A certificate that follows its files. What can't be used is told once and never replaces what is in use.
 *
 * ```
 * built ──start()──► following ──change, reread(), poll──► following ──close()──► closed
 * ```
 */

import { existsSync, type FSWatcher, readlinkSync, statSync, watch } from 'node:fs';
import { join, parse, resolve, sep } from 'node:path';
import {
  type Certificate,
  CertificateError,
  type CertificateFacts,
  type CertificateSource,
  checkPair,
  isPem,
  readPair,
} from './certificate.ts';

export interface CertificateLog {
  info(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

export interface CertificateFilesParts {
  readonly source: CertificateSource;
  /** Puts a checked pair to use for new handshakes; what it throws makes the pair a bad one. */
  readonly use: (pair: Certificate) => void;
  readonly log: CertificateLog;
  readonly now: () => Date;
  /** Milliseconds without a change after which files count as written; certificate and key change one after the other. */
  readonly settleMs?: number;
  /** Milliseconds between looks at the files, whatever the system says of changes. */
  readonly pollMs?: number;
}

/** What a certificate went through, for metrics. */
export interface CertificateCounts {
  readonly section: string;
  /** Pairs put to use, the first one included. */
  readonly loaded: number;
  readonly refused: number;
  /** End of the pair in use. */
  readonly notAfter: Date | undefined;
}

export class CertificateFiles {
  readonly #parts: CertificateFilesParts;
  readonly #watchers = new Map<string, FSWatcher>();
  /** The texts looked at last, good or bad: the same bad pair is complained of once. */
  #seen: Certificate | string | undefined;
  #inUse: Certificate | undefined;
  #facts: CertificateFacts | undefined;
  #loaded = 0;
  #refused = 0;
  #settle: NodeJS.Timeout | undefined;
  #poll: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(parts: CertificateFilesParts) {
    this.#parts = parts;
  }

  get counts(): CertificateCounts {
    const { section } = this.#parts.source;
    return { section, loaded: this.#loaded, refused: this.#refused, notAfter: this.#facts?.notAfter };
  }

  /** Puts the pair to use and follows its files. Throws what is wrong with it, and follows nothing then. */
  start(): void {
    const pair = readPair(this.#parts.source);
    this.#seen = pair;
    this.#apply(pair);
    if (this.#paths().length === 0) return;
    this.#watchPlaces();
    this.#poll = setInterval(() => this.#glance(), this.#parts.pollMs ?? POLL_MS);
    this.#poll.unref();
  }

  /** Looks at once, and says so even where nothing changed. */
  reread(): void {
    if (!this.#closed) this.#look(true);
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#settle);
    clearInterval(this.#poll);
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #glance(): void {
    this.#watchPlaces();
    if (!same(this.#read(), this.#seen)) this.#changed();
  }

  #look(asked: boolean): void {
    clearTimeout(this.#settle);
    const found = this.#read();
    if (asked || !same(found, this.#seen)) {
      this.#seen = found;
      if (same(found, this.#inUse))
        this.#parts.log.info({}, `the ${this.#parts.source.section} certificate is unchanged`);
      else this.#try(found);
    }
    this.#watchPlaces();
  }

  /** The texts, or why they can't be read. */
  #read(): Certificate | string {
    try {
      return readPair(this.#parts.source);
    } catch (error) {
      return (error as Error).message;
    }
  }

  #try(found: Certificate | string): void {
    try {
      if (typeof found === 'string') throw new CertificateError(found);
      this.#apply(found);
    } catch (error) {
      this.#refused += 1;
      const { section, certFile } = this.#parts.source;
      this.#parts.log.error(
        { config: section, ...(isPem(certFile) ? {} : { file: certFile }), error: (error as Error).message },
        `keeping the former ${section} certificate`,
      );
    }
  }

  #apply(pair: Certificate): void {
    const { source, use, log, now } = this.#parts;
    const facts = checkPair(source, pair, now());
    try {
      use(pair);
    } catch (error) {
      throw new CertificateError(`${source.section}.cert_file can't be used: ${(error as Error).message}`, {
        cause: error,
      });
    }
    this.#inUse = pair;
    this.#facts = facts;
    this.#loaded += 1;
    log.info(
      { config: source.section, subject: facts.subject, notAfter: facts.notAfter.toISOString() },
      `using ${this.#loaded === 1 ? 'the' : 'a new'} ${source.section} certificate`,
    );
  }

  #paths(): string[] {
    const { certFile, keyFile } = this.#parts.source;
    return [certFile, keyFile].filter((value) => !isPem(value));
  }

  /** Folders, not files: a file that is replaced, or a link that is turned, is a change of its folder. */
  #watchPlaces(): void {
    const wanted = new Map(
      this.#paths()
        .flatMap(foldersOf)
        .map((folder) => [keyOf(folder), folder]),
    );
    for (const [key, watcher] of this.#watchers) {
      if (wanted.has(key)) continue;
      watcher.close();
      this.#watchers.delete(key);
    }
    for (const [key, folder] of wanted) {
      if (!this.#watchers.has(key)) this.#watch(key, folder);
    }
  }

  #watch(key: string, folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, () => this.#changed());
      watcher.on('error', () => this.#lost(key));
      this.#watchers.set(key, watcher);
    } catch {
      // A folder that is gone, or no watches left: the poll finds the change.
    }
  }

  #lost(key: string): void {
    this.#watchers.get(key)?.close();
    this.#watchers.delete(key);
  }

  #changed(): void {
    clearTimeout(this.#settle);
    if (this.#closed) return;
    this.#settle = setTimeout(() => this.#look(false), this.#parts.settleMs ?? SETTLE_MS);
    this.#settle.unref();
  }
}

/**
 * The folders in which a change could turn the path to another file: the file's own, and each that holds a link on the
 * way to it. Real paths: what is watched stays what it was while links turn.
 */
function foldersOf(path: string): string[] {
  const folders: string[] = [];
  const { root } = parse(resolve(path));
  let names = namesOf(resolve(path));
  let folder = root;
  for (let hops = 0; names.length > 0; ) {
    const [name = '', ...rest] = names;
    const link = readLink(join(folder, name));
    if (link === undefined) {
      if (rest.length === 0 || !existsSync(join(folder, name))) return [...folders, folder];
      folder = join(folder, name);
      names = rest;
    } else {
      hops += 1;
      folders.push(folder);
      if (hops > MAX_LINKS) return folders;
      names = [...namesOf(resolve(folder, link)), ...rest];
      folder = root;
    }
  }
  return folders;
}

function namesOf(path: string): string[] {
  return path.slice(parse(path).root.length).split(sep).filter(Boolean);
}

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** A folder that was removed and made again is another one. */
function keyOf(folder: string): string {
  return `${statSync(folder, { throwIfNoEntry: false })?.ino ?? 'none'} ${folder}`;
}

function same(left: Certificate | string, right: Certificate | string | undefined): boolean {
  if (typeof left === 'string' || typeof right === 'string') return left === right;
  return left.certPem === right?.certPem && left.keyPem === right?.keyPem;
}

const SETTLE_MS = 500;
const POLL_MS = 30_000;
/** Linux gives up after as many (`ELOOP`). */
const MAX_LINKS = 40;
