/** One of a participant's two peer connections: its transport, and how descriptions tell it. */

import { randomInt } from 'node:crypto';
import {
  type LocalSection,
  parseDescription,
  type RemoteDescription,
  writeDescription,
} from '../../../ts/negotiate/sdp.ts';
import type { Transport } from './api.ts';

export class Line {
  readonly transport: Transport;
  readonly #sessionId = String(randomInt(2 ** 47));
  #version = 0;
  #connected = false;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  describe(setup: 'actpass' | 'passive', sections: LocalSection[]): string {
    const { iceParameters, iceCandidates, dtlsParameters } = this.transport;
    const fingerprint = dtlsParameters.fingerprints.find(({ algorithm }) => algorithm === 'sha-256');
    if (fingerprint === undefined) throw new Error('mediasoup has no SHA-256 fingerprint');
    this.#version += 1;
    return writeDescription({
      sessionId: this.#sessionId,
      version: this.#version,
      ice: { ufrag: iceParameters.usernameFragment, pwd: iceParameters.password },
      iceLite: true,
      fingerprint,
      setup,
      sections,
      candidates: iceCandidates.map(({ type, ...candidate }) => ({ ...candidate, kind: type })),
    });
  }

  /** Takes the client's first description; the later ones say nothing new of the transport. */
  async connect(sdp: string): Promise<void> {
    if (this.#connected) return;
    this.#connected = true;
    const { fingerprints, setup } = parseDescription(sdp);
    await this.transport.connect({ dtlsParameters: { role: clientRole(setup), fingerprints } });
  }
}

/** We let the client begin wherever it lets us choose (RFC 5763 section 5). */
function clientRole(setup: RemoteDescription['setup']): 'client' | 'server' {
  return setup === 'passive' ? 'server' : 'client';
}
