/** The data tracks that one participant wants and gets, under handles of its own (livekit-facts 3.13). */

import { DataTrackSubscriberHandles, DataTrackSubscriberHandles_PublishedDataTrack } from '@livekit/protocol';
import type { Outbox } from './outbox.ts';

/** A track that is subscribed. */
export interface DataSource {
  publisherIdentity: string;
  publisherSid: string;
  trackSid: string;
}

export class DataSubscriptions {
  readonly #outbox: Outbox;
  readonly #wanted = new Set<string>();
  readonly #live = new Map<number, DataSource>();
  /** What it was told about the publisher's permission, by track. */
  readonly #permissions = new Map<string, boolean>();
  #lastHandle = Math.floor(Math.random() * FIRST_HANDLES);

  constructor(outbox: Outbox) {
    this.#outbox = outbox;
  }

  wants(trackSid: string): boolean {
    return this.#wanted.has(trackSid);
  }

  /** Tracks that are not there are remembered, some of them: they may come. */
  want(trackSid: string): void {
    if (this.#wanted.size < MAX_WANTED) this.#wanted.add(trackSid);
  }

  unwant(trackSid: string): void {
    this.#wanted.delete(trackSid);
  }

  /** The track is gone for good. */
  forget(trackSid: string): void {
    this.unwant(trackSid);
    this.#permissions.delete(trackSid);
  }

  /** Each change of the publisher's mind is told, the first permission included. */
  notePermission(trackSid: string, allowed: boolean, tell: () => void): void {
    if (this.#permissions.get(trackSid) === allowed) return;
    this.#permissions.set(trackSid, allowed);
    tell();
  }

  /** The handle that its packets will have. */
  start(source: DataSource): number {
    do this.#lastHandle = (this.#lastHandle % MAX_HANDLE) + 1;
    while (this.#live.has(this.#lastHandle));
    this.#live.set(this.#lastHandle, source);
    this.#tell();
    return this.#lastHandle;
  }

  stop(handle: number): void {
    if (this.#live.delete(handle)) this.#tell();
  }

  /** All of them, each time. */
  #tell(): void {
    const subHandles: Record<number, DataTrackSubscriberHandles_PublishedDataTrack> = {};
    for (const [handle, source] of this.#live) {
      subHandles[handle] = new DataTrackSubscriberHandles_PublishedDataTrack(source);
    }
    const value = new DataTrackSubscriberHandles({ subHandles });
    this.#outbox.send({ case: 'dataTrackSubscriberHandles', value });
  }
}

/** Handles begin anywhere below, so that nobody relies on their values. */
const FIRST_HANDLES = 256;
const MAX_HANDLE = 65_535;

/** Tracks one participant may ask for. */
const MAX_WANTED = 4096;
