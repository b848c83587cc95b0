import { containerId } from './cluster-host.js';
import { must } from './lsbackup.js';

/** Side by side, for each command starts an Erlang machine of its own. Arguments: virtual hosts. */
const listScript = `
set -euo pipefail
list() { printf '## %s\\n' "$*"; rabbitmqctl "$@" --formatter json --silent < /dev/null | tr -d '\\n' ; printf '\\n'; }
listAll() {
  list list_vhosts name description tags
  list list_users
  list list_user_limits --global
  list list_global_parameters
}
listIn() {
  for kind in list_permissions list_topic_permissions list_parameters list_policies list_operator_policies list_vhost_limits list_bindings; do
    list $kind -p "$1"
  done
  list list_queues -p "$1" name durable auto_delete arguments type
  list list_exchanges -p "$1" name type durable auto_delete internal arguments
}
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
listAll > "$directory/all" &
started=$!
for vhost do
  listIn "$vhost" > "$(mktemp -p "$directory")" &
  started="$started $!"
done
for process in $started; do wait "$process"; done
cat "$directory"/*
`;

/** One line for each entry: its table, its virtual host in hexadecimal digits, and all of it. */
const tables = `
Line = fun(Table, VirtualHost, Entry) -> io_lib:format("~s ~s ~0p~n", [Table, binary:encode_hex(VirtualHost), Entry]) end,
[
  [Line(users, <<>>, User) || User <- rabbit_auth_backend_internal:all_users()],
  [Line(vhosts, vhost:get_name(V), {vhost:get_metadata(V), lists:sort(vhost:get_limits(V))}) || V <- rabbit_vhost:all()],
  [Line(queues, element(2, amqqueue:get_name(Q)), {amqqueue:get_name(Q), amqqueue:is_durable(Q), amqqueue:is_auto_delete(Q), amqqueue:get_arguments(Q), amqqueue:get_type(Q)})
    || Q <- rabbit_amqqueue:list()],
  [Line(exchanges, element(2, element(2, X)), [element(N, X) || N <- lists:seq(2, 7)]) || X <- ets:tab2list(rabbit_exchange)],
  [Line(permissions, element(3, element(2, P)), P) || P <- ets:tab2list(rabbit_user_permission)],
  [Line(topic_permissions, element(3, element(2, element(2, P))), P) || P <- ets:tab2list(rabbit_topic_permission)],
  [Line(routes, element(2, element(2, element(2, R))), R) || R <- ets:tab2list(rabbit_route)],
  [case element(2, P) of
     {V, _, _} -> Line(parameters, V, P);
     _ -> Line(global_parameters, <<>>, P)
   end || P <- ets:tab2list(rabbit_runtime_parameters)]
]`;

/** All that rabbitmqctl lists of a node, and of some of its virtual hosts, by list, entries sorted: as a user sees it. Takes long. */
export async function rabbitmqLists(
  host: string,
  vhosts: readonly string[],
): Promise<Readonly<Record<string, readonly string[]>>> {
  const state: Record<string, readonly string[]> = {};
  for (const block of (await asRabbitmq(host, listScript, ...vhosts)).split(/^## /m).filter(Boolean)) {
    const [title = '', content = ''] = block.split('\n');
    const entries: unknown = JSON.parse(content);
    state[title] = Array.isArray(entries) ? entries.map((entry) => JSON.stringify(entry)).sort() : [content];
  }
  return state;
}

/** The tables that definitions are in, entries sorted, with passwords' hashes and the types of arguments, as Erlang prints them. */
export async function rabbitmqTables(host: string): Promise<readonly string[]> {
  return (await inRabbitmq(host, tables)).split('\n').filter(Boolean).sort();
}

/** Of tables: what is in a virtual host, and itself. */
export function entriesOf(entries: readonly string[], vhost: string): readonly string[] {
  const digits = Buffer.from(vhost, 'utf8').toString('hex').toUpperCase();
  return entries.filter((entry) => entry.split(' ')[1] === digits);
}

/**
 * Runs Erlang expressions in the node, as `rabbitmqctl eval` does but in a hundredth of its time. Resolves with the last one's value, which is a text; the node writes it to
 * a file, because erl_call shortens what it prints. Rejects when an expression fails.
 */
export async function inRabbitmq(host: string, expressions: string): Promise<string> {
  return asRabbitmq(host, `${erlangFunction}\nerlang "$1"`, expressions);
}

/** Shell function that does it. */
export const erlangFunction = `
erlang() (
  set -eu
  export HOME=/var/lib/rabbitmq
  file=$(mktemp -u)
  said=$(printf '%s\\n' "ok = file:write_file(\\"$file\\", begin $1 end)." | erl_call -sname "rabbit@$(hostname -s)" -e)
  cat "$file" || { printf '%s\\n' "$said" >&2; exit 1; }
  rm "$file"
)`;

/** A text as Erlang's binary. */
export function binary(text: string): string {
  return `<<${[...Buffer.from(text, 'utf8')].join(',')}>>`;
}

/** As RabbitMQ's own user, whose arguments its wrapper does not give to a shell. */
export async function asRabbitmq(host: string, script: string, ...argv: readonly string[]): Promise<string> {
  return must('docker', 'exec', '-u', 'rabbitmq', await containerId(host), 'bash', '-c', script, 'bash', ...argv);
}
