/**
 * An Erlang program for `rabbitmqctl eval`: waits until no import runs on the node, then removes what a file lists, for rabbitmqctl has no commands for exchanges
 * and bindings, and one program is quicker than a command for each object. Names come from the file alone, never as text of the program; the file's path is in
 * it as numbers. No character of it means something to a shell, because RabbitMQ's wrapper passes arguments through one.
 *
 * The file is a JSON list of lists: the kind, and what names the object (objects.ts). What is not there is passed over. `empty_queues` are removed only when they hold no
 * messages; quorum queues cannot be told so, their messages are counted before. The functions are those rabbitmqctl calls for its own commands (deps/rabbitmq_cli), 3.8 to 4.
 * An import is known by its module on the stack of a process: it goes on in the server when the command that began it is gone.
 * Prints `{done,Failures}`, or `busy` when an import has not ended within `seconds`.
 */
export function removalProgram(file: string, seconds: number): string {
  return program
    .replace('FILE', bytes(file))
    .replace('TRIES', String(seconds * 10))
    .replaceAll(/\s+/g, ' ')
    .trim();
}

function bytes(text: string): string {
  return `<<${[...Buffer.from(text, 'utf8')].join(',')}>>`;
}

const program = `
{ok, Text} = file:read_file(FILE),
Me = atom_to_binary(lsbackup, utf8),
Stack = list_to_binary([atom_to_list(rabbit_definitions), 58]),
Importing = fun() ->
  lists:any(fun(P) ->
    P =/= self() andalso
      case process_info(P, backtrace) of
        {backtrace, B} -> binary:match(B, Stack) =/= nomatch;
        undefined -> false
      end
  end, processes())
end,
Quiet = fun
  Wait(_, 3) -> true;
  Wait(0, _) -> false;
  Wait(Tries, Times) ->
    case Importing() of
      true -> timer:sleep(100), Wait(Tries - 1, 0);
      false -> timer:sleep(50), Wait(Tries, Times + 1)
    end
end,
Remove = fun([KindName | Names]) ->
  case {binary_to_atom(KindName, utf8), Names} of
    {user_limits, [U]} -> rabbit_auth_backend_internal:clear_user_limits(U, atom_to_binary(all, utf8), Me);
    {bindings, [V, S, T, D, K, A]} ->
      Source = rabbit_misc:r(V, exchange, S),
      Destination = rabbit_misc:r(V, binary_to_atom(T, utf8), D),
      [rabbit_binding:remove(B, fun(_, _) -> ok end, Me)
        || B <- rabbit_binding:list_for_source_and_destination(Source, Destination),
           element(3, B) =:= K,
           rabbit_json:decode(rabbit_json:encode(rabbit_misc:amqp_table(element(5, B)))) =:= A],
      ok;
    {Kind, [V, N]} when Kind =:= queues; Kind =:= empty_queues ->
      case rabbit_amqqueue:lookup(rabbit_misc:r(V, queue, N)) of
        {ok, Q} ->
          case rabbit_amqqueue:delete(Q, false, Kind =:= empty_queues, Me) of
            {protocol_error, not_implemented, _, _} ->
              [{messages, 0}] = rabbit_amqqueue:info(Q, [messages]),
              rabbit_amqqueue:delete(Q, false, false, Me);
            Other -> Other
          end;
        _ -> ok
      end;
    {exchanges, [V, N]} -> rabbit_exchange:delete(rabbit_misc:r(V, exchange, N), false, Me);
    {policies, [V, N]} -> rabbit_policy:delete(V, N, Me);
    {parameters, [V, C, N]} ->
      case binary_to_atom(C, utf8) of
        operator_policy -> rabbit_policy:delete_op(V, N, Me);
        _ -> rabbit_runtime_parameters:clear(V, C, N, Me)
      end;
    {global_parameters, [N]} -> rabbit_runtime_parameters:clear_global(binary_to_atom(N, utf8), Me);
    {topic_permissions, [U, V, X]} -> rabbit_auth_backend_internal:clear_topic_permissions(U, V, X, Me);
    {permissions, [U, V]} -> rabbit_auth_backend_internal:clear_permissions(U, V, Me);
    {users, [U]} -> rabbit_auth_backend_internal:delete_user(U, Me);
    {vhosts, [V]} ->
      case rabbit_vhost:exists(V) of
        true -> rabbit_vhost:delete(V, Me);
        false -> ok
      end
  end
end,
Failure = fun(Entry) ->
  try Remove(Entry) of
    Result when is_tuple(Result), element(1, Result) =/= ok -> [Result];
    _ -> []
  catch
    _:Reason -> [Reason]
  end
end,
case Quiet(TRIES, 0) of
  true -> {done, lists:append([Failure(Entry) || Entry <- rabbit_json:decode(Text)])};
  false -> busy
end.`;
