#!/usr/bin/env node
/** The command line: flags → config → server → signals → end. The only file that ends the process. */

import './small-heap.ts';
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { createJoinToken, generateKeys, printPorts, printVerboseHelp } from './commands.ts';
import { addFlags, type Flags, loadFromFlags } from './config/flags.ts';
import { ConfigError } from './config/load.ts';
import { type Settled, settle } from './config/settle.ts';
import { collectGarbage } from './heap.ts';

const print = (line: string) => process.stdout.write(`${line}\n`);

function version(): string {
  const manifest: { version: string } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return manifest.version;
}

function settleFlags(flags: Flags, keysNeeded = true): Settled {
  return settle(loadFromFlags(flags, process.env), flags.dev === true, keysNeeded);
}

async function serve(flags: Flags): Promise<void> {
  const { config, notices } = settleFlags(flags);
  const { createLog } = await import('./log/log.ts');
  const { createServer } = await import('./server.ts');
  const log = createLog(config);
  if (config.development) log.info({}, 'starting in development mode');
  for (const { level, text } of notices) log[level]({}, text);
  const server = await createServer(config, log, version());
  // In development it is the terminal that was closed, and nobody is left to look.
  if (!config.development) process.on('SIGHUP', () => server.reload(checkConfig(flags, log)));
  const ended = waitForSignals(server, log, config.development);
  await server.rehearse();
  await server.start();
  collectGarbage();
  await ended;
}

/** What a changed file says counts at the next start only; whether there would be one is better known before. */
function checkConfig(flags: Flags, log: { error(fields: object, text: string): void }): 'ok' | 'broken' {
  try {
    settleFlags(flags);
    return 'ok';
  } catch (error) {
    log.error({ error: (error as Error).message }, 'keeping the former configuration: the new one is broken');
    return 'broken';
  }
}

interface Stoppable {
  drain(): Promise<void>;
  close(): Promise<void>;
}

