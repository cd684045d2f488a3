/** Command-line flags and environment variables, livekit-server's own (livekit-facts 9.1). */

import { type Command, Option } from 'commander';
import { parseKeys } from './keys.ts';
import { type Loaded, loadConfig, type Override, scalarPaths } from './load.ts';

/** A flag with a name of its own for a key of the file. */
interface NamedFlag {
  flag: string;
  argument: string;
  help: string;
  env?: string;
  /** Where the value goes; flags without one are read by name. */
  path?: string;
}

const NAMED: NamedFlag[] = [
  { flag: 'config', argument: '<file>', help: 'path of the config file' },
  {
    flag: 'config-body',
    argument: '<yaml>',
    help: 'the config file itself, usually from the environment in a container',
    env: 'LIVEKIT_CONFIG',
  },
  { flag: 'key-file', argument: '<file>', help: 'path of a file with API keys and secrets', path: 'key_file' },
  { flag: 'keys', argument: '<yaml>', help: 'API keys as lines of "key: secret"', env: 'LIVEKIT_KEYS' },
  { flag: 'region', argument: '<name>', help: 'region of this node', env: 'LIVEKIT_REGION', path: 'region' },
  {
    flag: 'node-ip',
    argument: '<ip>',
    help: 'address told to clients; found out by default',
    env: 'NODE_IP',
    path: 'rtc.node_ip',
  },
  { flag: 'udp-port', argument: '<ports>', help: 'UDP port or ports for media', env: 'UDP_PORT', path: 'rtc.udp_port' },
  { flag: 'redis-host', argument: '<host:port>', help: 'Redis server', env: 'REDIS_HOST', path: 'redis.address' },
  {
    flag: 'redis-password',
    argument: '<password>',
    help: 'password of Redis',
    env: 'REDIS_PASSWORD',
    path: 'redis.password',
  },
  {
    flag: 'turn-cert',
    argument: '<file>',
    help: 'TLS certificate of TURN',
    env: 'LIVEKIT_TURN_CERT',
    path: 'turn.cert_file',
  },
  { flag: 'turn-key', argument: '<file>', help: 'TLS key of TURN', env: 'LIVEKIT_TURN_KEY', path: 'turn.key_file' },
  { flag: 'cpuprofile', argument: '<file>', help: 'write a CPU profile to this file at exit' },
  { flag: 'memprofile', argument: '<file>', help: 'write a heap snapshot to this file at exit' },
];

/** What the command line said, by flag name without dashes. */
export type Flags = Record<string, unknown>;

/** Adds every flag to a command, the generated ones hidden. */
export function addFlags(command: Command): void {
  command.addOption(
    new Option('--bind <ip>', 'address to listen on; may be given several times').argParser(
      (value, former: string[] | undefined) => [...(former ?? []), value],
    ),
  );
  for (const { flag, argument, help, env } of NAMED) {
    const option = new Option(`--${flag} ${argument}`, env === undefined ? help : `${help} [$${env}]`);
    command.addOption(option);
  }
  command.addOption(new Option('--dev', 'development mode: debug log, placeholder keys; not safe in production'));
  command.addOption(new Option('--disable-strict-config', 'let unknown config keys pass').hideHelp());
  for (const { path, boolean } of generatedPaths()) {
    command.addOption(new Option(`--${path} ${boolean ? '[value]' : '<value>'}`, 'generated').hideHelp());
  }
}

function generatedPaths() {
  const taken = new Set(NAMED.map(({ flag }) => flag));
  return scalarPaths().filter(({ path }) => !taken.has(path));
}

/** All flags with their environment variables, for `help-verbose`. */
export function describeFlags(): { flag: string; env: string | undefined; help: string }[] {
  return [
    { flag: '--bind', env: undefined, help: 'address to listen on; may be given several times' },
    ...NAMED.map(({ flag, env, help }) => ({ flag: `--${flag}`, env, help })),
    { flag: '--dev', env: undefined, help: 'development mode' },
    ...generatedPaths().map(({ path, expected }) => ({ flag: `--${path}`, env: envOf(path), help: expected })),
  ];
}

function envOf(path: string): string {
  return `LIVEKIT_${path.toUpperCase().replaceAll('.', '_')}`;
}

/** Reads flags and environment, then the file they name. */
export function loadFromFlags(flags: Flags, env: NodeJS.ProcessEnv): Loaded {
  return loadConfig({
    file: text(flags, 'config'),
    body: text(flags, 'configBody') ?? env.LIVEKIT_CONFIG,
    overrides: [...fromEnvironment(env), ...fromFlags(flags)],
    strict: flags.disableStrictConfig !== true,
  });
}

function fromEnvironment(env: NodeJS.ProcessEnv): Override[] {
  const overrides: Override[] = [];
  for (const { path } of generatedPaths()) add(overrides, path, env[envOf(path)], envOf(path));
  for (const { path, env: name } of NAMED) {
    if (name !== undefined && path !== undefined) add(overrides, path, env[name], name);
  }
  if (env.LIVEKIT_KEYS) add(overrides, 'keys', parseKeys(env.LIVEKIT_KEYS, 'LIVEKIT_KEYS'), 'LIVEKIT_KEYS');
  return overrides;
}

function fromFlags(flags: Flags): Override[] {
  const overrides: Override[] = [];
  for (const { path } of generatedPaths()) add(overrides, path, flags[path], `--${path}`);
  for (const { flag, path } of NAMED) {
    if (path !== undefined) add(overrides, path, text(flags, camel(flag)), `--${flag}`);
  }
  const keys = text(flags, 'keys');
  if (keys !== undefined) add(overrides, 'keys', parseKeys(keys, '--keys'), '--keys');
  add(overrides, 'bind_addresses', flags.bind, '--bind');
  return overrides;
}

function add(overrides: Override[], path: string, value: unknown, source: string): void {
  if (value !== undefined && value !== '') overrides.push({ path, value, source });
}

function text(flags: Flags, name: string): string | undefined {
  const value = flags[name];
  return typeof value === 'string' ? value : undefined;
}

/** Commander's name for a dashed flag. */
function camel(flag: string): string {
  return flag.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
