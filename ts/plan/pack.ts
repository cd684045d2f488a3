/** Rooms onto machines: a room stays whole, and the largest find their places first. */

import { add, type Demand, NO_DEMAND, RESOURCES, tightest } from './machine.ts';

export interface Item {
  readonly count: number;
  readonly demand: Demand;
}

/** How many machines of this capacity hold all; undefined where one item alone is more than a machine. */
export function machinesFor(items: readonly Item[], capacity: Demand): number | undefined {
  const sorted = [...items].sort((a, b) => tightest(b.demand, capacity).share - tightest(a.demand, capacity).share);
  /** Machines that are filled alike, so that a hundred thousand rooms are a few steps. */
  let groups: { machines: number; used: Demand }[] = [];
  for (const { count, demand } of sorted) {
    const most = fitting(NO_DEMAND, demand, capacity);
    if (most < 1) return undefined;
    let left = count;
    const next: typeof groups = [];
    for (const { machines, used } of groups) {
      const each = fitting(used, demand, capacity);
      const full = each === 0 ? 0 : Math.min(machines, Math.floor(left / each));
      const rest = each === 0 || full === machines ? 0 : left - full * each;
      left -= full * each + rest;
      const filled = [
        { machines: full, used: add(used, demand, each) },
        { machines: rest > 0 ? 1 : 0, used: add(used, demand, rest) },
        { machines: machines - full - (rest > 0 ? 1 : 0), used },
      ];
      next.push(...filled.filter((group) => group.machines > 0));
    }
    const whole = Math.floor(left / most);
    if (whole > 0) next.push({ machines: whole, used: add(NO_DEMAND, demand, most) });
    if (left > whole * most) next.push({ machines: 1, used: add(NO_DEMAND, demand, left - whole * most) });
    groups = next;
  }
  return groups.reduce((sum, { machines }) => sum + machines, 0);
}

/** How many of `demand` find a place beside what is used. */
function fitting(used: Demand, demand: Demand, capacity: Demand): number {
  const counts = RESOURCES.filter((one) => demand[one] > 0).map((one) =>
    Math.floor((capacity[one] - used[one]) / demand[one] + ROUNDING),
  );
  return Math.max(0, Math.min(MOST, ...counts));
}

/** Ten tenths are one. */
const ROUNDING = 1e-9;
const MOST = 1e9;
