import type { Message } from '@bufbuild/protobuf';
import { toTwirpJson } from './json.ts';

/** The message as Twirp sends it. A long list is written in slices, so that the event loop goes on meanwhile. */
export async function encode(message: Message, json: boolean): Promise<string | Uint8Array> {
  const list = longList(message);
  if (list === undefined) return json ? toTwirpJson(message) : message.toBinary();
  const { name, slices } = list;
  const texts: string[] = [];
  const bytes: Uint8Array[] = [];
  for (const slice of slices) {
    // `{"<name>":[…]}`, of which only what is between the brackets goes on.
    if (json) texts.push(toTwirpJson(slice).slice(`{"${name}":[`.length, -`]}`.length));
    // Messages of one type behind each other are one message with both lists.
    else bytes.push(slice.toBinary());
    await new Promise((resolve) => setImmediate(resolve));
  }
  return json ? `{"${name}":[${texts.join(',')}]}` : Buffer.concat(bytes);
}

/** A message that is nothing but one list, and a long one. */
function longList(message: Message): { name: string; slices: Iterable<Message> } | undefined {
  const type = message.getType();
  const [field, ...others] = type.fields.list();
  if (field === undefined || others.length > 0 || !field.repeated || field.kind !== 'message') return undefined;
  const entries = (message as unknown as Record<string, unknown[]>)[field.localName] ?? [];
  if (entries.length <= SLICE) return undefined;
  const starts = Array.from({ length: Math.ceil(entries.length / SLICE) }, (_, index) => index * SLICE);
  const slices = starts.map((start) => {
    const slice = new type();
    (slice as unknown as Record<string, unknown[]>)[field.localName] = entries.slice(start, start + SLICE);
    return slice;
  });
  return { name: field.name, slices };
}

/** About 5 ms of work. */
const SLICE = 500;
