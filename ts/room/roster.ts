/**
 * Everybody in a room whom clients may see, encoded as join responses list them. A join into a room of thousands must
 * not encode thousands of infos: they are kept in pages, and a change costs the page that it is on.
 */

import { BinaryWriter, WireType } from '@bufbuild/protobuf';
import type { Participant } from './participant.ts';

interface Page {
  readonly participants: Set<Participant>;
  /** Undefined once anything on it changed. */
  bytes: Uint8Array | undefined;
}

export class Roster {
  readonly #pages = new Set<Page>();
  readonly #pageOf = new Map<Participant, Page>();
  /** Pages with room for one more. */
  readonly #open = new Set<Page>();

  add(participant: Participant): void {
    if (this.#pageOf.has(participant)) return;
    const [page = this.#newPage()] = this.#open;
    page.participants.add(participant);
    page.bytes = undefined;
    this.#pageOf.set(participant, page);
    if (page.participants.size >= PAGE_SIZE) this.#open.delete(page);
  }

  remove(participant: Participant): void {
    const page = this.#pageOf.get(participant);
    if (page === undefined) return;
    this.#pageOf.delete(participant);
    page.participants.delete(participant);
    page.bytes = undefined;
    if (page.participants.size > 0) {
      this.#open.add(page);
      return;
    }
    this.#open.delete(page);
    this.#pages.delete(page);
  }

  /** What others see of it changed. */
  changed(participant: Participant): void {
    const page = this.#pageOf.get(participant);
    if (page !== undefined) page.bytes = undefined;
  }

  /** `other_participants` of the join response to `self`, in pieces that must not be modified. */
  encode(self: Participant): Uint8Array[] {
    const own = this.#pageOf.get(self);
    return Array.from(this.#pages, (page) => {
      if (page === own) return encodePage(page, self);
      page.bytes ??= encodePage(page, undefined);
      return page.bytes;
    });
  }

  #newPage(): Page {
    const page: Page = { participants: new Set(), bytes: undefined };
    this.#pages.add(page);
    this.#open.add(page);
    return page;
  }
}

function encodePage({ participants }: Page, except: Participant | undefined): Uint8Array {
  const writer = new BinaryWriter();
  for (const participant of participants) {
    if (participant === except || participant.hidden) continue;
    writer.tag(OTHER_PARTICIPANTS, WireType.LengthDelimited).bytes(participant.info().toBinary());
  }
  return writer.finish();
}

/** Field number in `JoinResponse`. */
const OTHER_PARTICIPANTS = 3;
/** More makes a change dearer, fewer a join into a large room. */
const PAGE_SIZE = 64;
