/**
 * One peer connection as negotiation sees it: its worker-side peer, our ICE credentials, and what the client told us
 * of its side.
 *
 *     opening ──peerOpened──▶ open ──setRemote──▶ described
 *        └────────────── peerClosed / close ───────▶ closed
 */

import { randomInt } from 'node:crypto';
import { SignalTarget } from '@livekit/protocol';
import { isMdnsName } from '../lib/mdns.ts';
import { randomChunk } from '../lib/random.ts';
import type { Candidate, Command, DtlsRole, IceCredentials, PeerId, WorkerId } from '../media/commands.ts';
import type { PeerEvent } from '../media/events.ts';
import type { MediaEngine } from '../media/types.ts';
import { formatCandidateInit, ownCandidates, parseCandidateInit, usable } from './candidates.ts';
import { extensionIds } from './extensions.ts';
import type { LocalSection, RemoteDescription, Section } from './sdp.ts';
import { writeDescription } from './sdp.ts';
import {
  type NameResolver,
  type NegotiationHost,
  type NegotiationOptions,
  TransportError,
  type TransportName,
} from './types.ts';

/** Thrown where a client's description makes no sense in the present state. */
export class NegotiationError extends Error {
  override name = 'NegotiationError';
}

/** What is kept of the client's description. */
type Remote = Pick<RemoteDescription, 'ice' | 'setup'>;

type State = 'opening' | 'open' | 'described' | 'closed';

export class Transport {
  readonly peer: PeerId;
  readonly name: TransportName;
  /** Resolves once sockets are open; rejects where there are none to be had. */
  readonly ready: Promise<void>;
  connected = false;
  #state: State = 'opening';
  readonly #engine: MediaEngine;
  readonly #worker: WorkerId;
  readonly #host: NegotiationHost;
  readonly #options: NegotiationOptions;
  readonly #primary: boolean;
  #local: IceCredentials;
  #remote: Remote | undefined;
  #candidates: Candidate[] = [];
  #trickled = false;
  /** The client's candidates that came before its description. */
  #early: Candidate[] = [];
  #remoteCandidates = 0;
  readonly #sessionId = String(randomInt(2 ** 40));
  #version = 1;
  #settle: { resolve: () => void; reject: (error: Error) => void } | undefined;

