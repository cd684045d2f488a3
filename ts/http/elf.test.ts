import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ElfError, mendGlibc238 } from './elf.ts';

it('refuses files that are not 64-bit ELF', () => {
  assert.throws(() => mendGlibc238(Buffer.from('MZ')), ElfError);
  assert.throws(() => mendGlibc238(Buffer.alloc(100)), ElfError);
});
