import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { readGroup } from './control-group.ts';
import { SystemLoad } from './system-load.ts';

function tree(t: TestContext, files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), 'group-'));
  t.after(() => rmSync(root, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

const NOTHING = { cpuMicros: undefined, cpuLimit: undefined, memoryUsed: undefined, memoryLimit: undefined };

describe('control group', () => {
  it('version 2 has the least of its own limits and of those around it', (t) => {
    const root = tree(t, {
      'proc/self/cgroup': '0::/pod/box\n',
      'sys/fs/cgroup/pod/cpu.max': '150000 100000\n',
      'sys/fs/cgroup/pod/memory.max': 'max\n',
      'sys/fs/cgroup/pod/box/cpu.max': 'max 100000\n',
      'sys/fs/cgroup/pod/box/cpu.stat': 'usage_usec 5000\nuser_usec 1\n',
      'sys/fs/cgroup/pod/box/memory.max': '1000\n',
      'sys/fs/cgroup/pod/box/memory.current': '700\n',
      'sys/fs/cgroup/pod/box/memory.stat': 'anon 1\ninactive_file 200\n',
    });
    assert.deepEqual(readGroup(root), { cpuMicros: 5000, cpuLimit: 1.5, memoryUsed: 500, memoryLimit: 1000 });
  });

  it('version 2 in a container that sees only its own group', (t) => {
    const root = tree(t, {
      'proc/self/cgroup': '0::/../../host/path\n',
      'sys/fs/cgroup/cpu.max': '50000 100000\n',
      'sys/fs/cgroup/cpu.stat': 'usage_usec 7\n',
    });
    assert.deepEqual(readGroup(root).cpuLimit, undefined, 'what is outside is not looked at');
    const own = tree(t, { 'proc/self/cgroup': '0::/\n', 'sys/fs/cgroup/cpu.max': '50000 100000\n' });
    assert.equal(readGroup(own).cpuLimit, 0.5);
  });

  it('version 1 has a folder for each controller', (t) => {
    const root = tree(t, {
      'proc/self/cgroup': '5:memory:/box\n4:cpu,cpuacct:/box\n1:name=systemd:/x\n0::/y\n',
      'sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us': '200000\n',
      'sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us': '100000\n',
      'sys/fs/cgroup/cpu,cpuacct/box/cpuacct.usage': '9000000\n',
      'sys/fs/cgroup/memory/box/memory.limit_in_bytes': '4096\n',
      'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
      'sys/fs/cgroup/memory/box/memory.usage_in_bytes': '1024\n',
      'sys/fs/cgroup/memory/box/memory.stat': 'total_inactive_file 24\n',
    });
    assert.deepEqual(readGroup(root), { cpuMicros: 9000, cpuLimit: 2, memoryUsed: 1000, memoryLimit: 4096 });
  });

  it('elsewhere is none', (t) => {
    assert.deepEqual(readGroup(tree(t, {})), NOTHING);
  });
});

describe('system load', () => {
  it('is a share of what the group may use', (t) => {
    const root = tree(t, {
      'proc/self/cgroup': '0::/\n',
      'sys/fs/cgroup/cpu.max': '50000 100000\n',
      'sys/fs/cgroup/cpu.stat': 'usage_usec 0\n',
      'sys/fs/cgroup/memory.max': '1000\n',
      'sys/fs/cgroup/memory.current': '250\n',
      'proc/net/dev':
        'Inter-|\n face |\n    lo: 1 1 0 0 0 0 0 0 1 900 0 9 0 0 0 0\n  eth0: 1 1 0 0 0 0 0 0 1 70 0 3 0 0 0 0\n',
    });
    const load = new SystemLoad(root);
    assert.equal(load.sample(0).cpuLoad, 0);
    writeFileSync(join(root, 'sys/fs/cgroup/cpu.stat'), 'usage_usec 250000\n');
    const { cpuLoad, memoryLoad, memoryTotal, numCpus, sysPacketsOut, sysPacketsDropped } = load.sample(1000);
    assert.deepEqual([cpuLoad, memoryLoad, memoryTotal, numCpus], [0.5, 0.25, 1000, 1]);
    assert.deepEqual([sysPacketsOut, sysPacketsDropped], [70, 3]);
  });

  it('without a group is that of the machine', () => {
    const load = new SystemLoad('/nowhere');
    const { memoryTotal, numCpus, cpuLoad } = load.sample(0);
    assert.ok(memoryTotal > 0 && numCpus >= 1 && cpuLoad === 0);
  });
});
