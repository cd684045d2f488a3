/**
 * A worker whose agents join, say hello and stay. Settings come from the environment: `LIVEKIT_URL`, `LIVEKIT_API_KEY`,
 * `LIVEKIT_API_SECRET`, `AGENT_NAME`.
 */
import { fileURLToPath } from 'node:url';
import { cli, defineAgent, ServerOptions } from '@livekit/agents';

const file = fileURLToPath(import.meta.url);

export default defineAgent({
  entry: async (job) => {
    await job.connect();
    const hello = new TextEncoder().encode(`hello from ${job.job.agentName}`);
    const say = () => job.room.localParticipant?.publishData(hello, { reliable: true });
    // Who joins later hears it too.
    const repeat = setInterval(say, 500);
    job.addShutdownCallback(async () => clearInterval(repeat));
  },
});

if (process.argv[1] === file) {
  cli.runApp(
    new ServerOptions({
      agent: file,
      agentName: process.env.AGENT_NAME,
      requestFunc: (request) => request.accept('Helper', `helper-${request.id}`, 'of the agent', { mood: 'good' }),
      // Whatever else this machine is doing.
      loadFunc: async () => 0,
      numIdleProcesses: 1,
      host: '127.0.0.1',
      port: 0,
      logLevel: 'debug',
    }),
  );
}
