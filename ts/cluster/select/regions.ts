/** Which regions are near. Pure. */

import type { Region } from './settings.ts';

/** Metres to each region from the one of this name; empty where no region is configured. Throws where the name is none. */
export function distancesFrom(name: string, regions: readonly Region[]): ReadonlyMap<string, number> {
  if (name === '') throw new Error('current region cannot be blank');
  if (regions.length === 0) return new Map();
  const here = regions.find((region) => region.name === name);
  if (here === undefined) throw new Error('unknown lat and lon for the current region');
  return new Map(regions.map((region) => [region.name, distance(here, region)]));
}

/** Along the great circle, by the haversine formula. */
function distance(from: Region, to: Region): number {
  const [lat1, lat2] = [radians(from.lat), radians(to.lat)];
  const halfChord =
    Math.sin((lat2 - lat1) / 2) ** 2 + Math.cos(lat1) * Math.cos(lat2) * Math.sin(radians(to.lon - from.lon) / 2) ** 2;
  return 2 * EARTH_RADIUS_M * Math.asin(Math.min(1, Math.sqrt(halfChord)));
}

function radians(degrees: number): number {
  return (degrees * Math.PI) / 180;
}

/** At the equator. */
const EARTH_RADIUS_M = 6_378_100;
