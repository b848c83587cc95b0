import { BackupError } from '../../model/errors.js';
import { type Dialogue, openDialogue } from '../../remote/dialogue.js';
import type { RemoteHost } from '../../remote/remote-host.js';
import { countProgram, readCounts, type Counted } from './counts.js';
import { serviceUnit, type NodeData } from './data.js';

/** After so long without a sign of life from us the host starts RabbitMQ by itself; one comes three times as often. */
const silentSeconds = 60;
const beatSeconds = 20;
/** For counting and stopping: a node that takes longer is started again. */
const stopSeconds = 240;
/** For starting, as RabbitMQ's own unit allows. */
const changeSeconds = 660;
const settleSeconds = 30;

/**
 * Starts a unit that we have stopped, or have locked clients out of: where it has not been started since, it is restarted. Arguments: unit, what systemd said of its start
 * before, an option for systemctl or nothing.
 */
const startScript = `
verb=start
[ "$(systemctl show --property=InactiveExitTimestampMonotonic "$1")" != "$2" ] || verb=restart
exec systemctl $3 "$verb" "$1"`;

/**
 * Holds a node on its host. Whatever happens to us, RabbitMQ is started again: when standard input ends, when the shell is told to end, and by a timer of systemd
 * that is armed before anything is touched, and anew at each sign of life (the next one before the last is taken away). Arguments: unit, name of the timers, seconds until they
 * start it, data directory (locked, so that nobody else does this), RabbitMQ's user, rabbitmqctl, the counting program, the starting script. Prints \`armed\` or \`busy\`, then answers
 * each line: \`beat\`: \`ok\`; \`stop\`: \`stopped COUNTS\` or \`not stopped WHY\`; \`look\`: \`untouched\` or \`started\`; \`start\`: \`started\` or \`not started WHY\`.
 */
const holdScript = `
set -f
unit=$1 name=$2 silent=$3 directory=$4 user=$5 control=$6 program=$7 starter=$8
since() { systemctl show --property=InactiveExitTimestampMonotonic "$unit"; }
number=0
disarm() { systemctl stop "$name-$1.timer" 2>/dev/null || :; }
arm() {
  number=$((number + 1))
  systemd-run --quiet --unit="$name-$number" --on-active="$1" --timer-property=AccuracySec=1s /bin/sh -c "$starter" sh "$unit" "$before" '' 9<&- || return
  disarm $((number - 1))
}
say() { printf '%s' "$1"; shift; printf ' %s' "$@"; printf '\\n'; }
touched=
let_go() {
  trap '' HUP INT TERM
  [ -n "$touched" ] || { disarm "$number"; return; }
  sh -c "$starter" sh "$unit" "$before" --no-block 9<&- && disarm "$number"
}
# Whoever listens may be gone when something is said.
trap '' PIPE
exec 9<"$directory"
flock -n 9 || { echo busy; exit 0; }
before=$(since)
trap 'let_go; exit 1' HUP INT TERM
arm "$silent" || exit
echo armed
while IFS= read -r line; do
  case $line in
    beat) if arm "$silent"; then echo ok; else echo lost; fi ;;
    stop)
      touched=yes
      arm ${String(stopSeconds)} || { echo 'not stopped'; continue; }
      if ! counts=$(runuser -u "$user" -- "$control" eval "$program" </dev/null 9<&- 2>&1); then
        say "not stopped" $counts
      elif ! why=$(systemctl stop "$unit" 2>&1) || [ "$(systemctl show --property=Result "$unit")" != Result=success ]; then
        say "not stopped" $why
      else
        say stopped $counts
      fi
      arm "$silent" || : ;;
    look) if [ "$(since)" = "$before" ] && ! systemctl --quiet is-active "$unit"; then echo untouched; else echo started; fi ;;
    start)
      trap '' HUP INT TERM
      arm ${String(changeSeconds)} || :
      if [ -z "$touched" ] || { why=$(sh -c "$starter" sh "$unit" "$before" '' 2>&1 9<&-) && why=$(runuser -u "$user" -- "$control" --quiet await_startup --timeout 600 </dev/null 9<&- 2>&1); }; then
        disarm "$number"
        touched=
        echo started
      else
        say "not started" $why
      fi
      exit 0 ;;
  esac
done
let_go
`;

