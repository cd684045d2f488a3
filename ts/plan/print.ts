/** A plan as people read it. */

import type { Machine } from './machine.ts';
import type { Plan, PlanOptions, Range } from './plan.ts';
import type { Profile } from './profile.ts';
import type { Workload } from './workload.ts';

export function lines(workload: Workload, plan: Plan, profile: Profile, options: PlanOptions): string[] {
  const { machine, headroom, hoursPerDay } = options;
  const { limits } = plan;
  return [
    `${workload.kinds.map(describe).join('\n')}`,
    '',
    row('nodes', `${range(plan.nodes, 0)} × ${size(machine)}, ${percent(headroom)} kept free`),
    ...(workload.regions > 1 ? [row('', `${plan.nodesPerRegion} in each of ${workload.regions} regions`)] : []),
    row('', 'one more in each region carries on when a node is lost'),
    row('people', count(plan.people)),
    row('cpu', `${range(plan.cpu, 1)} cores`),
    row('memory', `${range(plan.memoryMb, 0)} MB`),
    row('packets out', `${count(Math.round(plan.packetsOut))} per second`),
    row('network', `${plan.gbitOut.toFixed(2)} Gbit/s out, ${plan.gbitIn.toFixed(2)} in, when all rooms are full`),
    row('bandwidth', `${plan.terabytesPerDay.toFixed(2)} TB per day, at ${hoursPerDay} hours of that`),
    row('bottleneck', plan.bottleneck),
    row(
      'of a node',
      Object.entries(plan.used)
        .map(([name, share]) => `${name} ${percent(share)}`)
        .join(', '),
    ),
    '',
    'For the configuration of each node:',
    '  limit:',
    `    num_tracks: ${limits.numTracks}`,
    `    bytes_per_sec: ${limits.bytesPerSecond}`,
    ...(machine.udpPorts === 0
      ? []
      : [
          '  rtc:',
          `    port_range_start: ${FIRST_PORT}`,
          `    port_range_end: ${Math.min(65_535, FIRST_PORT - 1 + Math.max(limits.udpPorts, machine.udpPorts))}`,
        ]),
    `  # and: ulimit -n ${limits.files}; net.ipv4.ip_local_reserved_ports = the port range`,
    '',
    `Measured: ${profile.machine}, Sluice ${profile.version}, ${profile.measuredAt}.`,
    'Ranges are those of the measurement; a machine of another kind is measured by `npm run bench -- plan --measure`.',
  ];
}

function describe({
  rooms,
  video,
  publishers,
  viewers,
  codec,
  lines: pictureLines,
  speaking,
}: Workload['kinds'][number]): string {
  const what = video ? `camera (${codec}, ${pictureLines}p) and microphone` : 'microphone';
  const watching = viewers > 0 ? `, ${count(viewers)} ${video ? 'watch' : 'listen'}` : '';
  return `${count(rooms)} ${rooms === 1 ? 'room' : 'rooms'}: ${count(publishers)} with ${what}, ${speaking} speaking at once${watching}`;
}

function size({ cores, memoryMb, gbit }: Machine): string {
  return `${cores} cores, ${(memoryMb / 1024).toFixed(0)} GiB, ${gbit} Gbit/s`;
}

function row(name: string, value: string): string {
  return `${name.padEnd(12)} ${value}`;
}

function range({ likely, low, high }: Range, digits: number): string {
  const text = [likely, low, high].map((value) => value.toFixed(digits));
  return text[1] === text[2] ? `${text[0]}` : `${text[0]} (${text[1]} to ${text[2]})`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}

function count(number: number): string {
  return number.toLocaleString('en-US');
}

const FIRST_PORT = 50_000;
