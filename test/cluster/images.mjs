// The images of the test hosts. A tag is a hash of what the image is made of, so nothing is built twice.
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensurePrograms } from '../setup/packages.mjs';
import { attempt, root, run, step } from '../setup/process.mjs';

const minute = 60_000;
const context = join(root, 'test/cluster/image');
const baseImage = 'debian:bookworm';

/** Stages of the Dockerfile that hosts run; the compose file names them. */
const stages = ['debian', 'lambdastack'];
const repository = (stage) => `lsbackup-test-${stage}`;

export function imageTag() {
  const hash = createHash('sha256');
  for (const name of readdirSync(context, { recursive: true }).sort()) {
    const path = join(context, name);
    const { mode } = statSync(path);
    if (statSync(path).isFile())
      hash
        .update(`${name}\0${mode & 0o111}\0`)
        .update(readFileSync(path))
        .update('\0');
  }
  return hash.digest('hex').slice(0, 12);
}

export async function ensureImages() {
  const tag = imageTag();
  for (const stage of stages) {
    const image = `${repository(stage)}:${tag}`;
    if (await attempt('docker', ['image', 'inspect', image])) continue;
    await ensureBaseImage();
    await step(`building the image ${image}`, () =>
      run('docker', ['build', '--target', stage, '--tag', image, context], { deadline: 15 * minute }),
    );
    await removeOlder(repository(stage), tag);
  }
}

/** From a registry where there is one, else made from Debian's packages. */
async function ensureBaseImage() {
  if (await attempt('docker', ['image', 'inspect', baseImage])) return;
  await step(`fetching the image ${baseImage}`, async () => {
    if (await attempt('docker', ['pull', '--quiet', baseImage], { deadline: 3 * minute })) return;
    await ensurePrograms({ mmdebstrap: 'mmdebstrap' });
    const directory = mkdtempSync(join(tmpdir(), 'lsbackup-base-'));
    try {
      const archive = join(directory, 'base.tar');
      await run('mmdebstrap', ['--variant=minbase', 'bookworm', archive, ...sources()], { deadline: 10 * minute });
      await run('docker', ['import', archive, baseImage], { deadline: 2 * minute });
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
}

/** The machine's own sources, if it is the same Debian: they name a mirror that answers from here, and have the updates. */
function sources() {
  const path = '/etc/apt/sources.list.d/debian.sources';
  try {
    return /^Suites:.*\bbookworm\b/m.test(readFileSync(path, 'utf8')) ? [path] : [];
  } catch {
    return [];
  }
}

async function removeOlder(name, keep) {
  const { stdout } = await run('docker', ['image', 'ls', '--format', '{{.Tag}}', name]);
  for (const tag of stdout.split('\n').filter((line) => line && line !== keep))
    await attempt('docker', ['image', 'rm', `${name}:${tag}`]);
}
