// A restore of twelve steps in three sets over plain files of this machine, which can be killed at any of its points.
//
//   node test/support/synthetic-restore.mjs restore|resume|rollback DIRECTORY [KILL_AT]
import { mkdir, readFile, readdir, readlink, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import {
  artifactPath,
  backup,
  bytesFormat,
  loadCluster,
  openArchive,
  openLocalStore,
  prepareRestore,
  resumeRestore,
  rollbackRestore,
  z,
} from '@lsbackup/core';

export const setNames = ['one', 'two', 'three'];
const host = 'h1';
const pieces = 8;
const noUndo = z.null();

/** Called again and again on the way; at the chosen count the process is gone. */
function createPoints(killAt) {
  let count = 0;
  return {
    get count() {
      return count;
    },
    pass() {
      count += 1;
      if (count === killAt) process.kill(process.pid, 'SIGKILL');
    },
  };
}

/** A kind whose functions pass a point where they end, and those that change something where they begin too. */
function pointed(points, kind) {
  const looking = (work) => async (context, params, undo) => {
    const result = await work(context, params, undo);
    points.pass();
    return result;
  };
  const changing = (work) => {
    const ending = looking(work);
    return (context, params, undo) => {
      points.pass();
      return ending(context, params, undo);
    };
  };
  return {
    ...kind,
    prepare: looking(kind.prepare),
    apply: changing(kind.apply),
    probe: looking(kind.probe),
    revert: changing(kind.revert),
  };
}

/** The script takes its time in the middle, and the point is passed then. */
async function slowly(points, context, script, directory) {
  const remote = await context.remote(host);
  const running = remote.run({ argv: ['sh', '-euc', script, 'sh', directory] }, { signal: context.signal });
  running.catch(() => undefined);
  await delay(15);
  points.pass();
  await running;
}

async function says(context, script, directory) {
  const remote = await context.remote(host);
  const { stdout } = await remote.run({ argv: ['sh', '-euc', script, 'sh', directory] }, { signal: context.signal });
  return stdout.toString().trim();
}

/** Stop, move aside, write, start: what a restore of files does, with a half of everything. */
function kindsOf(root, points) {
  const params = z.object({ set: z.string(), artifact: z.string().optional() });
  const at = ({ set }) => join(root, 'data', set);
  const kind = (name, undo, functions) => pointed(points, { name: `synthetic.${name}`, params, undo, ...functions });
  const scripted = (name, { apply, revert, probe }) =>
    kind(name, noUndo, {
      prepare: () => Promise.resolve(null),
      apply: (context, each) => slowly(points, context, apply, at(each)),
      revert: (context, each) => slowly(points, context, revert, at(each)),
      probe: (context, each) => says(context, probe, at(each)),
    });
  const state = (done, not) => `if ${done}; then echo done; elif ${not}; then echo 'not done'; else echo half; fi`;
  return [
    scripted('stop', {
      apply: 'cd "$1"; rm -f running.1; sleep 0.03; rm -f running.2',
      revert: 'cd "$1"; touch running.1; sleep 0.03; touch running.2',
      probe: `cd "$1"; ${state('[ ! -e running.1 ] && [ ! -e running.2 ]', '[ -e running.1 ] && [ -e running.2 ]')}`,
    }),
    scripted('aside', {
      apply: 'cd "$1"; mkdir -p old; for f in live/*; do [ -e "$f" ] || continue; mv "$f" old/; sleep 0.005; done',
      revert:
        'cd "$1"; mkdir -p old; for f in old/*; do [ -e "$f" ] || continue; mv "$f" live/; sleep 0.005; done; rmdir old',
      probe: `cd "$1"; ${state('[ -d old ] && [ -z "$(ls live)" ]', '[ ! -d old ]')}`,
    }),
    kind('write', noUndo, {
      prepare: () => Promise.resolve(null),
      apply: async (context, each) => {
        const remote = await context.remote(host);
        const script =
          'cd "$1"; rm -rf live.new; mkdir live.new; while read -r n; do echo "$n" >live.new/$n; done; sleep 0.03; rm -rf live; mv live.new live';
        const writing = remote.write(
          { argv: ['sh', '-euc', script, 'sh', at(each)] },
          await context.read(each.artifact),
          {
            signal: context.signal,
          },
        );
        writing.catch(() => undefined);
        await delay(15);
        points.pass();
        await writing;
      },
      revert: (context, each) =>
        slowly(points, context, 'cd "$1"; rm -rf live.new; sleep 0.02; rm -rf live; mkdir live', at(each)),
      probe: async (context, each) => {
        const script = `cd "$1"; [ ! -d live.new ] || echo +; ls live | wc -l`;
        const answer = await says(context, script, at(each));
        if (answer === String(pieces)) return 'done';
        return answer === '0' ? 'not done' : 'half';
      },
    }),
    kind('switch', z.object({ before: z.string() }), {
      prepare: async (context, each) => ({ before: await says(context, 'readlink "$1/version"', at(each)) }),
      apply: (context, each) =>
        slowly(
          points,
          context,
          'cd "$1"; rm -f version; sleep 0.03; ln -s new version; touch running.1 running.2',
          at(each),
        ),
      revert: async (context, each, { before }) => {
        const remote = await context.remote(host);
        const script = 'cd "$1"; rm -f version running.1 running.2; ln -s "$2" version';
        points.pass();
        await remote.run({ argv: ['sh', '-euc', script, 'sh', at(each), before] }, { signal: context.signal });
      },
      probe: async (context, each, { before }) => {
        const answer = await says(
          context,
          'cd "$1"; readlink version || echo none; [ ! -e running.2 ] || echo on',
          at(each),
        );
        if (answer === 'new\non') return 'done';
        return answer === before ? 'not done' : 'half';
      },
    }),
  ];
}

function synthetic(root, points) {
  const artifact = (set) => artifactPath('synthetic', host, set);
  return {
    name: 'synthetic',
    area: 'synthetic',
    groups: ['synthetic'],
    after: [],
    options: z.strictObject({}),
    stepKinds: kindsOf(root, points),
    discover: ({ hosts }) =>
      Promise.resolve({
        units: hosts.map(({ name }) => ({
          name,
          hosts: [name],
          product: { name: 'synthetic', version: '1', detectedBy: 'nothing' },
          consistency: 'none',
          containsSecrets: false,
          artifacts: setNames.map((set) => ({ path: artifact(set), host: name, commands: [] })),
          warnings: [],
          found: null,
        })),
        problems: [],
        absent: [],
      }),
    async backup(context, unit) {
      for (const { path } of unit.artifacts) {
        const set = path.split('/').at(-1);
        const content = Array.from({ length: pieces }, (_, index) => `${set}-new-${index}\n`).join('');
        await context.saveBytes({ path, format: bytesFormat, host }, Buffer.from(content));
      }
    },
    restore: () =>
      Promise.resolve(
        setNames.flatMap((set) =>
          ['stop', 'aside', 'write', 'switch'].map((kind) => ({
            id: `${set}/${kind}`,
            kind: `synthetic.${kind}`,
            params: { set, ...(kind === 'write' ? { artifact: artifact(set) } : {}) },
            set,
            // The last set waits for the first one.
            after: set === 'three' && kind === 'stop' ? ['one/switch'] : [],
            host,
            title: `${kind} ${set}`,
            preview: [],
            reads: kind === 'write' ? [artifact(set)] : [],
          })),
        ),
      ),
  };
}

const user = { name: 'root', homeDirectory: '/root' };

async function clusterOf(directory) {
  return loadCluster({ source: join(directory, 'build'), user });
}

/** Old data of three sets, an inventory of this machine, and an archive with the new data. */
export async function makeSynthetic(directory) {
  await mkdir(join(directory, 'build'), { recursive: true });
  await mkdir(join(directory, 'target'));
  await writeFile(join(directory, 'build/inventory'), `[synthetic]\n${host} ansible_connection=local\n`);
  for (const set of setNames) {
    const data = join(directory, 'data', set);
    await mkdir(join(data, 'live'), { recursive: true });
    for (let index = 0; index < 5; index += 1) await writeFile(join(data, 'live', `old-${index}`), set);
    for (const name of ['running.1', 'running.2']) await writeFile(join(data, name), '');
    await symlink('old', join(data, 'version'));
  }
  const target = await openLocalStore(join(directory, 'target'));
  const cluster = await clusterOf(directory);
  return backup({ cluster, user, target, components: [synthetic(directory, createPoints(0))] });
}

/** `old`, `new`, or what else it is: of one set, as an application would see it. */
export async function stateOf(directory, set) {
  const data = join(directory, 'data', set);
  const live = (await readdir(join(data, 'live')).catch(() => ['missing'])).sort().join(' ');
  const version = await readlink(join(data, 'version')).catch(() => 'missing');
  const running = (await readdir(data)).filter((name) => name.startsWith('running')).length;
  const content = await Promise.all(
    live.split(' ').map((name) => readFile(join(data, 'live', name), 'utf8').catch(() => 'missing')),
  );
  const seen = JSON.stringify({ live, version, running, content: content.join('') });
  const all = (count, name) => Array.from({ length: count }, (_, index) => name(index));
  const expected = {
    old: { live: all(5, (index) => `old-${index}`).join(' '), version: 'old', running: 2, content: set.repeat(5) },
    new: {
      live: all(pieces, (index) => `${set}-new-${index}`).join(' '),
      version: 'new',
      running: 2,
      content: all(pieces, (index) => `${set}-new-${index}\n`).join(''),
    },
  };
  return Object.keys(expected).find((name) => JSON.stringify(expected[name]) === seen) ?? seen;
}

/** Runs one of the three to its end, or to the point where the process is killed. Answers what came of the sets, and how many points there were. */
export async function runSynthetic(direction, directory, { killAt = 0 } = {}) {
  const points = createPoints(killAt);
  const target = await openLocalStore(join(directory, 'target'));
  const [name] = await readdir(join(directory, 'target'));
  const services = {
    cluster: await clusterOf(directory),
    user,
    stateDirectory: join(directory, 'state'),
    components: [synthetic(directory, points)],
    onEvent: (event) => {
      if (event.type === 'step' || event.type === 'set') points.pass();
    },
  };
  const archive = await openArchive(target, name);
  const [runId] = await readdir(join(directory, 'state/restores')).catch(() => []);
  if (direction === 'restore') {
    const prepared = await prepareRestore({ ...services, archive });
    try {
      return { ...(await prepared.apply()), points: points.count };
    } finally {
      await prepared[Symbol.asyncDispose]();
    }
  }
  const result =
    direction === 'resume'
      ? await resumeRestore({ ...services, archive, runId })
      : await rollbackRestore({ ...services, runId });
  return { ...result, points: points.count };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [direction, directory, killAt] = process.argv.slice(2);
  const { status, sets, points } = await runSynthetic(direction, directory, { killAt: Number(killAt ?? 0) });
  console.log(
    JSON.stringify({ status, sets: sets.map(({ set, status, error }) => [set, status, error?.message]), points }),
  );
}
