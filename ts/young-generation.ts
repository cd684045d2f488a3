/** V8's young generation: what the control plane's short-lived objects take before they are collected. */

import { setFlagsFromString } from 'node:v8';

/**
 * Keeps the young generation at the size it has now. V8 lets it grow to 32 MiB while clients join and never gives it
 * back, half as much as a server takes for 200 idle participants; called once the configuration is read it stays at
 * about 8 MiB, for some 5 % more CPU per join (docs/performance.md, "Memory"). The flag is read whenever V8 would grow
 * it (`NewSpace::Grow`), so setting it while running is safe; one that a later V8 doesn't know is ignored with a line on stderr.
 */
export function holdYoungGeneration(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}