/** A node whose stop and start are ours. */
export interface HeldNode {
  /** Keeps clients out, counts messages and stops the node. Errors: SERVICE_ANSWER. */
  stop(signal: AbortSignal): Promise<Counted>;
  /** Error TAR_FAILED where somebody has started the node since. */
  expectStopped(signal: AbortSignal): Promise<void>;
  /** Starts the node where it was stopped, and waits until it serves. Error SERVICE_DOWN. To be called however the work has ended. */
  start(): Promise<void>;
}

/** What a person would type for it, for plans. */
export const holdCommands = { stop: `systemctl stop ${serviceUnit}`, start: `systemctl start ${serviceUnit}` };

/** Arms what starts the node again; touches nothing else. Errors: HOST_LOCKED, COMMAND_FAILED (no systemd-run, no flock), and the host's own. */
export async function holdNode(
  remote: RemoteHost,
  { host, directory, user, rabbitmqctl }: NodeData,
  { runId, signal }: { readonly runId: string; readonly signal: AbortSignal },
): Promise<HeldNode> {
  const program = countProgram({ alone: true, seconds: settleSeconds });
  const timers = `lsbackup-start-rabbitmq-${runId}`;
  const values = [serviceUnit, timers, String(silentSeconds), directory, user, rabbitmqctl, program, startScript];
  const what = `stop and start of RabbitMQ on ${host}`;
  const command = { argv: ['sh', '-c', holdScript, 'lsbackup', ...values], become: 'root' };
  const dialogue = await openDialogue(remote, command, { what, signal });
  const answer = await dialogue.next({ signal, seconds: beatSeconds });
  if (answer !== 'armed') {
    await dialogue.end(beatSeconds);
    throw new BackupError('HOST_LOCKED', `${host}: another backup of RabbitMQ's messages runs on this host`, {
      host,
      component: 'rabbitmq',
      hint: 'Wait until it has ended.',
      retryable: true,
    });
  }
  return heldBy(dialogue, host);
}

function heldBy(dialogue: Dialogue, host: string): HeldNode {
  const never = new AbortController().signal;
  const beat = setInterval(() => {
    // Where it fails the host starts the node, and `expectStopped` or `start` say so.
    dialogue.ask('beat', { signal: never, seconds: changeSeconds }).catch(() => undefined);
  }, beatSeconds * 1000);
  beat.unref();
  return {
    async stop(signal) {
      const answer = await dialogue.ask('stop', { signal, seconds: changeSeconds });
      const [, counts] = /^stopped (.*)$/.exec(answer) ?? [];
      if (counts !== undefined) return readCounts(host, counts);
      throw new BackupError('SERVICE_ANSWER', `${host}: RabbitMQ was ${answer.slice(0, 400)}`, {
        host,
        component: 'rabbitmq',
        hint: 'Messages can be saved from RabbitMQ 3.8.8 on.',
      });
    },
    async expectStopped(signal) {
      if ((await dialogue.ask('look', { signal, seconds: beatSeconds })) === 'untouched') return;
      throw new BackupError('TAR_FAILED', `${host}: RabbitMQ was started while its messages were copied`, {
        host,
        component: 'rabbitmq',
        hint: 'Does something watch over it and start it? Was the connection lost for a minute?',
      });
    },
    async start() {
      clearInterval(beat);
      const answer = await startOf(dialogue, host);
      if (answer !== 'started') throw notStarted(host, answer);
    },
  };
}

async function startOf(dialogue: Dialogue, host: string): Promise<string> {
  const never = new AbortController().signal;
  try {
    const answer = await dialogue.ask('start', { signal: never, seconds: 2 * changeSeconds });
    await dialogue.end(beatSeconds);
    return answer;
  } catch (cause) {
    throw notStarted(
      host,
      'nothing is known of it, because the connection was lost; the host starts it by itself',
      cause,
    );
  }
}

function notStarted(host: string, why: string, cause?: unknown): BackupError {
  return new BackupError('SERVICE_DOWN', `${host}: RabbitMQ was stopped to copy its messages: ${why.slice(0, 400)}`, {
    host,
    component: 'rabbitmq',
    hint: `Look at once whether it runs on ${host}: ${holdCommands.start}; its log says why it did not.`,
    cause,
  });
}
