/**
 * Which way a client's media is to take after others failed (livekit-facts 12.3). Both peer connections follow one
 * preference: what broke one of them breaks the other soon.
 *
 *     any ──UDP failed──▶ tcp ──TCP failed──▶ tls
 *      └──UDP failed, no ICE-TCP──────────────▲
 *     tcp, tls ──never connected, nothing better left──▶ any
 *
 * One failure leads to one step; the next counts once the client has come back.
 */

import type { CandidatePreference } from '../negotiate/types.ts';
import type { Clock } from './clock.ts';

/** What a transport used; undefined where nothing ever connected since it last began to look. */
export type UsedPath = 'udp' | 'tcp' | 'relay' | undefined;

export interface FallbackSettings {
  /** `rtc.allow_tcp_fallback`: false keeps everybody where ICE leads. */
  allowed: boolean;
  /** This node takes ICE over TCP. */
  tcp: boolean;
  /** Clients can be sent to a TURN server over TLS. */
  tls: boolean;
  /** TCP is worth it below this round trip of the signal connection, in milliseconds; 0 for always. */
  tcpRttThresholdMs: number;
  /** Leave UDP where it loses much; needs the threshold. */
  udpUnstable: boolean;
}

export interface FallbackOptions {
  clock: Clock;
  settings: FallbackSettings;
  /** The client can connect by ICE over TCP. */
  clientTcp: boolean;
  preference: CandidatePreference;
  /** When the client was last heard of on its socket; undefined while it has none. */
  heardAt: () => number | undefined;
  changed: (preference: CandidatePreference) => void;
}

/** A receiver's report on what we send over UDP. */
export interface LossReport {
  /** 0 to 1. */
  loss: number;
  rttMs: number;
}

export class Fallback {
  readonly #options: FallbackOptions;
  #preference: CandidatePreference;
  #signalRttMs: number | undefined;
  #udpRttMs: number | undefined;
  #failures = 0;
  #failedAt = 0;
  #stepped = false;
  /** One per report, the latest last. */
  #lossy: boolean[] = [];

  constructor(options: FallbackOptions) {
    this.#options = options;
    this.#preference = options.preference;
  }

  get preference(): CandidatePreference {
    return this.#preference;
  }

  /** A failure has led to another preference, and the client has not come back since. */
  get stepped(): boolean {
    return this.#stepped;
  }

  /** Round trip of the signal connection. */
  get signalRttMs(): number | undefined {
    return this.#signalRttMs;
  }

  setSignalRtt(ms: number): void {
    this.#signalRttMs = ms;
  }

  /** A transport failed. `short`: it had not stood for long. */
  failed(used: UsedPath, short: boolean): void {
    if (!this.#options.settings.allowed || this.#stepped) return;
    if (!this.#reachable()) {
      // The client's network is gone as a whole, which says nothing of the path.
      this.#failures = 0;
      return;
    }
    if (!short && !this.#failedTwice()) return;
    const next = this.#next(used);
    if (next === this.#preference) return;
    this.#failures = 0;
    this.#lossy = [];
    this.#stepped = true;
    this.#set(next);
  }

  #failedTwice(): boolean {
    const now = this.#options.clock.now();
    const recent = this.#failures > 0 && now - this.#failedAt <= FAILURE_WINDOW_MS;
    this.#failures = recent ? this.#failures + 1 : 1;
    this.#failedAt = now;
    return this.#failures >= FAILURES;
  }

  #next(used: UsedPath): CandidatePreference {
    const { settings } = this.#options;
    switch (used) {
      case 'udp':
        if (this.#preference !== 'any') return this.#preference;
        if (this.#mayUseTcp()) return 'tcp';
        return settings.tls ? 'tls' : 'any';
      case 'tcp':
        return settings.tls ? 'tls' : this.#preference;
      case 'relay':
        return this.#preference;
      case undefined:
        return this.#preference === 'tcp' && settings.tls ? 'tls' : 'any';
    }
  }

  #mayUseTcp(): boolean {
    const { settings, clientTcp } = this.#options;
    const { tcpRttThresholdMs: threshold } = settings;
    return settings.tcp && clientTcp && (threshold === 0 || (this.#signalRttMs ?? 0) < threshold);
  }

  #reachable(): boolean {
    const { clock, heardAt } = this.#options;
    const at = heardAt();
    return at !== undefined && clock.now() - at < REACHABLE_MS;
  }

  /** True where UDP has lost so much that the client was moved away from it. */
  reported({ loss, rttMs }: LossReport): boolean {
    const { settings } = this.#options;
    if (!settings.udpUnstable || settings.tcpRttThresholdMs === 0 || this.#preference !== 'any') return false;
    this.#udpRttMs = this.#udpRttMs === undefined ? rttMs : (this.#udpRttMs + rttMs) / 2;
    this.#lossy = [...this.#lossy.slice(1 - REPORTS), loss >= LOSSY];
    if (this.#lossy.filter(Boolean).length < LOSSY_REPORTS || !this.#tcpIsAsNear(this.#udpRttMs)) return false;
    this.failed('udp', true);
    return this.#stepped;
  }

  #tcpIsAsNear(udpRttMs: number): boolean {
    const { tcpRttThresholdMs } = this.#options.settings;
    const signal = this.#signalRttMs ?? 0;
    return udpRttMs > 0 && signal < udpRttMs * TCP_RTT_FACTOR && signal < tcpRttThresholdMs;
  }

  /** Takes a preference whatever came before: the client came back, or asked for it. */
  restart(preference: CandidatePreference): void {
    this.#stepped = false;
    this.#lossy = [];
    this.#set(preference);
  }

  #set(preference: CandidatePreference): void {
    if (this.#preference === preference) return;
    this.#preference = preference;
    this.#options.changed(preference);
  }
}

/** A client counts as reachable for as long as its pings may be away. */
const REACHABLE_MS = 15_000;
const FAILURES = 2;
const FAILURE_WINDOW_MS = 60_000;
const LOSSY = 0.25;
const REPORTS = 32;
const LOSSY_REPORTS = 20;
/** TCP must not be much farther than UDP: its round trip is that of the signal connection. */
const TCP_RTT_FACTOR = 1.3;
