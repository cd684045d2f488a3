/** Reads what callgrind collected: instructions by function, each function's own. */
import { readFileSync } from 'node:fs';

/** @typedef {{ name: string, file: string, object: string, instructions: number, locks: number }} Cost `locks` of them in locks */

/**
 * The format is described in valgrind's manual, "Callgrind format": names are written once and then by number, a line
 * with `calls=` is followed by the inclusive cost of the call, which the callee has already.
 * @returns {Cost[]} the dearest first
 */
export function readProfile(path) {
  const names = { ob: new Map(), fl: new Map(), fn: new Map() };
  const costs = new Map();
  let object = '';
  let file = '';
  let cost;
  let skip = false;
  const named = (kind, text) => {
    const [, number, name] = /^\((\d+)\)(?: (.*))?$/.exec(text);
    if (name !== undefined) names[kind].set(number, name);
    return names[kind].get(number);
  };
  const enter = (name) => {
    const key = `${object}\n${name}`;
    cost = costs.get(key) ?? { name, file, object, instructions: 0, locks: 0 };
    costs.set(key, cost);
  };
  for (const line of readFileSync(path, 'latin1').split('\n')) {
    const field = /^(ob|fl|fi|fe|fn|cob|cfi|cfl|cfn|calls)=(.*)$/.exec(line);
    if (field === null) {
      if (!/^[+\-*\d]/.test(line)) continue;
      if (!skip && cost !== undefined) {
        const instructions = Number(line.slice(line.indexOf(' ') + 1));
        cost.instructions += instructions;
        if (LOCKS.test(file)) cost.locks += instructions;
      }
      skip = false;
      continue;
    }
    const [, kind, text] = field;
    if (kind === 'ob') object = named('ob', text);
    else if (kind === 'fl' || kind === 'fi' || kind === 'fe') file = named('fl', text);
    else if (kind === 'fn') enter(named('fn', text));
    else if (kind === 'calls') skip = true;
    else if (kind === 'cob') named('ob', text);
    else if (kind === 'cfn') named('fn', text);
    else named('fl', text);
  }
  return [...costs.values()]
    .filter(({ instructions }) => instructions > 0)
    .sort((a, b) => b.instructions - a.instructions);
}

/** Files of the C library and of Rust's, by which code is known for a lock's even where it is inlined. */
const LOCKS = /pthread_(mutex|rwlock|cond|spin)|\/sync\/(poison\/)?(mutex|rwlock|condvar|reentrant_lock)/;

/** Whether a function is aws-lc's: C and assembler, linked into our program without lines or Rust paths. */
export function isCrypto({ name, file, object }) {
  const ours = object.includes('sluice-instructions');
  return ours && file === '???' && !name.includes('::') && !/^_?_?r(ust|dl|g)_/.test(name);
}
