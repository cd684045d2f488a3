/** A server of the benchmark's own: mediasoup behind as much of livekit's signaling as the load generator speaks. */

import type { Mediasoup } from './api.ts';
import { Rooms } from './rooms.ts';
import { listen } from './server.ts';
import type { Settings } from './settings.ts';

const settings = JSON.parse(process.argv[2] ?? '{}') as Settings;
const mediasoup = (await import(settings.mediasoup)) as Mediasoup;
const rooms = await Rooms.start(mediasoup, settings, (error) => {
  process.stderr.write(`the worker died: ${error.message}\n`);
  process.exit(1);
});
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    rooms.close();
    process.exit(0);
  });
}
await listen(rooms, settings);
