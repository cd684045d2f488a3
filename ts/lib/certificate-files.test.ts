import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, describe, it } from 'node:test';
import { type Certificate, CertificateError } from './certificate.ts';
import { CertificateFiles } from './certificate-files.ts';
import { selfSigned } from './testing/self-signed.ts';

const followers: CertificateFiles[] = [];
afterEach(() => {
  for (const files of followers.splice(0)) files.close();
});

function folder(): string {
  return mkdtempSync(`${tmpdir()}/certificates-`);
}

/** Two files, each replaced as a whole. */
function write(path: string, pair: Certificate): void {
  for (const [name, content] of [
    ['cert.pem', pair.certPem],
    ['key.pem', pair.keyPem],
  ] as const) {
    writeFileSync(`${path}/.${name}`, content);
    renameSync(`${path}/.${name}`, `${path}/${name}`);
  }
}

function follow(certFile: string, keyFile: string, { pollMs = 3_600_000, now = () => new Date() } = {}) {
  const used: Certificate[] = [];
  const lines: { level: string; fields: Record<string, unknown>; text: string }[] = [];
  const waiting: (() => void)[] = [];
  const wake = () => {
    for (const resolve of waiting.splice(0)) resolve();
  };
  const say = (level: string) => (fields: object, text: string) => {
    lines.push({ level, fields: { ...fields }, text });
    wake();
  };
  let refuse: string | undefined;
  const files = new CertificateFiles({
    source: { section: 'tls', certFile, keyFile },
    use: (pair) => {
      if (refuse !== undefined) throw new Error(refuse);
      used.push(pair);
      wake();
    },
    log: { info: say('info'), error: say('error') },
    now,
    settleMs: 50,
    pollMs,
  });
  followers.push(files);
  const until = async (done: () => boolean) => {
    // Nothing that follows files keeps a process alive.
    const alive = setTimeout(() => assert.fail('nothing happened'), 10_000);
    while (!done()) await new Promise<void>((resolve) => waiting.push(resolve));
    clearTimeout(alive);
  };
  return {
    files,
    lines,
    used,
    until,
    untilUses: (pair: Certificate) => until(() => used.at(-1)?.certPem === pair.certPem),
    errors: () => lines.filter(({ level }) => level === 'error').map(({ fields }) => String(fields.error)),
    refuseWith: (reason: string) => (refuse = reason),
  };
}

function complaint(certFile: string, keyFile: string): string {
  try {
    follow(certFile, keyFile).files.start();
  } catch (error) {
    assert.ok(error instanceof CertificateError);
    return error.message;
  }
  return 'none';
}

