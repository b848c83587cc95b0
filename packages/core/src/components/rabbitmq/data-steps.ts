import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { removeEmptyDirectories } from '../../host-steps/places.js';
import { askState, script } from '../../host-steps/stage-files.js';
import { abortError, asBackupError, BackupError } from '../../model/errors.js';
import type { RemoteHost } from '../../remote/remote-host.js';
import type { StepContext, StepKind } from '../restore.js';
import { countDifferences, countProgram, countsSchema, readCounts, type Counted } from './counts.js';
import { serviceUnit } from './data.js';

/** For a start: the service's own limit is ten minutes. */
const serviceSeconds = 660;
/** For queues to show what they hold. */
const countSeconds = 60;

const dataParams = z.strictObject({
  host: z.string(),
  rabbitmqctl: z.string(),
  /** RabbitMQ's own. */
  user: z.string(),
  /** Of the run, beside the data directory: `new` holds what was unpacked, `old` what is kept. */
  directory: z.string().startsWith('/'),
  /** Where RabbitMQ has its data on this host. */
  data: z.string().startsWith('/'),
  /** Where it had them on the archived host, relative to `/`. */
  archived: z.string(),
});
export type DataParams = z.infer<typeof dataParams>;

const verifyParams = dataParams.extend({
  /** What the queues held when they were saved; null: nobody knows. */
  counts: countsSchema.nullable(),
  /** Other numbers are an error where they have no other reason. */
  isStrict: z.boolean(),
});
export type VerifyMessages = z.infer<typeof verifyParams>;

/**
 * Arguments: the run's directory, data directory, where it lies below \`new\`. Data and feature flags are one after the other renamed: there is at each moment either the old one
 * or the new one, or none. \`changing\` says that this was begun, \`swapped\` that it is done. What RabbitMQ made meanwhile (the host was booted in between) is put aside too.
 */
const common = `set -eu
directory=$1 data=$2 archived=$directory/new/$3
there() { [ -e "$1" ] || [ -L "$1" ]; }
aside() {
  number=1
  while there "$directory/meanwhile-$number"; do number=$((number + 1)); done
  mv -T -- "$1" "$directory/meanwhile-$number"
}
stop() {
  systemctl stop ${serviceUnit}
  if systemctl --quiet is-active ${serviceUnit}; then echo 'RabbitMQ does not stop' >&2; exit 1; fi
}
`;

const swapScript = `${common}
swap() {
  if ! there "$directory/old/$1" && ! there "$directory/old/$1.none"; then
    if there "$3"; then mv -T -- "$3" "$directory/old/$1"; else : > "$directory/old/$1.none"; fi
  fi
  if there "$2"; then
    if there "$3"; then aside "$3"; fi
    mv -T -- "$2" "$3"
  fi
}
[ ! -e "$directory/swapped" ] || exit 0
mkdir -p -- "$directory/old"
: > "$directory/changing"
stop
if there "$archived"; then chown -hR --reference="$([ -e "$directory/old/data" ] && echo "$directory/old/data" || echo "$data")" -- "$archived"; fi
if there "$archived-feature_flags"; then chown -h --reference="$archived" -- "$archived-feature_flags"; fi
swap feature_flags "$archived-feature_flags" "$data-feature_flags"
swap data "$archived" "$data"
sync
: > "$directory/swapped"`;

/** The new version goes back to where it was unpacked. */
const backScript = `${common}
back() {
  if there "$directory/old/$1" || there "$directory/old/$1.none"; then
    if there "$3"; then
      if there "$2"; then aside "$3"; else mv -T -- "$3" "$2"; fi
    fi
    if there "$directory/old/$1"; then mv -T -- "$directory/old/$1" "$3"; fi
    rm -f -- "$directory/old/$1.none"
  fi
}
[ -e "$directory/changing" ] || exit 0
mkdir -p -- "$directory/old"
stop
rm -f -- "$directory/swapped"
back data "$archived" "$data"
back feature_flags "$archived-feature_flags" "$data-feature_flags"
sync`;

const endScript = `rmdir -- "$1/old" || exit
rm -f -- "$1/changing"`;

const probeScript = `running=no
if systemctl --quiet is-active ${serviceUnit}; then running=yes; fi
if [ -e "$1/swapped" ] && [ $running = yes ]; then echo done
elif [ ! -e "$1/changing" ]; then echo 'not done'
else echo half; fi`;

const dropScript = `rm -rf --one-file-system -- "$1" || exit
${removeEmptyDirectories}`;

async function runScript(context: StepContext, params: DataParams, text: string): Promise<void> {
  const remote = await context.remote(params.host);
  const { directory, data, archived } = params;
  const command = { ...script(text, directory, data, archived), deadline: serviceSeconds };
  await remote.run(command, { signal: context.signal });
}

