/** The addon's prober: one way into a server, tried to its end (`crates/net/src/probe`). */

import { loadNative, type NativeProber } from '../media/native.ts';

/** What to try; the mirror of `crates/net/src/probe/request.rs`. Addresses are `ip:port`. */
export type Way =
  | { kind: 'udp' | 'tcp'; candidate: string }
  | { kind: 'turn-udp' | 'turn-tcp'; turn: TurnLogin }
  | { kind: 'turn-tls'; turn: TurnLogin; serverName: string };

export interface TurnLogin {
  server: string;
  username: string;
  credential: string;
  /** The server's candidate to reach through the relay. */
  peer: string;
}

/** The server's answer to an offer. */
export interface RemoteSide {
  ufrag: string;
  pwd: string;
  lite: boolean;
  active: boolean;
  fingerprints: [algorithm: string, value: string][];
}

export type StepName = 'connect' | 'tls' | 'allocate' | 'permit' | 'channel' | 'ice' | 'dtls' | 'data';

export interface Step {
  step: StepName;
  ok: boolean;
  ms: number;
  /** Why not, or what is worth knowing. */
  detail: string;
}

export class Prober {
  readonly fingerprint: string;
  readonly #native: NativeProber;

  /** Throws where there is no addon. */
  constructor() {
    const { Prober: Native } = loadNative();
    this.#native = new Native();
    this.fingerprint = this.#native.fingerprint();
  }

  /** The steps up to the last one or the first that failed. */
  async probe(way: Way, local: { ufrag: string; pwd: string }, remote: RemoteSide, stepMs: number): Promise<Step[]> {
    const report = await this.#native.probe(JSON.stringify({ way, local, remote, stepMs }));
    return (JSON.parse(report) as { steps: Step[] }).steps;
  }
}
