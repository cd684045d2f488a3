import type { ListUpdate } from '@livekit/protocol';
import { invalid } from './invalid.ts';

/** The list after the update; throws `invalid_argument` where the update contradicts itself. */
export function updatedList(list: string[], update: ListUpdate | undefined): string[] {
  if (update === undefined) return list;
  checkListUpdate(update);
  if (update.clear) return [];
  if (update.set.length > 0) return [...update.set];
  const kept = [...list];
  for (const removed of update.remove) {
    const at = kept.indexOf(removed);
    if (at >= 0) kept.splice(at, 1);
  }
  for (const added of update.add) if (!kept.includes(added)) kept.push(added);
  return kept;
}

function checkListUpdate({ clear, set, add, remove }: ListUpdate): void {
  const changes = add.length + remove.length;
  if (!clear && set.length + changes === 0) throw invalid('unsupported list update operation');
  if (clear && set.length + changes > 0) throw invalid('cannot clear and change the list at the same time');
  if (set.length > 0 && changes > 0) throw invalid('cannot set and change the list at the same time');
  if ([...set, ...add, ...remove].includes('')) throw invalid('empty element in the list');
}
