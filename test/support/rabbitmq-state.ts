import { containerId } from './cluster-host.js';
import { must } from './lsbackup.js';

const listScript = `
set -euo pipefail
list() { printf '## %s\\n' "$*"; rabbitmqctl "$@" --formatter json --silent | tr -d '\\n' ; printf '\\n'; }
list list_vhosts name description tags
list list_users
list list_user_limits --global
list list_global_parameters
rabbitmqctl list_vhosts name --silent | sed '/^$/d' | while IFS= read -r vhost; do
  for kind in list_permissions list_topic_permissions list_parameters list_policies list_operator_policies list_vhost_limits list_bindings; do
    list $kind -p "$vhost" < /dev/null
  done
  list list_queues -p "$vhost" name durable auto_delete arguments type < /dev/null
  list list_exchanges -p "$vhost" name type durable auto_delete internal arguments < /dev/null
done
`;

const tables = `[
  {users, lists:sort(rabbit_auth_backend_internal:all_users())},
  {vhosts, lists:sort([{vhost:get_name(V), vhost:get_metadata(V), lists:sort(vhost:get_limits(V))} || V <- rabbit_vhost:all()])},
  {queues, lists:sort([{amqqueue:get_name(Q), amqqueue:is_durable(Q), amqqueue:is_auto_delete(Q), amqqueue:get_arguments(Q), amqqueue:get_type(Q)} || Q <- rabbit_amqqueue:list()])},
  {exchanges, lists:sort([[element(N, X) || N <- lists:seq(2, 7)] || X <- ets:tab2list(rabbit_exchange)])} |
  [{Table, lists:sort(ets:tab2list(Table))} || Table <- [rabbit_user_permission, rabbit_topic_permission, rabbit_runtime_parameters, rabbit_route]]].`;

/** All that rabbitmqctl lists, by list, entries sorted: as a user sees it. Takes 20 seconds. */
export async function rabbitmqLists(host: string): Promise<Readonly<Record<string, readonly string[]>>> {
  const state: Record<string, readonly string[]> = {};
  for (const block of (await asRabbitmq(host, listScript)).split(/^## /m).filter(Boolean)) {
    const [title = '', content = ''] = block.split('\n');
    const entries: unknown = JSON.parse(content);
    state[title] = Array.isArray(entries) ? entries.map((entry) => JSON.stringify(entry)).sort() : [content];
  }
  return state;
}

/** The tables that definitions are in, with passwords' hashes and the types of arguments, as Erlang prints them. */
export async function rabbitmqTables(host: string): Promise<readonly string[]> {
  return (await asRabbitmq(host, 'rabbitmqctl eval "$1"', tables.replaceAll('\n', ' '))).split('\n');
}

/** As RabbitMQ's own user, whose arguments its wrapper does not give to a shell. */
export async function asRabbitmq(host: string, script: string, ...argv: readonly string[]): Promise<string> {
  return must('docker', 'exec', '-u', 'rabbitmq', await containerId(host), 'bash', '-c', script, 'bash', ...argv);
}
