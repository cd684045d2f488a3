/** Programs that tests need and npm has not: installed through apt where they are missing. */
import { spawnSync } from 'node:child_process';

const TOOLS = [
  { program: 'chromium', packages: ['chromium'] },
  { program: 'redis-server', packages: ['redis-server'] },
  // For the counts of `bench/instructions`; the C library's symbols are needed by it.
  { program: 'valgrind', packages: ['valgrind', 'libc6-dbg'] },
  // A clock that is wrong, for the cluster tests.
  { program: 'faketime', packages: ['faketime'] },
  // For the network tests: namespaces, firewalls, a browser's trust, and a TURN server and client of others.
  { program: 'ip', packages: ['iproute2'] },
  { program: 'iptables', packages: ['iptables'] },
  { program: 'certutil', packages: ['libnss3-tools'] },
  { program: 'turnutils_uclient', packages: ['coturn'] },
];

/** All of them, or those of these names. */
export function installTools(programs = TOOLS.map(({ program }) => program)) {
  const needed = TOOLS.filter(({ program }) => programs.includes(program));
  const missing = needed.filter(({ program }) => spawnSync('which', [program]).status !== 0);
  if (missing.length === 0) return;
  const packages = missing.flatMap((tool) => tool.packages);
  console.log(`installing ${packages.join(' ')}`);
  const sudo = process.getuid?.() === 0 ? [] : ['sudo'];
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', ...packages]]) {
    const [command, ...rest] = [...sudo, 'apt-get', ...args];
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const result = spawnSync(command, rest, { stdio: ['ignore', 'ignore', 'inherit'], env });
    if (result.status !== 0) throw new Error(`apt-get ${args[0]} failed; install ${packages.join(', ')} by hand`);
  }
}