/** Starts RabbitMQ, and waits until it serves. Error RESTORE_FAILED. */
async function start(context: StepContext, { host, rabbitmqctl, user }: DataParams): Promise<void> {
  const remote = await context.remote(host);
  const { signal } = context;
  const deadline = serviceSeconds;
  try {
    await remote.run({ argv: ['systemctl', 'start', serviceUnit], become: 'root', deadline }, { signal });
    const wait = [rabbitmqctl, '--quiet', 'await_startup', '--timeout', '600'];
    await remote.run({ argv: wait, become: user, deadline }, { signal });
  } catch (cause) {
    throw new BackupError('RESTORE_FAILED', `${host}: RabbitMQ does not start: ${asBackupError(cause).message}`, {
      host,
      component: 'rabbitmq',
      hint: "RabbitMQ's log on this host says more.",
      cause,
    });
  }
}

/** Puts the unpacked data in the place of the present ones, with RabbitMQ stopped meanwhile. */
export const replaceData: StepKind<DataParams, null> = {
  name: 'rabbitmq.replace-data',
  params: dataParams,
  undo: z.null(),
  prepare: () => Promise.resolve(null),
  async apply(context, params) {
    await runScript(context, params, swapScript);
    await start(context, params);
  },
  probe: (context, { host, directory }) => askState(context, host, script(probeScript, directory)),
  async revert(context, params) {
    await runScript(context, params, backScript);
    await start(context, params);
    // Only now: the mark says that the old service may not be back yet.
    await runScript(context, params, endScript);
  },
  old: {
    describe: ({ directory }) =>
      `the data of RabbitMQ before the restore, messages and definitions, in ${directory}/old`,
    drop: (context, params) => runScript(context, params, dropScript),
  },
};

/** Compares what the queues hold with what they held when they were saved. */
export const verifyMessages: StepKind<VerifyMessages, null> = {
  name: 'rabbitmq.verify-messages',
  params: verifyParams,
  undo: z.null(),
  prepare: () => Promise.resolve(null),
  async apply(context, params) {
    if (params.counts !== null) await expectCounts(context, params, params.counts);
    const remote = await context.remote(params.host);
    await remote.run(
      { argv: ['touch', '--', `${params.directory}/verified`], become: 'root' },
      { signal: context.signal },
    );
  },
  probe: (context, { host, directory }) =>
    askState(context, host, script(`if [ -e "$1/verified" ]; then echo done; else echo 'not done'; fi`, directory)),
  async revert(context, { host, directory }) {
    const remote = await context.remote(host);
    await remote.run({ argv: ['rm', '-f', '--', `${directory}/verified`], become: 'root' }, { signal: context.signal });
  },
};

/** Clients that are back already may have taken or brought messages; then nobody can say. Error RESTORE_CHECK. */
async function expectCounts(
  context: StepContext,
  { host, rabbitmqctl, user, isStrict }: VerifyMessages,
  wanted: z.infer<typeof countsSchema>,
): Promise<void> {
  const remote = await context.remote(host);
  const deadline = Date.now() + countSeconds * 1000;
  let counted: Counted;
  let wrong: ReturnType<typeof countDifferences>;
  for (;;) {
    counted = await count(remote, { rabbitmqctl, user }, context.signal);
    wrong = countDifferences(wanted, counted.queues);
    if (wrong.length === 0) return;
    const isExplained = counted.connections > 0 || (counted.isSettled && wrong.every((each) => each.mayBeExpired));
    if (isExplained || Date.now() > deadline) break;
    await sleep(2000, undefined, { signal: context.signal }).catch(() => {
      throw abortError(context.signal);
    });
  }
  const why = counted.connections > 0 ? 'clients were back before they were counted' : 'messages may have expired';
  const unexplained = counted.connections > 0 ? [] : wrong.filter(({ mayBeExpired }) => !mayBeExpired);
  const named = wrong.slice(0, 5).map(({ label }) => label);
  const labels = `${named.join('; ')}${wrong.length > 5 ? `; and ${String(wrong.length - 5)} more` : ''}`;
  if (isStrict && unexplained.length > 0)
    throw new BackupError('RESTORE_CHECK', `${host}: queues do not hold what was saved: ${labels}`, {
      host,
      component: 'rabbitmq',
      hint: 'Where messages have an expiration of their own, some may be gone by now: --select rabbitmq.messages=uncounted takes that.',
    });
  context.warn({
    code: 'RMQ_MESSAGES',
    message: `${host}: queues do not hold the number of messages that was saved (${unexplained.length > 0 ? 'not explained' : why}): ${labels}`,
  });
}

async function count(
  remote: RemoteHost,
  { rabbitmqctl, user }: Pick<DataParams, 'rabbitmqctl' | 'user'>,
  signal: AbortSignal,
): Promise<Counted> {
  const argv = [rabbitmqctl, 'eval', countProgram({ alone: false, seconds: 5 })];
  const { stdout } = await remote.run({ argv, become: user, deadline: 120 }, { signal });
  return readCounts(remote.host.name, stdout.toString('utf8'));
}
