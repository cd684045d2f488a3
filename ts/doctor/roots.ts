/** The roots that clients are taken to trust: those of Node.js, which are Mozilla's, and what the operator adds. */

import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';

export class Roots {
  /** PEM, for TLS connections. */
  readonly pem: readonly string[];
  #parsed: X509Certificate[] | undefined;

  /** `files`: PEM files with further roots. Throws where one can't be read. */
  constructor(files: readonly string[]) {
    this.pem = [...rootCertificates, ...files.map((file) => readFileSync(file, 'utf8'))];
  }

  /** What is missing between the first certificate and a root; undefined where nothing is. */
  gap(chain: readonly X509Certificate[]): string | undefined {
    let [last] = chain;
    if (last === undefined) return 'there is no certificate';
    for (const next of chain.slice(1)) {
      if (this.#trusts(last)) return undefined;
      if (!last.checkIssued(next)) break;
      last = next;
    }
    if (this.#trusts(last)) return undefined;
    if (last.checkIssued(last)) return 'it is signed by itself or by a CA that clients do not know';
    return `the chain ends before a root: the certificate of ${oneLine(last.issuer)} is missing`;
  }

  #trusts(certificate: X509Certificate): boolean {
    this.#parsed ??= this.pem.flatMap((text) => (text.match(BLOCK) ?? []).map((block) => new X509Certificate(block)));
    return this.#parsed.some(
      (root) =>
        root.fingerprint256 === certificate.fingerprint256 ||
        (root.subject === certificate.issuer && certificate.checkIssued(root) && certificate.verify(root.publicKey)),
    );
  }
}

function oneLine(name: string): string {
  return name.replaceAll('\n', ', ');
}

const BLOCK = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;
