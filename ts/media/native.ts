/** The addon's face, and where it lies. The only importer of the addon. */

import { createRequire } from 'node:module';
import type { Fingerprint } from './commands.ts';
import type { Event } from './events.ts';

/** What the workers are told once: the mirror of `crates/net/src/config.rs`, where each field is explained. */
export interface EngineConfig {
  workers: number;
  /** Absent for TCP alone. */
  udp?: { portRangeStart: number; portRangeEnd: number } | { muxPorts: number[]; commonPorts?: number[] };
  /** Where ICE over TCP listens, at every address. */
  tcp?: { port: number };
  turn?: TurnConfig;
  addresses: MediaAddress[];
  audio?: { activeLevel: number; minPercentile: number; updateIntervalMs: number; smoothIntervals: number };
  pliThrottleMs?: [low: number, mid: number, high: number];
  packetBufferVideo?: number;
  packetBufferAudio?: number;
  receiveBufferBytes?: number;
  maxFlushIntervalUs?: number;
  pinWorkers?: boolean;
}

/** The TURN server inside. */
export interface TurnConfig {
  realm: string;
  udpPort?: number;
  /** `external`: plain TCP, a balancer in front ends TLS. */
  tls?: { port: number; external: boolean };
  bindAddresses: string[];
  /** At most one per address family. */
  relayAddresses: MediaAddress[];
  relayRangeStart: number;
  relayRangeEnd: number;
  /** 0 for no limit. */
  allocationsPerUser: number;
  credentials: { apiKey: string; apiSecret: string }[];
  allowPublicPeers: boolean;
  allowRestrictedPeerCidrs: string[];
  denyPeerCidrs: string[];
}

/** A local address, and what clients are told of it. */
export interface MediaAddress {
  bind: string;
  advertise: string;
}

/** What an engine says of itself. */
export interface EngineInfo {
  workers: number;
  fingerprint: Fingerprint;
  /** For the operator's log: limits of the system, with the line that mends each. */
  warnings: string[];
}

/** Reports of the engine itself, among the workers' events. */
export type EngineEvent =
  | { type: 'workerFailed'; worker: number; detail: string }
  | { type: 'log'; level: 'warn' | 'error'; target: string; message: string; fields: Record<string, string> };

/** What `takeEvents` yields, as JSON. */
export type Report = Event | EngineEvent;

/** `native/src/lib.rs`. */
export interface NativeEngine {
  submit(worker: number, commandsJson: string): void;
  /** PEM; for TURN handshakes from now on. Throws what is wrong with it, and keeps the former one then. */
  setTurnCertificate(certPem: string, keyPem: string): void;
  takeEvents(): string | null;
  info(): string;
  close(): void;
}

/** The client side of `sluice doctor`. */
export interface NativeProber {
  fingerprint(): string;
  /** JSON both ways; rejects for a malformed request. */
  probe(requestJson: string): Promise<string>;
}

export interface Native {
  Engine: new (configJson: string, wake: () => void) => NativeEngine;
  Prober: new () => NativeProber;
}

/** Loads the addon: from the source tree or the package that holds it, else from the platform's own package. */
export function loadNative(): Native {
  const require = createRequire(import.meta.url);
  const platform = `${process.platform}-${process.arch}`;
  // The same two steps up from `ts/media` and from `dist/media`.
  const places = [`../../native/sluice.${platform}.node`, `sluice-${platform}`];
  const failures: string[] = [];
  for (const place of places) {
    try {
      return require(place) as Native;
    } catch (error) {
      failures.push(`  ${place}: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`);
    }
  }
  throw new Error(`there is no media engine for ${platform}:\n${failures.join('\n')}`);
}
