/** Names of agents' deployments: they become part of topics, so what separates topics must not be in them. */

/** What is wrong with the name, in livekit-server's words; undefined for one that may be used. */
export function deploymentFault(name: string): string | undefined {
  const bytes = Buffer.from(name);
  if (bytes.length > MAX_DEPLOYMENT_BYTES) return `deployment exceeds ${MAX_DEPLOYMENT_BYTES} bytes`;
  for (const [position, byte] of bytes.entries()) {
    if (byte === UNDERSCORE) return "deployment contains reserved character '_'";
    if (byte <= SPACE || byte === DELETE) {
      return `deployment contains whitespace or control byte at position ${position}`;
    }
  }
  return undefined;
}

const MAX_DEPLOYMENT_BYTES = 64;
const UNDERSCORE = 0x5f;
const SPACE = 0x20;
const DELETE = 0x7f;
