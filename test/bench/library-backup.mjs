// One backup through the library, for what the command line has no words for: a slow target, a component with many artifacts.
//
//   node test/bench/library-backup.mjs '{"inventory": FILE, "target": DIR, "bytesPerSecond"?: N, "many"?: {"artifacts": N, "files": [...]}}'
import { homedir, userInfo } from 'node:os';
import { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';

// As the command does, before anything is loaded (packages/cli/bin/lsbackup.cjs).
setFlagsFromString('--semi-space-growth-factor=1');
const { artifactPath, backup, builtInComponents, bytesFormat, loadCluster, localDriver, openStore, z } =
  await import('@lsbackup/core');

const { inventory, target: directory, bytesPerSecond, many } = JSON.parse(process.argv[2]);
const user = { name: userInfo().username, homeDirectory: homedir() };
const cluster = await loadCluster({ source: inventory, user });
const store = await openStore(directory, [localDriver]);
const target = bytesPerSecond === undefined ? store : slowed(store, bytesPerSecond);
const components = many === undefined ? builtInComponents : [manyArtifacts(many)];
const { status } = await backup({ cluster, user, target, components });
if (status !== 'complete') throw new Error(`the backup is ${status}`);

/** The same store, which takes no more than so many bytes a second. */
function slowed(inner, rate) {
  return {
    ...inner,
    begin: async (name, options) => {
      const upload = await inner.begin(name, options);
      return {
        name: upload.name,
        body: slowBody(upload.body, rate),
        commit: (commitOptions) => upload.commit(commitOptions),
        abort: () => upload.abort(),
      };
    },
  };
}

function slowBody(body, rate) {
  let due = performance.now();
  return new Writable({
    highWaterMark: 1024 * 1024,
    write: (chunk, _encoding, callback) => {
      due = Math.max(due, performance.now()) + (chunk.length / rate) * 1000;
      sleep(due - performance.now()).then(() => body.write(chunk, callback));
    },
    final: (callback) => {
      body.end();
      finished(body, { readable: false }).then(() => callback(), callback);
    },
    destroy: (error, callback) => {
      if (error) body.destroy(error);
      callback(error);
    },
  });
}

/** Artifacts asked for all at once, of equal size, spread over all hosts; each is some of the files, which every host has. */
function manyArtifacts({ artifacts, files }) {
  const numbers = Array.from({ length: artifacts }, (_, number) => number);
  return {
    name: 'many',
    area: 'many',
    groups: ['many'],
    after: [],
    options: z.strictObject({}),
    discover: ({ hosts }) =>
      Promise.resolve({
        units: hosts.map((host, index) =>
          unitOf(
            host.name,
            numbers.filter((number) => number % hosts.length === index),
          ),
        ),
        problems: [],
        absent: [],
      }),
    backup: async (context, unit) => {
      const remote = await context.remote(context.host(unit.name));
      await Promise.all(
        unit.found.map((number) => {
          const argv = ['cat', '--', ...files.filter((_, index) => index % artifacts === number)];
          const open = ({ signal }) => remote.read({ argv }, { signal });
          return context.save({ path: pathOf(unit.name, number), host: unit.name, format: bytesFormat, open });
        }),
      );
    },
  };
}

function unitOf(host, numbers) {
  return {
    name: host,
    hosts: [host],
    product: { name: 'many', version: '1', detectedBy: 'nothing' },
    consistency: 'file-copy',
    containsSecrets: false,
    artifacts: numbers.map((number) => ({ path: pathOf(host, number), host, commands: [] })),
    warnings: [],
    found: numbers,
  };
}

function pathOf(host, number) {
  return artifactPath('many', host, `${number}.bin`);
}
