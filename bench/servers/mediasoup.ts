/** mediasoup is no dependency of ours: its worker is a program of 20 MB that its package downloads or builds. */

/** Why it cannot be measured here. */
export async function whyNoMediasoup(): Promise<string> {
  // Not a literal, so that nothing looks for it before.
  const name = 'mediasoup';
  try {
    await import(name);
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    const why =
      code === 'ERR_MODULE_NOT_FOUND' ? 'the package is not installed (npm install --no-save mediasoup)' : message;
    return why;
  }
  return 'the load generator speaks to servers with signaling of livekit only';
}
