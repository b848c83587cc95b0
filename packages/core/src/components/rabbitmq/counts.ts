import { z } from 'zod';
import { BackupError } from '../../model/errors.js';

/** Queues that hold messages which outlive a restart, in the order of their names. */
export const countsSchema = z.array(
  z.object({
    vhost: z.string(),
    name: z.string(),
    messages: z.int(),
    /** Messages or the queue go away by themselves after a time: by its arguments, or by policies. */
    mayExpire: z.boolean(),
  }),
);
export type Counts = z.infer<typeof countsSchema>;

export interface Counted {
  readonly queues: Counts;
  /** Nobody was connected, and the numbers stood still. */
  readonly isSettled: boolean;
  /** Connections of clients since the node started. */
  readonly connections: number;
}

/**
 * An Erlang program for `rabbitmqctl eval` that counts messages which outlive a restart, until two counts are equal and nobody is connected, for at most `seconds`.
 * `alone`: keeps clients out first and closes their connections, as `rabbitmq-upgrade drain` does (rabbit_maintenance.erl, since 3.8.8); only a restart lets them in again.
 * Transient messages and queues end with the node, so they are not counted. A quorum queue is asked itself, because what is listed of it is renewed every few seconds only. Names are printed as hexadecimal digits.
 */
export function countProgram({ alone, seconds }: { readonly alone: boolean; readonly seconds: number }): string {
  return program
    .replace('ALONE', alone ? closeProgram : '')
    .replace('TRIES', String(seconds * 2))
    .replaceAll(/\s+/g, ' ')
    .trim();
}

const closeProgram = `
ok = rabbit_maintenance:suspend_all_client_listeners(),
rabbit_maintenance:close_all_client_connections(),`;

const program = `
Hex = fun(Text) -> lists:flatten([io_lib:format("~2.16.0b", [Byte]) || <<Byte>> <= Text]) end,
Keys = fun
  (Map) when is_map(Map) -> maps:keys(Map);
  (List) when is_list(List) -> [element(1, Entry) || Entry <- List];
  (_) -> []
end,
MayExpire = fun(Q) ->
  Names = Keys(amqqueue:get_arguments(Q)) ++ Keys(rabbit_policy:effective_definition(Q)),
  Ending = [<<"x-message-ttl">>, <<"x-expires">>, <<"x-max-age">>, <<"message-ttl">>, <<"expires">>, <<"max-age">>],
  lists:any(fun(Name) -> lists:member(Name, Ending) end, Names)
end,
Count = fun() ->
  lists:sort([
    begin
      {resource, V, queue, N} = amqqueue:get_name(Q),
      Messages = case amqqueue:get_type(Q) of
        rabbit_quorum_queue ->
          case catch rabbit_fifo_client:stat(amqqueue:get_pid(Q)) of
            {ok, M, _} when is_integer(M) -> M;
            _ -> unknown
          end;
        Type ->
          Item = case Type of rabbit_classic_queue -> messages_persistent; _ -> messages end,
          case catch rabbit_amqqueue:info(Q, [Item]) of
            [{Item, I}] when is_integer(I) -> I;
            _ -> unknown
          end
      end,
      {Hex(V), Hex(N), Messages, MayExpire(Q)}
    end || Q <- rabbit_amqqueue:list(), amqqueue:is_durable(Q), amqqueue:get_exclusive_owner(Q) =:= none])
end,
ALONE
Quiet = fun(Counts) ->
  rabbit_networking:connections() =:= [] andalso not lists:any(fun({_, _, M, _}) -> M =:= unknown end, Counts)
end,
Settle = fun
  Wait(0, Last) -> {false, Last};
  Wait(Tries, Last) ->
    timer:sleep(500),
    Now = Count(),
    case Now =:= Last andalso Quiet(Now) of
      true -> {true, Now};
      false -> Wait(Tries - 1, Now)
    end
end,
{Settled, Counts} = Settle(TRIES, Count()),
Connections = case ets:lookup(connection_churn_metrics, node()) of
  [Metrics] -> element(2, Metrics);
  _ -> length(rabbit_networking:connections())
end,
lists:flatten([io_lib:format("counted ~p ~b", [Settled, Connections]),
  [io_lib:format(" ~s:~s:~b:~p", [V, N, M, E]) || {V, N, M, E} <- Counts, is_integer(M), M > 0]]).
`;

/** What the program printed; Erlang breaks long texts into several. Error SERVICE_ANSWER. */
export function readCounts(host: string, printed: string): Counted {
  const text = [...printed.matchAll(/"([^"]*)"/g)].map(([, piece]) => piece).join('');
  const [, settled, connections, rest = ''] =
    /^counted (true|false) (\d+)((?: [0-9a-f]*:[0-9a-f]*:\d+:(?:true|false))*)$/.exec(text) ?? [];
  if (settled === undefined)
    throw new BackupError(
      'SERVICE_ANSWER',
      `${host}: RabbitMQ did not count its messages: ${printed.replaceAll(/\s+/g, ' ').trim().slice(0, 400)}`,
      { host, component: 'rabbitmq', hint: 'Messages can be saved from RabbitMQ 3.8.8 on.' },
    );
  const queues = rest
    .split(' ')
    .filter(Boolean)
    .map((entry) => {
      const [vhost = '', name = '', messages, mayExpire] = entry.split(':');
      return {
        vhost: Buffer.from(vhost, 'hex').toString('utf8'),
        name: Buffer.from(name, 'hex').toString('utf8'),
        messages: Number(messages),
        mayExpire: mayExpire === 'true',
      };
    });
  return { queues, isSettled: settled === 'true', connections: Number(connections) };
}

/** How the queues differ from what they should hold, each for people; `isFewer`: what is missing may have expired. */
export function countDifferences(
  wanted: Counts,
  present: Counts,
): readonly { readonly label: string; readonly mayBeExpired: boolean }[] {
  const key = ({ vhost, name }: Counts[number]): string => JSON.stringify([vhost, name]);
  const before = new Map(wanted.map((queue) => [key(queue), queue]));
  const now = new Map(present.map((queue) => [key(queue), queue]));
  return [...new Set([...before.keys(), ...now.keys()])].flatMap((each) => {
    const archived = before.get(each);
    const found = now.get(each);
    const expected = archived?.messages ?? 0;
    const there = found?.messages ?? 0;
    if (expected === there) return [];
    const { name = '', vhost = '' } = archived ?? found ?? {};
    const label = `queue ${JSON.stringify(name)} in virtual host ${JSON.stringify(vhost)}: ${String(there)} instead of ${String(expected)}`;
    return [{ label, mayBeExpired: archived?.mayExpire === true && there < expected }];
  });
}