  constructor(
    engine: MediaEngine,
    host: NegotiationHost,
    options: NegotiationOptions,
    name: TransportName,
    primary: boolean,
  ) {
    this.#engine = engine;
    this.#host = host;
    this.#options = options;
    this.#worker = options.worker;
    this.#primary = primary;
    this.name = name;
    this.peer = engine.nextPeer();
    this.#local = freshCredentials(this.#worker);
    this.ready = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // Whoever negotiates sees the rejection; a session that never does must not end the process.
    this.ready.catch(() => {});
    engine.onPeer(this.peer, (event) => this.#onEvent(event));
    this.send({
      type: 'openPeer',
      peer: this.peer,
      ice: this.#local,
      iceLite: options.iceLite,
      // The offerer controls (RFC 8445 section 6.1.1), and a full agent controls a lite one.
      controlling: name === 'subscriber' && !options.iceLite,
    });
  }

  get closed(): boolean {
    return this.#state === 'closed';
  }

  send(command: Command): void {
    if (this.#state !== 'closed') this.#engine.send(this.#worker, command);
  }

  /** Takes the client's description. Returns true where its ICE credentials are new (first time or restart). */
  describe(remote: RemoteDescription): boolean {
    if (this.#state === 'closed') return false;
    const former = this.#remote;
    const fresh = former === undefined || former.ice.ufrag !== remote.ice.ufrag || former.ice.pwd !== remote.ice.pwd;
    this.#remote = { ice: { ufrag: detached(remote.ice.ufrag), pwd: detached(remote.ice.pwd) }, setup: remote.setup };
    this.#state = 'described';
    if (fresh) {
      this.#remoteCandidates = 0;
      this.send({
        type: 'setRemote',
        peer: this.peer,
        ice: remote.ice,
        iceLite: remote.iceLite,
        dtlsRole: this.dtlsRole,
        fingerprints: remote.fingerprints,
      });
    }
    for (const candidate of [...remote.candidates, ...this.#early.splice(0)]) this.#addCandidate(candidate);
    return fresh;
  }

  /** A client offer with other credentials than before asks for an ICE restart: ours change with them. */
  isRestart(remote: RemoteDescription): boolean {
    return this.#remote !== undefined && this.#remote.ice.ufrag !== remote.ice.ufrag;
  }

  /** New credentials for the next description. */
  restartIce(): void {
    this.#local = freshCredentials(this.#worker);
    this.#trickled = false;
    this.send({ type: 'restartIce', peer: this.peer, ice: this.#local });
  }

  get described(): boolean {
    return this.#state === 'described';
  }

  /** We wait for the client's hello unless it insists on waiting for ours. */
  get dtlsRole(): DtlsRole {
    return this.#remote?.setup === 'passive' ? 'active' : 'passive';
  }

  addCandidateInit(text: string): void {
    const candidate = parseCandidateInit(text);
    if (candidate === undefined || this.#state === 'closed') return;
    if (this.#state === 'described') this.#addCandidate(candidate);
    else if (this.#early.length < MAX_REMOTE_CANDIDATES) this.#early.push(candidate);
  }

  #addCandidate(candidate: Candidate): void {
    if (!this.#takes(candidate)) return;
    const { mdns } = this.#options;
    const hidden = mdns !== undefined && isMdnsName(candidate.ip);
    if (!hidden && usable(candidate) === undefined) return;
    if (++this.#remoteCandidates > MAX_REMOTE_CANDIDATES) return;
    if (hidden) void this.#addResolved(candidate, mdns);
    else this.send({ type: 'addRemoteCandidate', peer: this.peer, candidate });
  }

  async #addResolved(candidate: Candidate, mdns: NameResolver): Promise<void> {
    const { ufrag } = this.#remote?.ice ?? {};
    const ip = await mdns.resolve(candidate.ip);
    const resolved = ip === undefined ? undefined : usable({ ...candidate, ip });
    // After a restart meanwhile it is a candidate of the past.
    if (resolved === undefined || this.#remote?.ice.ufrag !== ufrag) return;
    this.send({ type: 'addRemoteCandidate', peer: this.peer, candidate: resolved });
  }

  /** Of the client's candidates. */
  #takes(candidate: Candidate): boolean {
    switch (this.#options.candidatePreference()) {
      case 'any':
        return true;
      case 'tcp':
        return candidate.protocol === 'tcp';
      case 'tls':
        return candidate.kind === 'relay';
    }
  }

  /** Of ours: relays send and receive UDP. */
  #offers(candidate: Candidate): boolean {
    switch (this.#options.candidatePreference()) {
      case 'any':
        return true;
      case 'tcp':
        return candidate.protocol === 'tcp';
      case 'tls':
        return candidate.protocol === 'udp';
    }
  }

  /** Our description of these sections. */
  write(sections: LocalSection[], setup: 'actpass' | 'active' | 'passive'): string {
    const accepted = (kind: 'audio' | 'video') =>
      extensionIds(sections.flatMap((section) => (section.kind === kind ? [section.extensions] : [])));
    this.send({ type: 'setExtensions', peer: this.peer, audio: accepted('audio'), video: accepted('video') });
    return writeDescription({
      sessionId: this.#sessionId,
      version: this.#version++,
      ice: this.#local,
      iceLite: this.#options.iceLite,
      fingerprint: this.#engine.fingerprint,
      setup,
      sections,
      candidates: this.#localCandidates(),
    });
  }

  #localCandidates(): Candidate[] {
    const offered = this.#candidates.filter((candidate) => this.#offers(candidate));
    return ownCandidates(offered, this.#options.addresses);
  }

  /** Sends our candidates once per set of credentials, the last marked final. */
  trickle(sections: Section[]): void {
    if (this.#trickled || this.#state === 'closed') return;
    this.#trickled = true;
    const target = this.name === 'publisher' ? SignalTarget.PUBLISHER : SignalTarget.SUBSCRIBER;
    const mid = sections[0]?.mid ?? '0';
    const candidates = this.#localCandidates();
    candidates.forEach((candidate, index) => {
      const init = formatCandidateInit(candidate, mid, this.#local.ufrag);
      this.#host.sendTrickle(init, target, index === candidates.length - 1);
    });
  }

  #onEvent(event: PeerEvent): void {
    if (this.#state === 'closed') return;
    switch (event.type) {
      case 'peerOpened':
        this.#candidates = event.candidates;
        if (this.#state === 'opening') this.#state = 'open';
        this.#settle?.resolve();
        break;
      case 'iceState':
        this.#host.onIceState(this.name, event.state, event.pair);
        break;
      case 'peerConnected':
        this.connected = true;
        this.#host.onConnected(this.name, this.#primary, { iceMs: event.iceMs, dtlsMs: event.dtlsMs });
        break;
      case 'peerClosed':
        this.#settle?.reject(new TransportError(event.reason, event.detail));
        this.#end();
        this.#host.onTransportClosed(this.name, event.reason, event.detail);
        break;
      case 'dataChannelOpened':
        break;
    }
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.send({ type: 'closePeer', peer: this.peer });
    if (this.#state === 'opening') this.#settle?.reject(new NegotiationError('closed'));
    this.#end();
  }

  #end(): void {
    this.#state = 'closed';
    this.connected = false;
    this.#engine.onPeer(this.peer, undefined);
  }
}

/** A copy: a part of a text holds on to the whole, and this one would to a description of kilobytes. */
function detached(text: string): string {
  return Buffer.from(text).toString();
}

/** The ufrag's first character names the worker, so that any of our sockets can route a first check (ADR 0003). */
function freshCredentials(worker: WorkerId): IceCredentials {
  const tag = ICE_CHARS.charAt(worker);
  return { ufrag: tag + iceText(15), pwd: iceText(32) };
}

function iceText(length: number): string {
  // 256 is no multiple of 62: the bias of 8 in 256 characters costs a fraction of a bit.
  const bytes = randomChunk(length);
  return Buffer.from(bytes.map((byte) => ICE_CHARS.charCodeAt(byte % ICE_CHARS.length))).toString('latin1');
}

const ICE_CHARS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Per set of credentials; browsers send a handful, an attacker hundreds. */
const MAX_REMOTE_CANDIDATES = 64;