describe('a certificate at the start', () => {
  const first = selfSigned();
  const other = selfSigned();

  it('may be given as PEM instead of as a path, and is not followed then', () => {
    const { files, used } = follow(first.certPem, first.keyPem);
    files.start();
    assert.deepEqual(used, [{ certPem: first.certPem, keyPem: first.keyPem }]);
    assert.equal(files.counts.loaded, 1);
  });

  it('is complained of by key and file, in words that say what to do', () => {
    const path = folder();
    write(path, first);
    const file = (name: string, content: string) => {
      writeFileSync(`${path}/${name}`, content);
      return `${path}/${name}`;
    };
    const cert = `${path}/cert.pem`;
    const key = `${path}/key.pem`;
    assert.equal(complaint('', key), 'tls.cert_file is not set');
    assert.match(complaint(`${path}/none`, key), /^could not read tls.cert_file \(.*\/none\): ENOENT/);
    assert.match(complaint(file('empty', ''), key), /^tls.cert_file \(.*\/empty\) holds no certificate$/);
    const torn = first.certPem.replace(/\n[^\n]+\n-----END/, '\n-----END');
    assert.match(complaint(file('torn', torn), key), /^tls.cert_file \(.*\/torn\): certificate 1 can't be read/);
    assert.match(complaint(cert, file('junk', 'junk')), /^tls.key_file \(.*\/junk\) holds no key that can be read$/);
    assert.match(complaint(cert, file('other', other.keyPem)), /^tls.key_file \(.*other\) is not the key of the/);
    const turned = file('turned', other.certPem + first.certPem);
    assert.match(complaint(turned, key), /own certificate in place 2: it must come first$/);
  });

  it('must be in date', () => {
    const old = selfSigned({ notAfter: new Date('2020-01-01T00:00:00Z') });
    const early = selfSigned({
      notBefore: new Date('2990-01-01T00:00:00Z'),
      notAfter: new Date('2991-01-01T00:00:00Z'),
    });
    assert.equal(complaint(old.certPem, old.keyPem), 'tls.cert_file is expired since 2020-01-01T00:00:00.000Z');
    assert.equal(complaint(early.certPem, early.keyPem), 'tls.cert_file is not valid before 2990-01-01T00:00:00.000Z');
  });

  it('may come with its chain', () => {
    const authority = selfSigned({ name: 'authority' });
    const leaf = selfSigned({ issuer: authority });
    assert.equal(complaint(leaf.certPem + authority.certPem, leaf.keyPem), 'none');
  });
});

describe('a certificate that changes', () => {
  it('is used when its files are replaced', async () => {
    const path = folder();
    const [first, second] = [selfSigned(), selfSigned()];
    write(path, first);
    const { files, untilUses, errors } = follow(`${path}/cert.pem`, `${path}/key.pem`);
    files.start();
    write(path, second);
    await untilUses(second);
    write(path, first);
    await untilUses(first);
    assert.deepEqual(errors(), []);
    assert.deepEqual([files.counts.loaded, files.counts.refused], [3, 0]);
  });

  it('is used when its files are written over', async () => {
    const path = folder();
    const [first, second] = [selfSigned(), selfSigned()];
    write(path, first);
    const { files, untilUses } = follow(`${path}/cert.pem`, `${path}/key.pem`);
    files.start();
    writeFileSync(`${path}/cert.pem`, second.certPem);
    writeFileSync(`${path}/key.pem`, second.keyPem);
    await untilUses(second);
  });

  it('is used when a mounted Kubernetes secret changes', async () => {
    const path = folder();
    const pairs = [selfSigned(), selfSigned(), selfSigned()] as const;
    for (const [index, pair] of pairs.entries()) {
      mkdirSync(`${path}/..version_${index}`);
      write(`${path}/..version_${index}`, pair);
    }
    symlinkSync('..version_0', `${path}/..data`);
    for (const name of ['cert.pem', 'key.pem']) symlinkSync(`..data/${name}`, `${path}/${name}`);
    const { files, untilUses, errors } = follow(`${path}/cert.pem`, `${path}/key.pem`);
    files.start();
    for (const index of [1, 2] as const) {
      symlinkSync(`..version_${index}`, `${path}/..data_tmp`);
      renameSync(`${path}/..data_tmp`, `${path}/..data`);
      await untilUses(pairs[index]);
    }
    assert.deepEqual(errors(), []);
  });

  it('is used when certbot turns its links, which ours only point at', async () => {
    const [live, archive, ours] = [folder(), folder(), folder()];
    const [first, second] = [selfSigned(), selfSigned()];
    const turn = (index: number, pair: Certificate) => {
      for (const [name, content] of [
        ['cert', pair.certPem],
        ['key', pair.keyPem],
      ] as const) {
        writeFileSync(`${archive}/${name}${index}.pem`, content);
        symlinkSync(`${archive}/${name}${index}.pem`, `${live}/.${name}`);
        renameSync(`${live}/.${name}`, `${live}/${name}.pem`);
      }
    };
    turn(1, first);
    for (const name of ['cert.pem', 'key.pem']) symlinkSync(`${live}/${name}`, `${ours}/${name}`);
    const { files, untilUses } = follow(`${ours}/cert.pem`, `${ours}/key.pem`);
    files.start();
    turn(2, second);
    await untilUses(second);
  });

  it('is found by the poll where the system tells nothing', async () => {
    const path = folder();
    const [first, second] = [selfSigned(), selfSigned()];
    mkdirSync(`${path}/a`);
    write(`${path}/a`, first);
    const { files, untilUses } = follow(`${path}/a/cert.pem`, `${path}/a/key.pem`, { pollMs: 150 });
    files.start();
    renameSync(`${path}/a`, `${path}/b`);
    mkdirSync(`${path}/a`);
    write(`${path}/a`, second);
    await untilUses(second);
  });

  it('stays in use when the new one is bad, which is told once and counted', async () => {
    const path = folder();
    const [first, second] = [selfSigned(), selfSigned()];
    write(path, first);
    const { files, used, until, untilUses, errors, lines } = follow(`${path}/cert.pem`, `${path}/key.pem`, {
      pollMs: 150,
    });
    files.start();
    write(path, { certPem: second.certPem, keyPem: first.keyPem });
    await until(() => errors().length === 1);
    assert.equal(used.length, 1);
    assert.match(errors()[0] ?? '', /^tls.key_file \(.*key.pem\) is not the key of the certificate in tls.cert_file/);
    assert.equal(lines.at(-1)?.text, 'keeping the former tls certificate');
    assert.equal(files.counts.refused, 1);
    write(path, second);
    await untilUses(second);
    assert.equal(errors().length, 1);
  });

  it('is looked at when asked to, and what is still bad is told again', () => {
    const path = folder();
    const [first, second] = [selfSigned(), selfSigned()];
    write(path, first);
    const { files, used, errors, lines } = follow(`${path}/cert.pem`, `${path}/key.pem`);
    files.start();
    files.reread();
    assert.equal(lines.at(-1)?.text, 'the tls certificate is unchanged');
    writeFileSync(`${path}/cert.pem`, 'junk');
    files.reread();
    files.reread();
    assert.equal(errors().length, 2);
    write(path, second);
    files.reread();
    assert.equal(used.at(-1)?.certPem, second.certPem);
    assert.equal(files.counts.loaded, 2);
  });

  it('stays in use when who uses it refuses the new one', () => {
    const path = folder();
    const first = selfSigned();
    write(path, first);
    const { files, used, refuseWith, errors } = follow(`${path}/cert.pem`, `${path}/key.pem`);
    files.start();
    write(path, selfSigned());
    refuseWith('curve not supported');
    files.reread();
    assert.deepEqual(errors(), ["tls.cert_file can't be used: curve not supported"]);
    assert.deepEqual(used, [{ certPem: first.certPem, keyPem: first.keyPem }]);
  });

  it('is not looked at any more after the end', () => {
    const path = folder();
    write(path, selfSigned());
    const { files, lines } = follow(`${path}/cert.pem`, `${path}/key.pem`);
    files.start();
    files.close();
    files.close();
    files.reread();
    assert.equal(lines.length, 1);
  });
});
