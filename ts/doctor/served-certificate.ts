/** The certificate that a server shows, judged as a client would judge it. */

import { isIP } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';

export interface Served {
  /** Undefined where clients take it. */
  problem: string | undefined;
}

/** Rejects where nothing that speaks TLS answers. */
export function servedCertificate(
  { host, port }: { host: string; port: number },
  serverName: string,
  roots: readonly string[],
): Promise<Served> {
  return new Promise((resolve, reject) => {
    const name = isIP(serverName) === 0 ? { servername: serverName } : {};
    // Checked after the handshake, against the name that clients use.
    const socket: TLSSocket = connect({ host, port, ...name, ca: [...roots], rejectUnauthorized: false }, () => {
      socket.destroy();
      resolve({ problem: problemOf(socket) });
    });
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
    socket.on('error', reject);
  });
}

function problemOf(socket: TLSSocket): string | undefined {
  if (socket.authorized) return undefined;
  // An error object or its code, by the version of Node.js.
  const error: unknown = socket.authorizationError;
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : String(error);
  return WORDS[code] ?? code;
}

const TIMEOUT_MS = 5000;
const WORDS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'it is expired',
  CERT_NOT_YET_VALID: 'it is not valid yet',
  ERR_TLS_CERT_ALTNAME_INVALID: 'it is for other names',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it is signed by itself',
  SELF_SIGNED_CERT_IN_CHAIN: 'it is signed by a CA that clients do not know',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'the certificates that lead to a root are missing',
  UNABLE_TO_GET_ISSUER_CERT: 'the certificates that lead to a root are missing',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'the certificates that lead to a root are missing',
};
