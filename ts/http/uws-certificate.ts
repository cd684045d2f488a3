/** uWebSockets.js takes certificates as names of files only; they need to exist while it reads them, and no longer. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Certificate } from '../lib/certificate.ts';

/**
 * Writes a pair where only we can read it, in memory where the system has such a place, and takes it away again. The
 * operator's own files won't do: they may change between the check and the use.
 */
export function withCertificateFiles<T>(certificate: Certificate, use: (cert: string, key: string) => T): T {
  const folder = privateFolder();
  try {
    const cert = join(folder, 'cert.pem');
    const key = join(folder, 'key.pem');
    writeFileSync(cert, certificate.certPem, { mode: 0o600 });
    writeFileSync(key, certificate.keyPem, { mode: 0o600 });
    return use(cert, key);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function privateFolder(): string {
  try {
    return mkdtempSync(join(MEMORY, 'sluice-'));
  } catch {
    // Not Linux, or a container without it.
    return mkdtempSync(join(tmpdir(), 'sluice-'));
  }
}

const MEMORY = '/dev/shm';
