/**
 * Makes a shared object that was linked against glibc 2.38 load on older ones, where that is sound: the only symbols it
 * takes from 2.38 are the C23 names of `strtol` and its like, which older glibcs have under their plain names.
 *
 * In the ELF file that means: each undefined `__isoc23_name` becomes `name` (a suffix of the same string, so that no
 * string is added) without a version, and the need for GLIBC_2.38 becomes weak, so that the loader does not refuse.
 * Layout by the System V ABI, chapter 4, and the Linux Standard Base for symbol versions.
 */

export class ElfError extends Error {
  override name = 'ElfError';
}

/** The mended copy; throws `ElfError` where the file needs anything of 2.38 that has no older name. */
export function mendGlibc238(source: Uint8Array): Buffer {
  const file = Buffer.from(source);
  const sections = readSections(file);
  const versions = weakenVersion(file, find(sections, SECTION.versionNeeds), sections);
  renameSymbols(
    file,
    find(sections, SECTION.dynamicSymbols),
    find(sections, SECTION.symbolVersions),
    sections,
    versions,
  );
  return file;
}

interface Section {
  type: number;
  offset: number;
  size: number;
  /** Index of the string table. */
  link: number;
  /** Number of entries, in a section of version needs. */
  info: number;
}

function readSections(file: Buffer): Section[] {
  if (
    file.length < ELF_HEADER_BYTES ||
    file.readUInt32BE(0) !== MAGIC ||
    file[4] !== CLASS_64 ||
    file[5] !== LITTLE_ENDIAN
  ) {
    throw new ElfError('not a 64-bit little-endian ELF file');
  }
  const start = Number(file.readBigUInt64LE(0x28));
  const entryBytes = file.readUInt16LE(0x3a);
  const count = file.readUInt16LE(0x3c);
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * entryBytes;
    return {
      type: file.readUInt32LE(at + 4),
      offset: Number(file.readBigUInt64LE(at + 24)),
      size: Number(file.readBigUInt64LE(at + 32)),
      link: file.readUInt32LE(at + 40),
      info: file.readUInt32LE(at + 44),
    };
  });
}

function find(sections: Section[], type: number): Section {
  const section = sections.find((candidate) => candidate.type === type);
  if (section === undefined) throw new ElfError(`no section of type 0x${type.toString(16)}`);
  return section;
}

function strings(file: Buffer, sections: Section[], owner: Section): (offset: number) => string {
  const table = sections[owner.link];
  if (table === undefined) throw new ElfError('no string table');
  return (offset) => {
    const start = table.offset + offset;
    return file.toString('latin1', start, file.indexOf(0, start));
  };
}

/** Marks every need of `GLIBC_2.38` weak; returns the version indices that stood for it. */
function weakenVersion(file: Buffer, needs: Section, sections: Section[]): Set<number> {
  const text = strings(file, sections, needs);
  const indices = new Set<number>();
  let library = needs.offset;
  for (let left = needs.info; left > 0; left--) {
    let version = library + file.readUInt32LE(library + 8);
    for (let versions = file.readUInt16LE(library + 2); versions > 0; versions--) {
      if (text(file.readUInt32LE(version + 8)) === VERSION) {
        file.writeUInt16LE(file.readUInt16LE(version + 4) | VERSION_FLAG_WEAK, version + 4);
        indices.add(file.readUInt16LE(version + 6));
      }
      version += file.readUInt32LE(version + 12);
    }
    library += file.readUInt32LE(library + 12);
  }
  return indices;
}

function renameSymbols(
  file: Buffer,
  symbols: Section,
  marks: Section,
  sections: Section[],
  versions: Set<number>,
): void {
  const text = strings(file, sections, symbols);
  const count = symbols.size / SYMBOL_BYTES;
  for (let index = 0; index < count; index++) {
    const mark = marks.offset + index * 2;
    if (!versions.has(file.readUInt16LE(mark) & VERSION_INDEX_MASK)) continue;
    const symbol = symbols.offset + index * SYMBOL_BYTES;
    const name = file.readUInt32LE(symbol);
    if (!text(name).startsWith(C23_PREFIX)) throw new ElfError(`no older name for ${text(name)}`);
    file.writeUInt32LE(name + C23_PREFIX.length, symbol);
    file.writeUInt16LE(VERSION_INDEX_GLOBAL, mark);
  }
}

const VERSION = 'GLIBC_2.38';
const C23_PREFIX = '__isoc23_';
const MAGIC = 0x7f454c46;
const CLASS_64 = 2;
const LITTLE_ENDIAN = 1;
const ELF_HEADER_BYTES = 64;
const SYMBOL_BYTES = 24;
const VERSION_FLAG_WEAK = 2;
const VERSION_INDEX_MASK = 0x7fff;
const VERSION_INDEX_GLOBAL = 1;
const SECTION = { dynamicSymbols: 11, versionNeeds: 0x6ffffffe, symbolVersions: 0x6fffffff };