/** The first signal drains and then closes, the second closes at once, the third does not wait for that. */
function waitForSignals(server: Stoppable, log: { info(fields: object, text: string): void }, development: boolean) {
  return new Promise<void>((resolve, reject) => {
    let asked = 0;
    const onSignal = (signal: NodeJS.Signals) => {
      asked += 1;
      log.info({ signal }, asked === 1 ? 'exit requested, shutting down' : 'exit requested again, not waiting');
      if (asked > 2) process.exit(1);
      // Ctrl-C at a terminal means now.
      const drained = asked === 1 && !(development && signal === 'SIGINT') ? server.drain() : Promise.resolve();
      drained.then(() => server.close()).then(resolve, reject);
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGQUIT'] as const) process.on(signal, onSignal);
  });
}

function addDoctor(root: Command): void {
  const command = root
    .command('doctor')
    .description('check configuration, ports, certificates and every way in, and say what mends what is wrong');
  addFlags(command);
  const all = (value: string, former: string[] = []) => [...former, value];
  command
    .option('--json', 'print one JSON object')
    .option('--from <url>', 'try a running server from here, as its clients do; nothing else is checked')
    .option('--api-key <key>', 'with --from: API key of the server')
    .option('--api-secret <secret>', 'with --from: its secret')
    .option('--token <token>', 'with --from: a token to join with, instead of a key')
    .option('--ca <file>', 'trust the CA certificates in this file too; may be given several times', all)
    .option('--connect-to <host:port:ip:port>', 'connect elsewhere than the DNS says; may be given several times', all)
    .option('--ntp <host:port>', 'the server to compare the clock with')
    .option('--timeout <seconds>', 'how long each step may take')
    .action(async () => {
      const flags: Flags = { ...root.opts(), ...command.opts() };
      const { doctor } = await import('./doctor/doctor.ts');
      const { createServer } = await import('./server.ts');
      const { createLog } = await import('./log/log.ts');
      const silent = createLog({ logging: { json: false, level: 'fatal' } }, () => {});
      exitCode = await doctor({
        options: flags,
        configGiven: CONFIG_FLAGS.some((name) => flags[name] !== undefined) || process.env.LIVEKIT_CONFIG !== undefined,
        settle: () => settleFlags(flags),
        createServer: (config) => createServer(config, silent, version()),
        print,
      });
    });
}

function addPlan(root: Command): void {
  root
    .command('plan')
    .description('say what machines a workload needs: sluice plan "40 rooms x 8 people 720p + 500 viewers, 2 regions"')
    .argument('<words...>', 'rooms of people, presenters, viewers or listeners, with codec and picture size')
    .option('--profile <file>', 'measured by `npm run bench -- plan --measure`, instead of the built-in one')
    .option('--cores <number>', 'of each machine; what is not given is as in the profile')
    .option('--memory <GiB>', 'of each machine')
    .option('--gbit <number>', 'of its network card (default: 10)')
    .option('--udp-ports <number>', 'in the range for media; 0 with rtc.udp_port (default: 10001)')
    .option('--files <number>', 'that the server may open (default: 65536)')
    .option('--headroom <percent>', 'that stays free on each machine (default: 30)')
    .option('--layout <layout>', 'speaker: one large picture and small ones; grid: all alike (default: speaker)')
    .option('--join-seconds <seconds>', 'within which everybody joins (default: 60)')
    .option('--hours <number>', 'of a day at which the rooms are full (default: 24)')
    .option('--json', 'print one JSON object')
    .action(async (words: string[], flags: object) => {
      const { printPlan } = await import('./plan/command.ts');
      printPlan(words.join(' '), flags, print);
    });
}

function addFleetCommands(root: Command): void {
  const listNodes = root.command('list-nodes').description('list the nodes of the cluster');
  addFlags(listNodes);
  listNodes.action(async () => {
    const { config } = settleFlags({ ...root.opts(), ...listNodes.opts() }, false);
    const { createLog } = await import('./log/log.ts');
    const fleet = await import('./fleet-commands.ts');
    await fleet.listNodes(
      config,
      createLog({ logging: { json: false, level: 'fatal' } }, () => {}),
      new Date(),
      print,
    );
  });
  for (const [name, description] of [
    ['drain', 'give a running node no new rooms, and send its participants elsewhere when its time is up'],
    ['undrain', 'let a draining node take new rooms again'],
  ] as const) {
    const command = root.command(name).description(description);
    addFlags(command);
    command.option('--url <url>', 'of the node; by default the one of this configuration on this machine');
    if (name === 'drain') command.option('--wait', 'until nobody is left');
    command.action(async () => {
      const flags = { ...root.opts(), ...command.opts() };
      const { drainNode } = await import('./fleet-commands.ts');
      await drainNode(settleFlags(flags).config, name, flags, print);
    });
  }
}

function program(): Command {
  const root = new Command('sluice')
    .description('WebRTC media server that LiveKit clients talk to. Run without a subcommand to start it.')
    .version(`sluice version ${version()}`, '-v, --version')
    .enablePositionalOptions()
    .allowExcessArguments(false);
  addFlags(root);
  root.action(() => serve(root.opts()));
  root
    .command('generate-keys')
    .description('print a fresh API key and secret')
    .action(() => generateKeys(print));
  const ports = root.command('ports').description('print the ports that the server is configured to use');
  addFlags(ports);
  ports.action(() => printPorts(settleFlags({ ...root.opts(), ...ports.opts() }, false).config, print));
  const token = root.command('create-join-token', { hidden: true }).description('print a token to join a room with');
  addFlags(token);
  token
    .option('--room <name>', 'room to join')
    .option('--identity <identity>', 'identity of the participant')
    .option('--recorder', 'hidden, neither publishes nor sends data')
    .action(() => {
      const flags = { ...root.opts(), ...token.opts() };
      return createJoinToken(settleFlags(flags).config, flags, print);
    });
  addDoctor(root);
  addPlan(root);
  addFleetCommands(root);
  root
    .command('help-verbose')
    .description('print every flag, the generated ones too')
    .action(() => printVerboseHelp(print));
  return root;
}

/** Flags that say what a configuration says. */
const CONFIG_FLAGS = ['config', 'configBody', 'keys', 'keyFile', 'dev'];

let exitCode = 0;
try {
  await program().parseAsync(process.argv);
  process.exit(exitCode);
} catch (error) {
  const text = error instanceof ConfigError || error instanceof Error ? error.message : String(error);
  process.stderr.write(`${text}\n`);
  process.exit(1);
}
