/** A workload in the words people use: "40 rooms x 8 people 720p + 1 livestream with 500 viewers, 2 regions". */

/** Rooms of one sort. Whoever publishes sends a microphone, and a camera unless the rooms are for audio. */
export interface RoomKind {
  readonly rooms: number;
  readonly video: boolean;
  /** Of each room. They receive everybody else too. */
  readonly publishers: number;
  /** Of each room: they only receive. */
  readonly viewers: number;
  /** Who speaks at the same time, of each room; the others' microphones are silent. */
  readonly speaking: number;
  readonly codec: VideoCodec;
  /** Lines of the picture that cameras send. */
  readonly lines: PictureLines;
}

export interface Workload {
  readonly kinds: readonly RoomKind[];
  readonly regions: number;
}

/** What is wrong with the words, naming the one that it is about. */
export class WorkloadError extends Error {}

export const VIDEO_CODECS = ['vp8', 'vp9', 'av1', 'h264', 'h265'] as const;
export type VideoCodec = (typeof VIDEO_CODECS)[number];
export const PICTURE_LINES = [180, 360, 540, 720, 1080, 1440, 2160] as const;
export type PictureLines = (typeof PICTURE_LINES)[number];

/** Throws a WorkloadError. Codec and picture of a clause count for it alone; in a clause of their own, for all others. */
export function parseWorkload(words: string): Workload {
  const clauses = words
    .toLowerCase()
    .split(/[,;+]/)
    .filter((clause) => clause.trim() !== '')
    .map(readClause);
  const shared = clauses.filter((clause) => !describesRooms(clause));
  const defaults = Object.assign({}, ...shared) as Clause;
  const kinds = clauses.filter(describesRooms).map((clause) => toKind({ ...defaults, ...clause }));
  if (kinds.length === 0) {
    throw new WorkloadError(`no rooms in "${words}": try "40 rooms x 8 people 720p + 500 viewers, 2 regions"`);
  }
  return { kinds, regions: defaults.regions ?? clauses.find(({ regions }) => regions !== undefined)?.regions ?? 1 };
}

/** What one clause says; nothing is filled in yet. */
interface Clause {
  rooms?: number;
  people?: number;
  presenters?: number;
  viewers?: number;
  speakers?: number;
  regions?: number;
  audio?: boolean;
  codec?: VideoCodec;
  lines?: PictureLines;
}

function readClause(text: string): Clause {
  const clause: Clause = {};
  let pending: number | undefined;
  for (const word of text.split(/[\s×()]+|\bx\b/).filter((part) => part !== '')) {
    if (/^\d[\d_]*k?$/.test(word)) {
      if (pending !== undefined) throw new WorkloadError(`${pending} of what? Before "${word}" in "${text}"`);
      pending = wholeNumber(word);
      continue;
    }
    const noun = NOUNS[word];
    if (noun !== undefined) {
      if (clause[noun] !== undefined)
        throw new WorkloadError(`"${word}" is a second count in "${text}": separate rooms of different sorts by +`);
      clause[noun] = pending ?? 1;
      pending = undefined;
    } else if (!readTrait(word, clause) && !FILLERS.has(word)) {
      throw new WorkloadError(`"${word}" in "${text}" is not known: ${KNOWN_WORDS}`);
    }
  }
  if (pending !== undefined) throw new WorkloadError(`${pending} of what? At the end of "${text}"`);
  return clause;
}

function readTrait(word: string, clause: Clause): boolean {
  const codec = VIDEO_CODECS.find((name) => name === word.replace('.', ''));
  if (codec !== undefined) clause.codec = codec;
  else if (word === 'audio' || word === 'voice') clause.audio = true;
  else if (word === '4k') clause.lines = 2160;
  else if (/^\d+p$/.test(word)) clause.lines = pictureLines(word);
  else return false;
  return true;
}

function pictureLines(word: string): PictureLines {
  const lines = PICTURE_LINES.find((known) => known === Number.parseInt(word, 10));
  if (lines !== undefined) return lines;
  throw new WorkloadError(`"${word}" is no picture size that cameras send: ${PICTURE_LINES.join('p, ')}p`);
}

function wholeNumber(word: string): number {
  const number = Number.parseInt(word.replaceAll('_', ''), 10) * (word.endsWith('k') ? 1000 : 1);
  if (number >= 1 && number <= MOST) return number;
  throw new WorkloadError(`"${word}" is not between 1 and ${MOST}`);
}

function describesRooms({ rooms, people, presenters, viewers, speakers }: Clause): boolean {
  return [rooms, people, presenters, viewers, speakers].some((count) => count !== undefined);
}

function toKind(clause: Clause): RoomKind {
  const { rooms = 1, viewers = 0, speakers, audio = false, codec = 'vp8', lines = 720 } = clause;
  // In rooms for audio, who may speak publishes and the others listen.
  const people = clause.people ?? clause.presenters;
  const listening = audio && speakers !== undefined && people !== undefined ? Math.max(0, people - speakers) : 0;
  const publishers = people === undefined ? (speakers ?? 1) : people - listening;
  if (clause.people !== undefined && clause.presenters !== undefined) {
    throw new WorkloadError('people and presenters of the same rooms: say presenters and viewers');
  }
  if (viewers === 0 && people === undefined && speakers === undefined) {
    throw new WorkloadError(`${rooms} rooms with nobody in them: say how many people or viewers each has`);
  }
  const speaking = Math.min(publishers, speakers ?? SPEAKING);
  return { rooms, video: !audio, publishers, viewers: viewers + listening, speaking, codec, lines };
}

const NOUNS: Readonly<Record<string, 'rooms' | 'people' | 'presenters' | 'viewers' | 'speakers' | 'regions'>> = {
  room: 'rooms',
  rooms: 'rooms',
  meeting: 'rooms',
  meetings: 'rooms',
  call: 'rooms',
  calls: 'rooms',
  livestream: 'rooms',
  livestreams: 'rooms',
  webinar: 'rooms',
  webinars: 'rooms',
  people: 'people',
  person: 'people',
  participant: 'people',
  participants: 'people',
  presenter: 'presenters',
  presenters: 'presenters',
  publisher: 'presenters',
  publishers: 'presenters',
  host: 'presenters',
  hosts: 'presenters',
  viewer: 'viewers',
  viewers: 'viewers',
  listener: 'viewers',
  listeners: 'viewers',
  subscriber: 'viewers',
  subscribers: 'viewers',
  speaker: 'speakers',
  speakers: 'speakers',
  region: 'regions',
  regions: 'regions',
};
const FILLERS = new Set(['of', 'with', 'each', 'in', 'at', 'per', 'a', 'the', 'video', 'and', 'to', 'for', 'all']);
const KNOWN_WORDS =
  'numbers of rooms (meetings, calls, livestreams, webinars), people, presenters, viewers, listeners, speakers, regions; audio; a codec; a picture size';
/** In a meeting, now and then two speak at once. */
const SPEAKING = 2;
const MOST = 10_000_000;
