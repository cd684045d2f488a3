/** An authority of this run, and certificates that it signs. */

import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificate {
  cert_file: string;
  key_file: string;
}

export class Authority {
  /** Its own certificate, for those who are to trust it. */
  readonly file: string;
  readonly #folder: string;
  readonly #key: string;

  /** Writes into this folder. */
  constructor(folder: string) {
    this.#folder = folder;
    this.file = join(folder, 'authority.pem');
    this.#key = join(folder, 'authority-key.pem');
    const names = ['-subj', '/CN=Sluice test authority', '-addext', 'basicConstraints=critical,CA:TRUE'];
    openssl(['req', '-x509', ...newKey(this.#key), '-days', '7', ...names, '-out', this.file]);
  }

  /** A certificate for a name or an address. */
  sign(name: string): Certificate {
    const [cert_file, key_file] = [join(this.#folder, `${name}.pem`), join(this.#folder, `${name}-key.pem`)];
    const [request, extensions] = [`${cert_file}.request`, `${cert_file}.extensions`];
    openssl(['req', '-new', ...newKey(key_file), '-subj', `/CN=${name}`, '-out', request]);
    const kind = /^[\d.]+$|:/.test(name) ? 'IP' : 'DNS';
    writeFileSync(extensions, `subjectAltName=${kind}:${name}\nextendedKeyUsage=serverAuth\n`);
    const authority = ['-CA', this.file, '-CAkey', this.#key, '-CAcreateserial'];
    openssl(['x509', '-req', '-in', request, ...authority, '-days', '7', '-extfile', extensions, '-out', cert_file]);
    return { cert_file, key_file };
  }

  /** Makes the Chromium whose home this is trust the authority. */
  trustInBrowser(home: string): void {
    const database = join(home, '.pki/nssdb');
    mkdirSync(database, { recursive: true });
    execFileSync('certutil', ['-d', `sql:${database}`, '-N', '--empty-password']);
    execFileSync('certutil', ['-d', `sql:${database}`, '-A', '-t', 'C,,', '-n', 'sluice-test', '-i', this.file]);
  }
}

function newKey(file: string): string[] {
  return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', file];
}

function openssl(args: string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
