/**
 * Ends of `@livekit/rtc-node`. After a client reconnected, about one in a hundred of its `disconnect()` never resolves
 * (1.1, with the server long done with it), so nothing here waits for the SDK for ever.
 */

import { dispose as disposeSdk, type Room } from '@livekit/rtc-node';

const PATIENCE_MS = 5_000;

export function disconnect(room: Room): Promise<void> {
  return within(room.disconnect());
}

/** Lets go of what the SDK holds natively; at the end of a file of tests. */
export function dispose(): Promise<void> {
  return within(disposeSdk());
}

async function within(ending: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS);
  });
  await Promise.race([ending, patience]);
  clearTimeout(timer);
}
